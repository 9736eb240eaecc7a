"""Other systems' results: all forms in which they may come are scored alike; what is wrong is said in a sentence."""
import json
import os
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from handpose.camera import Camera
from handpose.export import save_result
from handpose.hand import Hand, Result
from train.scoring.measure import CS_GUESSED, CS_TRUE, nearest, score
from train.scoring.results import Results
from train.scoring.test_sets import Case

CAMERA = Camera(400, 400, 319.5, 239.5)
DOCS = Path(__file__).parent.parent / "docs" / "evaluation.md"


@pytest.fixture
def hands():
    """Two hands in a photo, (2, 21, 3) metres, of which the second is that of the case."""
    rng = np.random.default_rng(0)
    return rng.normal(0, .04, (2, 21, 3)) + [[[-.15, 0, .6]], [[.12, .05, .5]]]


@pytest.fixture
def case(hands):
    return Case(Path("photos/garden/7.jpg"), CAMERA.project(hands[1]), hands[1], side="left", camera=CAMERA)


def found(folder, case):
    answers = Results(folder, [case.photo])(case)
    return score(nearest(answers, case), case)


def arrays(joints, **more):
    return {"joints_3d": joints, "joints_2d": CAMERA.project(joints)} | more


def test_all_forms_give_the_same_errors(hands, case, tmp_path):
    wrong = hands + np.random.default_rng(1).normal(0, .004, hands.shape)
    sides, camera = ["right", "left"], [400, 400, 319.5, 239.5]
    forms = {name: tmp_path / name for name in ("npz", "json", "ours", "our npz")}
    for folder in forms.values():
        folder.mkdir()
    np.savez(forms["npz"] / "7.npz", **arrays(wrong, side=sides, camera=camera))
    (forms["json"] / "7.json").write_text(json.dumps(
        {key: np.asarray(value).tolist() for key, value in arrays(wrong, side=sides, camera=camera).items()}))
    rest = [np.zeros(count) for count in (3, 45, 10, 3)]
    result = Result(640, 480, CAMERA, [
        Hand(side, .9, np.zeros(4), "open", CAMERA.project(joints), joints, joints, np.zeros((1, 3), int), *rest)
        for side, joints in zip(sides, wrong, strict=True)])
    save_result(forms["ours"], "7", "7.jpg", result, mesh=None)
    save_result(forms["our npz"], "7", "7.jpg", result, mesh=None, npz=True)
    (forms["our npz"] / "7.json").write_text("the .npz counts")
    errors = {name: found(folder, case) for name, folder in forms.items()}
    expected = 1000 * np.linalg.norm(wrong[1] - hands[1], axis=1).mean()
    assert errors["npz"][CS_TRUE] == pytest.approx(expected) and CS_GUESSED not in errors["npz"]
    assert errors["npz"]["wrong side %"] == 0 and errors["npz"]["found %"] == 100
    for name in forms:
        assert errors[name] == pytest.approx(errors["npz"], rel=1e-2, abs=.01), name  # our JSON is rounded to .01 mm


def test_a_lens_that_is_not_the_true_one_is_a_guess_and_hands_without_a_place_have_none(hands, case, tmp_path):
    for more, joints, lenses in (({}, hands, {CS_GUESSED}), ({"camera": [500, 500, 319.5, 239.5]}, hands, {CS_GUESSED}),
                                 ({"camera": [401, 401, 310, 230]}, hands, {CS_TRUE}),
                                 ({"camera": [400, 400, 319.5, 239.5]}, hands - hands[:, :1], set())):
        np.savez(tmp_path / "7.npz", joints_3d=joints, joints_2d=CAMERA.project(hands), **more)
        errors = found(tmp_path, case)
        assert set(errors) & {CS_TRUE, CS_GUESSED} == lenses and errors["PA-MPJPE"] < 1e-6
        assert "wrong side %" not in errors


