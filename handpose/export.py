"""The files that a photo's hands become: JSON, a mesh to look at, arrays to compute with, a picture.

JSON and `.npz` are in the photo's camera frame (x right, y down, z away; metres). Mesh files of every kind are in
glTF's frame (x right, y up, z towards the viewer; metres), the camera still at the origin: a viewer shows the hands
upright and from where the photo was taken, and several hands keep their true places.

A file appears whole or not at all: it is written under a temporary name in the same folder, then renamed.
"""
from __future__ import annotations

import io
import json
import os
import zipfile
from glob import escape
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import trimesh
from PIL import Image
from trimesh.visual.material import PBRMaterial

from .camera import Camera
from .drawing.material import METALLIC, ROUGHNESS, base_color, crease_colors
from .drawing.palette import HAND_COLORS
from .hand import Hand, Result
from .hand_model.smplx import body_arguments
from .joint_angles import ANGLE_NAMES
from .joint_errors import JointErrors, joint_errors
from .whole_file import whole_file

if TYPE_CHECKING:
    from .hand_model.model import HandModel

MESH_KINDS = ("glb", "obj", "ply")
CAMERA_TO_GLTF = np.diag([1.0, -1.0, -1.0])  # half a turn about x


def write_json(path: str | os.PathLike, image: str, result: Result) -> None:
    """Writes a photo's result as JSON; `image` is the name that it gives the photo. Raises OSError."""
    _write(path, json_bytes(image, result))


def json_bytes(image: str, result: Result) -> bytes:
    """The content of a photo's JSON (see `write_json`)."""
    return json.dumps(result.to_dict(image), allow_nan=False).encode()


def write_mesh(path: str | os.PathLike, hands: list[Hand]) -> None:
    """Writes all hands as one mesh file: `.glb`, `.obj` or `.ply`, by the path's suffix. See the module for the frame.

    GLB holds one named object with a skin material per hand; OBJ one object per hand and PLY a single mesh, both with
    colours at the vertices. All have vertex normals. Raises ValueError for no hands or another suffix, and OSError.
    """
    _write(path, mesh_bytes(hands, Path(path).suffix.lstrip(".").lower()))


def mesh_bytes(hands: list[Hand], kind: str) -> bytes:
    """The content of a mesh file of a kind "glb", "obj" or "ply" (see `write_mesh`)."""
    if kind not in MESH_KINDS:
        raise ValueError(f"A mesh file is one of {', '.join(MESH_KINDS)}, not {kind!r}.")
    if not hands:
        raise ValueError("Without a hand there is no mesh to write: check for an empty result first.")
    meshes = {f"hand{number}_{hand.side}": _mesh(hand, kind) for number, hand in enumerate(hands)}
    if kind == "ply":
        return trimesh.util.concatenate(list(meshes.values())).export(file_type="ply", vertex_normal=True)
    content = trimesh.Scene(meshes).export(file_type=kind, include_normals=True)
    return content.encode() if isinstance(content, str) else content


def _mesh(hand: Hand, kind: str) -> trimesh.Trimesh:
    mesh = trimesh.Trimesh(hand.vertices @ CAMERA_TO_GLTF, hand.faces, process=False)
    if kind == "glb":  # two-sided, for the mesh is open at the wrist and its inside shows
        skin = PBRMaterial("skin", baseColorFactor=base_color(hand.side), metallicFactor=METALLIC,
                           roughnessFactor=ROUGHNESS, doubleSided=True)
        mesh.visual = trimesh.visual.TextureVisuals(material=skin)
        mesh.visual.vertex_attributes["color"] = crease_colors(mesh.vertices, hand.faces)
    else:
        color = np.array(HAND_COLORS[hand.side]) / 255
        mesh.visual.vertex_colors = np.tile((*color, 1.0), (len(mesh.vertices), 1))
    return mesh


def write_npz(path: str | os.PathLike, camera: Camera, hands: list[Hand]) -> None:
    """Writes the hands as arrays, the first axis running over the N hands. Raises OSError.

    side, hand_model (N,) strings; score (N,); box (N, 4); joints_2d (N, 21, 2) pixels; joints_3d (N, 21, 3) and
    vertices (N, V, 3), metres, camera frame; faces (N, F, 3), those of left hands wound the other way;
    intrinsics (3, 3), K; distortion (5,), OpenCV's k1, k2, p1, p2, k3. The parameters have the names and shapes that
    smplx.MANO(flat_hand_mean=True, use_pca=False) takes: global_orient (N, 3), hand_pose (N, 45), betas (N, 10),
    transl (N, 3); left_hand_pose and right_hand_pose (.., 45) are the rows of hand_pose of that side, as smplx.SMPLX
    takes them. scale (N,) multiplies the model's vertices before transl is added, 1 unless a person's size was told.
    joint_angles (N, 20) are the degrees of joint_angle_names (20,), see `handpose.joint_angles`;
    wrist_pose and operator_pose (N, 4, 4) and openxr_poses (N, 26, 4, 4) those of `handpose.wrist_frame`;
    joints_error_px, joints_error_mm and joints_hidden (N, 21) those of `handpose.joint_errors`.
    """
    _write(path, npz_bytes(camera, hands))


