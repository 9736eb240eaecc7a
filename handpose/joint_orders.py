"""The joints of a hand in the orders that other programs have them in.

    FREIHAND  21 joints: wrist, then thumb, index, middle, ring and little finger from the palm to the tip. FreiHAND's,
              OpenPose's and MediaPipe's order, in which all results come
    MANO      the 16 that MANO poses in its own order (wrist; index, middle, little, ring, thumb), then five tips, thumb
              first: the joints of `smplx.MANO`
    OPENXR    26 joints: palm, wrist, then thumb, index, middle, ring and little finger, each from its metacarpal to its
              tip (XrHandJointEXT of XR_EXT_hand_tracking). Its joints are named by the bones that begin there: a
              "proximal" is a knuckle (MCP), of the thumb its MCP; WebXR has the same without the palm

Five of OpenXR's joints are none of the 21: the palm and the bases of four metacarpals. They are made from the wrist and
the knuckles in the palm's plane: the bases stand a quarter of the way from the wrist to the middle knuckle, half as far
apart as the knuckles, which is roughly where the carpal bones end; the palm stands in the middle of the middle finger's
metacarpal, as OpenXR defines it.

Vertices have no order but their mesh's own: a hand of MANO's has FreiHAND's 778, the open hand 1609 of its own, and
OpenXR knows none.
"""
from __future__ import annotations

import numpy as np

from .hand_model.skeleton import FINGERS, JOINT_NAMES, MANO_JOINT_NAMES, MANO_TO_JOINT, TIP_JOINTS

FREIHAND = JOINT_NAMES
MANO = (*MANO_JOINT_NAMES, *(f"{finger}_tip" for finger in FINGERS))
OPENXR = ("palm", "wrist", *(f"{finger}_{bone}" for finger in FINGERS for bone in (
    ("metacarpal", "proximal", "distal", "tip") if finger == "thumb" else
    ("metacarpal", "proximal", "intermediate", "distal", "tip"))))
ORDERS = {"freihand": FREIHAND, "mano": MANO, "openxr": OPENXR}

CARPUS = 0.25  # of the way from the wrist to the middle knuckle: where the metacarpals begin
CARPUS_WIDTH = 0.5  # of the knuckles' distances: how far apart they begin

_WRIST, _MIDDLE = JOINT_NAMES.index("wrist"), JOINT_NAMES.index("middle_mcp")
_KNUCKLES = [JOINT_NAMES.index(f"{finger}_mcp") for finger in FINGERS[1:]]
_MANO_ORDER = [*MANO_TO_JOINT, *TIP_JOINTS]
# Where OpenXR's joints stand among [the 21, palm, metacarpals of index .. little].
_OPENXR_ORDER = [21, _WRIST, *range(1, 5),
                 *(number for finger in range(4) for number in (22 + finger, *range(5 + 4 * finger, 9 + 4 * finger)))]


def in_order(joints: np.ndarray, order: str) -> np.ndarray:
    """Joints (.., 21, 3), as results have them, in an order of ORDERS: (.., 21, 3), or (.., 26, 3) in OpenXR's.

    In whatever unit and frame they are. Raises ValueError for another order or number of joints.
    """
    joints = np.asarray(joints)
    if order not in ORDERS:
        raise ValueError(f"An order of joints is one of {', '.join(ORDERS)}, not {order!r}.")
    if joints.shape[-2:] != (21, 3):
        raise ValueError(f"A hand has 21 joints in space, (21, 3), not {joints.shape}.")
    if order == "freihand":
        return joints
    if order == "mano":
        return joints[..., _MANO_ORDER, :]
    wrist, middle, knuckles = joints[..., [_WRIST], :], joints[..., [_MIDDLE], :], joints[..., _KNUCKLES, :]
    bases = wrist + CARPUS * (middle - wrist) + CARPUS_WIDTH * (knuckles - middle)
    palm = (bases[..., [FINGERS.index("middle") - 1], :] + middle) / 2
    return np.concatenate([joints, palm, bases], -2)[..., _OPENXR_ORDER, :]
