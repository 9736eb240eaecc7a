"""Bakes photographic skin for the open hand: the hands of 42 people's textures, brought onto its texture chart.

    python -m train.bake_skins SKIN --out assets/skins

SKIN holds right hands cut out of the VALID avatars (MIT, Copyright (c) 2022 Tiffany Do): `textures/NAME.webp`, of one
chart each, and `man_right_hand.npz`, `woman_right_hand.npz`, the meshes of that chart (`vertices`, `faces`, `uv`,
`weights` over `joint_names`). The open hand is posed and shaped like such a mesh, joints first, then its surface; each
texel of its chart then takes the colour of the nearest point that looks the same way. What light the pictures were
taken in is divided out as far as it depends on where the skin faces, sideways or lengthwise: of palm and back, light
and melanin cannot be told apart.
"""
from __future__ import annotations

import argparse
import shutil
from pathlib import Path

import cv2
import numpy as np
import torch
from scipy.spatial import cKDTree

from handpose.drawing.shading import vertex_normals
from handpose.hand_model.layer import HandLayer
from handpose.hand_model.skeleton import FINGERS, MANO_JOINT_NAMES, MANO_PARENTS
from handpose.whole_file import whole_file

from .synthesis.skin import chart_corners, to_linear, unwrap

SIZE = 384  # px of a baked map
QUALITY = 88  # of WebP
BONES_OF_AVATAR = {f"{finger}{k}": f"RightHand{'Pinky' if finger == 'little' else finger.title()}{k}"
                   for finger in FINGERS for k in (1, 2, 3)}
# The avatars' frame has the fingers along -x, the back of the hand up, the thumb to +z: the open hand's.
FACING = 0.03  # m: how far apart two points count that look in opposite directions
STEPS = 300, 300  # of Adam, for the joints and then for the surface
PER_FACE = 24  # points of the avatar's surface


def skin_pivots(vertices: torch.Tensor, weights: np.ndarray, parents: list[int]) -> torch.Tensor:
    """(J, 3): for each joint but the root, the middle of the skin that it shares with its parent."""
    share = np.stack([weights[:, joint] * weights[:, parent] for joint, parent in enumerate(parents) if parent >= 0])
    share = torch.from_numpy((share / share.sum(1, keepdims=True)).astype(np.float32))
    return share @ vertices


def finger_tips(vertices: torch.Tensor, weights: np.ndarray, joints: list[int]) -> torch.Tensor:
    """(J, 3): the middle of the twelve foremost vertices that follow each of these joints alone."""
    tips = []
    for joint in joints:
        mine = torch.from_numpy(np.flatnonzero(weights[:, joint] > .9))
        foremost = mine[torch.argsort(vertices[mine, 0])[:12]]
        tips.append(vertices[foremost].mean(0))
    return torch.stack(tips)


