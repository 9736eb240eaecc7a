"""Draws what docs say of joint angles and of wrist frames, on the open hand that ships: docs/pictures/joint_angles.jpg,
wrist_frames.jpg and openxr_joints.jpg.

    python docs/draw_conventions.py
"""
from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from scipy.spatial.transform import Rotation

from handpose import Camera, Hand, HandModel
from handpose.drawing.renderer import Mesh, render_mesh
from handpose.hand_model.model import mirror_rotvec
from handpose.hand_model.skeleton import FINGERS, MANO_JOINT_NAMES, THUMB_DIRECTION, THUMB_FLEXION_AXIS
from handpose.joint_orders import OPENXR

PICTURES = Path(__file__).parent / "pictures"
SIZE = 340  # pixels of a panel
CAMERA = Camera.from_focal(3.3 * SIZE, SIZE, SIZE)
SKIN, PALE = (226, 196, 178), (214, 216, 224)
GROUND, INK = (250, 250, 252), (32, 33, 44)
AXIS_COLORS = ((214, 48, 49), (0, 148, 80), (9, 105, 218))  # x, y, z
# The columns are where the flat right hand's x (to the wrist), y (out of the back) and z (to the thumb) point.
PALM = np.array([[0, 0, 1], [1, 0, 0], [0, 1, 0]])  # fingers up, seen on the palm
THUMB_SIDE = np.array([[0, 1, 0], [1, 0, 0], [0, 0, -1]])  # fingers up, the thumb towards the viewer
OBLIQUE = Rotation.from_euler("YX", [35, -22], degrees=True).as_matrix() @ np.array([[0, 0, -1], [1, 0, 0], [0, -1, 0]])
LONG = FINGERS[1:]


def hand_of(turns: dict[str, np.ndarray], view: np.ndarray, side: str = "right") -> Hand:
    """The open hand before the camera, seen as the `view` says; `turns` are rotation vectors of a right hand's joints.
    """
    pose = np.zeros((15, 3))
    for joint, turn in turns.items():
        pose[MANO_JOINT_NAMES.index(joint) - 1] = turn
    orient, model = Rotation.from_matrix(view).as_rotvec(), HandModel.load()
    if side == "left":
        pose, orient, model = mirror_rotvec(pose), mirror_rotvec(orient), model.left()
    flat = model(orient[None], np.zeros((1, 45)), np.zeros((1, 10)), np.zeros((1, 3))).vertices[0]
    place = [0, -0.015, 0.95] - flat.mean(0)  # so that the palm stays where it is, whatever the fingers do
    posed = model(*(np.reshape(values, (1, -1)) for values in (orient, pose, np.zeros(10), place)))
    joints = posed.joints[0].astype(float)
    return Hand(side, 1.0, np.zeros(4), model.name, CAMERA.project(joints), joints, posed.vertices[0], model.faces,
                orient, pose.ravel(), np.zeros(10), place)


def bent(finger: str, *degrees: float) -> dict[str, np.ndarray]:
    """Turns that bend a finger's joints, from the palm outwards."""
    axis = THUMB_FLEXION_AXIS if finger == "thumb" else np.array([0, 0, 1.0])
    return {f"{finger}{part}": np.radians(angle) * axis / np.linalg.norm(axis) for part, angle in enumerate(degrees, 1)}


def spread(finger: str, degrees: float) -> dict[str, np.ndarray]:
    """A turn that leads a finger away from the middle one, or the thumb away from the palm."""
    axis = np.cross(THUMB_DIRECTION, THUMB_FLEXION_AXIS) if finger == "thumb" else np.array([0, 1.0, 0])
    sign = -1 if finger in ("ring", "little") else 1
    return {f"{finger}1": sign * np.radians(degrees) * axis / np.linalg.norm(axis)}


def panel(hand: Hand, title: str, color: tuple[int, int, int] = SKIN) -> Image.Image:
    image = Image.new("RGB", (SIZE, SIZE), GROUND)
    drawn = Image.fromarray(render_mesh([Mesh(hand.vertices, hand.faces, color)], CAMERA, SIZE, SIZE))
    image.paste(drawn, mask=drawn)
    write(image, title, (10, 8))
    return image