def npz_bytes(camera: Camera, hands: list[Hand]) -> bytes:
    """The content of a photo's `.npz` (see `write_npz`)."""
    def stack(name: str, *empty: int) -> np.ndarray:
        return np.stack([getattr(hand, name) for hand in hands]) if hands else np.zeros((0, *empty))

    side, hand_pose = np.array([hand.side for hand in hands], "U5"), stack("hand_pose", 45)
    buffer = io.BytesIO()
    errors = joint_errors(hands)
    np.savez_compressed(
        buffer, side=side, hand_model=np.array([hand.hand_model for hand in hands], str),
        score=np.array([hand.score for hand in hands], float), box=stack("box", 4),
        scale=np.array([hand.scale for hand in hands], float),
        joints_2d=stack("joints_2d", 21, 2), joints_3d=stack("joints_3d", 21, 3), vertices=stack("vertices", 0, 3),
        faces=stack("faces", 0, 3).astype(np.int32), intrinsics=camera.matrix,
        distortion=np.array(camera.distortion or np.zeros(5)),
        global_orient=stack("global_orient", 3), hand_pose=hand_pose, betas=stack("betas", 10),
        transl=stack("transl", 3), left_hand_pose=hand_pose[side == "left"], right_hand_pose=hand_pose[side == "right"],
        joint_angle_names=np.array(ANGLE_NAMES),
        joint_angles=np.reshape([[*hand.joint_angles.values()] for hand in hands], (len(hands), len(ANGLE_NAMES))),
        wrist_pose=stack("wrist_pose", 4, 4), operator_pose=stack("operator_pose", 4, 4),
        openxr_poses=stack("openxr_poses", 26, 4, 4),
        **{name: np.array([getattr(one, name) for one in errors], bool if name == "joints_hidden" else float
                          ).reshape(len(hands), 21) for name in JointErrors._fields})
    return buffer.getvalue()


def write_smplx(path: str | os.PathLike, hands: list[Hand], mano: HandModel | None = None, *,
                flat_hand_mean: bool = True, pca: int | None = None) -> None:
    """Writes `smplx.body_arguments` as an `.npz`, for `smplx.create(folder, "smplx", **numpy.load(path))`.

    Raises ValueError if MANO's pose space is needed and not given, and OSError.
    """
    buffer = io.BytesIO()
    np.savez(buffer, **body_arguments(hands, mano, flat_hand_mean=flat_hand_mean, pca=pca))
    _write(path, buffer.getvalue())


def write_picture(path: str | os.PathLike, rgb: np.ndarray) -> None:
    """Writes an image (H, W, 3) uint8 as JPEG or PNG, by the path's suffix. Raises OSError."""
    _write(path, picture_bytes(rgb, {".jpg": "JPEG", ".jpeg": "JPEG", ".png": "PNG"}[Path(path).suffix.lower()]))


def picture_bytes(rgb: np.ndarray, kind: str) -> bytes:
    """The content of a "JPEG" or "PNG" of an image (H, W, 3) uint8, or of a grey PNG of (H, W) uint8 or uint16."""
    buffer = io.BytesIO()
    Image.fromarray(rgb).save(buffer, kind, **({"quality": 90} if kind == "JPEG" else {"compress_level": 3}))
    return buffer.getvalue()


def zip_bytes(files: dict[str, bytes | np.ndarray]) -> bytes:
    """A zip of files by name, of an `.npy` its array; the same files give the same bytes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            about = zipfile.ZipInfo(name)
            about.compress_type = zipfile.ZIP_DEFLATED
            with archive.open(about, "w", force_zip64=True) as member:
                if isinstance(content, bytes):
                    member.write(content)
                else:
                    np.save(member, content)  # bit by bit
    return buffer.getvalue()


def write_contents(folder: str | os.PathLike, stem: str, contents: dict[str, bytes | np.ndarray], *endings: str
                   ) -> list[str]:
    """Writes contents by their endings, of an `.npy` its array, as `folder/stem.*`, making folders as needed.

    `endings` are patterns of all that an earlier run may have written of these: what is not written now is removed.
    Returns the endings of the files. Raises OSError.
    """
    base = Path(folder) / stem
    base.parent.mkdir(parents=True, exist_ok=True)
    stale = {file.name for ending in endings for file in base.parent.glob(escape(base.name) + ending)}
    for name in stale - {base.name + ending for ending in contents}:
        base.with_name(name).unlink(missing_ok=True)
    for ending, content in contents.items():
        with whole_file(base.with_name(base.name + ending)) as temporary, open(temporary, "wb") as file:
            if isinstance(content, bytes):
                file.write(content)
            else:
                np.save(file, content)  # bit by bit
    return [*contents]


def save_result(folder: str | os.PathLike, stem: str, image: str, result: Result, *, overlay: np.ndarray | None = None,
                mesh: str | None = "glb", npz: bool = False, smplx: dict | None = None) -> list[str]:
    """Writes all files of one photo, `folder/stem.*`, making folders as needed; returns their endings.

    `.overlay.jpg` where an overlay is given, a mesh of kind `mesh` where there are hands, `.npz` on demand,
    `.smplx.npz` where options of `write_smplx` are, and `.json` last: where it lies, the others do too. `image` is the
    photo's name in the JSON. Where there is no hand, the mesh of an earlier run is removed. Raises OSError.
    """
    base = Path(folder) / stem
    base.parent.mkdir(parents=True, exist_ok=True)
    written = []

    def file(suffix: str) -> Path:  # not with_suffix, which would cut the stem at its last dot
        written.append(suffix)
        return base.with_name(base.name + suffix)

    if overlay is not None:
        write_picture(file(".overlay.jpg"), overlay)
    if mesh and result.hands:
        write_mesh(file(f".{mesh}"), result.hands)
    elif mesh:
        base.with_name(f"{base.name}.{mesh}").unlink(missing_ok=True)
    if npz:
        write_npz(file(".npz"), result.camera, result.hands)
    if smplx is not None:
        write_smplx(file(".smplx.npz"), result.hands, **smplx)
    write_json(file(".json"), image, result)
    return written


def _write(path: str | os.PathLike, content: bytes) -> None:
    with whole_file(path) as temporary:
        temporary.write_bytes(content)
