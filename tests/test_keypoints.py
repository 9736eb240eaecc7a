"""Data of one's own: hands of which joints alone are known, and files that a stranger made."""
import copy
import json
import math
from dataclasses import fields
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from freihand_files import write_freihand
from keypoint_files import DOT, HEIGHT, WIDTH, pixels_of, posed_joints, write_annotations, write_keypoints

from handpose.camera import Camera
from train.data import keypoints
from train.data.augment import AugmentConfig, make_batch
from train.data.freihand import FreiHand
from train.data.keypoints import load_keypoints
from train.data.samples import Samples

COUNT = 6
JOINTS = posed_joints(COUNT)


@pytest.fixture
def folder(tmp_path):
    write_keypoints(tmp_path / "mine", COUNT)
    return tmp_path / "mine"


def rewrite(folder: Path, change) -> None:
    """Changes annotations.json in place, or to what `change` returns."""
    content = json.loads((folder / "annotations.json").read_text())
    write_annotations(folder, change(content) or content)


def assert_dots_lie_on_joints(samples: Samples) -> None:
    """In the stored crops, all 21."""
    for image, points in zip(samples.images.numpy(), samples.joints_2d.numpy(), strict=True):
        seen = np.array([image[round(v), round(u)] for u, v in points], float)
        assert np.abs(seen - DOT).max(1).mean() < 40


def assert_crops_are_seen_by_their_cameras(samples: Samples, apart: float) -> None:
    """Joints in space, put where `distance` and the wrist's ray say, fall onto the joints in the crop."""
    wrist = (samples.joints_2d[:, :1] - samples.principal[:, None]) / samples.focal[:, None, None]
    placed = samples.joints_3d + torch.cat([wrist, torch.ones(len(samples), 1, 1)], 2) * samples.distance[:, None, None]
    seen = placed[..., :2] / placed[..., 2:] * samples.focal[:, None, None] + samples.principal[:, None]
    assert (seen - samples.joints_2d).norm(dim=2).max() < apart


def test_hands_are_cut_out_with_their_joints_and_cameras(folder):
    samples = load_keypoints(folder)
    assert samples.images.shape == (COUNT, 192, 192, 3)
    assert_dots_lie_on_joints(samples)
    assert_crops_are_seen_by_their_cameras(samples, 0.02)
    assert np.allclose(samples.joints_3d, JOINTS - JOINTS[:, :1], atol=1e-5)
    assert np.allclose(samples.distance, JOINTS[:, 0, 2], atol=1e-5)
    assert samples.has_3d.all() and not samples.has_pose.any() and not samples.has_betas.any()
    assert samples.exact.all() and (samples.trust == 1).all() and not samples.found.any()
    extent = np.ptp(pixels_of(JOINTS), axis=1).max(1)
    assert np.allclose(np.ptp(samples.joints_2d.numpy(), axis=1).max(1), 192 / 2, atol=0.01)
    assert np.allclose(samples.focal, 400 * 192 / (2 * extent), rtol=1e-5)
    batch = make_batch(samples, 64, AugmentConfig())  # the crop and its labels turn and move together
    assert torch.isfinite(batch.images).all() and (batch.joints[..., :2].abs() < 1.3).all()


def test_a_left_hand_becomes_a_right_one(folder):
    right = load_keypoints(folder)

    def mirror(content):
        """The same scene in a mirror."""
        for image, hand in zip(content["images"], content["annotations"], strict=True):
            path = folder / image["file_name"]
            cv2.imwrite(str(path), cv2.imread(str(path))[:, ::-1])
            image["camera"]["cx"] = WIDTH - 1 - image["camera"]["cx"]
            hand["side"] = "left"
            hand["keypoints"][::3] = [WIDTH - 1 - u for u in hand["keypoints"][::3]]
            hand["keypoints_3d"] = [[-x, y, z] for x, y, z in hand["keypoints_3d"]]
    rewrite(folder, mirror)
    left = load_keypoints(folder)
    assert_dots_lie_on_joints(left)
    for field in fields(Samples):
        apart = (getattr(left, field.name).float() - getattr(right, field.name).float()).abs()
        assert apart.mean() < (0.5 if field.name == "images" else 1e-3), field.name


