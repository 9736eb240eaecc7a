"""One person's hands: as long as told, of one shape, and where geometry then puts them."""
import json
import pickle
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from test_export import HANDS

from handpose import HandEstimator, HandModel, HandTracker, load_photo
from handpose.command import cli
from handpose.hand_model.skeleton import BONES
from handpose.person import common_betas, flat_length
from train.make_clip import make_clip

ROOT = Path(__file__).resolve().parent.parent
PHOTO = ROOT / "tests" / "data" / "hand_right.jpg"
LEFT_AND_RIGHT = ROOT / "assets" / "examples" / "both_hands.jpg"


def bones(joints: np.ndarray) -> np.ndarray:
    """Metres (20,)."""
    start, end = np.transpose(BONES)
    return np.linalg.norm(joints[end] - joints[start], axis=1)


def flat(hand) -> np.ndarray:
    """The 21 joints (21, 3) of the hand laid flat, by the hand model itself."""
    model = HandModel.load() if hand.side == "right" else HandModel.load().left()
    return hand.scale * model(np.zeros((1, 3)), np.zeros((1, 45)), hand.betas[None], np.zeros((1, 3))).joints[0]


def test_twice_the_length_is_twice_the_distance_and_the_same_pixels(estimator):
    photo = load_photo(LEFT_AND_RIGHT)
    small, large = (estimator.for_person(hand_length=length)(photo, fov_deg=60).hands for length in (0.1, 0.2))
    assert {hand.side for hand in small} == {"left", "right"}
    for one, twice in zip(small, large, strict=True):
        assert twice.distance == pytest.approx(2 * one.distance, rel=1e-5)
        assert np.allclose(twice.joints_3d, 2 * one.joints_3d, atol=1e-5)
        assert np.allclose(twice.vertices, 2 * one.vertices, atol=1e-5)
        assert np.allclose(twice.joints_2d, one.joints_2d, atol=1e-2)
        assert np.allclose(twice.hand_pose, one.hand_pose, atol=1e-6) and np.allclose(twice.betas, one.betas)


def test_hands_are_as_long_as_told_and_their_parameters_pose_them(estimator):
    for hand in estimator.for_person(hand_length=0.153)(load_photo(LEFT_AND_RIGHT)).hands:
        assert np.linalg.norm(flat(hand)[12] - flat(hand)[0]) == pytest.approx(0.153, abs=1e-5)
        model = HandModel.load() if hand.side == "right" else HandModel.load().left()
        posed = model(*(part[None] for part in (hand.global_orient, hand.hand_pose, hand.betas, np.zeros(3))))
        assert np.abs(hand.scale * posed.vertices[0] + hand.transl - hand.vertices).max() < 1e-4
        assert hand.to_dict()["scale"] == pytest.approx(hand.scale, abs=1e-5) != 1


def test_a_person_of_the_length_that_was_estimated_is_where_it_was(estimator):
    photo = load_photo(PHOTO)
    (hand,) = estimator(photo).hands
    length = flat_length(HandModel.load(), hand.betas)
    (same,) = estimator.for_person(hand_length=length)(photo).hands
    assert same.distance == pytest.approx(hand.distance, rel=0.05)
    assert np.linalg.norm(same.joints_2d - hand.joints_2d, axis=1).max() < 0.02 * np.ptp(hand.joints_2d, axis=0).max()


def test_a_shape_that_is_told_is_kept_in_photos_and_clips(estimator):
    betas = np.array([1.0, -0.5, 0.3, 0, 0, 0.2, 0, 0, 0, -0.4])
    person = estimator.for_person(betas=betas)
    photo = load_photo(LEFT_AND_RIGHT)
    hands = [*person(photo).hands, *(one.hand for one in HandTracker(person)(photo.rgb, 0.0))]
    assert len(hands) == 4
    for hand in hands:
        assert np.allclose(hand.betas, betas, atol=1e-6) and hand.scale == 1
        assert np.abs(bones(hand.joints_3d) - bones(hands[0].joints_3d)).max() < 0.003  # joints move a little in skin
    both = estimator.for_person(0.2, betas)(photo).hands[0]
    assert np.allclose(both.betas, betas) and np.linalg.norm(flat(both)[12] - flat(both)[0]) == pytest.approx(0.2)
    assert estimator(photo).hands[0].scale == 1  # the estimator itself knows nobody


