"""Our hand model and exports against the smplx package, on model files in its formats that are made here."""
import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import smplx
import torch
from mano_files import left_arrays, mano_arrays, write_mano_npz, write_mano_pickle
from test_export import make_hand

from handpose.camera import Camera
from handpose.export import save_result, write_smplx
from handpose.hand import Result
from handpose.hand_model.mano import FreihandVector, from_pca, join_freihand, split_freihand, to_mean_pose, to_pca
from handpose.hand_model.model import HandModel, mirror_rotvec
from handpose.hand_model.smplx import body_arguments, hand_arguments

BODIES = {"smplh": (52, 6890), "smplx": (55, 10475)}  # joints, vertices
BODY_PARENTS = [-1, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 12, 13, 14, 16, 17, 18, 19]
WRISTS = {"left": 20, "right": 21}
ZERO = np.zeros(3)
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder of models as smplx wants it: mano/, smplh/, smplx/; and MANO's pickles for us."""
    folder = tmp_path_factory.mktemp("models")
    for name in ("mano", *BODIES):
        (folder / name).mkdir()
    write_mano_npz(folder / "mano/MANO_RIGHT.npz", mano_arrays())
    write_mano_npz(folder / "mano/MANO_LEFT.npz", left_arrays(shapedirs_as_published=False))
    write_mano_pickle(folder / "MANO_RIGHT.pkl", mano_arrays())
    write_mano_pickle(folder / "MANO_LEFT.pkl", left_arrays())
    for name in BODIES:
        np.savez(folder / name / f"{name.upper()}_NEUTRAL.npz", **body_arrays(name))
    return folder


@pytest.fixture(scope="module")
def mano(folder):
    return HandModel.load(folder / "MANO_RIGHT.pkl")


def body_arrays(name: str) -> dict[str, np.ndarray]:
    """A body whose vertices are its joints and then nothing, its hands' joints those of the made MANO hands."""
    joints, vertices = BODIES[name]
    hands = {"left": left_arrays(), "right": mano_arrays()}
    parents = BODY_PARENTS + [15] * (joints - 22 - 30)  # SMPL-X: jaw and eyes
    places = np.random.default_rng(3).normal(size=(joints, 3)) * 0.3
    for first, side in ((joints - 30, "left"), (joints - 15, "right")):
        places[first:first + 15] = places[WRISTS[side]] + hands[side]["J"][1:] - hands[side]["J"][0]
        parents = parents + [WRISTS[side] if above == 0 else first + above - 1 for above in
                             (0, 1, 2, 0, 4, 5, 0, 7, 8, 0, 10, 11, 0, 13, 14)]
    template = np.zeros((vertices, 3))
    template[:joints] = places
    weights = np.zeros((vertices, joints))
    weights[:, 0] = 1
    arrays = {"v_template": template, "shapedirs": np.zeros((vertices, 3, 20), np.float32), "weights": weights,
              "posedirs": np.zeros((vertices, 3, 9 * (joints - 1)), np.float32),
              "J_regressor": np.eye(joints, vertices), "f": np.zeros((1, 3), np.int64),
              "kintree_table": np.array([parents, range(joints)]),
              "lmk_faces_idx": np.zeros(51, int), "lmk_bary_coords": np.full((51, 3), 1 / 3)}
    for side, letter in (("left", "l"), ("right", "r")):
        arrays |= {f"hands_mean{letter}": hands[side]["hands_mean"],
                   f"hands_components{letter}": hands[side]["hands_components"]}
    return arrays


def predicted(side: str, model: HandModel, seed: int = 0):
    """A Hand as the estimator would give it, but for its joints: those that bones turn about, which smplx has, too."""
    dice = np.random.default_rng(seed)
    orient, pose, betas, transl = dice.normal(size=3), dice.normal(size=45) * 0.5, dice.normal(size=10), dice.random(3)
    sided = model if side == "right" else model.left()
    posed = sided(*(np.asarray(values, np.float32)[None] for values in (orient, pose, betas, transl)))
    return replace(make_hand(side), hand_model=model.name, global_orient=orient, hand_pose=pose, betas=betas,
                   transl=transl, vertices=posed.vertices[0], joints_3d=posed.joints[0])


MANO_IN_21 = [0, 5, 6, 7, 9, 10, 11, 17, 18, 19, 13, 14, 15, 1, 2, 3]


