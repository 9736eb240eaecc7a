"""The hand model against a naive reference, finite differences, its own mirror image and anatomy."""
import json
import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from mano_files import mano_arrays
from scipy.spatial.transform import Rotation

from handpose.hand_model.layer import HandLayer
from handpose.hand_model.model import MANO_TIP_VERTICES, OPEN_HAND, HandModel, mirror_rotvec
from handpose.hand_model.skeleton import BONES, MANO_PARENTS, MANO_TO_JOINT, TIP_JOINTS


@pytest.fixture(scope="module")
def arrays():
    with np.load(OPEN_HAND) as file:
        return {key: file[key] for key in file.files}


@pytest.fixture(scope="module")
def model():
    return HandLayer.load().double()


def random_parameters(count=3, seed=0):
    rng = np.random.default_rng(seed)
    return [torch.tensor(values) for values in (rng.normal(size=(count, 3)), rng.normal(size=(count, 45)) * 0.5,
                                                rng.normal(size=(count, 10)), rng.normal(size=(count, 3)))]


def naive_mano(arrays, global_orient, hand_pose, betas, transl):
    """MANO's equations written out with 4x4 matrices, one vertex at a time; (V, 3) vertices and (16, 3) joints."""
    rotations = [Rotation.from_rotvec(v).as_matrix() for v in np.vstack([global_orient, hand_pose.reshape(15, 3)])]
    shaped = arrays["v_template"].astype(float).copy()
    for k in range(10):
        shaped += betas[k] * arrays["shapedirs"][:, :, k]
    rest_joints = arrays["J_regressor"].astype(float) @ shaped
    feature = np.concatenate([(r - np.eye(3)).ravel() for r in rotations[1:]])
    posed_rest = shaped + arrays["posedirs"].astype(float) @ feature
    world = []
    for joint in range(16):
        local = np.eye(4)
        local[:3, :3] = rotations[joint]
        parent = MANO_PARENTS[joint]
        local[:3, 3] = rest_joints[joint] - (rest_joints[parent] if parent >= 0 else 0)
        world.append(local if parent < 0 else world[parent] @ local)
    skin = []
    for joint in range(16):
        back = np.eye(4)
        back[:3, 3] = -rest_joints[joint]
        skin.append(world[joint] @ back)
    vertices = np.empty_like(posed_rest)
    for v, point in enumerate(posed_rest):
        blended = sum(arrays["weights"][v, joint].astype(float) * skin[joint] for joint in range(16))
        vertices[v] = (blended @ np.append(point, 1))[:3]
    return vertices + transl, np.array([w[:3, 3] for w in world]) + transl


def with_pose_shapes(arrays):
    """The same hand with invented pose blend shapes, since the open hand's own are zero."""
    rng = np.random.default_rng(5)
    return {**arrays, "posedirs": (rng.normal(size=arrays["posedirs"].shape) * 1e-4).astype(np.float32)}


def test_growth_is_what_differences_of_betas_say(arrays):
    model = HandModel(with_pose_shapes(arrays), "open")
    pose = Rotation.random(16, random_state=1).as_matrix()[None]
    betas = np.random.default_rng(2).normal(size=(1, 10))
    for hand in (model, model.left(), model.joints_only()):
        there = hand.pose(pose, betas, np.zeros((1, 3)))
        growth = hand.growth(there.turns[0])
        for k in range(10):
            larger = hand.pose(pose, betas + 2 * np.eye(10)[k], np.zeros((1, 3)))
            assert np.abs((larger.joints - there.joints)[0] / 2 - growth[..., k]).max() < 1e-7
        layer = HandLayer(hand.arrays(), "open").double()
        assert np.abs(layer.growth(torch.from_numpy(there.turns[0])).numpy() - growth).max() < 1e-7