def test_what_hands_have_in_common_is_the_median_of_the_sure_ones():
    hands = [replace(HANDS[0], betas=np.full(10, value), score=score)
             for value, score in ((1.0, 0.95), (1.2, 0.92), (99.0, 0.91), (-99.0, 0.89))]
    assert np.allclose(common_betas(hands), 1.2) and common_betas(hands[3:]) is None


def test_a_persons_estimator_can_be_pickled(estimator):
    person = estimator.for_person(hand_length=0.16)
    (hand,), (same,) = (one(load_photo(PHOTO)).hands for one in (person, pickle.loads(pickle.dumps(person))))
    assert same.to_dict() == hand.to_dict()


@pytest.mark.parametrize("told, said", [({"hand_length": 180}, "0.05 to 0.35 metres"), ({"hand_length": 0}, "metres"),
                                        ({"hand_length": np.nan}, "metres"), ({"betas": [1, 2]}, "ten finite"),
                                        ({"betas": np.full(10, np.inf)}, "ten finite")])
def test_what_no_hand_has_is_refused(estimator, told, said):
    with pytest.raises(ValueError, match=said):
        estimator.for_person(**told)


# ---- the command

@pytest.fixture
def predict(estimator, monkeypatch, tmp_path):
    """`handpose predict` with the estimator that is there; returns the exit code."""
    monkeypatch.setattr(HandEstimator, "load", lambda *_, **__: estimator)
    return lambda *arguments: cli.main(["predict", *map(str, arguments), "--no-overlay", "--out",
                                        str(tmp_path / "out")])


@pytest.fixture
def folder(tmp_path):
    """Two photos of hands, and one that is none."""
    (tmp_path / "photos").mkdir()
    shutil.copy(PHOTO, tmp_path / "photos" / "a.jpg")
    shutil.copy(ROOT / "tests" / "photos" / "open_light.jpg", tmp_path / "photos" / "b.jpg")
    (tmp_path / "photos" / "broken.jpg").write_bytes(b"no photo")
    return tmp_path / "photos"


def shapes(out: Path) -> list[list[float]]:
    return [hand["mano"]["betas"] for file in sorted(out.glob("*.json"))
            for hand in json.loads(file.read_text())["hands"]]


def test_all_files_have_one_persons_shape_until_there_are_others(predict, folder, tmp_path, capsys):
    out, clip = tmp_path / "out", tmp_path / "clip.mp4"
    make_clip(clip, motion="rest", frames=3, hands=1, width=320, height=240, fps=5, seed=2)
    assert predict(folder, clip, "--npz") == 1
    own = shapes(out)
    assert predict(folder, clip, "--one-person") == 1
    assert "broken.jpg is not an image" in capsys.readouterr().err
    shared = shapes(out)
    assert len(shared) == len(own) == 2 and shared[0] == shared[1] and own[0] != own[1]
    with np.load(out / "clip.npz") as arrays:
        assert np.allclose(arrays["betas"], shared[0], atol=1e-4) and np.allclose(arrays["scale"], 1)
    assert predict(folder, clip, "--one-person") == 1 and "3 files by an earlier run" in capsys.readouterr().out
    shutil.copy(ROOT / "tests" / "photos" / "pointing_up.jpg", folder / "c.jpg")
    assert predict(folder, clip, "--one-person") == 1
    assert "by an earlier run" not in capsys.readouterr().out and len(set(map(tuple, shapes(out)))) == 1


def test_a_length_in_millimetres_moves_hands(predict, folder, tmp_path):
    distances = []
    for length in (90, 180):
        assert predict(folder / "a.jpg", "--hand-length", length, "--fov", 50, "--npz") == 0
        with np.load(tmp_path / "out" / "a.npz") as arrays:
            distances.append(np.linalg.norm(arrays["joints_3d"][0, 0]))
            assert arrays["scale"][0] == pytest.approx(length / 1000 / flat_length(HandModel.load(), np.zeros(10)))
    assert distances[1] == pytest.approx(2 * distances[0], rel=1e-4)


def test_where_no_hand_is_sure_it_is_said(predict, tmp_path, capsys):
    Image.new("RGB", (200, 200), "grey").save(tmp_path / "wall.jpg")
    assert predict(tmp_path / "wall.jpg", "--one-person") == 0
    assert "No hand is sure enough" in capsys.readouterr().err