def points_on(vertices: np.ndarray, faces: np.ndarray, values: np.ndarray, each: int
              ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Points (F * each, 3) spread over a mesh's faces, their normals, and `values` (V, C) there."""
    rng = np.random.default_rng(0)
    weights = rng.dirichlet(np.ones(3), (len(faces), each))
    both = np.concatenate([vertices, vertex_normals(vertices, faces), values], 1)
    spread = np.einsum("fek,fkc->fec", weights, both[faces]).reshape(-1, both.shape[1])
    return spread[:, :3], spread[:, 3:6], spread[:, 6:]


def fit_to(avatar: dict[str, np.ndarray], model: HandLayer) -> tuple[np.ndarray, np.ndarray]:
    """The open hand's vertices and normals (V, 3) in the avatar's pose, shape and frame."""
    names = avatar["joint_names"].tolist()
    columns = [[names.index("RightHand"), names.index("RightFingerBase")]]
    columns += [[names.index(BONES_OF_AVATAR[name])] for name in MANO_JOINT_NAMES[1:]]
    weights = np.stack([avatar["weights"][:, of].sum(1) for of in columns], 1)
    last = [joint for joint, name in enumerate(MANO_JOINT_NAMES) if name.endswith("3")]
    theirs, own = torch.from_numpy(avatar["vertices"]).float(), model.weights.numpy()
    goal = torch.cat([skin_pivots(theirs, weights, MANO_PARENTS), finger_tips(theirs, weights, last)])

    surface, normals, which = points_on(avatar["vertices"], avatar["faces"], weights, 2)
    tree = cKDTree(np.hstack([surface, FACING * normals, FACING * which]))
    parameters = {name: torch.zeros(1, width, requires_grad=True)
                  for name, width in (("orient", 3), ("pose", 45), ("betas", 10))}
    place, growth = goal.mean(0, keepdim=True).clone().requires_grad_(), torch.zeros(1, requires_grad=True)
    moved = torch.zeros(len(model.v_template), 3, requires_grad=True)
    edges = torch.from_numpy(np.unique(np.sort(np.vstack([model.faces[:, [0, 1]], model.faces[:, [1, 2]]]), 1), axis=0))
    edges = edges.long()

    def posed() -> torch.Tensor:
        hand = model(*parameters.values(), torch.zeros(1, 3)).vertices[0]
        return hand * growth.exp() + place

    near = None
    for stage, steps in enumerate(STEPS):
        learned = [*parameters.values(), place, growth] + [moved] * stage
        optimizer = torch.optim.Adam([{"params": learned[:5], "lr": .02}, {"params": learned[5:], "lr": .0005}]
                                     if stage else learned, lr=.02)
        for step in range(steps):
            vertices = posed() + moved * stage
            pivots = torch.cat([skin_pivots(vertices, own, MANO_PARENTS), finger_tips(vertices, own, last)])
            loss = 1e4 * ((pivots - goal) ** 2).sum(1).mean() / (1 + 9 * stage) + .02 * sum(
                (parameters[name] ** 2).mean() for name in ("pose", "betas"))
            if stage:
                if step % 20 == 0:
                    now = vertices.detach().numpy()
                    found = tree.query(np.hstack([now, FACING * vertex_normals(now, model.faces), FACING * own]))[1]
                    near = torch.from_numpy(surface[found]).float()
                loss = loss + 1e4 * ((vertices - near) ** 2).sum(1).mean()
                loss = loss + 3e4 * ((moved[edges[:, 0]] - moved[edges[:, 1]]) ** 2).sum(1).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    vertices = (posed() + moved).detach().numpy()
    return vertices, vertex_normals(vertices, model.faces)


def chart_to_picture(avatar: dict[str, np.ndarray], model: HandLayer) -> tuple[np.ndarray, np.ndarray]:
    """Where in the avatar's picture (SIZE, SIZE, 2), 0..1, each texel of the open hand's chart lies, and the normals
    (SIZE, SIZE, 3) there."""
    vertices, normals = fit_to(avatar, model)
    corners = chart_corners(model.uv, model.uv_faces)
    texels = unwrap(np.hstack([vertices, normals]), model.faces, corners, SIZE)
    points, facing, uv = points_on(avatar["vertices"], avatar["faces"], avatar["uv"], PER_FACE)
    tree = cKDTree(np.hstack([points, FACING * facing]))
    near = tree.query((texels * np.repeat([1, FACING], 3)).reshape(-1, 6))[1]
    return uv[near].reshape(SIZE, SIZE, 2), texels[..., 3:]


def without_light(linear: np.ndarray, normals: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """Colours (S, S, 3) divided by how bright they are where the skin faces along x or z, as linear light would be."""
    log = np.log(linear.mean(-1) + 1e-3)
    basis = np.concatenate([normals, np.ones_like(normals[..., :1]), normals[..., 1:2] ** 2], -1)
    shade = np.linalg.lstsq(basis[inside], log[inside], rcond=None)[0]
    light = basis[..., [0, 2]] @ shade[[0, 2]]
    return linear / np.exp(light - light[inside].mean())[..., None]


def bake(folder: Path, out: Path) -> None:
    """Writes `out`/NAME.webp for every texture, SIZE px, and the licence. Raises OSError for what is not there."""
    model = HandLayer.load()
    corners = chart_corners(model.uv, model.uv_faces)
    inside = unwrap(np.ones((len(model.v_template), 1)), model.faces, corners, SIZE, beyond=False)[..., 0] > 0
    charts = {}
    for letter, name in (("M", "man"), ("F", "woman")):
        with np.load(folder / f"{name}_right_hand.npz") as file:
            charts[letter] = chart_to_picture({key: file[key] for key in file.files}, model)
    out.mkdir(parents=True, exist_ok=True)
    for path in sorted((folder / "textures").glob("*.webp")):
        picture = cv2.imread(str(path))
        if picture is None:
            raise OSError(f"{path} is no picture: fetch it again.")
        uv, normals = charts[path.stem.split("_")[-2]]
        at = (uv * picture.shape[1::-1] - .5).astype(np.float32)
        linear = to_linear(cv2.remap(picture, at[..., 0], at[..., 1], cv2.INTER_LINEAR) / 255)
        baked = np.clip(without_light(linear, normals, inside), 0, 1) ** (1 / 2.2)
        done, data = cv2.imencode(".webp", np.round(baked * 255).astype(np.uint8), [cv2.IMWRITE_WEBP_QUALITY, QUALITY])
        assert done
        with whole_file(out / path.name) as temporary:
            temporary.write_bytes(data.tobytes())
    with whole_file(out / "LICENSE") as temporary:
        shutil.copyfile(folder / "LICENSE", temporary)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("skin", type=Path, help="folder of the avatars' hands")
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    try:
        bake(args.skin, args.out)
    except OSError as error:
        parser.exit(1, f"{error}\n")
    print(args.out)


if __name__ == "__main__":
    main()
