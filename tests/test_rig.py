"""Rigged hands, read back by the formats' specifications, by trimesh, by glTF's own validator and by three.js."""
import io
import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import trimesh
from mano_files import mano_arrays
from rig_files import Bvh, Played, of_vertices, rotation_matrix
from scipy.spatial.transform import Rotation
from test_export import in_gltf_frame

from benchmarks import gltf_programs
from handpose.clips.arrays import ClipArrays
from handpose.command.cli import main
from handpose.hand import Hand
from handpose.hand_model.model import HandModel
from handpose.hand_model.skeleton import MANO_JOINT_NAMES, MANO_PARENTS
from handpose.rig.bvh import bvh_text
from handpose.rig.motion import motions_of_clip, motions_of_photo
from handpose.rig.rigged_glb import rigged_glb
from train.make_clip import clip_camera, make_clip
from train.synthesis.motions import stage

EXAMPLES = Path(__file__).parent.parent / "assets" / "examples"
MODEL = HandModel.load()
MODELS = {"right": MODEL, "left": MODEL.left()}
CAMERA = clip_camera(640, 480)
FPS, FRAMES = 30, 24
UNSEEN = slice(9, 14)  # frames in which nobody sees the left hand
TENTH_MM = 1e-4


@pytest.fixture(scope="module")
def frames():
    """The true hands of a clip: a right and a left one that wave."""
    return stage("wave", 2, np.arange(FRAMES) / FPS, CAMERA, seed=3)


@pytest.fixture(scope="module")
def arrays(frames):
    """What a tracker says that misses the left hand for some frames."""
    collected = ClipArrays(CAMERA, 640, 480)
    for number, hands in enumerate(frames):
        hidden = UNSEEN.start <= number < UNSEEN.stop
        collected.add(number / FPS, [one for one in hands if not (hidden and one.hand.side == "left")])
    return collected.arrays()


@pytest.fixture(scope="module")
def clip(arrays):
    """The clip's motions and their GLB."""
    motions = motions_of_clip(arrays, MODELS)
    return motions, rigged_glb(motions)


def test_a_photos_skinned_hands_are_ours(frames):
    hands = [one.hand for one in frames[5]]
    played = Played(rigged_glb(motions_of_photo(hands, MODELS)))
    assert "animations" not in played.tree
    for number, hand in enumerate(hands):
        name = f"hand{number}_{hand.side}"
        points = of_vertices(played.skinned(f"{name}_mesh"), MODELS[hand.side])
        assert np.abs(points - in_gltf_frame(hand.vertices)).max() < TENTH_MM / 10
        assert played.node(name)["extras"]["betas"] == pytest.approx(hand.betas, abs=1e-5)


def test_the_nodes_hold_our_parameters_and_without_rotations_the_hand_is_flat(frames):
    hand = frames[7][1].hand
    played = Played(rigged_glb(motions_of_photo([hand], MODELS)))
    skin, = played.tree["skins"]
    joints = [played.nodes[joint] for joint in skin["joints"]]
    assert [joint["name"] for joint in joints] == [f"left_{name}" for name in MANO_JOINT_NAMES]
    for number, parent in enumerate(MANO_PARENTS[1:], 1):
        assert played.parent[skin["joints"][number]] == skin["joints"][parent]
    told = Rotation.from_rotvec(np.vstack([hand.global_orient, hand.hand_pose.reshape(15, 3)])).as_matrix()
    for joint, matrix in zip(joints, told, strict=True):
        assert np.allclose(rotation_matrix(joint["rotation"]), matrix, atol=1e-6)
        joint["rotation"] = [0, 0, 0, 1]
    flat = MODELS["left"](np.zeros((1, 3)), np.zeros((1, 45)), hand.betas[None], hand.transl[None]).vertices[0]
    points = of_vertices(played.skinned("hand0_left_mesh"), MODELS["left"])
    assert np.abs(points - in_gltf_frame(flat)).max() < TENTH_MM / 10


