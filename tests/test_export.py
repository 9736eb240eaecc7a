"""What is written is read back by other readers; what fails leaves nothing behind."""
import json
import os
import signal
import struct
from dataclasses import replace

import numpy as np
import pytest
import trimesh
from bad_images import scene
from PIL import Image

from handpose.camera import Camera
from handpose.drawing.palette import HAND_COLORS
from handpose.export import save_result, write_json, write_mesh, write_npz, write_picture
from handpose.hand import Hand, Result

CAMERA = Camera.from_fov(60, 96, 64)
UP = np.array([0, -1, 0])  # of the camera frame


def make_hand(side: str = "right", at=(0.05, -0.02, 0.5), score: float = 0.9, seed: int = 0) -> Hand:
    """A closed lopsided ball in the place of a hand, 8 cm across; the joints are its first vertices."""
    dice = np.random.default_rng(seed)
    ball = trimesh.creation.icosphere(subdivisions=2, radius=0.04)
    vertices = ball.vertices * [1, 1.5, 0.7] * (1 + 0.2 * dice.random((len(ball.vertices), 1)))
    faces = np.array(ball.faces, np.int32)
    if side == "left":
        vertices, faces = vertices * [-1, 1, 1], faces[:, ::-1]
    vertices = vertices + at
    pixels = CAMERA.project(vertices[:21])
    return Hand(side, score, np.concatenate([pixels.min(0), pixels.max(0)]), "open", pixels, vertices[:21], vertices,
                faces, dice.normal(size=3), dice.normal(size=45), dice.normal(size=10), np.array(at, float))


HANDS = [make_hand("right"), make_hand("left", (-0.10, 0.03, 0.7), 0.8, seed=1)]
RESULT = Result(96, 64, CAMERA, HANDS)


def read_glb(data: bytes) -> tuple[dict, list[np.ndarray]]:
    """A GLB's JSON and the arrays of its accessors, read by the specification (glTF 2.0, 5.1 and 4.4)."""
    magic, version, length, json_length, json_kind = struct.unpack_from("<4sIII4s", data)
    assert (magic, version, length, json_kind) == (b"glTF", 2, len(data), b"JSON")
    tree, binary = json.loads(data[20:20 + json_length]), data[20 + json_length + 8:]
    arrays = []
    for accessor in tree["accessors"]:
        kind, columns = {5126: "<f4", 5125: "<u4", 5123: "<u2", 5121: "u1"}[accessor["componentType"]], accessor["type"]
        start = tree["bufferViews"][accessor["bufferView"]].get("byteOffset", 0) + accessor.get("byteOffset", 0)
        width = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4, "MAT4": 16}[columns]
        arrays.append(np.frombuffer(binary, kind, accessor["count"] * width, start).reshape(-1, width))
    return tree, arrays


def in_gltf_frame(points: np.ndarray) -> np.ndarray:
    """Camera frame to y up, z towards the viewer, spelt out."""
    return np.stack([points[:, 0], -points[:, 1], -points[:, 2]], -1)


def outward(vertices: np.ndarray, faces: np.ndarray) -> bool:
    """Whether a closed mesh's triangles are wound so that normals point outwards: its volume is positive."""
    a, b, c = (vertices - vertices.mean(0))[faces].swapaxes(0, 1)
    return float(np.einsum("ij,ij->", a, np.cross(b, c))) > 0


def test_glb_by_the_specification(tmp_path):
    write_mesh(tmp_path / "hands.glb", HANDS)
    tree, arrays = read_glb((tmp_path / "hands.glb").read_bytes())
    assert [mesh["name"] for mesh in tree["meshes"]] == ["hand0_right", "hand1_left"]
    # No node moves anything, so that positions are those of the scene.
    for node in tree["nodes"]:
        assert np.array_equal(np.reshape(node.get("matrix", np.eye(4)), (4, 4)), np.eye(4))
        assert not {"translation", "rotation", "scale"} & set(node)
    for mesh, hand in zip(tree["meshes"], HANDS, strict=True):
        part, = mesh["primitives"]
        positions, normals = arrays[part["attributes"]["POSITION"]], arrays[part["attributes"]["NORMAL"]]
        faces = arrays[part["indices"]].reshape(-1, 3)
        assert np.allclose(positions, in_gltf_frame(hand.vertices), atol=1e-6)
        assert np.array_equal(faces, hand.faces) and outward(positions, faces)
        assert np.allclose(np.linalg.norm(normals, axis=1), 1, atol=1e-4)
        assert (np.einsum("ij,ij->i", normals, positions - positions.mean(0)) > 0).all()  # a ball's, outwards
        material = tree["materials"][part["material"]]
        assert material["doubleSided"] and material["pbrMetallicRoughness"]["metallicFactor"] == 0
        linear = np.array(material["pbrMetallicRoughness"]["baseColorFactor"])
        encoded = np.where(linear > 0.0031308, 1.055 * linear ** (1 / 2.4) - 0.055, 12.92 * linear) * 255  # IEC 61966
        assert np.abs(encoded[:3] - HAND_COLORS[hand.side]).max() < 4 and linear[3] == 1


