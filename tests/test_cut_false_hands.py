"""Crops of what a detector takes for hands where none is: away from all that are labelled; and what training shows."""
import json

import cv2
import numpy as np
import pytest
import torch

from handpose.detection.region import HandRegion
from train import cut_false_hands
from train.cut_false_hands import cut, false_regions, looks
from train.data.dataset import load_renders
from train.data.inputs import make_inputs
from train.data.loader import Group
from train.finding.pictures import LabelledPicture
from train.learning.recipe import AugmentConfig, DataConfig, Recipe

PLAIN = AugmentConfig(turn_deg=0, scale=0, shift=0, color=0, fourier=0, motion_blur=0, cutout=0, grey=0, boxed=0)


def square(u, v, side):
    """A region whose hand's box is this wide about (u, v)."""
    return HandRegion(np.array([u, v], float), side * cut_false_hands.HAND_SCALE, 0.0, 0.5)


@pytest.fixture
def picture(tmp_path):
    """A green photo, a hand in its upper left and perhaps one in its upper right corner; a red disc where none is."""
    rgb = np.full((200, 300, 3), (0, 200, 0), np.uint8)
    cv2.circle(rgb, (150, 150), 20, (220, 0, 0), -1)
    cv2.imwrite(str(tmp_path / "photo.png"), rgb[..., ::-1])
    return LabelledPicture.of(tmp_path / "photo.png", [[0, 0, 60, 60]], [0.0], [1.0], [[240, 0, 300, 60]])


def test_what_touches_a_hand_is_none_of_them(picture):
    """Nor what holds one, or is a part of one."""
    rgb, boxes = next(looks(np.random.default_rng(0), picture))
    assert boxes.tolist() == [[0, 0, 60, 60], [240, 0, 300, 60]]
    away, beside, over, part, maybe, around = (square(*place) for place in (
        (150, 150, 40), (85, 30, 48), (50, 50, 60), (20, 20, 12), (250, 50, 60), (150, 100, 290)))
    found = false_regions(lambda rgb, thorough: [over, away, part, maybe, beside, around], rgb, boxes)
    assert [id(region) for region in found] == [id(away), id(beside)]


def test_boxes_turn_with_the_photo(picture):
    """In every second look, however it is turned and mirrored, the labelled corners show where they were."""
    plain = picture.read()
    plain[:60, :60] = (0, 0, 250)
    plain[:60, 240:] = (250, 250, 250)
    cv2.imwrite(str(picture.path), plain[..., ::-1])
    shapes = set()
    for seed in range(12):
        _, (turned, boxes) = looks(np.random.default_rng(seed), picture)
        for u0, v0, u1, v1 in boxes.round().astype(int):
            inside = turned[max(v0, 0) + 4:v1 - 4, max(u0, 0) + 4:u1 - 4].reshape(-1, 3).astype(float)
            green = inside[:, 1] - inside[:, [0, 2]].max(1)
            assert len(inside) > 2000 and np.median(green) <= 8  # blue or white, or all grey
        shapes.add(tuple(boxes.round().astype(int).ravel()))
    assert len(shapes) > 3


def test_a_crop_shows_its_region(picture):
    crops = [cut(np.random.default_rng(seed), picture.read(), square(150, 150, 40)) for seed in range(9)]
    for crop in crops:
        red = (crop[..., 0] > 150).mean()
        assert crop.shape == (128, 128, 3) and 0.2 < red < 0.75  # a disc as wide as 1/1.4 of the crop: .4
    assert len({crop.tobytes() for crop in crops}) == 9


def test_the_command_leaves_hands_out(tmp_path, capsys, monkeypatch):
    (tmp_path / "labels.json").write_text(json.dumps([
        {"file": "street/photo.png", "size": [200, 200], "doubtful": [],
         "hands": [{"box": [0, 0, 100, 100], "side": "left", "sure_side": True, "angle": 0.0}]}]))
    for folder in ("street", "walls"):
        (tmp_path / folder).mkdir()
        cv2.imwrite(str(tmp_path / folder / ("photo.png" if folder == "street" else "0.jpg")),
                    np.full((200, 200, 3), 120, np.uint8))
    monkeypatch.setattr(cut_false_hands.HandDetector, "__call__", lambda self, rgb, thorough, several=False: [
        square(u, v, 50) for u in (50, 150) for v in (50, 150)])
    cut_false_hands.main([str(tmp_path), "--labels", str(tmp_path / "labels.json"), "--backgrounds",
                          str(tmp_path / "walls"), "--out", str(tmp_path / "out")])
    assert "14 crops" in capsys.readouterr().out  # 3 and 4 of each two looks
    assert len(list((tmp_path / "out").glob("*.jpg"))) == 14
    with pytest.raises(SystemExit):
        cut_false_hands.main([str(tmp_path), "--labels", str(tmp_path / "none.json"), "--out", str(tmp_path / "out")])


def test_training_shows_backgrounds_and_false_hands_alike(rendered):
    samples = load_renders(rendered / "renders", rendered / "landmarks.npz").take(slice(8))
    recipe = Recipe(augment=PLAIN, data=DataConfig(without_hand=0.5, mirrored=0))
    walls, ears = (torch.full((3, size, size, 3), value, dtype=torch.uint8) for size, value in ((48, 40), (32, 200)))
    for kinds, values in (([walls, ears], [40, 40, 200, 200]), ([ears], [200] * 4), ([], [])):
        inputs = make_inputs([Group(0, samples, None)], recipe, 64, kinds, torch.device("cpu"))
        assert inputs.images.shape == (8 + len(values), 3, 64, 64)
        assert inputs.images[8:].mean((1, 2, 3)).round().tolist() == values
        assert len(inputs.landmarks) == len(inputs.given) == len(inputs.images) and len(inputs.hands.images) == 8