def test_a_clip_plays_at_its_times(clip, frames):
    motions, data = clip
    played = Played(data)
    assert [one["name"] for one in played.tree["animations"]] == ["all_hands", "track1_right", "track2_left"]
    for number in (0, 5, 17, FRAMES - 1):
        for animation in (0, 1):  # all hands, and the right one alone
            played.at(number / FPS, animation)
            points = of_vertices(played.skinned("track1_right_mesh"), MODEL)
            assert np.abs(points - in_gltf_frame(frames[number][0].hand.vertices)).max() < TENTH_MM / 5
    # Between two frames it is between them.
    between = of_vertices(played.at(5.5 / FPS).skinned("track1_right_mesh"), MODEL)
    around = [in_gltf_frame(frames[number][0].hand.vertices) for number in (5, 6)]
    assert np.abs(between - np.mean(around, 0)).max() < 3e-4
    ends = {one["name"]: max(played.arrays[sampler["input"]].max() for sampler in one["samplers"])
            for one in played.tree["animations"]}
    assert all(end == pytest.approx((FRAMES - 1) / FPS) for end in ends.values())


def test_a_hand_that_is_not_seen_is_not_shown(clip, frames):
    played = Played(clip[1])
    for number in range(FRAMES):
        points = played.at(number / FPS).skinned("track2_left_mesh")
        if UNSEEN.start <= number < UNSEEN.stop:
            assert np.ptp(points, axis=0).max() < 1e-6
        else:
            truth = in_gltf_frame(frames[number][1].hand.vertices)
            assert np.abs(of_vertices(points, MODELS["left"]) - truth).max() < TENTH_MM / 5
    scales = [channel for channel in played.tree["animations"][0]["channels"] if channel["target"]["path"] == "scale"]
    assert len(scales) == 1  # of the hand that is always seen there is none


def test_a_hand_that_comes_late_and_leaves_early_has_an_animation_as_long_as_the_clip(arrays):
    numbers = np.arange(FRAMES)[:, None]
    short = {**arrays, "track": np.where((numbers < 4) | (numbers >= UNSEEN.start), -1, arrays["track"])}
    played = Played(rigged_glb(motions_of_clip(short, MODELS)))
    keys = [played.arrays[sampler["input"]] for sampler in played.tree["animations"][2]["samplers"]]
    assert max(times.max() for times in keys) == pytest.approx((FRAMES - 1) / FPS)
    for number in (0, 3, 4, 8, 9, FRAMES - 1):
        shown = np.ptp(played.at(number / FPS, 2).skinned("track2_left_mesh"), axis=0).max() > 0.05
        assert shown == (4 <= number < UNSEEN.start)


def test_rotations_do_not_jump(arrays):
    """A program that interpolates quaternions number by number, as many do, takes the short way."""
    turning = Rotation.from_euler("y", np.linspace(0, 4 * np.pi, FRAMES)[:, None]).as_rotvec()
    assert np.abs(np.diff(turning, axis=0)).max() > np.pi
    for motion in motions_of_clip({**arrays, "global_orient": np.stack([turning, turning], 1)}, MODELS):
        apart = np.diff(motion.rotations[:9], axis=0)  # both are seen in these
        assert np.linalg.norm(apart, axis=-1).max() < 0.3


def test_bones_keep_their_lengths_and_the_hand_its_pixels(arrays):
    """A tracker's shape wavers, and with it the place: the hand gets one shape and looks the same."""
    noise = np.random.default_rng(0).normal(0, 0.3, arrays["betas"].shape)
    wavering = {**arrays, "betas": arrays["betas"] + noise, "transl": 1.2 * arrays["transl"]}
    for motion in motions_of_clip(wavering, MODELS):
        count = len(motion.wrist)
        rest = motion.model.rest(motion.betas[None].astype(np.float32))[1][0, 0]
        posed = motion.model.pose(motion.matrices(), np.tile(motion.betas, (count, 1)), motion.wrist - rest)
        told = arrays["joints_2d"][arrays["side"] == motion.side]
        size = np.ptp(told, axis=1).max()
        assert np.linalg.norm(CAMERA.project(posed.joints) - told, axis=-1).mean() < 0.02 * size
        lengths = np.linalg.norm(posed.pivots[:, 1:] - posed.pivots[:, list(MANO_PARENTS[1:])], axis=-1)
        assert np.ptp(lengths, axis=0).max() < 1e-6


def test_a_track_that_changes_its_side_is_two_hands(arrays):
    side = np.where((arrays["side"] == "right") & (np.arange(FRAMES) < 6)[:, None], "left", arrays["side"])
    motions = motions_of_clip({**arrays, "side": side}, MODELS)
    assert [motion.name for motion in motions] == ["track1_left", "track1_right", "track2_left"]
    assert [int(motion.seen.sum()) for motion in motions] == [6, FRAMES - 6, FRAMES - (UNSEEN.stop - UNSEEN.start)]