def test_equals_naive_reference(arrays):
    invented = with_pose_shapes(arrays)
    model = HandModel(invented, "open")
    parameters = [p.numpy() for p in random_parameters()]
    posed = model(*parameters)
    for n in range(3):
        vertices, joints = naive_mano(invented, *(p[n] for p in parameters))
        assert np.abs(posed.vertices[n] - vertices).max() < 1e-6
        # the 21 joints, their constant offsets taken off again
        bare = HandModel({**invented, "joint_offsets": np.zeros((21, 3))}, "open")
        bare = bare(*parameters).joints[n]
        assert np.abs(bare[list(MANO_TO_JOINT)] - joints).max() < 1e-6
        assert np.abs(bare[list(TIP_JOINTS)] - vertices[invented["tip_vertices"]]).max() < 1e-6


@pytest.mark.parametrize("kind", [lambda model: model, lambda model: model.left(), lambda model: model.joints_only(),
                                  lambda model: model.left().joints_only()])
def test_the_layer_is_the_model_in_torch(arrays, kind):
    invented, parameters = with_pose_shapes(arrays), [p.float() for p in random_parameters()]
    model, layer = kind(HandModel(invented, "open")), kind(HandLayer(invented, "open"))
    posed, expected = model(*(p.numpy() for p in parameters)), layer(*parameters)
    for name in ("vertices", "joints"):
        assert getattr(posed, name).dtype == np.float32
        assert np.abs(getattr(posed, name) - getattr(expected, name).numpy()).max() < 1e-6
    assert np.array_equal(model.faces, layer.faces) and model.tip_vertices == layer.tip_vertices
    assert kind(HandLayer(invented, "open").double()).v_template.dtype == torch.float64


def test_gradients(arrays):
    parameters = [p[:1].requires_grad_() for p in random_parameters(1)]
    skeleton = HandLayer(with_pose_shapes(arrays), "open").joints_only().double()
    assert torch.autograd.gradcheck(lambda *p: skeleton(*p).joints, parameters, atol=1e-6)


def test_joints_only_gives_the_same_joints(arrays):
    model = HandLayer(with_pose_shapes(arrays), "open").double()
    parameters = random_parameters()
    assert torch.allclose(model.joints_only().double()(*parameters).joints, model(*parameters).joints, atol=1e-7)


def test_mano_s_data_has_its_joints_from_the_posed_mesh():
    """As FreiHAND's tool takes them: the regressor times the posed vertices, and five of these; `joints_only` alike."""
    arrays, parameters = mano_arrays(), [p.numpy() for p in random_parameters()]
    model = HandModel(arrays, "mano")
    posed, small = model(*parameters), model.joints_only()
    joints = model.data_joints(posed)
    for n in range(3):
        vertices, about = naive_mano(arrays, *(p[n] for p in parameters))
        assert np.abs(joints[n, list(MANO_TO_JOINT)] - arrays["J_regressor"] @ vertices).max() < 1e-6
        assert np.abs(joints[n, list(TIP_JOINTS)] - vertices[list(MANO_TIP_VERTICES)]).max() < 1e-6
        assert np.abs(posed.joints[n, list(MANO_TO_JOINT)] - about).max() < 1e-6
    assert 5e-4 < np.linalg.norm(joints - posed.joints, axis=2).mean() < 5e-3
    assert np.abs(small.data_joints(small(*parameters)) - joints).max() < 2e-6
    assert np.abs(small(*parameters).joints - posed.joints).max() < 1e-6
    assert small.v_template.shape[0] < 150
    layer = HandLayer(arrays, "mano").joints_only()
    turned = layer(*(torch.from_numpy(p).float() for p in parameters))
    assert np.abs(layer.data_joints(turned).numpy() - joints).max() < 1e-5


def test_the_open_hand_s_data_has_its_joints(arrays):
    model = HandModel(arrays, "open")
    posed = model(*(p.numpy() for p in random_parameters()))
    assert np.array_equal(model.data_joints(posed), posed.joints)


