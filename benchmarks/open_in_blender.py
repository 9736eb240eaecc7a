"""Opens a `.rig.glb` or `.bvh` in Blender and plays it: `python benchmarks/open_in_blender.py FILE --times 0 0.5 ...`

--points OUT.json  where the meshes' points and the joints are at each time, in glTF's frame (metres), by their names
--render DIR       a picture of each time, DIR/0.png, .., seen by a camera at the origin, as the photo's or clip's own

Runs in an environment of its own that has Blender as a module: Python 3.11 and `pip install bpy` (5.0 is the newest
for it). Nothing of handpose is needed there.
"""
from __future__ import annotations

import argparse
import json
from pathlib import Path

import bpy
import numpy as np

FPS = 30
SAMPLES = 48  # light paths a pixel
# Place, strength in watts and size in metres of the lights: over the left shoulder, from the right, from behind.
LIGHTS = (((-0.6, -0.1, 0.8), 9, 0.3), ((0.7, 0.0, 0.0), 1.5, 0.5), ((0.2, 1.2, 0.6), 8, 0.4))
MIDDLE = (0.0, 0.55, 0.0)  # towards which they shine
WALL = (0.42, 0.45, 0.5)


def load(file: Path) -> int:
    """An empty scene with what is in the file; returns the number of the frame at which Blender has it begin."""
    bpy.ops.wm.read_factory_settings(use_empty=True)
    bpy.context.scene.render.fps = FPS  # before: Blender counts a file's seconds in frames as it reads it
    if file.suffix == ".bvh":
        bpy.ops.import_anim.bvh(filepath=str(file), global_scale=0.01)
        return 1
    bpy.ops.import_scene.gltf(filepath=str(file), disable_bone_shape=True)
    return 0


def go_to(time_s: float, first: int) -> None:
    frame = first + time_s * FPS
    bpy.context.scene.frame_set(int(frame), subframe=frame % 1)


def shown_points() -> dict[str, list]:
    """Where the meshes' points are, after skeletons and shape keys have moved them, and where joints are."""
    graph, points = bpy.context.evaluated_depsgraph_get(), {}
    for thing in bpy.context.scene.objects:
        if thing.type == "MESH":
            moved = thing.evaluated_get(graph)
            mesh = moved.to_mesh()
            there = np.empty(3 * len(mesh.vertices), np.float32)
            mesh.vertices.foreach_get("co", there)
            points[thing.name] = in_gltf_frame(thing, there.reshape(-1, 3))
            moved.to_mesh_clear()
        elif thing.type == "ARMATURE":
            for bone in thing.pose.bones:
                points[bone.name] = in_gltf_frame(thing, np.array([bone.head]))
    return points


def in_gltf_frame(thing: bpy.types.Object, points: np.ndarray) -> list:
    """Points (N, 3) of an object as they lie in the scene, y upwards, which Blender's z is."""
    world = np.array(thing.matrix_world)
    x, y, z = (points @ world[:3, :3].T + world[:3, 3]).T
    return np.stack([x, z, -y], 1).tolist()


def set_up(fov_deg: float, width: int, height: int) -> None:
    """A camera as the photo's, lights and a wall."""
    scene = bpy.context.scene
    scene.render.engine, scene.cycles.samples, scene.cycles.use_denoising = "CYCLES", SAMPLES, True
    scene.render.resolution_x, scene.render.resolution_y = width, height
    scene.view_settings.view_transform = "Standard"
    camera = bpy.data.objects.new("camera", bpy.data.cameras.new("camera"))
    camera.data.angle, camera.data.clip_start = np.radians(fov_deg), 0.01
    camera.rotation_euler = np.pi / 2, 0, 0  # along Blender's y, which is away from the viewer
    scene.camera = camera
    things = [camera]
    for place, watts, size in LIGHTS:
        lamp = bpy.data.objects.new("light", bpy.data.lights.new("light", "AREA"))
        lamp.data.energy, lamp.data.size, lamp.location = watts, size, place
        aim = lamp.constraints.new("TRACK_TO")
        aim.target = bpy.data.objects.get("aim") or bpy.data.objects.new("aim", None)
        aim.target.location = MIDDLE
        things += [lamp]
    for thing in [*things, bpy.data.objects["aim"]]:
        scene.collection.objects.link(thing)
    scene.world = bpy.data.worlds.new("world")
    scene.world.color = WALL
    scene.world.use_nodes = True
    scene.world.node_tree.nodes["Background"].inputs[0].default_value = (*WALL, 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", type=Path, metavar="FILE")
    parser.add_argument("--times", type=float, nargs="+", default=[0.0], help="seconds")
    parser.add_argument("--points", type=Path, metavar="OUT.json")
    parser.add_argument("--render", type=Path, metavar="DIR")
    parser.add_argument("--fov", type=float, default=55.0, help="degrees across the longer side")
    parser.add_argument("--size", type=int, nargs=2, default=(640, 480), metavar=("W", "H"))
    args = parser.parse_args()
    first = load(args.file)
    if args.points:
        shown = []
        for time_s in args.times:
            go_to(time_s, first)
            shown.append(shown_points())
        args.points.write_text(json.dumps(shown))
    if args.render:
        set_up(args.fov, *args.size)
        for number, time_s in enumerate(args.times):
            go_to(time_s, first)
            bpy.context.scene.render.filepath = str(args.render.resolve() / f"{number}.png")
            bpy.ops.render.render(write_still=True)


if __name__ == "__main__":
    main()