def test_no_file_and_no_hand_are_not_found_and_a_far_hand_is_another_one(hands, case, tmp_path):
    np.savez(tmp_path / "8.npz", joints_3d=np.zeros((0, 21, 3)), joints_2d=np.zeros((0, 21, 2)))
    other = replace(case, photo=Path("photos/garden/8.jpg"))
    results = Results(tmp_path, [case.photo, other.photo])
    assert len(results) == 1 and results(case) == results(other) == []
    (tmp_path / "7.json").write_text('{"hands": [], "camera": null}')
    assert found(tmp_path, case) == {"found %": 0}
    np.savez(tmp_path / "7.npz", **arrays(hands[:1]))
    assert found(tmp_path, case) == {"found %": 0}


def test_a_mesh_of_another_kind_has_f_scores_by_its_joints(hands, case, tmp_path):
    surface = np.random.default_rng(2).normal(0, .05, (2, 300, 3)) + hands.mean(1, keepdims=True)
    case = replace(case, vertices=surface[1])
    turn = np.array([[0, -1.0, 0], [1, 0, 0], [0, 0, 1]])
    np.savez(tmp_path / "7.npz", joints_3d=2 * hands @ turn, joints_2d=CAMERA.project(hands),
             vertices=2 * surface[:, ::3] @ turn)
    errors = found(tmp_path, case)
    apart = np.linalg.norm(surface[1][:, None] - surface[1, ::3], axis=2).min(1)
    expected = 2 / (1 / 1 + 1 / (apart < .005).mean())
    assert errors["F@5"] == pytest.approx(expected) and "PA-MPVPE" not in errors


def test_files_are_found_by_the_photos_folders_or_its_name_alone(hands, case, tmp_path):
    meadow = Path("photos/meadow/7.jpg")
    for name in ("garden", "meadow"):
        (tmp_path / "both" / name).mkdir(parents=True)
    np.savez(tmp_path / "both" / "garden" / "7.npz", **arrays(hands))
    np.savez(tmp_path / "both" / "meadow" / "7.npz", **arrays(hands[:1]))
    both = Results(tmp_path / "both", [case.photo, meadow])
    assert len(both(case)) == 2 and len(both(replace(case, photo=meadow))) == 1
    np.savez(tmp_path / "7.npz", **arrays(hands))
    with pytest.raises(ValueError, match=r"7.npz could be of photos/garden/7.jpg and of photos/meadow/7.jpg: .*\.$"):
        Results(tmp_path, [case.photo, meadow])
    with pytest.raises(ValueError, match=r"belongs to any of the photos: .* such as 9.npz.$"):
        Results(tmp_path, [Path("9.jpg")])
    with pytest.raises(FileNotFoundError, match="no folder"):
        Results(tmp_path / "none", [case.photo])


def spoilt(joints, **changes):
    values = {"joints_3d": joints.tolist(), "joints_2d": CAMERA.project(joints).tolist(), **changes}
    return json.dumps({key: value for key, value in values.items() if value is not None})


