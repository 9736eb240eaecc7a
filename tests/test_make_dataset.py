"""A data set of renders, tiny: read back by the reader that training has and by none of ours; its card is true."""
import csv
import json
import shutil

import cv2
import numpy as np
import pytest
import torch
import yaml
from PIL import Image

from handpose.hand_model.layer import HandLayer
from handpose.network.hand_network import HandNetwork, NetworkConfig
from train.data.freihand import FreiHand
from train.make_dataset import main
from train.synthesis.poses import PoseBank

COUNT, TEST, SIZE = 6, 3, 96


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with photos of all licences, an untrained network, and a bank of poses of two photo sets."""
    place = tmp_path_factory.mktemp("dataset")
    torch.manual_seed(0)
    HandNetwork(NetworkConfig(backbone="resnet18", input_size=64, token_width=48, token_layers=1,
                              pyramid_channels=32)).save(place / "network")
    (place / "walls").mkdir()
    rows = [("A | B", "CC-BY-4.0"), ("C", "CC-BY-SA-2.0"), ("D", "GPL-3+"), ("E", "CC-BY-SA-1.0"), ("F", "CC0-1.0"),
            ("G", "CC-BY-NC-4.0"), ("H", "public-domain")]
    rng = np.random.default_rng(0)
    with open(place / "walls" / "credits.csv", "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["file", "author", "licence", "source"])
        for number, row in enumerate(rows):
            cv2.imwrite(str(place / "walls" / f"{number}.jpg"), cv2.resize(rng.integers(0, 255, (6, 8, 3), np.uint8),
                                                                          (200, 150)))
            writer.writerow([f"{number}.jpg", *row, "somewhere"])
    bank = PoseBank.invented(60, seed=3)
    np.savez(place / "fits.npz", hand_pose=bank.hand_pose, global_orient=bank.global_orient,
             set=np.repeat(["kitchen", "garden"], 30), residual_2d=np.full(60, .01))
    return place


def make(place, out, *more, count=COUNT):
    main([str(place / out), "--count", str(count), "--test", str(TEST), "--size", str(SIZE), "--workers", "1",
          "--checkpoint", str(place / "network"), *map(str, more)])
    return place / out


@pytest.fixture(scope="module")
def painted(place):
    return make(place, "painted", "--painted", "10")


@pytest.fixture(scope="module")
def unscored():
    """The scores are those of the first set, which takes long enough."""
    row = {"joints mm": 1.0, "vertices mm": 2.0, "F@5": .5, "F@15": .9}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("train.make_dataset.scores_of_test_part", lambda *_: dict.fromkeys(
            ("detector", "image"), {"aligned": row, "not aligned": row}))
        yield


@pytest.fixture(scope="module")
def with_photos(place, painted, unscored):
    return make(place, "with_photos", "--painted", "3", "--backgrounds", place / "walls", "--poses", place / "fits.npz",
                "--held-out", "garden")


def card(folder):
    _, head, text = (folder / "README.md").read_text().split("---\n", 2)
    return yaml.safe_load(head), text


@pytest.mark.parametrize("name", ["painted", "with_photos"])
def test_both_parts_have_freihands_layout_and_agree_with_their_pictures(name, request):
    """Looked at with json and Pillow alone: the joints project into the mask, the vertices lie around the joints."""
    out = request.getfixturevalue(name)
    for part, count in (("training", COUNT), ("evaluation", TEST)):
        K, xyz, mano, scale = (np.array(json.loads((out / f"{part}_{key}.json").read_text()))
                               for key in ("K", "xyz", "mano", "scale"))
        assert K.shape == (count, 3, 3) and xyz.shape == (count, 21, 3) and mano.shape == (count, 1, 61)
        assert np.allclose(scale, np.linalg.norm(xyz[:, 10] - xyz[:, 9], axis=1), atol=1e-5)
        names = [f"{number:08d}.jpg" for number in range(count)]
        with np.load(out / ("labels.npz" if part == "training" else "evaluation_labels.npz")) as labels:
            kinds = labels["kind"]
        for kind in ("rgb", "mask"):
            assert sorted(path.name for path in (out / part / kind).iterdir()) == names
        for number, file in enumerate(names):
            assert Image.open(out / part / "rgb" / file).size == (SIZE, SIZE)
            mask = np.asarray(Image.open(out / part / "mask" / file).convert("L")) > 127
            pixels = xyz[number] @ K[number].T
            u, v = (pixels[:, :2] / pixels[:, 2:]).T
            inside = (-8 < u) & (u < SIZE + 8) & (-8 < v) & (v < SIZE + 8)
            assert inside.all() or (kinds[number] == "border" and inside.sum() > 4)
            rows, columns = np.nonzero(mask)
            around = .25 * max(np.ptp(u), np.ptp(v))
            assert u.min() - around < columns.min() and columns.max() < u.max() + around
            assert v.min() - around < rows.min() and rows.max() < v.max() + around
    vertices = np.array(json.loads((out / "evaluation_verts.json").read_text()))
    assert vertices.shape == (TEST, 1609, 3)
    xyz = np.array(json.loads((out / "evaluation_xyz.json").read_text()))
    assert np.linalg.norm(vertices[:, :, None] - xyz[:, None], axis=3).min(1).max() < .02
    assert not [path for path in out.iterdir() if path.name.startswith(".")]  # nothing of the making is left


def test_our_own_reader_trains_and_measures_on_it(painted, tmp_path):
    training = FreiHand(painted, cache=tmp_path)
    samples = training.take(torch.arange(COUNT))
    posed = HandLayer.load().joints_only()(samples.rotvec[:, 0], samples.rotvec[:, 1:].reshape(COUNT, 45),
                                           samples.betas, torch.zeros(COUNT, 3)).joints
    assert torch.allclose(posed - posed[:, :1], samples.joints_3d, atol=1e-4)
    evaluation = FreiHand(painted, part="evaluation", cache=tmp_path)
    assert len(evaluation) == TEST and evaluation.verts.shape == (TEST, 1609, 3)


def test_the_test_part_has_backgrounds_and_poses_of_its_own(place, painted, with_photos):
    for out in (painted, with_photos):
        training, test = ({path.read_bytes() for path in (out / "backgrounds" / part).iterdir()}
                          for part in ("training", "evaluation"))
        assert training and test and not training & test
    assert json.loads((with_photos / "made_from.json").read_text())["without"] == ["garden"]
    assert not np.allclose(np.load(painted / "labels.npz")["hand_pose"][:TEST],
                           np.load(painted / "evaluation_labels.npz")["hand_pose"])


def test_only_what_may_be_passed_on_is_shown_and_credited(place, painted, with_photos, capsys):
    rows = list(csv.DictReader(open(with_photos / "backgrounds" / "credits.csv", newline="")))
    assert [row["author"] for row in rows if row["author"] != "handpose"] == ["A | B", "C", "F", "H"]
    shown = {path.read_bytes() for path in (with_photos / "backgrounds").rglob("*.jpg")}
    for number, kept in enumerate((True, True, False, False, True, False, True)):
        assert ((place / "walls" / f"{number}.jpg").read_bytes() in shown) == kept
    head, text = card(with_photos)
    assert head["license"] == "cc-by-sa-4.0" and "CC BY-SA 4.0" in text
    assert "| A / B | CC-BY-4.0 | 1 |" in text and "GPL" not in text and "photo sets garden" in text
    head, text = card(painted)
    assert head["license"] == "cc-by-4.0" and "SA" not in text and "invented" in text


def test_the_card_tells_the_scores_of_the_set_itself(painted, place, tmp_path, capsys):
    from train import validate

    assert validate.main([str(painted), "--out", str(tmp_path), "--checkpoint", str(place / "network")]) == 0
    scores = json.loads((tmp_path / "scores.json").read_text())
    shutil.rmtree(painted / ".index")
    row = next(line for line in card(painted)[1].splitlines() if "from the image alone" in line)
    assert f"| {scores['aligned']['joints mm']:.1f} | {scores['aligned']['vertices mm']:.1f} |" in row
    _, text = card(painted)
    assert f"{COUNT} training and {TEST} test pictures, {SIZE} x {SIZE} pixels" in text and "{" not in text
    tones = np.bincount(np.load(painted / "labels.npz")["tone"], minlength=6)
    assert "| training | " + " | ".join(map(str, tones)) + " |" in text


def test_more_pictures_leave_the_others_and_the_test_part_as_they_are(painted, place, unscored):
    kept = {path: path.read_bytes() for path in painted.rglob("*.jpg")} | {
        path: path.read_bytes() for path in painted.glob("evaluation_*")}
    make(place, "painted", "--painted", "10", count=COUNT + 2)
    assert all(path.read_bytes() == content for path, content in kept.items())
    assert len(list((painted / "training" / "rgb").iterdir())) == COUNT + 2
    assert f"{COUNT + 2} training and {TEST} test" in card(painted)[1]


@pytest.mark.parametrize("arguments, words", [
    (["--painted", "20"], "other backgrounds than these"),
    (["--painted", "10", "--held-out", "garden"], "out of --poses alone"),
    (["--painted", "10", "--poses", "none.npz"], "No pose bank at none.npz"),
    (["--painted", "10", "--backgrounds", "nowhere"], "does not tell whose photos these are"),
    (["--painted", "10", "--backgrounds", "bad"], "which is not in that folder"),
])
def test_what_cannot_be_made_is_said_in_a_sentence(painted, place, tmp_path, monkeypatch, capsys, arguments, words):
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "credits.csv").write_text("file,author,licence,source\n../../secret,A,CC0-1.0,here\n")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as stopped:
        make(place, "painted", *arguments)
    said = capsys.readouterr().err.strip().splitlines()[-1]
    assert stopped.value.code == 1 and words in said and said.endswith(".")


def test_a_few_backgrounds_do_not_do(place, capsys):
    with pytest.raises(SystemExit):
        make(place, "few", "--painted", "3")
    assert "too few" in capsys.readouterr().err and not (place / "few").exists()
