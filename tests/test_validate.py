"""What validation writes of photos and of an evaluation set, and that the way from a whole image to a hand is exact."""
import json
import shutil
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import trimesh
from freihand_files import draw_hands, mano_hand, write_freihand, zip_set
from mano_files import mano_arrays, write_mano_npz
from PIL import Image
from scipy.spatial.transform import Rotation

from handpose.camera import Camera
from handpose.estimator import HandEstimator
from handpose.hand import Hand
from handpose.image import Photo, load_photo
from handpose.network.engine import Prediction
from handpose.network.hand_network import HandNetwork, NetworkConfig
from train.data.freihand import FreiHand
from train.scoring.image_alone import centers
from train.validate import main, result_of_image, right_hand, score_table, validate_set

COUNT, SIZE = 4, 128
PHOTOS = Path(__file__).parent / "photos"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_freihand(tmp_path_factory.mktemp("set"), 2, COUNT, SIZE)


@pytest.fixture(scope="module")
def truth():
    return draw_hands(COUNT, SIZE, 1)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    """An untrained network that answers for MANO's hand, and the file of that hand: as options of the command."""
    place = tmp_path_factory.mktemp("net")
    torch.manual_seed(0)
    HandNetwork(NetworkConfig(backbone="resnet18", input_size=64, token_width=48, token_layers=1, pyramid_channels=32,
                              hand_model="mano")).save(place)
    write_mano_npz(place / "MANO_RIGHT.npz", mano_arrays())
    return ["--checkpoint", str(place), "--hand-model", str(place / "MANO_RIGHT.npz")]


class Knowing(HandEstimator):
    """In the place of the network: sees hand `number` of the truth in whatever crop, the surer the more upright it is.
    """

    def __init__(self, truth):
        hand = mano_hand()
        super().__init__(HandNetwork(NetworkConfig(backbone="resnet18", input_size=64, hand_model="mano")), hand, None,
                         None)
        self.truth, self.number, self.crops = truth, 0, []

    @property
    def predictor(self):
        return self

    def predict_crops(self, rgb, crops, landmarks=None):
        self.crops += crops
        return [self.answer(crop) for crop in crops]

    def answer(self, crop):
        row = {key: values[self.number] for key, values in self.truth.items()}
        camera = camera_of(row["K"])
        uv = (crop.to_crop(camera.project(row["xyz"])) + 0.5) * 2 / crop.size - 1
        rotations = Rotation.from_rotvec(row["flat"].reshape(16, 3)).as_matrix()
        # the camera turned onto the crop's middle, then by the crop's angle
        frame = (camera.rotation_to(crop.center) @ crop.rotation).T
        rotations = np.concatenate([frame @ rotations[:1], rotations[1:]])
        up = uv[9] - uv[0]
        lying = 1 + up[1] / np.linalg.norm(up)  # 0 with fingers up to 2 with fingers down
        return Prediction(np.column_stack([uv, np.zeros(21)]), np.full(21, 0.01 + 0.1 * lying), rotations,
                          row["mano"][0, 48:58], 0.5)


def camera_of(intrinsics) -> Camera:
    return Camera(*intrinsics[[0, 1, 0, 1], [0, 1, 2, 2]].tolist())


@pytest.mark.parametrize("passes", [1, 2, 3])
@pytest.mark.parametrize("alignment, within", [(False, 1e-4), (True, 1e-2)])  # metres; alignment wants less perspective
def test_what_is_seen_in_a_whole_image_comes_back_as_the_hand(truth, passes, alignment, within):
    estimator = Knowing(truth)
    estimator.alignment = alignment
    for estimator.number in range(COUNT):
        camera = camera_of(truth["K"][estimator.number])
        hand = right_hand(estimator, np.zeros((SIZE, SIZE, 3), np.uint8), camera, passes)
        assert hand.side == "right"
        assert np.abs(hand.joints_3d - truth["xyz"][estimator.number]).max() < within
        assert np.abs(hand.vertices - truth["verts"][estimator.number]).max() < within
    assert len(estimator.crops) == 4 * passes * COUNT and not any(crop.mirrored for crop in estimator.crops)
    first, last = estimator.crops[0], estimator.crops[4 * passes - 1]
    corners = np.array([[-0.5, -0.5], [SIZE - 0.5, SIZE - 0.5]])  # of the first crop: the image, as it stands
    assert np.allclose(first.to_crop(corners), [[-0.5, -0.5], [63.5, 63.5]])
    if passes > 1:  # the last is closer, and the fingers point up
        palm = last.to_crop(camera_of(truth["K"][0]).project(truth["xyz"][0]))[[0, 9]]
        assert last.scale > first.scale and palm[1, 1] < palm[0, 1] - abs(palm[1, 0] - palm[0, 0])