@pytest.mark.parametrize("relative", [False, True])
def test_without_a_camera_a_lens_is_guessed(folder, relative):
    def change(content):
        for image, hand in zip(content["images"], content["annotations"], strict=True):
            del image["camera"]
            if relative:
                wrist = hand["keypoints_3d"][0]
                hand["keypoints_3d"] = [[a - b for a, b in zip(point, wrist, strict=True)]
                                        for point in hand["keypoints_3d"]]
    rewrite(folder, change)
    samples = load_keypoints(folder)
    assert_dots_lie_on_joints(samples)
    guess = Camera.of_photo(WIDTH, HEIGHT)
    extent = np.ptp(pixels_of(JOINTS), axis=1).max(1)
    assert np.allclose(samples.focal, guess.fx * 192 / (2 * extent), rtol=1e-5)
    assert_crops_are_seen_by_their_cameras(samples, 8)  # of 192: another lens sees the hand a little otherwise
    assert np.allclose(samples.distance.numpy() / JOINTS[:, 0, 2], guess.fx / 400, rtol=0.1)


def test_joints_in_the_image_alone(folder):
    rewrite(folder, lambda content: [hand.pop("keypoints_3d") for hand in content["annotations"][::2]] and None)
    samples = load_keypoints(folder)
    assert samples.has_3d.tolist() == [False, True] * 3
    assert_dots_lie_on_joints(samples)
    batch = make_batch(samples, 64, None)
    assert all(torch.isfinite(part.float()).all() for part in batch)
    assert (batch.joints[::2, :, 2] == 0).all()


def test_joints_in_space_alone_are_seen_by_the_camera(folder):
    whole = load_keypoints(folder)
    rewrite(folder, lambda content: [hand.pop("keypoints") for hand in content["annotations"]] and None)
    assert torch.allclose(load_keypoints(folder).joints_2d, whole.joints_2d, atol=1e-2)


def test_what_is_not_labelled_does_not_count(folder, capsys):
    def hide(content):
        hands = content["annotations"]
        hands[0]["keypoints"][8 * 3:9 * 3] = [0, 0, 0]  # a fingertip
        hands[1]["keypoints"][9 * 3 + 2] = 0  # a knuckle
        hands[2]["keypoints"] = [v / 20 if n % 3 < 2 else v for n, v in enumerate(hands[2]["keypoints"])]  # tiny
    rewrite(folder, hide)
    samples = load_keypoints(folder)
    assert "2 hands are left out" in capsys.readouterr().err and len(samples) == COUNT - 2
    assert samples.trust[0].tolist() == [1] * 8 + [0] + [1] * 12 and (samples.trust[1:] == 1).all()
    assert torch.equal(samples.joints_2d[0, 8], samples.joints_2d[0, 7])


def test_hands_are_cut_once(folder, monkeypatch):
    first = load_keypoints(folder)
    monkeypatch.setattr(keypoints, "load_photo", lambda *_: pytest.fail("was read again"))
    again = load_keypoints(folder)
    assert all(torch.equal(getattr(first, field.name), getattr(again, field.name)) for field in fields(Samples))
    monkeypatch.undo()
    path = folder / "images" / "2.png"
    cv2.imwrite(str(path), np.zeros((HEIGHT, WIDTH, 3), np.uint8))
    assert not load_keypoints(folder).images[2].any()
    assert len(list((folder / ".index").iterdir())) == 2  # what was cut of the old one is gone
    for spoil in (lambda file: file.write_bytes(b"PK"), lambda file: file.unlink()):
        for ending in (".npy", ".npz"):
            kept = next((folder / ".index").glob(f"*{ending}"))
            if kept.exists():
                content = kept.read_bytes()
                kept.unlink()  # not written over: it is mapped into memory
                kept.write_bytes(content)
                spoil(kept)
            assert torch.equal(load_keypoints(folder).joints_2d, first.joints_2d)


def test_freihands_files_without_mano(tmp_path):
    """xyz and K alone."""
    whole = write_freihand(tmp_path / "set", samples=3, evaluation=1, size=64)
    (whole / "training_mano.json").unlink()
    with pytest.raises(FileNotFoundError, match="training_mano.json"):
        FreiHand(whole)
    samples = FreiHand(whole, joints_alone=True).take(torch.arange(4))
    assert samples.has_3d.all() and not samples.has_pose.any() and not samples.has_betas.any()
    assert_crops_are_seen_by_their_cameras(samples, 0.7)  # two focal lengths became one