@pytest.mark.parametrize("kind", ["glb", "obj", "ply"])
def test_meshes_come_back_upright_and_in_their_places(tmp_path, kind):
    write_mesh(tmp_path / f"hands.{kind}", HANDS)
    scene = trimesh.load_scene(tmp_path / f"hands.{kind}", process=False)  # which keeps no order
    mesh = trimesh.util.concatenate([mesh for _, mesh in sorted(scene.geometry.items())])
    expected = np.concatenate([in_gltf_frame(hand.vertices) for hand in HANDS])
    assert np.allclose(mesh.vertices, expected, atol=1e-6)
    assert np.array_equal(mesh.faces, np.concatenate([HANDS[0].faces, HANDS[1].faces + len(HANDS[0].vertices)]))
    # What is higher in the photo is higher in the viewer; what is nearer to the camera is nearer to the viewer.
    camera_points = np.concatenate([hand.vertices for hand in HANDS])
    assert np.argmax(camera_points @ UP) == np.argmax(mesh.vertices[:, 1])
    assert np.argmin(camera_points[:, 2]) == np.argmax(mesh.vertices[:, 2])
    assert list(tmp_path.iterdir()) == [tmp_path / f"hands.{kind}"]  # no material files beside it


def test_obj_and_ply_carry_normals_and_colours(tmp_path):
    write_mesh(tmp_path / "hands.obj", HANDS)
    lines = [line.split() for line in (tmp_path / "hands.obj").read_text().splitlines() if line.strip()]
    vertices = np.array([line[1:] for line in lines if line[0] == "v"], float)
    count = sum(len(hand.vertices) for hand in HANDS)
    assert vertices.shape == (count, 6) and sum(line[0] == "vn" for line in lines) == count
    assert [line[1] for line in lines if line[0] == "o"] == ["hand0_right", "hand1_left"]
    colours = vertices[[0, -1], 3:]
    assert np.allclose(colours * 255, [HAND_COLORS["right"], HAND_COLORS["left"]], atol=1)

    write_mesh(tmp_path / "hands.ply", HANDS)
    header = (tmp_path / "hands.ply").read_bytes().split(b"end_header")[0].decode()
    assert all(f" {name}\n" in header for name in ("nx", "ny", "nz", "red", "green", "blue"))
    mesh = trimesh.load_mesh(tmp_path / "hands.ply", process=False)
    assert np.abs(mesh.visual.vertex_colors[[0, -1], :3] - np.array(list(HAND_COLORS.values()), int)).max() <= 1


def test_json_is_the_convention(tmp_path):
    write_json(tmp_path / "a.json", "sub/a.jpg", RESULT)
    result = json.loads((tmp_path / "a.json").read_text())
    assert (result["image"], result["width"], result["height"]) == ("sub/a.jpg", 96, 64)
    assert result["camera"] == {"fx": CAMERA.fx, "fy": CAMERA.fy, "cx": 47.5, "cy": 31.5, "source": "user"}
    for read, hand in zip(result["hands"], HANDS, strict=True):
        assert (read["side"], read["hand_model"]) == (hand.side, "open")
        assert np.allclose(read["joints_3d"], hand.joints_3d, atol=1e-5)
        assert np.allclose(CAMERA.project(np.array(read["joints_3d"])), read["joints_2d"], atol=0.05)
        assert {name: len(values) for name, values in read["mano"].items()} == {
            "global_orient": 3, "hand_pose": 45, "betas": 10, "transl": 3}
        assert read["joint_angles"] == pytest.approx(hand.joint_angles, abs=0.06)
        assert np.allclose(read["wrist_pose"], hand.wrist_pose, atol=1e-5)
        assert np.allclose(read["operator_pose"], hand.operator_pose, atol=1e-5)
    write_json(tmp_path / "none.json", "b.jpg", replace(RESULT, hands=[]))
    assert json.loads((tmp_path / "none.json").read_text())["hands"] == []


def test_npz_holds_what_smplx_takes(tmp_path):
    write_npz(tmp_path / "a.npz", CAMERA, HANDS)
    with np.load(tmp_path / "a.npz", allow_pickle=False) as read:
        for name in ("vertices", "faces", "joints_3d", "joints_2d", "global_orient", "hand_pose", "betas", "transl",
                     "box", "score", "wrist_pose", "operator_pose", "openxr_poses"):
            assert np.array_equal(read[name], np.stack([getattr(hand, name) for hand in HANDS])), name
        assert read["side"].tolist() == ["right", "left"] and read["hand_model"].tolist() == ["open", "open"]
        assert np.array_equal(read["right_hand_pose"], HANDS[0].hand_pose[None])
        assert np.array_equal(read["left_hand_pose"], HANDS[1].hand_pose[None])
        for angles, hand in zip(read["joint_angles"], HANDS, strict=True):
            assert dict(zip(read["joint_angle_names"].tolist(), angles, strict=True)) == hand.joint_angles
        pixels = read["joints_3d"] @ read["intrinsics"].T
        assert np.allclose(pixels[..., :2] / pixels[..., 2:], read["joints_2d"])


