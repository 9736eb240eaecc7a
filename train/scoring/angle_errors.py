"""How far two hands differ in their joints' angles, by the 21 joints alone, so that any system can be measured."""
from __future__ import annotations

import numpy as np

from handpose.joint_angles import ABDUCTION, FLEXION, angles_of_joints

# What is reported: name -> fingers and joints (0 is the one next to the palm) whose mean it is.
THUMB, OTHERS = [0], [1, 2, 3, 4]
FLEXIONS = {"thumb CMC": (THUMB, 0), "thumb MCP": (THUMB, 1), "thumb IP": (THUMB, 2), "MCP": (OTHERS, 0),
            "PIP": (OTHERS, 1), "DIP": (OTHERS, 2)}
ABDUCTIONS = {"thumb CMC": THUMB, "MCP": OTHERS}
ANGLES = (*(f"{FLEXION} {name}" for name in FLEXIONS), *(f"{ABDUCTION} {name}" for name in ABDUCTIONS))


def angle_errors(joints: np.ndarray, goal: np.ndarray) -> dict[str, float]:
    """Mean absolute differences in degrees between two hands (21, 3): of all flexions, all abductions, and ANGLES.

    Both of one side: some of a left hand's angles have the other sign here, which no difference knows.
    """
    flexion, abduction = (np.abs((ours - true + 180) % 360 - 180)
                          for ours, true in zip(angles_of_joints(joints), angles_of_joints(goal), strict=True))
    values = {FLEXION: flexion, ABDUCTION: abduction}
    values |= {f"{FLEXION} {name}": flexion[fingers, joint] for name, (fingers, joint) in FLEXIONS.items()}
    values |= {f"{ABDUCTION} {name}": abduction[fingers] for name, fingers in ABDUCTIONS.items()}
    return {name: float(angles[np.isfinite(angles)].mean()) if np.isfinite(angles).any() else np.nan
            for name, angles in values.items()}