def test_trimesh_reads_a_closed_hand(frames):
    hand = frames[0][0].hand
    scene = trimesh.load_scene(io.BytesIO(rigged_glb(motions_of_photo([hand], MODELS))), file_type="glb")
    mesh, = scene.geometry.values()
    assert mesh.visual.uv.shape == (len(mesh.vertices), 2) and np.ptp(mesh.visual.uv, axis=0).min() > 0.9
    assert (np.einsum("ij,ij->i", mesh.vertex_normals, mesh.vertices - mesh.vertices.mean(0)) > 0).mean() > 0.7
    shades = mesh.visual.vertex_attributes["color"][:, :3]
    assert shades.max() == 255 and shades.min() < 200
    mesh.merge_vertices(merge_tex=True, merge_norm=True)
    assert mesh.is_watertight and mesh.is_winding_consistent and mesh.volume > 2e-4
    assert len(mesh.vertices) == len(MODEL.v_template) + 1


def mano_hand() -> tuple[Hand, dict[str, HandModel]]:
    """A left hand of a model as MANO's, with pose blend shapes and without UVs."""
    right = HandModel(mano_arrays(), "mano")
    models, rng = {"right": right, "left": right.left()}, np.random.default_rng(4)
    told = {"global_orient": rng.normal(size=3), "hand_pose": 0.4 * rng.normal(size=45), "betas": rng.normal(size=10),
            "transl": np.array([0.1, 0.0, 0.5])}
    posed = models["left"](*(values[None] for values in told.values()))
    return Hand("left", 0.9, np.zeros(4), "mano", CAMERA.project(posed.joints[0]), posed.joints[0], posed.vertices[0],
                models["left"].faces, **told), models


def test_manos_pose_blend_shapes_are_a_morph_target():
    hand, models = mano_hand()
    played = Played(rigged_glb(motions_of_photo([hand], models)))
    points = of_vertices(played.skinned("hand0_left_mesh"), models["left"])
    assert np.abs(points - in_gltf_frame(hand.vertices)).max() < TENTH_MM
    bare = models["left"].arrays() | {"posedirs": np.zeros((778, 3, 135))}
    told = (values[None] for values in (hand.global_orient, hand.hand_pose, hand.betas, hand.transl))
    without = HandModel(bare, "mano")(*told).vertices[0]
    assert np.abs(hand.vertices - without).max() > 10 * TENTH_MM  # it would be missed
    attributes = played.tree["meshes"][0]["primitives"][0]["attributes"]
    assert "TEXCOORD_0" not in attributes
    assert played.arrays[attributes["WEIGHTS_0"]].sum(1).min() > 0.5


def test_more_joints_than_four_take_a_second_set(frames):
    """A hand whose skin follows six joints each."""
    soft = MODEL.arrays()
    soft["weights"] = 0.95 * soft["weights"] + 0.05 / 6 * (np.arange(16) < 6)
    models = {"right": HandModel(soft, "open")}
    told = frames[3][0].hand
    parameters = (values[None] for values in (told.global_orient, told.hand_pose, told.betas, told.transl))
    hand = replace(told, vertices=models["right"](*parameters).vertices[0])
    played = Played(rigged_glb(motions_of_photo([hand], models)))
    attributes = played.tree["meshes"][0]["primitives"][0]["attributes"]
    assert {"JOINTS_0", "WEIGHTS_0", "JOINTS_1", "WEIGHTS_1"} <= set(attributes)
    points = of_vertices(played.skinned("hand0_right_mesh"), models["right"])
    assert np.abs(points - in_gltf_frame(hand.vertices)).max() < TENTH_MM


def test_bvh_puts_the_joints_where_they_are(clip, frames):
    for motion, column in zip(clip[0], (0, 1), strict=True):
        bvh, side = Bvh(bvh_text(motion)), motion.side
        assert bvh.step == pytest.approx(1 / FPS) and len(bvh.rows) == FRAMES
        for number in (0, 6, FRAMES - 1):
            hand = frames[number][column].hand
            parameters = (values[None] for values in (hand.global_orient, hand.hand_pose, hand.betas, hand.transl))
            posed, places = MODELS[side](*parameters), bvh.places(number)
            joints = np.stack([places[f"{side}_{name}"] for name in MANO_JOINT_NAMES]) / 100
            assert np.abs(joints - in_gltf_frame(posed.pivots[0])).max() < TENTH_MM / 5
            # The end of a bone follows it rigidly, the skin nearly so.
            tip = posed.vertices[0, MODEL.tip_vertices[1]] * [1, -1, -1]
            assert np.linalg.norm(places[f"{side}_index3 end"] / 100 - tip) < 1e-3
        assert np.abs(np.diff(bvh.rows, axis=0)).max() < 25  # degrees and centimetres: no jumps


