"""Hands as a GLB that moves: a skeleton of MANO's 16 joints in each, its skin, and a clip's motion as animations.

The scene is in glTF's frame (x right, y up, z towards the viewer; metres), the camera at the origin. A hand is a node
that turns the camera's frame (y down, z away) into that; below it everything is as in our results: the wrist stands at
its place in the camera's frame, and each joint's rotation is `global_orient` or its part of `hand_pose`, as a
quaternion, its parent MANO's. The mesh is the hand at rest, so that rotations of zero give the flat hand.

A clip's hand has an animation of its own, in seconds since the clip's beginning. Before these stands one of all hands
together, for many programs play the first alone. While a hand is not seen, its wrist's scale is 0, which is glTF's way
of hiding: it appears and disappears at once.
"""
from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ..drawing.material import METALLIC, ROUGHNESS, base_color
from ..hand_model.skeleton import MANO_JOINT_NAMES
from .gltf import INDICES, VERTICES, GltfFile
from .motion import HandMotion
from .skinned_mesh import INFLUENCES, RestHand, SkinnedMesh

HALF_TURN_ABOUT_X = [1.0, 0.0, 0.0, 0.0]  # quaternion x, y, z, w: OpenCV's camera frame to glTF's
ALL_HANDS = "all_hands"  # the animation of all together


class _Track(NamedTuple):
    """What an animation does to one property of a node."""
    node: int
    path: str  # the property: "translation", "rotation" or "scale"
    interpolation: str
    times: int  # the array of its keys' times, in seconds
    values: int


def rigged_glb(motions: Sequence[HandMotion]) -> bytes:
    """The content of a `.glb` with all these hands. See the module for its frames.

    Joints are called "right_wrist", "right_index1", ..; the hand's node, its mesh and its animation as the motion is.
    MANO's pose blend shapes are a morph target of a hand with one frame; of one that moves they are left out. Raises
    ValueError where there is no hand.
    """
    if not motions:
        raise ValueError("Without a hand there is nothing to rig: check for an empty result first.")
    file = GltfFile("handpose")
    skins: dict[int, _Skin] = {}  # by the hand model
    scene, animations = [], {}
    for motion in motions:
        skin = skins.get(id(motion.model)) or skins.setdefault(id(motion.model), _Skin(file, motion))
        rest = skin.mesh.rest(motion.betas)
        joints = _add_skeleton(file, motion, rest)
        scene += _add_hand(file, motion, skin, rest, joints)
        if len(motion.times_s) > 1:
            animations[motion.name] = _tracks(file, motion, joints)
    if len(animations) > 1:
        animations = {ALL_HANDS: sum(animations.values(), []), **animations}
    for name, tracks in animations.items():
        _add_animation(file, name, tracks)
    return file.content(scene)