@pytest.mark.parametrize("side", ["right", "left"])
@pytest.mark.parametrize("flat_hand_mean", [True, False])
@pytest.mark.parametrize("pca", [None, 44, 45])
def test_smplx_mano_poses_the_same_hand(folder, mano, side, flat_hand_mean, pca):
    """Vertices and joints agree: the file was read right, the left is the mirror image, every pose space is meant."""
    hand = predicted(side, mano)
    if pca == 44:  # a pose that 44 components hold
        basis = mano if side == "right" else mano.left()
        mean = basis.hands_mean * (not flat_hand_mean)
        pose = from_pca(to_pca(hand.hand_pose, basis.hands_components, 44, mean), basis.hands_components, mean)
        hand = predicted_with(hand, basis, pose)
    arguments = hand_arguments(hand, mano, flat_hand_mean=flat_hand_mean, pca=pca)
    assert arguments["hand_pose"].shape == (1, pca or 45)
    layer = smplx.create(str(folder), "mano", ext="npz", **arguments)
    out = layer()
    assert np.abs(out.vertices[0].detach().numpy() - hand.vertices).max() < 1e-5
    assert np.abs(out.joints[0].detach().numpy() - hand.joints_3d[MANO_IN_21]).max() < 1e-5
    assert np.array_equal(layer.faces, (mano if side == "right" else mano.left()).faces)


def predicted_with(hand, model, pose):
    posed = model(*(np.asarray(values, np.float32)[None]
                    for values in (hand.global_orient, pose, hand.betas, hand.transl)))
    return replace(hand, hand_pose=pose, vertices=posed.vertices[0], joints_3d=posed.joints[0])


def test_left_pickle_as_published_poses_as_smplx_with_its_shapes_mended(folder):
    """MANO_LEFT.pkl, whose shapedirs are the right hand's, gives the hand of the mended MANO_LEFT.npz."""
    hand = predicted("left", HandModel.load(folder / "MANO_LEFT.pkl"))
    out = smplx.create(str(folder), "mano", ext="npz", **hand_arguments(hand))()
    assert np.abs(out.vertices[0].detach().numpy() - hand.vertices).max() < 1e-5


def test_freihand_vector_poses_as_smplx_does(folder, mano):
    """FreiHAND's pose is what smplx takes with flat_hand_mean=False."""
    vector = np.random.default_rng(5).normal(size=61) * 0.5
    parts = split_freihand(vector, mano.hands_mean)
    ours = mano(*(np.asarray(values, np.float32)[None] for values in
                  (parts.global_orient, parts.hand_pose, parts.betas, ZERO)))
    theirs = smplx.create(str(folder), "mano", ext="npz", use_pca=False, flat_hand_mean=False)(
        **{name: torch.tensor(values, dtype=torch.float32)[None] for name, values in
           (("global_orient", vector[:3]), ("hand_pose", vector[3:48]), ("betas", vector[48:58]))})
    assert np.abs(ours.vertices - theirs.vertices.detach().numpy()).max() < 1e-5
    assert np.allclose(join_freihand(FreihandVector(*parts), mano.hands_mean), vector)


@pytest.mark.parametrize("kind", BODIES)
@pytest.mark.parametrize("options", [{}, {"flat_hand_mean": False}, {"flat_hand_mean": True, "pca": 45},
                                     {"flat_hand_mean": False, "pca": 45}])
def test_a_body_poses_both_hands_the_same(folder, mano, tmp_path, kind, options):
    """With the wrists turned as the hands are, the finger joints stand to the wrist as ours do (same rest joints)."""
    hands = [predicted("right", mano, 1), predicted("left", mano, 2)]
    unshaped = [predicted_with(hand_without_shape(hand), mano if hand.side == "right" else mano.left(), hand.hand_pose)
                for hand in hands]
    write_smplx(tmp_path / "a.smplx.npz", unshaped, mano, **options)
    with np.load(tmp_path / "a.smplx.npz") as arguments:
        body = smplx.create(str(folder), kind, ext="npz", gender="neutral", **arguments)
        assert bool(arguments["flat_hand_mean"]) == body.flat_hand_mean == options.get("flat_hand_mean", True)
    body_pose = torch.zeros(1, 21, 3)
    for hand in unshaped:
        body_pose[0, WRISTS[hand.side] - 1] = torch.tensor(hand.global_orient)
    joints = body(body_pose=body_pose.reshape(1, 63)).joints[0].detach().numpy()
    count = BODIES[kind][0]
    for hand, first in zip(unshaped, (count - 15, count - 30), strict=True):
        ours = hand.joints_3d[MANO_IN_21]
        assert np.abs(joints[first:first + 15] - joints[WRISTS[hand.side]] - (ours[1:] - ours[0])).max() < 1e-5


def hand_without_shape(hand):
    return replace(hand, betas=np.zeros(10))