def _each(content, key, value):
    for hand in content["annotations"]:
        hand[key] = copy.deepcopy(value)


def _first(content, part, **changes):
    content[part][0] |= changes


HOSTILE = {
    "no JSON": ("<html>", "Invalid JSON"), "cut short": ('{"images": [', "Invalid JSON"), "a list": ("[]", "Input"),
    "deep": ("[" * 100_000, "Invalid JSON"), "nothing": ("", "0 bytes"), "binary": ("\0\1\2", "Invalid JSON"),
    "no annotations": (lambda c: c.pop("annotations"), "annotations: Field required"),
    "none": (lambda c: c["annotations"].clear(), "annotations"),
    "a body": (lambda c: _first(c, "annotations", keypoints=[1] * 51), "annotations.0.keypoints"),
    "words": (lambda c: _first(c, "annotations", keypoints=["a"] * 63), "annotations.0.keypoints"),
    "too many": (lambda c: _first(c, "annotations", keypoints=[1] * 10_000), "annotations.0.keypoints"),
    "NaN": (lambda c: c["annotations"][0]["keypoints"].__setitem__(4, math.nan), "annotations.0.keypoints"),
    "far away": (lambda c: c["annotations"][0]["keypoints"].__setitem__(4, 1e12), "annotations.0.keypoints"),
    "two numbers": (lambda c: _first(c, "annotations", keypoints_3d=[[1, 2]] * 21), "keypoints_3d.0"),
    "millimetres": (lambda c: _first(c, "annotations", keypoints_3d=(JOINTS[0] * 1000).tolist()), "cannot be metres"),
    "behind": (lambda c: _first(c, "annotations", keypoints_3d=(-JOINTS[0]).tolist()), "behind the camera"),
    "another side": (lambda c: _first(c, "annotations", side="up"), "annotations.0.side"),
    "no joints": (lambda c: _first(c, "annotations", keypoints=None, keypoints_3d=None), "annotation 0 has neither"),
    "no image": (lambda c: _first(c, "annotations", image_id=77), "annotation 0 names the image 77"),
    "twins": (lambda c: _first(c, "images", id=1), "same id"),
    "no palm": (lambda c: _each(c, "keypoints", [1, 1, 0] * 21), "none of 6 hands"),
    "a flat lens": (lambda c: c["images"][0]["camera"].update(fx=0), "images.0.camera"),
    "no lens": (lambda c: c["images"][0]["camera"].pop("fy"), "images.0.camera.fy"),
    "outside": (lambda c: _first(c, "images", file_name="../other.png"), "lies outside of the folder"),
    "elsewhere": (lambda c: _first(c, "images", file_name="/etc/passwd"), "lies outside of the folder"),
    "zero byte": (lambda c: _first(c, "images", file_name="a\0b"), "images.0.file_name"),
    "missing": (lambda c: _first(c, "images", file_name="gone.png"), "gone.png is missing"),
    "no picture": (lambda c: _first(c, "images", file_name="annotations.json"), "annotations.json"),
    "a folder": (lambda c: _first(c, "images", file_name="images"), "images is missing"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_files_are_refused_in_one_sentence(folder, name):
    change, words = HOSTILE[name]
    if isinstance(change, str):
        write_annotations(folder, change)
    else:
        rewrite(folder, lambda content: change(content) and None)
    with pytest.raises((ValueError, FileNotFoundError)) as caught:
        load_keypoints(folder)
    text = str(caught.value)
    assert words in text and str(folder) in text and "\n" not in text and text.endswith("."), text
    assert len(text) < 500 + len(str(folder))
    assert not [*folder.glob(".index/*")]  # nothing half-written


def test_links_do_not_lead_out_of_the_folder(folder, tmp_path):
    (tmp_path / "secret.png").write_bytes((folder / "images" / "0.png").read_bytes())
    (folder / "images" / "0.png").unlink()
    (folder / "images" / "0.png").symlink_to(tmp_path / "secret.png")
    with pytest.raises(ValueError, match="lies outside"):
        load_keypoints(folder)


def test_no_more_are_held_out_than_there_are(folder, monkeypatch):
    monkeypatch.setattr(keypoints, "load_photo", lambda *_: pytest.fail("images were read first"))
    with pytest.raises(ValueError, match=r"has 6 hands, of which 6 cannot be held out: choose fewer\.$"):
        load_keypoints(folder, validation=6)
