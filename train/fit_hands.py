"""Fits the hand model to pseudo-labelled photos: parameters for training, and a bank of real poses for synthesis.

    python -m train.fit_hands LABELS.npz --out BANK.npz

All hands are fitted at once by Adam. What a landmark model says of a photo is right in 2D and vague in depth, so 2D
leads, its world points only choose among the poses that project alike, and limits of human joints do the rest. Left
hands are mirrored first: everything here is a right hand.
"""
from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import roma
import torch
from torch import Tensor
from tqdm import trange

from handpose.hand_model.layer import HandLayer
from handpose.hand_model.skeleton import PALM_JOINTS
from handpose.whole_file import whole_file

from .data.labels import FOCAL_PER_BOX, load_labels, trust_of

# Limits of the 15 finger joints in the model's axes: x twist, y spread, z flexion, radians (low, high).
KNUCKLE = ((-0.3, 0.3), (-0.45, 0.45), (-0.7, 1.7))
MIDDLE = ((-0.05, 0.05), (-0.08, 0.08), (-0.15, 1.95))
END = ((-0.05, 0.05), (-0.08, 0.08), (-0.45, 1.45))
THUMB = (((-0.9, 0.9), (-1.0, 1.0), (-0.9, 0.9)), ((-0.5, 0.7), (-1.0, 0.6), (-0.5, 0.6)),
         ((-0.5, 0.8), (-1.5, 0.7), (-0.5, 0.6)))
POSE_LIMITS = np.array([*(KNUCKLE, MIDDLE, END) * 4, *THUMB])  # (15, 3, 2)


def start_orientation(world: np.ndarray, rest: np.ndarray) -> np.ndarray:
    """Rotations (N, 3, 3) that best turn the rest palm (21, 3) into the palms of `world` (N, 21, 3)."""
    palm = list(PALM_JOINTS)
    goal = torch.as_tensor(world[:, palm] - world[:, palm].mean(1, keepdims=True))
    start = torch.as_tensor(rest[palm] - rest[palm].mean(0)).expand_as(goal)
    return roma.special_procrustes(torch.einsum("npi,npj->nij", goal, start)).numpy()


def start_pose(world: np.ndarray, orientation: np.ndarray, rest: np.ndarray) -> np.ndarray:
    """First guess of hand_pose (N, 15, 3): each finger's bends as flexion, from the angles between its bones."""
    pose = np.zeros((len(world), 15, 3))
    for row, first in enumerate((5, 9, 17, 13)):  # MANO's order of fingers
        bones = np.diff(world[:, [0, *range(first, first + 4)]], axis=1)
        bones /= np.linalg.norm(bones, axis=2, keepdims=True)
        cosine = (bones[:, :-1] * bones[:, 1:]).sum(2).clip(-1, 1)
        pose[:, 3 * row:3 * row + 3, 2] = np.arccos(cosine).clip(0, 1.6)
    return pose