@pytest.mark.parametrize("spoil, words", [
    (lambda hands: "{", "cannot be read"),
    (lambda hands: "[" * 100_000, "cannot be read"),
    (lambda hands: "[]", "no names"),
    (lambda hands: spoilt(hands, joints_2d=None), "lacks 'joints_2d'"),
    (lambda hands: spoilt(hands, joints_3d=hands[:, :20].tolist()), "joints_3d has the shape"),
    (lambda hands: spoilt(hands[:1], joints_2d=CAMERA.project(hands).tolist()), "joints_2d has the shape"),
    (lambda hands: spoilt(hands, joints_3d=[hands[0].tolist(), [[1]]]), "no result of hands"),
    (lambda hands: spoilt(hands, joints_3d=(1000 * hands).tolist()), "a hand of 1"),  # millimetres
    (lambda hands: spoilt(hands, joints_3d=np.zeros((2, 21, 3)).tolist()), "a hand of 0"),
    (lambda hands: spoilt(np.full((1, 21, 3), np.nan)), "finite numbers"),
    (lambda hands: spoilt(hands, vertices=[[["1", "2", "3"]]] * 2), "finite numbers"),
    (lambda hands: spoilt(hands, vertices=[[[10**400, 2, 3]]] * 2), "finite numbers"),
    (lambda hands: spoilt(hands, joints_3d={"a": 1}), "joints_3d has the shape"),
    (lambda hands: spoilt(hands, joints_3d=7), "no result of hands"),
    (lambda hands: spoilt(hands, side=["left"]), "side does not say"),
    (lambda hands: spoilt(hands, side=["left", 1]), "side does not say"),
    (lambda hands: spoilt(hands, camera=[400, 400, 1]), "camera has the shape"),
    (lambda hands: spoilt(hands, camera=[-400, 400, 1, 1]), "positive focal"),
    (lambda hands: spoilt(hands, hands=[1]), "no result of hands"),
    (lambda hands: spoilt(hands, hands=[{"joints_3d": 1}]), "lacks 'joints_2d'"),
    (lambda hands: spoilt(hands, intrinsics=[1]), "intrinsics has the shape"),
])
def test_what_is_no_result_is_refused_in_a_sentence(hands, case, tmp_path, spoil, words):
    (tmp_path / "7.json").write_text(spoil(hands))
    with pytest.raises(ValueError) as caught:
        Results(tmp_path, [case.photo])
    text = str(caught.value)
    assert words in text and text.startswith(str(tmp_path / "7.json")) and text.endswith("docs/evaluation.md says.")
    assert "\n" not in text and len(text) < 500


def test_nothing_else_than_regular_files_of_plain_arrays_is_read(hands, case, tmp_path):
    def refused(words):
        with pytest.raises(ValueError, match=words):
            Results(tmp_path, [case.photo])

    file = tmp_path / "7.npz"
    np.savez(file, **arrays(hands), side=np.array([{"a": 1}, None]))  # a pickle
    refused("Python objects")
    file.write_bytes(b"PK\3\4 no archive")
    refused("cannot be read")
    file.unlink()
    if hasattr(os, "mkfifo"):
        os.mkfifo(file)
        refused("no regular file")


def test_the_example_of_the_docs_writes_what_is_read(tmp_path, monkeypatch):
    """Its code, run on what HaMeR's demo would have: a left hand, which HaMeR gives as a right one mirrored."""
    code = re.search(r"```python\n(.*?)```", DOCS.read_text(), re.DOTALL)[1]
    assert len(code.splitlines()) <= 20
    torch = pytest.importorskip("torch")
    rng, focal = np.random.default_rng(3), 5000 / 256 * 640
    true = rng.normal(0, .04, (2, 21, 3))
    place = np.array([[.1, .05, 12.0], [-.2, 0, 11]])
    camera = Camera(focal, focal, 320, 240)
    seen = true * [[[1, 1, 1]], [[-1, 1, 1]]]  # as the network sees them: all right ones
    photo = Path("photos/garden/7.jpg")
    names = {"out": {"pred_keypoints_3d": torch.tensor(seen), "pred_vertices": torch.tensor(seen[:, :7])},
             "batch": {"right": torch.tensor([1, 0])}, "pred_cam_t_full": place, "img_path": photo,
             "scaled_focal_length": torch.tensor(focal), "img_size": torch.tensor([[640.0, 480.0]] * 2), "np": np}
    monkeypatch.chdir(tmp_path)
    exec(code, names)
    joints = true + place[:, None]
    for hand, side in ((0, "right"), (1, "left")):
        case = Case(photo, camera.project(joints[hand]), joints[hand], joints[hand, :7], side, camera)
        errors = found(tmp_path / "hamer", case)
        assert errors[CS_TRUE] < 1e-3 and errors["2D"] < 1e-6 and errors["wrong side %"] == 0 and errors["F@5"] == 1