def test_npz_of_no_hands_has_the_same_names_and_shapes(tmp_path):
    write_npz(tmp_path / "none.npz", CAMERA, [])
    write_npz(tmp_path / "two.npz", CAMERA, HANDS)
    with np.load(tmp_path / "none.npz") as none, np.load(tmp_path / "two.npz") as two:
        assert set(none) == set(two)
        for name in set(none) - {"intrinsics", "distortion", "joint_angle_names"}:
            assert len(none[name]) == 0 and none[name].dtype.kind == two[name].dtype.kind
            assert name in ("vertices", "faces") or none[name].shape[1:] == two[name].shape[1:]


def test_pictures_come_back(tmp_path):
    for suffix, tolerance in ((".png", 0), (".jpg", 8)):
        write_picture(tmp_path / f"a{suffix}", scene())
        read = np.asarray(Image.open(tmp_path / f"a{suffix}"))
        assert np.abs(read.astype(int) - scene()).max() <= tolerance


def test_meshes_of_nothing_or_of_unknown_kind_are_refused(tmp_path):
    with pytest.raises(ValueError, match="Without a hand"):
        write_mesh(tmp_path / "a.glb", [])
    with pytest.raises(ValueError, match="glb, obj, ply"):
        write_mesh(tmp_path / "a.stl", HANDS)
    assert not list(tmp_path.iterdir())


def save(folder, hands=HANDS, **options) -> list[str]:
    """Saves a result whose name has dots; returns the names of what then lies in its folder."""
    save_result(folder, "sub/a.b", "sub/a.b.jpg", replace(RESULT, hands=hands), overlay=scene(), npz=True, **options)
    return sorted(file.name for file in (folder / "sub").iterdir())


def test_all_files_of_a_result(tmp_path):
    assert save(tmp_path) == ["a.b.glb", "a.b.json", "a.b.npz", "a.b.overlay.jpg"]
    assert save(tmp_path, hands=[]) == ["a.b.json", "a.b.npz", "a.b.overlay.jpg"]  # and no mesh of before
    assert save(tmp_path / "2", mesh=None) == ["a.b.json", "a.b.npz", "a.b.overlay.jpg"]
    assert save(tmp_path / "3", mesh="ply") == ["a.b.json", "a.b.npz", "a.b.overlay.jpg", "a.b.ply"]


def test_files_have_the_usual_permissions(tmp_path):
    (tmp_path / "plain").write_text("")
    write_json(tmp_path / "a.json", "a.jpg", RESULT)
    assert (tmp_path / "a.json").stat().st_mode == (tmp_path / "plain").stat().st_mode


WRITERS = {"a.json": lambda path: write_json(path, "a.jpg", RESULT),
           "a.glb": lambda path: write_mesh(path, HANDS), "a.obj": lambda path: write_mesh(path, HANDS),
           "a.ply": lambda path: write_mesh(path, HANDS), "a.npz": lambda path: write_npz(path, CAMERA, HANDS),
           "a.overlay.jpg": lambda path: write_picture(path, scene(640, 480))}


@pytest.mark.skipif(os.name != "posix", reason="needs POSIX's limit of file size")
@pytest.mark.parametrize("name", WRITERS)
def test_a_full_disk_leaves_the_old_file_and_no_half_one(tmp_path, name):
    """The system itself refuses to write on after 1000 bytes, as it does on a full disk."""
    import resource

    (tmp_path / name).write_bytes(b"old")
    limits, handler = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
    try:
        with pytest.raises(OSError):
            WRITERS[name](tmp_path / name)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert list(tmp_path.iterdir()) == [tmp_path / name] and (tmp_path / name).read_bytes() == b"old"
    WRITERS[name](tmp_path / name)
    assert (tmp_path / name).stat().st_size > 1000


@pytest.mark.parametrize("name", WRITERS)
def test_an_interrupt_before_the_renaming_leaves_the_old_file(tmp_path, monkeypatch, name):
    (tmp_path / name).write_bytes(b"old")

    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", interrupt)
    with pytest.raises(KeyboardInterrupt):
        WRITERS[name](tmp_path / name)
    assert list(tmp_path.iterdir()) == [tmp_path / name] and (tmp_path / name).read_bytes() == b"old"


def test_json_is_written_last(tmp_path, monkeypatch):
    """So that where a photo's JSON lies, its other files do too."""
    written, replace = [], os.replace
    monkeypatch.setattr(os, "replace", lambda source, target: (written.append(target.suffix), replace(source, target)))
    save(tmp_path)
    assert sorted(written[:-1]) == [".glb", ".jpg", ".npz"] and written[-1] == ".json"