def test_bvh_moves_evenly_where_the_hand_is_not_seen_and_rests_before(arrays, frames):
    late = {**arrays, "track": np.where((np.arange(FRAMES) < 4)[:, None], -1, arrays["track"])}
    motion = next(motion for motion in motions_of_clip(late, MODELS) if motion.side == "left")
    places = [Bvh(bvh_text(motion)).places(number)["left_wrist"] for number in range(FRAMES)]
    assert np.allclose(places[:4], places[4])
    last, first = UNSEEN.start - 1, UNSEEN.stop
    for number in range(last, first):
        share = (number - last) / (first - last)
        assert np.allclose(places[number], places[last] * (1 - share) + places[first] * share, atol=1e-3)


def test_angles_go_on_where_one_would_jump():
    """A wrist that turns through where one of its angles is a quarter turn, and round and round."""
    turns = Rotation.from_euler("YX", np.column_stack([np.linspace(0, 720, 145), np.full(145, 30.0)]), degrees=True)
    hand = stage("rest", 1, np.zeros(1), CAMERA)[0][0].hand
    motion, = motions_of_photo([hand], MODELS)
    rotations = np.repeat(motion.rotations, 145, 0)
    rotations[:, 0] = turns.as_quat()
    motion = replace(motion, times_s=np.arange(145) / 30, seen=np.ones(145, bool), rotations=rotations,
                     wrist=np.repeat(motion.wrist, 145, 0))
    bvh = Bvh(bvh_text(motion))
    assert np.abs(np.diff(bvh.rows[:, 3:6], axis=0)).max() < 40
    bones = np.array([bvh.places(number)["right_middle1"] - bvh.places(number)["right_wrist"] for number in (0, 70)])
    rest = MODEL.rest(hand.betas[None].astype(np.float32))[1][0]
    assert np.allclose(bones, 100 * in_gltf_frame(turns[[0, 70]].apply(rest[4] - rest[0])), atol=1e-3)


def test_hands_of_a_told_size_are_that_large(arrays, frames):
    large = MODEL.scaled(1.3)
    told = frames[4][0].hand
    parameters = (values[None] for values in (told.global_orient, told.hand_pose, told.betas, told.transl))
    hand = replace(told, scale=1.3, vertices=large(*parameters).vertices[0])
    for models in (MODELS, {"right": large, "left": large.left()}):  # the models may know it or not
        played = Played(rigged_glb(motions_of_photo([hand], models)))
        points = of_vertices(played.skinned("hand0_right_mesh"), MODEL)
        assert np.abs(points - in_gltf_frame(hand.vertices)).max() < TENTH_MM / 10
    usual, larger = (motions_of_clip({**arrays, "scale": 0 * arrays["scale"] + scale}, MODELS) for scale in (1.0, 1.3))
    for one, other in zip(usual, larger, strict=True):  # and so much farther away
        assert np.linalg.norm(other.wrist, axis=1) == pytest.approx(1.3 * np.linalg.norm(one.wrist, axis=1), rel=1e-4)


def test_what_cannot_be_rigged_is_refused(frames):
    with pytest.raises(ValueError, match="nothing to rig"):
        rigged_glb([])
    with pytest.raises(ValueError, match="'mano', not 'open'"):
        motions_of_photo([replace(frames[0][0].hand, hand_model="mano")], MODELS)