def test_left_is_the_mirror_image(arrays):
    model = HandLayer(with_pose_shapes(arrays), "open").double()
    orient, pose, betas, transl = random_parameters()
    mirror = torch.tensor([-1.0, 1, 1]).double()
    left_pose = torch.tensor(mirror_rotvec(pose.reshape(-1, 15, 3))).reshape(-1, 45)
    as_left = torch.tensor(mirror_rotvec(orient)), left_pose, betas, transl * mirror
    left, right = model.left()(*as_left), model(orient, pose, betas, transl)
    assert torch.allclose(left.vertices, right.vertices * mirror, atol=1e-6)
    assert torch.allclose(left.joints, right.joints * mirror, atol=1e-6)


@pytest.mark.parametrize("side", ["right", "left"])
def test_normals_point_outwards(model, side):
    hand = model if side == "right" else model.left()
    vertices = hand(*(torch.zeros(1, n).double() for n in (3, 45, 10, 3))).vertices[0].numpy()
    a, b, c = vertices[hand.faces].swapaxes(0, 1)
    assert (a * np.cross(b, c)).sum() / 6 > 2e-4  # signed volume, m3: positive where normals point outwards


def test_mesh_is_one_hand_with_one_open_wrist(arrays):
    faces = arrays["f"]
    edges, counts = np.unique(np.sort(faces[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2), 1), axis=0, return_counts=True)
    assert set(counts) == {1, 2}
    border = edges[counts == 1]
    assert len(border) == 20 and (np.unique(border, return_counts=True)[1] == 2).all()
    assert np.unique(faces).tolist() == list(range(len(arrays["v_template"])))


def test_file_is_well_formed(arrays):
    assert arrays["weights"].min() >= 0 and np.allclose(arrays["weights"].sum(1), 1, atol=1e-5)
    assert ((arrays["weights"] > 0).sum(1) <= 4).all()
    assert np.allclose(arrays["J_regressor"].sum(1), 1, atol=1e-5)
    assert arrays["shapedirs"].shape == (len(arrays["v_template"]), 3, 10)
    assert arrays["uv"].min() >= 0 and arrays["uv"].max() <= 1 and arrays["uv_faces"].shape == arrays["f"].shape
    assert json.dumps(str(arrays["provenance"])).count("Apache-2.0") == 1


def test_size_and_bones_are_an_adults(model):
    rest = model(*(torch.zeros(1, n).double() for n in (3, 45, 10, 3))).joints[0].numpy()
    assert 0.165 < np.linalg.norm(rest[12] - rest[0]) < 0.205
    lengths = {child: np.linalg.norm(rest[child] - rest[parent]) for parent, child in BONES}
    for first in (5, 9, 13, 17):  # metacarpal, then phalanges that shorten outwards
        assert lengths[first] > lengths[first + 1] > lengths[first + 2] > 0.012
    assert lengths[9] > 0.075  # the knuckle where the field has it, not at the web


def test_palms_are_broad_and_narrow_as_people_s_are(model):
    """Their length over breadth varies by 4 to 6 %; the tenth beta makes a hand broader and neither longer nor thicker.
    """
    betas = torch.as_tensor(np.random.default_rng(0).normal(size=(500, 10)))
    orient, pose, transl = (torch.zeros(500, count).double() for count in (3, 45, 3))
    joints = model(orient, pose, betas, transl).joints.numpy()
    length, breadth = (np.linalg.norm(joints[:, end] - joints[:, start], axis=1) for start, end in ((0, 9), (5, 17)))
    assert 0.04 < (length / breadth).std() / (length / breadth).mean() < 0.06
    mean, broad = (model.rest(torch.as_tensor(sd * np.eye(10)[9:]))[0][0].numpy() for sd in (0, 1))
    assert np.allclose(broad, mean * [1, 1, 1.05], atol=1e-6)


