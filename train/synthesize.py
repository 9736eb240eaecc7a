"""Renders training images of right hands in FreiHAND's layout, with exact labels.

    python -m train.synthesize OUT --poses BANK.npz --backgrounds DIR [DIR ...] --count 100000 --workers 16

Image k depends on the seed and k alone: any number of workers, in any order, makes the same files, and a run that was
stopped goes on where it was. OUT/labels.npz is what training reads; the JSON files are FreiHAND's. Of N images it has

    global_orient (N, 3), hand_pose (N, 45), betas (N, 10), transl (N, 3)   the hand model's parameters, camera frame
    K (N, 3, 3), joints (N, 21, 3), joints_2d (N, 21, 2)                    metres, pixels
    tone (N,)        skin, 0 very light .. 5 dark (Chardon's groups of the individual typology angle)
    view_angle (N,)  degrees between the palm's normal and the direction to the camera: 0 looks into the palm
    occluded (N,)    share of the hand's silhouette that something else hides, its own arm included
    kind (N,)        "bare", "object" held, "two hands", "glove", or cut off by the "border"

How often each kind is drawn, --shares says: `--shares bare=1` makes bare hands alone.
"""
from __future__ import annotations

import argparse
import hashlib
import json
import os
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache
from multiprocessing import get_context
from pathlib import Path

import cv2
import numpy as np
from tqdm import tqdm

from handpose.hand_model.mano import ROOT_JOINT, freihand_uv_scale
from handpose.hand_model.model import HandModel
from handpose.hand_model.model_file import OPEN_HAND
from handpose.hand_model.skeleton import PALM_JOINTS
from handpose.whole_file import whole_file

from .synthesis.poses import PoseBank
from .synthesis.props import Photos
from .synthesis.scene import Studio, place_in_view
from .synthesis.shading import project
from .synthesis.subjects import BORDER, KINDS, SHARES, Subjects, draw_kind


@dataclass(frozen=True)
class Job:
    """What a run makes. `poses` None stands for invented poses; `shard` images are made, and skipped if done, together.
    """
    out: str
    poses: str | None
    backgrounds: tuple[str, ...]
    count: int
    size: int = 192
    seed: int = 0
    hand_model: str = str(OPEN_HAND)
    shard: int = 64
    without: tuple[str, ...] = ()  # photo sets whose poses stay out
    only: tuple[str, ...] = ()  # photo sets of which the photos' poses are; all sets where empty
    shares: tuple[tuple[str, float], ...] = tuple(SHARES.items())  # how often each kind is drawn


@cache
def _tools(job: Job) -> tuple[Subjects, Studio]:
    cv2.setNumThreads(1)
    model = HandModel.load(job.hand_model)
    rest = model(*(np.zeros((1, n), np.float32) for n in (3, 45, 10, 3)))
    bank = PoseBank.load(job.poses, job.without, job.only) if job.poses else PoseBank.invented()
    return Subjects(model, bank), Studio(model, rest.vertices[0], rest.joints[0], Photos(job.backgrounds))


def make_shard(job: Job, shard: int) -> str:
    """Makes the shard's images, masks and labels; returns the labels' path. A finished shard is left as it is."""
    path = Path(job.out, "shards", f"{shard:06d}.npz")
    indices = range(shard * job.shard, min((shard + 1) * job.shard, job.count))
    if path.is_file():
        with np.load(path) as done:
            if len(done["focal"]) == len(indices):
                return str(path)
    subjects, studio = _tools(job)
    labels = []
    for index in indices:
        rng = np.random.default_rng([job.seed, index])
        subject = subjects.draw(rng, draw_kind(rng, dict(job.shares)))
        focal, shift = place_in_view(rng, subject.hand.joints, job.size, subject.kind == BORDER)
        subject = subject.moved(shift)
        rendering = studio.render(rng, subject, focal, job.size)
        _write_jpeg(Path(job.out, "training", "rgb", f"{index:08d}.jpg"), rendering.image[..., ::-1],
                    int(rng.integers(55, 96)))
        _write_jpeg(Path(job.out, "training", "mask", f"{index:08d}.jpg"), rendering.mask, 95)
        hand = subject.hand
        to_camera = -hand.joints[list(PALM_JOINTS)].mean(0)
        labels.append({
            "global_orient": subject.global_orient, "hand_pose": subject.hand_pose, "betas": subject.betas,
            "transl": shift, "focal": focal, "joints": hand.joints,
            "joints_2d": project(hand.joints, focal, job.size)[:, :2],
            "tone": rendering.tone, "occluded": rendering.occluded, "kind": subject.kind,
            "view_angle": np.degrees(np.arccos(-hand.rotation[:, 1] @ to_camera / np.linalg.norm(to_camera)))})
    columns = {key: np.array([label[key] for label in labels]) for key in labels[0]}
    columns = {key: value.astype(np.float32) if value.dtype.kind == "f" else value for key, value in columns.items()}
    with whole_file(path) as temporary, open(temporary, "wb") as file:
        np.savez(file, **columns)
    return str(path)


def _write_jpeg(path: Path, bgr: np.ndarray, quality: int) -> None:
    done, data = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])
    assert done
    with whole_file(path) as temporary:
        temporary.write_bytes(data.tobytes())


