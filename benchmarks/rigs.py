"""Rigged hands in programs that are not ours: `python -m benchmarks.rigs DIR [--blender PYTHON]`

Writes to DIR a photo's hands (two.rig.glb) and clips of two hands that wave and that leave the picture (wave.rig.glb,
leave.rig.glb and a .bvh of each hand), all of known pose, each with where its points and joints are in truth (.npz).
glTF's validator says what it has against them, and three.js and Blender say where they show each point at each frame.
PYTHON is one that has Blender as a module (`pip install bpy` in an environment of its own).
"""
from __future__ import annotations

import argparse
import json
import subprocess
from pathlib import Path

import numpy as np

from benchmarks import gltf_programs
from handpose.clips.arrays import ClipArrays
from handpose.export import CAMERA_TO_GLTF
from handpose.hand import Hand, TrackedHand
from handpose.hand_model.model import HandModel
from handpose.hand_model.skeleton import MANO_JOINT_NAMES
from handpose.rig.files import GLB_ENDING, write_rigs
from handpose.rig.motion import HandMotion, motions_of_clip, motions_of_photo
from handpose.rig.skinned_mesh import SkinnedMesh
from train.make_clip import clip_camera
from train.synthesis.motions import stage

WIDTH, HEIGHT, FPS, SECONDS = 640, 480, 30, 3
HIDDEN_M = 1e-3  # a hand that is shown smaller than this is not to be seen
INSTANT_S = 1e-6  # after a frame's time, which glTF rounds to float32: then the frame is there
OPENER = Path(__file__).parent / "open_in_blender.py"


def make(folder: Path) -> list[Path]:
    """Writes the files and their truth; returns the GLBs."""
    right = HandModel.load()
    models, camera = {"right": right, "left": right.left()}, clip_camera(WIDTH, HEIGHT)
    skins = {side: SkinnedMesh(model) for side, model in models.items()}
    times_s = np.arange(SECONDS * FPS) / FPS

    def write(stem: str, motions: list[HandMotion], frames: list[list[TrackedHand]], times_s: np.ndarray) -> Path:
        write_rigs(folder, stem, motions)
        truth = {}
        for motion in motions:
            skin = skins[motion.side]
            points = np.full((len(frames), len(skin.vertex), 3), np.nan)  # and for the middle of the wrist
            joints = np.full((len(frames), 16, 3), np.nan)
            ours = skin.vertex < len(right.v_template)
            for number, hands in enumerate(frames):
                for one in hands:
                    if one.hand.side == motion.side:
                        points[number, ours] = (one.hand.vertices @ CAMERA_TO_GLTF)[skin.vertex[ours]]
                        joints[number] = pivots(models[motion.side], one.hand) @ CAMERA_TO_GLTF
            truth[f"{motion.name}_mesh"] = points
            truth |= {f"{motion.side}_{name}": joints[:, [joint]] for joint, name in enumerate(MANO_JOINT_NAMES)}
        np.savez(folder / f"{stem}.npz", times_s=times_s, **truth)
        return folder / f"{stem}{GLB_ENDING}"

    files = []
    for motion in ("wave", "leave"):
        frames = [[one for one in hands if 0 < one.hand.joints_2d[:, 0].mean() < WIDTH]
                  for hands in stage(motion, 2, times_s, camera, seed=3)]
        arrays = ClipArrays(camera, WIDTH, HEIGHT)
        for time_s, hands in zip(times_s, frames, strict=True):
            arrays.add(time_s, hands)
        files.append(write(motion, motions_of_clip(arrays.arrays(), models), frames, times_s))
    hands = stage("wave", 2, times_s[20:21], camera, seed=3)
    photo = motions_of_photo([one.hand for one in hands[0]], models)
    return [*files, write("two", photo, hands, np.zeros(1))]


def pivots(model: HandModel, hand: Hand) -> np.ndarray:
    """Where the hand's joints turn, (16, 3) metres, camera frame."""
    parameters = (values[None] for values in (hand.global_orient, hand.hand_pose, hand.betas, hand.transl))
    return model(*parameters).pivots[0]


def compared(truth: Path, shown: list[dict[str, np.ndarray]]) -> str:
    """How far what is shown at each frame lies from the truth; of a hand that is not seen, no mesh must be."""
    farthest, seen, hidden = 0.0, 0, 0
    with np.load(truth) as file:
        for name in shown[0]:
            for points, there in zip(file[name], (things[name] for things in shown), strict=True):
                if not np.isnan(points).all():
                    farthest = max(farthest, 1000 * float(np.nanmax(np.linalg.norm(there - points, axis=1))))
                    seen += 1
                elif len(points) > 1:
                    assert np.ptp(there, axis=0).max() < HIDDEN_M, f"{name} of {truth} is to be seen"
                    hidden += 1
    return f"{farthest:.4f} mm at most, {seen} times a mesh or joint" + (f"; {hidden} times hidden" if hidden else "")


def in_blender(python: str, file: Path, times_s: np.ndarray) -> list[dict[str, np.ndarray]]:
    """Where Blender shows a file's meshes and joints at each time."""
    out = file.with_suffix(".blender.json")
    subprocess.run([python, str(OPENER), str(file), "--times", *map(str, times_s), "--points", str(out)], check=True,
                   stdout=subprocess.DEVNULL)
    return [{name: np.array(points) for name, points in things.items()} for things in json.loads(out.read_text())]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, metavar="DIR")
    parser.add_argument("--blender", metavar="PYTHON", help="a Python that has bpy")
    args = parser.parse_args()
    if missing := gltf_programs.missing():
        parser.exit(1, f"{missing}\n")
    for file in make(args.folder):
        truth = file.with_name(file.name.replace(GLB_ENDING, ".npz"))
        with np.load(truth) as known:
            times_s = known["times_s"]
        print(f"{file.name}, {file.stat().st_size / 1000:.0f} kB")
        print("  glTF validator:", "; ".join(gltf_programs.validate(file)) or "0 errors, 0 warnings")
        print("  three.js:", compared(truth, gltf_programs.play_in_three(file, times_s + INSTANT_S)))
        if args.blender:
            print("  Blender:", compared(truth, in_blender(args.blender, file, times_s)))
            for bvh in sorted(args.folder.glob(f"{truth.stem}.*.bvh")):
                print(f"  Blender, {bvh.name}:", compared(truth, in_blender(args.blender, bvh, times_s)))


if __name__ == "__main__":
    main()