def test_few_components_come_close(folder, mano):
    hand = predicted("left", mano)
    pose = body_arguments([hand], mano, flat_hand_mean=False, pca=6)["left_hand_pose"]
    components = left_arrays()["hands_components"][:6]
    closest = np.linalg.lstsq(components.T, hand.hand_pose - left_arrays()["hands_mean"], rcond=None)[0]
    assert np.allclose(pose[0], closest, atol=1e-5)


def test_one_hand_of_each_side_the_surest(mano):
    hands = [replace(predicted("right", mano, seed), score=score) for seed, score in ((1, 0.5), (2, 0.9), (3, 0.7))]
    arguments = body_arguments(hands)
    assert np.allclose(arguments["right_hand_pose"][0], hands[1].hand_pose, atol=1e-6)
    assert np.allclose(arguments["right_transl"][0], hands[1].transl, atol=1e-6)
    assert not any(name.startswith("left") for name in arguments)
    assert set(body_arguments([])) == {"flat_hand_mean", "use_pca"}


@pytest.mark.parametrize("options", [{}, {"flat_hand_mean": False}, {"flat_hand_mean": False, "pca": 6}])
def test_a_file_of_one_hand_or_none_is_accepted(folder, mano, tmp_path, options):
    """A side that was not seen is flat, or in the mean pose, as smplx has it by itself."""
    for hands in ([predicted("right", mano)], []):
        write_smplx(tmp_path / "a.npz", hands, mano, **options)
        with np.load(tmp_path / "a.npz") as arguments:
            body = smplx.create(str(folder), "smplh", ext="npz", gender="neutral", **arguments)
        assert not body.left_hand_pose.detach().numpy().any() and np.isfinite(body().joints.detach().numpy()).all()


def test_open_hands_pose_is_exported_but_not_its_betas(mano):
    hand = predicted("left", HandModel.load())
    assert "betas" not in hand_arguments(hand) and "betas" in hand_arguments(predicted("left", mano))
    for options in ({"flat_hand_mean": False}, {"pca": 6}):
        with pytest.raises(ValueError, match="give MANO_RIGHT.pkl"):
            body_arguments([hand], **options)
        with pytest.raises(ValueError, match="give MANO_RIGHT.pkl"):
            body_arguments([hand], HandModel.load(), **options)
    with pytest.raises(ValueError, match="1 to 45 components, not 46"):
        hand_arguments(hand, mano, pca=46)
    mirrored_mean = mirror_rotvec(mano.hands_mean.reshape(15, 3)).ravel()
    assert np.allclose(hand_arguments(hand, mano, flat_hand_mean=False)["hand_pose"][0],
                       to_mean_pose(hand.hand_pose, mirrored_mean), atol=1e-6)


def test_saved_beside_the_other_results(tmp_path, mano):
    hands = [predicted("right", mano)]
    save_result(tmp_path, "a", "a.jpg", Result(96, 64, Camera.from_fov(60, 96, 64), hands), smplx={})
    assert json.loads((tmp_path / "a.json").read_text())["hands"]
    with np.load(tmp_path / "a.smplx.npz") as file:
        assert np.allclose(file["right_hand_pose"][0], hands[0].hand_pose, atol=1e-6) and file["flat_hand_mean"]


@pytest.mark.parametrize("options, shape", [(["--smplx"], (1, 45)), (["--smplx-pca", "12"], (1, 12))])
def test_command_writes_what_smplx_takes(folder, tmp_path, monkeypatch, options, shape):
    from handpose.command.cli import main
    shutil.copy(Path(__file__).parent / "data" / "hand_right.jpg", tmp_path / "a.jpg")
    monkeypatch.setenv("HANDPOSE_MANO", str(folder))
    assert main(["predict", str(tmp_path / "a.jpg"), "--out", str(tmp_path), "--no-overlay", *options]) == 0
    predicted_pose = np.array(json.loads((tmp_path / "a.json").read_text())["hands"][0]["mano"]["hand_pose"])
    with np.load(tmp_path / "a.smplx.npz") as arguments:
        assert arguments["right_hand_pose"].shape == shape
        body = smplx.create(str(folder), "smplh", ext="npz", gender="neutral", **arguments)
    posed = body(return_full_pose=True).full_pose[0, -45:].detach().numpy()
    components, mean = mano_arrays()["hands_components"][:12], mano_arrays()["hands_mean"]
    closest = predicted_pose if options == ["--smplx"] else (predicted_pose - mean) @ components.T @ components + mean
    assert np.abs(posed - closest).max() < 1e-4
