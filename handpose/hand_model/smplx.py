"""A prediction as keyword arguments of the `smplx` package: `smplx.create(folder, model_type, **arguments)`.

smplx has two questions about a hand's pose, and the arguments always answer both: `flat_hand_mean` (True: relative to
the flat hand; False: relative to MANO's mean pose) and `use_pca` (45 axis-angle numbers, or coefficients of principal
components). Anything but axis-angle relative to the flat hand needs MANO's pose space, `mano`: a right `HandModel` read
from MANO's file.
"""
from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..hand import Hand
from .mano import to_mean_pose, to_pca

if TYPE_CHECKING:
    from .model import HandModel


def hand_arguments(hand: Hand, mano: HandModel | None = None, *, flat_hand_mean: bool = True,
                   pca: int | None = None) -> dict[str, np.ndarray | bool | int]:
    """For `model_type="mano"`: is_rhand, global_orient (1, 3), hand_pose (1, 45 or `pca`), transl (1, 3), and the
    answers; betas (1, 10) only where the hand is MANO's own, for another hand model's mean nothing to it.

    Axis-angle in radians, metres, the photo's camera frame. Raises ValueError if a pose space is needed and not given.
    """
    if pca == 45:  # smplx.MANO (0.1.28) takes as many numbers for axis-angle, even with use_pca=True
        pca = None
    arguments = {"is_rhand": hand.side == "right", "global_orient": _row(hand.global_orient),
                 "hand_pose": _row(_pose(hand, mano, flat_hand_mean, pca)), "transl": _row(hand.transl)}
    if hand.hand_model == "mano":
        arguments["betas"] = _row(hand.betas)
    return arguments | _answers(flat_hand_mean, pca)


def body_arguments(hands: list[Hand], mano: HandModel | None = None, *, flat_hand_mean: bool = True,
                   pca: int | None = None) -> dict[str, np.ndarray | bool | int]:
    """For `model_type="smplh"` or `"smplx"`: right_hand_pose and left_hand_pose (1, 45 or `pca`), and the answers.

    A body has one hand of each side: the surest. For a side that was not seen there is no pose; smplx then takes the
    flat hand or the mean pose. The hands' places in the photo's camera frame come along under names that smplx passes
    over, since its own global_orient, transl and betas are the body's: right_global_orient (1, 3), the wrist's rotation
    to the camera, right_transl (1, 3), right_betas (1, 10) of right_hand_model, and the same for the left.
    Raises ValueError if a pose space is needed and not given.
    """
    arguments = _answers(flat_hand_mean, pca)
    for side in ("right", "left"):
        hand = max((hand for hand in hands if hand.side == side), key=lambda hand: hand.score, default=None)
        if hand is not None:
            arguments |= {f"{side}_hand_pose": _row(_pose(hand, mano, flat_hand_mean, pca)),
                          f"{side}_global_orient": _row(hand.global_orient), f"{side}_transl": _row(hand.transl),
                          f"{side}_betas": _row(hand.betas), f"{side}_hand_model": hand.hand_model}
    return arguments


def check_pose_space(mano: HandModel | None, pca: int | None) -> None:
    """Raises ValueError, saying the remedy, if this hand model cannot give `pca` coefficients or the mean pose."""
    if mano is None or mano.hands_mean is None or mano.hands_components is None:
        raise ValueError("MANO's mean pose and principal components are in its file: give MANO_RIGHT.pkl, or take "
                         "axis-angle relative to the flat hand, which needs none.")
    if pca is not None and not 1 <= pca <= len(mano.hands_components):
        raise ValueError(f"MANO's pose space has 1 to {len(mano.hands_components)} components, not {pca}.")


def _answers(flat_hand_mean: bool, pca: int | None) -> dict[str, bool | int]:
    return {"flat_hand_mean": flat_hand_mean, "use_pca": pca is not None} | ({} if pca is None else
                                                                            {"num_pca_comps": pca})


def _pose(hand: Hand, mano: HandModel | None, flat_hand_mean: bool, pca: int | None) -> np.ndarray:
    """(45,) or (pca,), as asked."""
    if flat_hand_mean and pca is None:
        return hand.hand_pose
    check_pose_space(mano, pca)
    mano = mano if hand.side == "right" else mano.left()
    if pca is None:
        return to_mean_pose(hand.hand_pose, mano.hands_mean)
    return to_pca(hand.hand_pose, mano.hands_components, pca, 0.0 if flat_hand_mean else mano.hands_mean)


def _row(values: np.ndarray) -> np.ndarray:
    return np.asarray(values, np.float32)[None]