class _Skin:
    """What a file's hands of one model share."""

    def __init__(self, file: GltfFile, motion: HandMotion):
        self.mesh = mesh = SkinnedMesh(motion.model)
        self.material = file.add("materials", name=f"skin_{motion.side}", pbrMetallicRoughness={
            "baseColorFactor": base_color(motion.side), "metallicFactor": METALLIC, "roughnessFactor": ROUGHNESS})
        self.indices = file.array(mesh.faces.ravel().astype(np.min_scalar_type(mesh.faces.max() + 1)), INDICES)
        self.attributes = {"COLOR_0": file.array(mesh.colors, VERTICES, normalized=True)}
        if mesh.uv is not None:  # glTF's v points down
            self.attributes["TEXCOORD_0"] = file.array((mesh.uv * [1, -1] + [0, 1]).astype(np.float32), VERTICES)
        for number in range(mesh.bones.shape[1] // INFLUENCES):
            part = slice(INFLUENCES * number, INFLUENCES * (number + 1))
            self.attributes |= {
                f"JOINTS_{number}": file.array(mesh.bones[:, part].astype(np.uint8), VERTICES),
                f"WEIGHTS_{number}": file.array(mesh.weights[:, part].astype(np.float32), VERTICES)}


def _add_hand(file: GltfFile, motion: HandMotion, skin: _Skin, rest: RestHand, joints: list[int]) -> list[int]:
    """Adds a hand that moves with these joints; returns its nodes at the top of the scene."""
    hand = file.add("nodes", name=motion.name, rotation=HALF_TURN_ABOUT_X, children=[joints[0]], extras={
        "side": motion.side, "hand_model": motion.model.name, "scale": round(motion.model.scale, 5),
        "betas": np.round(motion.betas, 5).tolist()})
    unbind = np.tile(np.eye(4, dtype=np.float32), (16, 1, 1))
    unbind[:, 3, :3] = -rest.joints  # of matrices that are written column by column
    bound = file.add("skins", name=motion.name, joints=joints, skeleton=joints[0],
                     inverseBindMatrices=file.array(unbind))
    mesh = file.add("meshes", name=motion.name, **_shape(file, motion, skin, rest))
    return [hand, file.add("nodes", name=f"{motion.name}_mesh", mesh=mesh, skin=bound)]


def _add_skeleton(file: GltfFile, motion: HandMotion, rest: RestHand) -> list[int]:
    """Adds the joints in the pose of the first frame; returns their nodes in MANO's order."""
    parents, nodes = motion.model.parents, [0] * 16
    for joint in reversed(range(16)):  # a joint comes after the one that carries it
        place = motion.wrist[0] if joint == 0 else rest.joints[joint] - rest.joints[parents[joint]]
        children = [nodes[other] for other in range(16) if parents[other] == joint]
        nodes[joint] = file.add("nodes", name=f"{motion.side}_{MANO_JOINT_NAMES[joint]}", children=children or None,
                                translation=place.tolist(), rotation=_unit(motion.rotations[0, joint]).tolist())
    return nodes


def _shape(file: GltfFile, motion: HandMotion, skin: _Skin, rest: RestHand) -> dict:
    """What the mesh consists of."""
    attributes = {"POSITION": file.array(rest.points.astype(np.float32), VERTICES, bounds=True),
                  "NORMAL": file.array(rest.normals.astype(np.float32), VERTICES), **skin.attributes}
    primitive = {"attributes": attributes, "indices": skin.indices, "material": skin.material}
    correctives = skin.mesh.correctives(motion.matrices()[0]) if len(motion.times_s) == 1 else np.zeros(1)
    if not correctives.any():
        return {"primitives": [primitive]}
    primitive["targets"] = [{"POSITION": file.array(correctives.astype(np.float32), VERTICES, bounds=True)}]
    return {"primitives": [primitive], "weights": [1.0], "extras": {"targetNames": ["pose_correctives"]}}


def _tracks(file: GltfFile, motion: HandMotion, joints: list[int]) -> list[_Track]:
    """How a hand moves."""
    times = file.array(motion.seen_s.astype(np.float32), bounds=True)
    tracks = [_Track(joints[0], "translation", "LINEAR", times, file.array(motion.wrist.astype(np.float32)))]
    tracks += [_Track(node, "rotation", "LINEAR", times, file.array(_unit(motion.rotations[:, joint])))
               for joint, node in enumerate(joints)]
    if not motion.seen.all():
        changes = np.diff(motion.seen, prepend=not motion.seen[0])
        changes[-1] = True  # the animation is as long as the clip
        scale = motion.seen[changes].astype(np.float32)[:, None].repeat(3, 1)
        times = file.array(motion.times_s[changes].astype(np.float32), bounds=True)
        tracks.append(_Track(joints[0], "scale", "STEP", times, file.array(scale)))
    return tracks


def _add_animation(file: GltfFile, name: str, tracks: list[_Track]) -> None:
    file.add("animations", name=name, samplers=[
        {"input": track.times, "interpolation": track.interpolation, "output": track.values} for track in tracks],
        channels=[{"sampler": number, "target": {"node": track.node, "path": track.path}}
                  for number, track in enumerate(tracks)])


def _unit(quaternions: np.ndarray) -> np.ndarray:
    """In float32, of unit length."""
    return (quaternions / np.linalg.norm(quaternions, axis=-1, keepdims=True)).astype(np.float32)
