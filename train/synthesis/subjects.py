"""What a picture is of: a right hand that is bare, holds something, meets the other hand, is gloved or is cut off."""
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from scipy.spatial.transform import Rotation

from handpose.hand_model.model import HandModel
from handpose.hand_model.skeleton import MIRROR

from .grasp import Closer
from .held import hold
from .objects import Thing
from .pairs import Flesh, bring_together
from .poses import PoseBank, collides, facing_palm

KINDS = BARE, OBJECT, TWO_HANDS, GLOVE, BORDER = "bare", "object", "two hands", "glove", "border"
SHARES = {BARE: .36, OBJECT: .25, TWO_HANDS: .17, GLOVE: .1, BORDER: .12}
CANDIDATES = 4  # poses tried until one does not run through itself
FRONTAL = .25  # how often the palm looks into the camera
APART = .2  # of two hands: that do not touch


@dataclass(frozen=True)
class PosedHand:
    """A hand in the camera frame, metres: a right one, or, if `mirrored`, the right one that a left one's mirror image
    (x -> -x) is. Whoever draws it mirrors it back."""
    vertices: np.ndarray  # (V, 3)
    joints: np.ndarray  # (21, 3)
    rotation: np.ndarray  # (3, 3) of the wrist
    mirrored: bool = False

    def moved(self, by: np.ndarray) -> PosedHand:
        """Moved in the camera frame, a left hand with its mirror image."""
        by = by * MIRROR if self.mirrored else by
        return replace(self, vertices=self.vertices + by, joints=self.joints + by)


@dataclass(frozen=True)
class Subject:
    """A hand's parameters, the hand as they pose it with `transl` zero, and what belongs to it, in the same frame."""
    kind: str
    global_orient: np.ndarray  # (3,)
    hand_pose: np.ndarray  # (45,)
    betas: np.ndarray  # (10,)
    hand: PosedHand
    thing: Thing | None = None
    other: PosedHand | None = None

    def moved(self, by: np.ndarray) -> Subject:
        return replace(self, hand=self.hand.moved(by), thing=self.thing and self.thing.moved(np.eye(3), by),
                       other=self.other and self.other.moved(by))


class Subjects:
    """Draws subjects; the same generator draws the same one."""

    def __init__(self, model: HandModel, bank: PoseBank):
        self.model, self.bank, self._joints = model, bank, model.joints_only()
        self.closer = Closer(model)
        self.flesh = Flesh(self.closer)

    def draw(self, rng: np.random.Generator, kind: str) -> Subject:
        """One of this kind, or a bare hand where nothing that was tried is held well, or no other hand."""
        orient, pose, betas = self._pose(rng)
        if rng.random() < FRONTAL:
            orient = facing_palm(rng)
        thing, pair = None, None
        if kind == OBJECT:
            held = hold(rng, self.closer, betas)
            thing, pose = (held.thing, held.pose.ravel()) if held else (None, pose)
        touching = kind == TWO_HANDS and rng.random() > APART
        if touching:
            pair = bring_together(rng, self.closer, self.flesh, betas)
            pose = pair.pose.ravel() if pair else pose
        hand, root, rotation = self._posed(orient, pose, betas)
        to_camera = rotation, root - rotation @ root  # of points in the frame of the hand with no global rotation
        if thing:
            thing = thing.moved(*to_camera)
        other = None
        if pair:
            other = self._other(pair.other_pose, betas, rotation @ pair.turn, rotation @ pair.place + to_camera[1])
        elif kind == TWO_HANDS:
            other = self._beside(rng, hand, betas)
        if kind == OBJECT and thing is None:
            kind = BARE
        return Subject(kind, np.float32(orient), np.float32(pose), betas, hand, thing, other)

    def _pose(self, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        for _ in range(CANDIDATES):
            orient, pose, betas = self.bank.draw(rng, 1)
            joints = self._joints(np.zeros((1, 3), np.float32), pose, betas, np.zeros((1, 3), np.float32)).joints
            if not collides(joints)[0]:
                break
        return orient[0], pose[0], betas[0]

    def _posed(self, orient: np.ndarray, pose: np.ndarray, betas: np.ndarray
               ) -> tuple[PosedHand, np.ndarray, np.ndarray]:
        """The hand, the pivot (3,) of its wrist and its rotation (3, 3)."""
        posed = self.model(*(np.float32(part)[None] for part in (orient, pose, betas)), np.zeros((1, 3), np.float32))
        rotation = Rotation.from_rotvec(orient).as_matrix()
        return PosedHand(posed.vertices[0], posed.joints[0], rotation), posed.pivots[0, 0], rotation

    def _other(self, pose: np.ndarray, betas: np.ndarray, turn: np.ndarray, place: np.ndarray) -> PosedHand:
        """A left hand whose mirror image's points p, with no global rotation, are at turn p + place."""
        hand, _, _ = self._posed(np.zeros(3), pose.ravel(), betas)
        turn, place = MIRROR[:, None] * turn, MIRROR * place
        return PosedHand(hand.vertices @ turn.T + place, hand.joints @ turn.T + place, turn, mirrored=True)

    def _beside(self, rng: np.random.Generator, hand: PosedHand, betas: np.ndarray) -> PosedHand:
        """A left hand near this one, on any side of it, mostly farther from the camera."""
        orient, pose, _ = self._pose(rng)
        other = self._posed(orient, pose, betas)[0]
        away = rng.normal(size=2)
        away *= rng.uniform(.08, .2) / np.linalg.norm(away)
        place = hand.joints.mean(0) + [*away, rng.normal(.05, .05)]
        return PosedHand(other.vertices, other.joints, other.rotation, mirrored=True).moved(
            place - other.joints.mean(0) * MIRROR)


def draw_kind(rng: np.random.Generator, shares: Mapping[str, float]) -> str:
    """A kind as often as its share of all shares."""
    total = sum(shares.values())
    return str(rng.choice(list(shares), p=[share / total for share in shares.values()]))