def synthesize(job: Job, workers: int = 1, progress: bool = True) -> Path:
    """Makes what of the job is not yet there; returns the path of labels.npz."""
    out = Path(job.out)
    for folder in ("training/rgb", "training/mask", "shards"):
        (out / folder).mkdir(parents=True, exist_ok=True)
    _claim(job)
    shards = range(-(-job.count // job.shard))
    show = tqdm(total=job.count, unit="image", disable=not progress)
    paths = []
    with show:
        if workers <= 1:
            for shard in shards:
                paths.append(make_shard(job, shard))
                show.update(min(job.shard, job.count - shard * job.shard))
        else:
            with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
                for shard, path in zip(shards, pool.map(make_shard, [job] * len(shards), shards), strict=True):
                    paths.append(path)
                    show.update(min(job.shard, job.count - shard * job.shard))
    return _gather(job, paths)


def _claim(job: Job) -> None:
    """Notes in the folder what it is made from, and refuses one made from something else. More images may be added.

    Raises FileNotFoundError or ValueError where the hand model, the poses or the photos are not there or not right.
    """
    HandModel.load(job.hand_model)
    photos = Photos(job.backgrounds)
    if job.poses:
        PoseBank.load(job.poses, job.without, job.only)
    mine = {"hand model": _digest(job.hand_model), "poses": _digest(job.poses) if job.poses else "invented",
            "without": list(job.without), **({"only": list(job.only)} if job.only else {}),
            "backgrounds": [f"{path.name} {path.stat().st_size}" for path in photos.paths],
            "shares": dict(job.shares), "size": job.size, "seed": job.seed, "shard": job.shard}
    note = Path(job.out, "made_from.json")
    if note.is_file() and (theirs := json.loads(note.read_text())) != mine:
        differ = ", ".join(key for key in {**theirs, **mine} if mine.get(key) != theirs.get(key))
        raise ValueError(f"{job.out} holds images of another run (other {differ}); name another folder.")
    with whole_file(note) as temporary:
        temporary.write_text(json.dumps(mine, indent=1))


def _digest(path: str) -> str:
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def _gather(job: Job, paths: list[str]) -> Path:
    """labels.npz and FreiHAND's JSON files from the shards."""
    parts = [dict(np.load(path)) for path in paths]
    labels = {key: np.concatenate([part[key] for part in parts]) for key in parts[0]}
    middle = (job.size - 1) / 2
    labels["K"] = np.zeros((job.count, 3, 3), np.float32)
    labels["K"][:, 0, 0] = labels["K"][:, 1, 1] = labels.pop("focal")
    labels["K"][:, :2, 2], labels["K"][:, 2, 2] = middle, 1
    uv, depth_scale = freihand_uv_scale(labels["joints"][:, ROOT_JOINT], labels["K"])
    mano = np.concatenate([labels["global_orient"], labels["hand_pose"], labels["betas"], uv, depth_scale[:, None]], 1)
    scale = np.linalg.norm(labels["joints"][:, 10] - labels["joints"][:, 9], axis=1)
    out = Path(job.out)
    for name, value in (("K", labels["K"]), ("mano", mano[:, None]), ("xyz", labels["joints"]), ("scale", scale)):
        with whole_file(out / f"training_{name}.json") as temporary:
            temporary.write_text(json.dumps(value.astype(float).round(6).tolist()))
    with whole_file(out / "labels.npz") as temporary, open(temporary, "wb") as file:
        np.savez(file, **labels)
    return out / "labels.npz"


def parse_shares(texts: list[str]) -> tuple[tuple[str, float], ...]:
    """Of KIND=SHARE each, in the kinds' own order. Raises ValueError naming the remedy."""
    given = {}
    for text in texts:
        kind, _, share = text.partition("=")
        kind = kind.replace("-", " ")
        try:
            given[kind] = float(share)
        except ValueError:
            given[kind] = -1.0
        if kind not in KINDS or not 0 <= given[kind] < np.inf:
            raise ValueError(f"{text!r} is no share of a kind of picture: write such as {KINDS[0]}=0.5; the kinds are "
                             f"{', '.join(KINDS)}.")
    if not sum(given.values()):
        raise ValueError("No kind has a share: give one of them at least.")
    return tuple((kind, given[kind]) for kind in KINDS if kind in given)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("out", help="folder to write to")
    parser.add_argument("--poses", help="pose bank (.npz with hand_pose and global_orient); invented poses without it")
    parser.add_argument("--without", nargs="*", default=[], metavar="SET", help="photo sets whose poses stay out")
    parser.add_argument("--only", nargs="*", default=[], metavar="SET", help="the only photo sets of photos' poses")
    parser.add_argument("--backgrounds", nargs="+", required=True, help="folders of photos without hands")
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--size", type=int, default=192, help="pixels a side")
    default = " ".join(f"{kind.replace(' ', '-')}={share}" for kind, share in SHARES.items())
    parser.add_argument("--shares", nargs="+", metavar="KIND=SHARE", help=f"how often each kind is; default: {default}")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    args = parser.parse_args()
    try:
        job = Job(args.out, args.poses, tuple(args.backgrounds), args.count, args.size, args.seed,
                  without=tuple(args.without), only=tuple(args.only),
                  shares=parse_shares(args.shares) if args.shares else tuple(SHARES.items()))
        print(synthesize(job, args.workers))
    except (FileNotFoundError, ValueError) as error:
        parser.exit(1, f"{error}\n")


if __name__ == "__main__":
    main()