def bend(**angles):
    """hand_pose (1, 45) from flexions in radians of a finger's three joints."""
    pose = np.zeros((15, 3))
    for finger, values in angles.items():
        first = 3 * ("index", "middle", "little", "ring", "thumb").index(finger)
        pose[first:first + 3, 2] = values
    return torch.tensor(pose.reshape(1, 45))


def joints_of(model, pose):
    zeros = [torch.zeros(1, count).double() for count in (3, 10, 3)]
    return model(zeros[0], pose, *zeros[1:]).joints[0].numpy()


def test_a_fist_brings_fingertips_to_the_palm(model):
    curl = (1.45, 1.7, 1.0)
    fist = joints_of(model, bend(index=curl, middle=curl, ring=curl, little=curl))
    flat = joints_of(model, bend())
    palm_normal = np.cross(flat[17] - flat[0], flat[5] - flat[0])
    for tip, knuckle in ((8, 5), (12, 9), (16, 13), (20, 17)):
        assert np.linalg.norm(fist[tip] - fist[knuckle]) < 0.5 * np.linalg.norm(flat[tip] - flat[knuckle])
        assert (fist[tip] - flat[knuckle]) @ palm_normal < 0  # on the palm's side, not the back's
    # neighbouring fingertips stay apart by about a finger, and in order
    gaps = np.linalg.norm(np.diff(fist[[8, 12, 16, 20]], axis=0), axis=1)
    assert (gaps > 0.008).all() and (gaps < 0.04).all()


def test_pointing_bends_only_the_other_fingers(model):
    curl = (1.45, 1.7, 1.0)
    point = joints_of(model, bend(middle=curl, ring=curl, little=curl))
    flat = joints_of(model, bend())
    assert np.allclose(point[5:9], flat[5:9], atol=1e-9)
    assert np.linalg.norm(point[12] - point[9]) < 0.5 * np.linalg.norm(flat[12] - flat[9])


def test_a_file_as_mano_has_it_is_read(tmp_path, arrays):
    """778 vertices and none of our own keys; here the open hand's first 778 with an invented triangle list."""
    few = {key: arrays[key][:778] for key in ("v_template", "shapedirs", "posedirs", "weights")}
    few |= {"J_regressor": arrays["J_regressor"][:, :778], "kintree_table": arrays["kintree_table"],
            "f": np.arange(777).reshape(-1, 3)}
    np.savez(tmp_path / "mano.npz", **few)
    posed = HandLayer.load(tmp_path / "mano.npz").double()(*random_parameters(1))
    vertices, joints = naive_mano(few, *(p[0].numpy() for p in random_parameters(1)))
    assert np.abs(posed.vertices[0].numpy() - vertices).max() < 1e-6
    assert np.allclose(posed.joints[0, [0, 5, 4, 20]], [joints[0], joints[1], vertices[744], vertices[672]], atol=1e-6)


def test_missing_file_and_missing_keys_name_the_remedy(tmp_path, arrays):
    with pytest.raises(FileNotFoundError, match="bake_hand"):
        HandModel.load(tmp_path / "none.npz")
    np.savez(tmp_path / "part.npz", v_template=arrays["v_template"])
    with pytest.raises(ValueError, match="lacks shapedirs"):
        HandModel.load(tmp_path / "part.npz")


ONE_HAND = """
import time
import numpy as np
from handpose.hand_model.model import HandModel
model, one = HandModel.load(), [np.zeros((1, n), np.float32) for n in (3, 45, 10, 3)]
model(*one)
time.sleep(0.3)
cpu, wall = time.process_time(), time.perf_counter()
for _ in range(200):
    model(*one)
print((time.process_time() - cpu) / (time.perf_counter() - wall))
"""


def test_posing_one_hand_keeps_to_one_core():
    """BLAS's threads, once woken, wait in a busy loop on the cores that the networks need next."""
    environment = {name: value for name, value in os.environ.items() if not name.endswith("_NUM_THREADS")}
    cores = subprocess.check_output([sys.executable, "-c", ONE_HAND], env=environment, text=True)
    assert float(cores) < 1.3