@pytest.mark.skipif(gltf_programs.missing() is not None, reason=str(gltf_programs.missing()))
def test_other_programs_read_it(tmp_path, clip, frames):
    """glTF's validator has nothing to say, and three.js shows what we see."""
    hand, models = mano_hand()
    files = {"clip": clip[1], "photo": rigged_glb(motions_of_photo([one.hand for one in frames[5]], MODELS)),
             "mano": rigged_glb(motions_of_photo([hand], models))}
    for name, data in files.items():
        (tmp_path / f"{name}.glb").write_bytes(data)
        assert gltf_programs.validate(tmp_path / f"{name}.glb") == []
    numbers = [0, 5, 20]
    shown = gltf_programs.play_in_three(tmp_path / "clip.glb", [number / FPS for number in numbers])
    for number, meshes in zip(numbers, shown, strict=True):
        for one, name in zip(frames[number], ("track1_right_mesh", "track2_left_mesh"), strict=True):
            points = of_vertices(meshes[name], MODELS[one.hand.side])
            assert np.abs(points - in_gltf_frame(one.hand.vertices)).max() < TENTH_MM / 5
    hidden, = gltf_programs.play_in_three(tmp_path / "clip.glb", [11 / FPS])
    assert np.ptp(hidden["track2_left_mesh"], axis=0).max() < 1e-6
    still, = gltf_programs.play_in_three(tmp_path / "mano.glb", [0.0])
    points = of_vertices(still["hand0_left_mesh"], models["left"])
    assert np.abs(points - in_gltf_frame(hand.vertices)).max() < TENTH_MM


def test_the_command_writes_them(tmp_path):
    make_clip(tmp_path / "in" / "wave.mp4", frames=6, width=320, height=240, seed=3)
    shutil.copy(EXAMPLES / "both_hands.jpg", tmp_path / "in" / "both.jpg")
    out = tmp_path / "out"
    out.mkdir()
    for name in ("wave.track7_left.bvh", "wave.trackless.txt"):  # of an earlier run, and of somebody else
        (out / name).write_text("old")
    paths = [str(tmp_path / "in" / name) for name in ("both.jpg", "wave.mp4")]
    assert main(["predict", *paths, "--out", str(out), "--rig", "--npz", "--no-overlay", "--one-person"]) == 0
    assert sorted(path.name for path in out.iterdir() if path.name[0] != ".") == [
        "both.glb", "both.json", "both.npz", "both.rig.glb", "wave.npz", "wave.rig.glb", "wave.track1_right.bvh",
        "wave.trackless.txt"]
    with np.load(out / "both.npz") as result:
        played = Played((out / "both.rig.glb").read_bytes())
        for number, (side, vertices) in enumerate(zip(result["side"], result["vertices"], strict=True)):
            points = of_vertices(played.skinned(f"hand{number}_{side}_mesh"), MODELS[str(side)])
            assert np.abs(points - in_gltf_frame(vertices)).max() < TENTH_MM
    with np.load(out / "wave.npz") as result:
        played = Played((out / "wave.rig.glb").read_bytes())
        bvh = Bvh((out / "wave.track1_right.bvh").read_text())
        assert len(bvh.rows) == len(result["times_s"]) == 6
        for number, time_s in enumerate(result["times_s"]):
            wrist = played.at(time_s).matrix(played.tree["skins"][0]["joints"][0])[:3, 3]
            told = in_gltf_frame(result["joints_3d"][number, :, 0][:1])[0]
            assert np.linalg.norm(wrist - told) < 5e-3
            assert np.allclose(bvh.places(number)["right_wrist"] / 100, wrist, atol=1e-4)


def test_of_a_crowd_those_in_view_longest_are_rigged(arrays, caplog):
    """Twenty tracks, one after the other in one column, the later the longer."""
    lengths = np.arange(1, 21)
    which = np.repeat(lengths, lengths)
    rows = np.zeros(len(which), int)
    crowd = {key: values[rows][:, :1] if np.ndim(values) > 1 and len(values) == FRAMES else values
             for key, values in arrays.items()}
    motions = motions_of_clip({**crowd, "times_s": np.arange(len(which)) / FPS, "track": which[:, None]}, MODELS)
    assert [int(motion.seen.sum()) for motion in motions] == list(range(5, 21)) and "4 hands" in caplog.text


def test_the_example_of_the_docs_runs(tmp_path, monkeypatch):
    text = (EXAMPLES.parent.parent / "docs" / "rigs.md").read_text()
    program, = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    shutil.copy(EXAMPLES / "open_palm.jpg", tmp_path / "photo.jpg")
    monkeypatch.chdir(tmp_path)
    names = {}
    exec(program, names)
    hand, = names["result"].hands
    played = Played(Path("photo.rig.glb").read_bytes())
    points = of_vertices(played.skinned(f"hand0_{hand.side}_mesh"), MODELS[hand.side])
    assert np.abs(points - in_gltf_frame(hand.vertices)).max() < TENTH_MM