def write(image: Image.Image, text: str, place: tuple[float, float], size: int = 15, color=INK) -> None:
    ImageDraw.Draw(image).multiline_text(place, text, fill=color, font=ImageFont.load_default(size))


def draw_axes(image: Image.Image, pose: np.ndarray, length: float, names: bool = True) -> None:
    """The axes of a pose (4, 4), metres, the farthest first; x red, y green, z blue."""
    draw, width = ImageDraw.Draw(image), 4 if names else 2
    start = tuple(CAMERA.project(pose[:3, 3]))
    for axis in np.argsort(-pose[2, :3]):
        end = tuple(CAMERA.project(pose[:3, 3] + length * pose[:3, axis]))
        draw.line([start, end], AXIS_COLORS[axis], width)
        if names:
            beyond = CAMERA.project(pose[:3, 3] + 1.2 * length * pose[:3, axis])
            draw.text(tuple(beyond), "xyz"[axis], AXIS_COLORS[axis], ImageFont.load_default(18), anchor="mm")


def sheet(rows: list[list[Image.Image]], name: str) -> None:
    whole = Image.new("RGB", (SIZE * len(rows[0]), SIZE * len(rows)), GROUND)
    for top, row in enumerate(rows):
        for left, image in enumerate(row):
            whole.paste(image, (left * SIZE, top * SIZE))
    PICTURES.mkdir(exist_ok=True)
    whole.save(PICTURES / name, quality=88)
    print(PICTURES / name)


def draw_joint_angles() -> None:
    def all_fingers(turn, *values: float) -> dict[str, np.ndarray]:
        return {joint: vector for finger in LONG for joint, vector in turn(finger, *values).items()}

    sheet([[panel(hand_of({}, PALM), "zero: the flat hand", PALE),
            panel(hand_of({}, THUMB_SIDE), "zero, from the thumb's side", PALE),
            panel(hand_of(all_fingers(bent, 30, 60, 30), THUMB_SIDE), "flexion: MCP 30, PIP 60, DIP 30"),
            panel(hand_of(all_fingers(bent, -25, 0, 0), THUMB_SIDE), "flexion: MCP -25 (hyperextension)")],
           [panel(hand_of(spread("index", 15) | spread("ring", 15) | spread("little", 15), PALM),
                  "abduction: index, ring, little 15"),
            panel(hand_of(spread("index", -8) | spread("ring", -5) | spread("little", -10), PALM),
                  "abduction: index -8, ring -5, little -10"),
            panel(hand_of(bent("thumb", 20, 30, 40), PALM), "thumb flexion: CMC 20, MCP 30, IP 40"),
            panel(hand_of(spread("thumb", 25), THUMB_SIDE), "thumb abduction: CMC 25")]], "joint_angles.jpg")


def draw_wrist_frames() -> None:
    rows = []
    for side in ("right", "left"):
        hand, row = hand_of({}, OBLIQUE, side), []
        for title, pose in (("MANO's: wrist_pose", hand.wrist_pose), ("dex-retargeting's: operator_pose",
                                                                      hand.operator_pose),
                            ("OpenXR's wrist: openxr_poses[1]", hand.openxr_poses[1])):
            row.append(panel(hand, f"{side}, {title}", PALE))
            draw_axes(row[-1], pose, 0.06)
        rows.append(row)
    sheet(rows, "wrist_frames.jpg")


def draw_openxr_joints() -> None:
    row = []
    for title, turns, view in (("OpenXR's joints, flat", {}, PALM), ("bent, from the thumb's side", bent(
            "index", 30, 50, 30) | bent("thumb", 10, 20, 30), THUMB_SIDE)):
        hand = hand_of(turns, view)
        row.append(panel(hand, title, PALE))
        for name, pose in zip(OPENXR, hand.openxr_poses, strict=True):
            if view is PALM or name in ("palm", "wrist") or name.startswith(("index", "thumb")):
                draw_axes(row[-1], pose, 0.012, names=False)
    sheet([row], "openxr_joints.jpg")


if __name__ == "__main__":
    draw_joint_angles()
    draw_wrist_frames()
    draw_openxr_joints()