def test_an_image_that_is_not_square_fits_into_the_crop():
    truth = draw_hands(1, SIZE, 1)
    estimator = Knowing(truth)
    right_hand(estimator, np.zeros((SIZE, SIZE // 2, 3), np.uint8), camera_of(truth["K"][0]), 1)
    assert np.allclose(estimator.crops[0].center, [(SIZE // 2 - 1) / 2, (SIZE - 1) / 2])
    assert estimator.crops[0].scale == pytest.approx(64 / SIZE)


@pytest.mark.parametrize("name, turns, mirrored", [("open_light", 1, False), ("open_dark", 2, True), ("small", 0, True),
                                                   ("off_centre", 3, False)])
def test_the_network_that_ships_finds_a_hand_of_either_side_that_points_anywhere(estimator, name, turns, mirrored):
    """From the image alone, in photos that are turned by quarters and mirrored; one shows it small, in a corner."""
    labels, = json.loads((PHOTOS / "labels.json").read_text())[f"{name}.jpg"]
    rgb = load_photo(PHOTOS / f"{name}.jpg").rgb
    joints = [int(joint) for joint, pixel in labels["joints"].items() if pixel]
    goal = np.array([labels["joints"][str(joint)] for joint in joints], float)
    for _ in range(turns):  # to the left
        rgb, goal = np.rot90(rgb), np.column_stack([goal[:, 1], rgb.shape[1] - 1 - goal[:, 0]])
    if mirrored:
        rgb, goal = rgb[:, ::-1], np.column_stack([rgb.shape[1] - 1 - goal[:, 0], goal[:, 1]])
    hand, = result_of_image(estimator, Photo(np.ascontiguousarray(rgb))).hands
    error = np.linalg.norm(hand.joints_2d[joints] - goal, axis=1).mean() / np.ptp(goal, axis=0).max()
    assert error < 0.1 and (hand.side == labels["side"]) != mirrored


@pytest.mark.parametrize("width, height", [(100, 100), (300, 100), (90, 200)])
def test_squares_leave_no_hand_between_them(width, height):
    """Any square of half their side lies whole within one, however long the image."""
    for part in (1.0, 0.6, 0.36):
        side = part * max(width, height)
        boxes = [(center + 0.5 - side / 2, center + 0.5 + side / 2) for center in centers(width, height, side)]
        assert len(boxes) < 40
        small = side / 2
        for u in np.linspace(0, max(width - small, 0), 20):
            for v in np.linspace(0, max(height - small, 0), 20):
                low, high = np.array([u, v]), np.minimum([u + small, v + small], [width, height])
                assert any((low >= a - 1e-9).all() and (high <= b + 1e-9).all() for a, b in boxes)


def true_hand(truth, number: int) -> Hand:
    flat, zeros = truth["flat"][number], np.zeros(3)
    return Hand(side="right", score=1.0, box=np.zeros(4), hand_model="mano", joints_2d=np.zeros((21, 2)),
                joints_3d=truth["xyz"][number], vertices=truth["verts"][number], faces=mano_hand().faces,
                global_orient=flat[:3], hand_pose=flat[3:], betas=truth["mano"][number, 0, 48:58], transl=zeros)


def test_the_truth_scores_full_marks_and_a_moved_hand_only_when_aligned(folder, truth, tmp_path):
    freihand, numbers = FreiHand(folder, part="evaluation"), iter(range(COUNT))
    table = validate_set(freihand, tmp_path, lambda rgb, camera: true_hand(truth, next(numbers)))
    for row in table.plain().values():
        assert row["joints mm"] < 1e-3 and row["vertices mm"] < 1e-3
        assert row["joints AUC"] > 0.99 and row["F@5"] == row["F@15"] == 1
    turn = np.array([[0, -1.0, 0], [1, 0, 0], [0, 0, 1]])
    moved = [2 * truth[key] @ turn + 0.1 for key in ("xyz", "verts")]
    aligned, unaligned = score_table(freihand, *moved).plain().values()
    assert aligned["vertices mm"] < 1e-2 < 50 < unaligned["vertices mm"] and unaligned["joints AUC"] == 0
    assert json.loads((tmp_path / "scores.json").read_text())["aligned"] == table.plain()["aligned"]


def test_predictions_are_as_the_benchmark_takes_them(folder, truth, tmp_path):
    """The hands of its list, sized as the set says, along the rays on which they are seen."""
    freihand = FreiHand(folder, part="evaluation")

    def predictions(**options):
        numbers = iter(range(COUNT))

        def too_far(rgb, camera):
            hand = true_hand(truth, next(numbers))
            return replace(hand, joints_3d=1.3 * hand.joints_3d, vertices=1.3 * hand.vertices)

        validate_set(freihand, tmp_path, too_far, **options)
        return json.loads((tmp_path / "pred.json").read_text())

    joints, vertices = predictions()
    assert np.allclose(joints, truth["xyz"], atol=1e-5) and np.allclose(vertices, truth["verts"], atol=1e-5)
    assert np.shape(vertices) == (COUNT, 778, 3)
    with zipfile.ZipFile(tmp_path / "pred.zip") as archive:
        assert archive.namelist() == ["pred.json"]
        assert archive.read("pred.json") == (tmp_path / "pred.json").read_bytes()
    joints, vertices = predictions(own_scale=True)
    assert np.allclose(joints, 1.3 * truth["xyz"], atol=1e-5)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["pred.json", "pred.zip", "scores.json"]


def test_the_command_on_an_evaluation_set(folder, checkpoint, tmp_path, capsys):
    path = zip_set(folder, tmp_path / "set.zip")
    assert main([str(path), "--out", str(tmp_path / "out"), *checkpoint, "--pictures", "1"]) == 0
    printed = capsys.readouterr().out
    scores = json.loads((tmp_path / "out" / "scores.json").read_text())
    assert scores["hands"] == COUNT and "not aligned" in printed
    assert f"{scores['aligned']['joints mm']:.2f}" in printed
    joints, vertices = json.loads((tmp_path / "out" / "pred.json").read_text())
    freihand = FreiHand(folder, part="evaluation")
    again = score_table(freihand, np.array(joints), np.array(vertices)).plain()["aligned"]
    assert again == pytest.approx(scores["aligned"], abs=1e-2)
    bones = np.linalg.norm(np.diff(np.array(joints)[:, 9:11], axis=1)[:, 0], axis=1)
    assert np.allclose(bones, freihand.scale, atol=1e-5)
    assert {file.name for file in (tmp_path / "out").iterdir() if file.name.startswith("0")} == {
        "00000000.json", "00000000.npz", "00000000.obj", "00000000.overlay.jpg"}


def test_the_command_on_a_set_without_answers(folder, checkpoint, tmp_path, capsys):
    bare = shutil.copytree(folder, tmp_path / "bare", ignore=shutil.ignore_patterns(".index", "*_xyz*", "*_verts*",
                                                                                    "*_mano*"))
    assert main([str(bare), "--out", str(tmp_path / "out"), *checkpoint]) == 0
    assert {file.name for file in (tmp_path / "out").iterdir()} == {"pred.json", "pred.zip"}
    assert "send pred.zip to the benchmark's server" in capsys.readouterr().out


def test_the_command_on_photos(folder, checkpoint, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("train.scoring.image_alone.SURE", 0)  # an untrained network never is
    photos = tmp_path / "photos"
    photos.mkdir()
    for number in range(2):
        shutil.copy(folder / "evaluation" / "rgb" / f"{number:08d}.jpg", photos / f"{number}.jpg")
    (photos / "bad.jpg").write_bytes(b"no picture")
    assert main([str(photos), "--out", str(tmp_path / "out"), "--crop", "image", "--focal", "300", *checkpoint]) == 1
    assert f"{photos / 'bad.jpg'} is not an image" in capsys.readouterr().err
    assert {file.name for file in (tmp_path / "out").iterdir()} == {
        f"{number}{suffix}" for number in range(2) for suffix in (".json", ".npz", ".obj", ".overlay.jpg")}
    picture, photo = (np.asarray(Image.open(path)).astype(int) for path in (tmp_path / "out" / "0.overlay.jpg",
                                                                            photos / "0.jpg"))
    assert picture.shape == (SIZE, 2 * SIZE, 3) and np.abs(picture[:, :SIZE] - photo).mean() < 6
    assert np.abs(picture[:, SIZE:] - photo).mean() > np.abs(picture[:, :SIZE] - photo).mean()
    mesh = trimesh.load(tmp_path / "out" / "0.obj", force="mesh", process=False)
    with np.load(tmp_path / "out" / "0.npz") as arrays:
        assert arrays["hand_pose"].shape == (1, 45) and arrays["intrinsics"][0, 0] == 300
        assert np.allclose(mesh.vertices * [1, -1, -1], arrays["vertices"][0], atol=1e-5)


def test_the_detector_finds_hands_for_the_network_that_ships(tmp_path):
    example = Path(__file__).parent.parent / "assets" / "examples" / "open_palm.jpg"
    assert main([str(example), "--out", str(tmp_path)]) == 0
    assert len(json.loads((tmp_path / "open_palm.json").read_text())["hands"]) == 1


@pytest.mark.parametrize("spoil, message", [
    (lambda f: (f / "evaluation_K.json").write_text("[[[1, 2"), "evaluation_K.json is cut short"),
    (lambda f: (f / "evaluation_verts.json").write_text("[]"), "evaluation_verts.json holds no rows"),
    (lambda f: (f / "evaluation_scale.json").unlink(), "has no evaluation_scale.json"),
    (lambda f: (f / "evaluation" / "rgb" / "00000001.jpg").write_bytes(b"?"), "00000001.jpg is damaged"),
])
def test_what_cannot_be_validated_is_said_in_one_sentence(folder, checkpoint, tmp_path, capsys, spoil, message):
    copy = shutil.copytree(folder, tmp_path / "set", ignore=shutil.ignore_patterns(".index"))
    spoil(copy)
    assert main([str(copy), "--out", str(tmp_path / "out"), *checkpoint]) == 2
    said = capsys.readouterr().err.splitlines()[-1]
    assert message in said and said.endswith(".")
    assert not (tmp_path / "out").exists()


def test_photos_that_are_not_there(checkpoint, tmp_path, capsys):
    assert main([str(tmp_path / "none"), "--out", str(tmp_path / "out"), *checkpoint]) == 2
    assert f"There is no {tmp_path / 'none'}" in capsys.readouterr().err
