"""COCO's keypoints as a stranger may have written them: which hands a file knows, checked.

    DIR/annotations.json
    DIR/...               the images that it names, of any kind that `handpose predict` takes

    {"images": [{"id": 1, "file_name": "kitchen/1.jpg", "camera": {"fx": 600, "fy": 600, "cx": 319.5, "cy": 239.5}}],
     "annotations": [{"image_id": 1, "side": "left", "keypoints": [u, v, visibility, ... of 21 joints],
                      "keypoints_3d": [[x, y, z], ... of 21 joints]}]}

`keypoints` are COCO's: pixels of the upright image, pixel centres at integers, visibility 0 where a joint is not
labelled, else 1 (hidden) or 2. `keypoints_3d` are metres in the camera's frame (x right, y down, z away) or, with the
wrist at 0, in its axes alone. Joints come in the order of FreiHAND, OpenPose and MediaPipe. A hand needs either of the
two; without `keypoints` also the camera's frame and `camera`. `side` is "right" where it is not said, `camera` a guess
(EXIF's focal length, else a usual field of view). What else COCO has (bbox, segmentation, ...) is passed over.
"""
from __future__ import annotations

from dataclasses import asdict
from itertools import chain
from pathlib import Path
from typing import Annotated, Literal, NamedTuple

import numpy as np
from pydantic import BeforeValidator, ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from handpose.camera import Camera
from handpose.foreign_file import read_bytes
from handpose.hand_model.skeleton import JOINT_PARENTS, PALM_JOINTS
from handpose.network.checkpoint import one_line

from ..learning.option_types import first_fault

ANNOTATIONS = "annotations.json"
MOST_BYTES = 512 << 20  # of it
MOST_HANDS = 1 << 20
SMALLEST = 16  # px, of the joints' box
PALM_LENGTH = 0.02, 0.3  # metres from the wrist to the middle knuckle: of anything else it is not metres

OTHERS_TOO = ConfigDict(extra="ignore", allow_inf_nan=False)
Number = Annotated[float, Field(ge=-1e6, le=1e6)]
Point = Annotated[list[Number], Field(min_length=3, max_length=3)]
Joints = Annotated[list[Point], Field(min_length=21, max_length=21)]
Id = Annotated[int | str, Field(union_mode="left_to_right")]


@dataclass(frozen=True, config=OTHERS_TOO)
class Lens:
    fx: Number
    fy: Number
    cx: Number
    cy: Number

    def __post_init__(self):
        Camera(self.fx, self.fy, self.cx, self.cy)


@dataclass(frozen=True, config=OTHERS_TOO)
class Image:
    id: Id
    file_name: Annotated[str, Field(min_length=1, max_length=1024, pattern=r"^[^\x00]*$")]
    camera: Lens | None = None


def _in_threes(values: object) -> object:
    """COCO's flat list as points."""
    flat = isinstance(values, list) and len(values) == 63 and not isinstance(values[0], list)
    return [values[start:start + 3] for start in range(0, 63, 3)] if flat else values


@dataclass(frozen=True, config=OTHERS_TOO)
class Annotation:
    image_id: Id
    keypoints: Annotated[Joints, BeforeValidator(_in_threes)] | None = None
    keypoints_3d: Joints | None = None
    side: Literal["left", "right"] = "right"


@dataclass(frozen=True, config=OTHERS_TOO)
class Annotations:
    images: list[Image]
    annotations: Annotated[list[Annotation], Field(min_length=1, max_length=MOST_HANDS)]


class Hand(NamedTuple):
    """A hand as it is annotated, a left one not yet mirrored."""
    file_name: str
    camera: Camera | None
    left: bool
    joints_2d: np.ndarray  # (21, 2) px of the image; of a joint that is not labelled the place of the one before it
    labelled: np.ndarray  # (21,) bool
    joints_3d: np.ndarray | None  # (21, 3) metres, in the camera's frame or from the wrist


class Content(NamedTuple):
    """What a file tells: the hands, image by image, and how many more there are of which it tells too little."""
    hands: list[Hand]
    left_out: int
    text: bytes


def read_annotations(folder: Path) -> Content:
    """The hands that a folder's file knows. Raises FileNotFoundError or ValueError naming file and remedy.

    Left out are hands too small to tell anything and those whose palm (PALM_JOINTS) is not labelled whole, by which
    crops are turned upright.
    """
    try:
        text = read_bytes(folder / ANNOTATIONS, MOST_BYTES)
        return Content(*_hands(TypeAdapter(Annotations).validate_json(text)), text)
    except ValueError as error:
        cause = first_fault(error) if isinstance(error, ValidationError) else one_line(error)
        raise ValueError(f"{folder / ANNOTATIONS}: {cause}: train/data/coco.py says the format.") from error


def _hands(annotations: Annotations) -> tuple[list[Hand], int]:
    """The hands that tell enough, image by image, and the number of the others. Raises ValueError, part of a sentence.
    """
    images = {image.id: image for image in annotations.images}
    if len(images) < len(annotations.images):
        raise ValueError("two images have the same id")
    hands = {image: [] for image in images}
    for number, annotation in enumerate(annotations.annotations):
        if annotation.image_id not in images:
            raise ValueError(f"annotation {number} names the image {annotation.image_id!r}, which is not listed")
        try:
            hand = _hand(annotation, images[annotation.image_id])
        except ValueError as error:
            raise ValueError(f"annotation {number} {error}") from error
        palm = hand.labelled[list(PALM_JOINTS)].all()
        if palm and np.ptp(hand.joints_2d[hand.labelled], axis=0).max() >= SMALLEST:
            hands[annotation.image_id].append(hand)
    kept, known = [*chain.from_iterable(hands.values())], len(annotations.annotations)
    if not kept:
        raise ValueError(f"none of {known} hands has a labelled palm and {SMALLEST} px or more")
    return kept, known - len(kept)


def _hand(annotation: Annotation, image: Image) -> Hand:
    xyz = None if annotation.keypoints_3d is None else np.array(annotation.keypoints_3d)
    camera = None if image.camera is None else Camera(**asdict(image.camera))
    if xyz is not None:
        length = np.linalg.norm(xyz[9] - xyz[0])
        if not PALM_LENGTH[0] < length < PALM_LENGTH[1]:
            raise ValueError(f"has keypoints_3d whose palm is {length:.3g} long, which cannot be metres")
        if xyz[0].any() and xyz[:, 2].min() <= 0:
            raise ValueError("has keypoints_3d behind the camera: give z away from it, or the wrist at 0")
    if annotation.keypoints is not None:
        points = np.array(annotation.keypoints)
        uv, labelled = points[:, :2], points[:, 2] > 0
    elif xyz is not None and xyz[0].any() and camera is not None:
        uv, labelled = camera.project(xyz), np.ones(21, bool)
    else:
        raise ValueError("has neither keypoints nor keypoints_3d in the frame of a given camera")
    for joint, parent in enumerate(JOINT_PARENTS):
        if not labelled[joint] and parent >= 0:
            uv[joint] = uv[parent]
    return Hand(image.file_name, camera, annotation.side == "left", uv, labelled, xyz)