def fit(points: np.ndarray, world: np.ndarray, weight: np.ndarray, model: HandLayer, *, steps: int = 400,
        learn_offsets: bool = False, world_weight: float = 1.0) -> dict[str, np.ndarray]:
    """Parameters of the right hand for N hands.

    `points` (N, 21, 2) pixels, `world` (N, 21, 3) metres in camera axes, `weight` (N, 21) trust in each point,
    `world_weight` how much `world` counts against `points`. Returns global_orient (N, 3), hand_pose (N, 45), betas
    (N, 10), transl (N, 3) metres for the camera `focal` (N,) `center` (N, 2) pixels, `residual_2d` (N,) mean distance
    over the box, `residual_world` (N,) mean distance in metres, and `joint_offsets` (21, 3) metres.
    """
    skeleton = model.joints_only()
    with torch.no_grad():
        rest = skeleton.pose(torch.eye(3).expand(1, 16, 3, 3), torch.zeros(1, 10), torch.zeros(1, 3)).joints[0]
    world = np.asarray(world, np.float32)
    low, high = points.min(1), points.max(1)
    box = (high - low).max(1)
    goal_2d = torch.as_tensor((points - (low + high)[:, None] / 2) / box[:, None, None], dtype=torch.float32)
    goal_3d = torch.as_tensor(world - world.mean(1, keepdims=True), dtype=torch.float32)
    trust = torch.as_tensor(weight, dtype=torch.float32)
    orientation = start_orientation(world, rest.numpy())
    turn = torch.as_tensor(orientation[:, :, :2], dtype=torch.float32).clone().requires_grad_()  # 6D
    pose = torch.as_tensor(start_pose(world, orientation, rest.numpy()), dtype=torch.float32).requires_grad_()
    betas = torch.zeros(len(points), 10, requires_grad=True)
    distance = FOCAL_PER_BOX * 0.15 * np.ones(len(points))
    transl = torch.as_tensor(np.column_stack([np.zeros((len(points), 2)), distance]), dtype=torch.float32)
    with torch.no_grad():  # the joints' middle on the box's middle
        transl[:, :2] -= (torch.as_tensor(orientation, dtype=torch.float32) @ rest.mean(0))[:, :2]
    transl.requires_grad_()
    offsets = skeleton.joint_offsets.clone().requires_grad_(learn_offsets)
    groups = [{"params": [turn, pose], "lr": 0.03}, {"params": [betas], "lr": 0.03}, {"params": [transl], "lr": 0.01}]
    if learn_offsets:
        groups.append({"params": [offsets], "lr": 0.001})
    optimizer = torch.optim.Adam(groups, betas=(0.9, 0.98))
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, [group["lr"] for group in groups], total_steps=steps,
                                                   pct_start=0.1)
    limits = torch.as_tensor(POSE_LIMITS, dtype=torch.float32)

    def posed() -> tuple[Tensor, Tensor]:
        rotations = torch.cat([roma.special_gramschmidt(turn)[:, None], roma.rotvec_to_rotmat(pose)], 1)
        skeleton.joint_offsets = offsets
        joints = skeleton.pose(rotations, betas, transl).joints
        return joints, joints[..., :2] / joints[..., 2:] * FOCAL_PER_BOX

    for _ in trange(steps, desc="fit", unit="step"):
        joints, projected = posed()
        error_2d = torch.nn.functional.huber_loss(projected, goal_2d, delta=0.03, reduction="none").sum(2) / 0.03
        centred = joints - joints.mean(1, keepdim=True)
        scale = (centred * goal_3d).sum((1, 2)) / (goal_3d**2).sum((1, 2))  # a photo does not show a hand's size
        error_3d = torch.nn.functional.huber_loss(centred, goal_3d * scale.clamp(0.5, 2)[:, None, None], delta=0.01,
                                                  reduction="none").sum(2) / 0.01
        beyond = (limits[..., 0] - pose).clamp(min=0) + (pose - limits[..., 1]).clamp(min=0)
        flexion = pose[:, :12, 2].reshape(-1, 4, 3)
        prior = (10 * beyond.square().sum((1, 2)) + 0.02 * pose[:, :12, 1].square().sum(1)
                 + 0.03 * pose[:, 12:].square().sum((1, 2))
                 + 0.02 * (flexion[..., 2] - 0.6 * flexion[..., 1]).square().sum(1) + 0.02 * betas.square().sum(1))
        loss = ((20 * error_2d + 10 * world_weight * error_3d) * trust).mean(1) + prior
        loss = loss.sum() + (len(points) * 1e4 * offsets.square().mean() if learn_offsets else 0)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()

    with torch.no_grad():
        joints, projected = posed()
        aligned = roma.rigid_points_registration(goal_3d, joints, compute_scaling=True)
        moved = aligned[2][:, None, None] * torch.einsum("nij,npj->npi", aligned[0], goal_3d) + aligned[1][:, None]
        return {"global_orient": roma.rotmat_to_rotvec(roma.special_gramschmidt(turn)).numpy(),
                "hand_pose": pose.reshape(-1, 45).numpy(), "betas": betas.numpy(), "transl": transl.numpy(),
                "focal": FOCAL_PER_BOX * box, "center": (low + high) / 2,
                "residual_2d": (projected - goal_2d).norm(dim=2).mean(1).numpy(),
                "residual_world": (joints - moved).norm(dim=2).mean(1).numpy(),
                "joint_offsets": offsets.detach().numpy()}


def fit_labels(labels_file: Path, out: Path, *, steps: int = 400, world_weight: float = 1.0,
               offsets_file: Path | None = None, without: Sequence[str] = ()) -> None:
    """Fits the open hand to all hands of a file of `train.pseudo_label` and writes the fits.

    With `offsets_file`, the labels' joint convention is learned first, from those that all views agree on and that are
    of no set in `without`, and written there, too.
    """
    labels, model = load_labels(labels_file), HandLayer.load()
    trust = trust_of(labels)
    if offsets_file:
        sure = (labels["spread"].mean(1) < 0.02) & ~np.isin(labels["set"], without)
        found = fit(labels["points"][sure, :, :2], labels["world"][sure], trust[sure], model, steps=steps,
                    learn_offsets=True)
        millimetres = (found["joint_offsets"] * 1000).round(1).tolist()
        with whole_file(offsets_file) as temporary:
            temporary.write_text(json.dumps({"offsets_mm": millimetres}, indent=1) + "\n")
        model.joint_offsets = torch.as_tensor(found["joint_offsets"])
    found = fit(labels["points"][..., :2], labels["world"], trust, model, steps=steps, world_weight=world_weight)
    if "weight" in labels:  # nobody is sure of some labels: no fit to one of these is good
        found["residual_2d"][labels["weight"] == 0] = np.inf
    good = found["residual_2d"] < np.inf
    print(f"{good.sum()} hands: residual 2D {found['residual_2d'][good].mean():.4f} of the box, "
          f"world {1000 * found['residual_world'][good].mean():.1f} mm; "
          f"{(found['residual_2d'][good] > 0.04).mean():.1%} above .04 of the box")
    with whole_file(out) as temporary, open(temporary, "wb") as file:
        np.savez_compressed(file, **found, **{key: labels[key] for key in ("set", "fname", "side", "spread")})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("labels", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--world-weight", type=float, default=1.0,
                        help="how much the world points count: more, where a network had a say (default: %(default)s)")
    parser.add_argument("--learn-offsets", type=Path, metavar="JSON",
                        help="also learn the labels' joint convention from those that all views agree on, and write it")
    parser.add_argument("--without", nargs="*", default=[], metavar="SET",
                        help="photo sets to learn no convention from")
    args = parser.parse_args()
    fit_labels(args.labels, args.out, steps=args.steps, world_weight=args.world_weight,
               offsets_file=args.learn_offsets, without=args.without)


if __name__ == "__main__":
    main()
