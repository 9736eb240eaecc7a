"""Renders the pictures that ship with the page and the tests: hands of our own generator before painted rooms.

    python -m train.make_examples work/examples --poses work/fits.npz [--keep 3=victory ... --into assets/examples]

Makes small candidates and a sheet of them to choose from; with --keep, the chosen ones large and under those names. The
pictures that ship are --seed 1 --keep 4=open_palm 18=holding 27=two_hands 29=back_of_hand 32=ok 37=three 43=both_hands
45=pointing, with poses fitted to the photos of photo_sets.json; they were made before hands here had photographic skin
and grips.
"""
from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np
import roma
import torch
from tqdm import tqdm

from handpose.drawing.rasterizer import rasterize
from handpose.hand_model.layer import HandLayer
from handpose.hand_model.model import HandModel

from .synthesis.poses import PoseBank, collides
from .synthesis.props import Photos
from .synthesis.scene import Studio, place_in_view
from .synthesis.shading import draw, project, sample_light
from .synthesis.skin import sample_palette, to_linear
from .synthesis.subjects import OBJECT, PosedHand, Subjects

WIDTH, HEIGHT = 960, 720
CANDIDATE_WIDTH = 320
KINDS = ("one", "one", "holding", "two")  # of candidate k: KINDS[k % 4]
TURNED = 35  # degrees by which a hand may be turned from how its pose's photo shows it, and be a pose people know


def paint_background(rng: np.random.Generator, width: int = WIDTH, height: int = HEIGHT) -> np.ndarray:
    """An out-of-focus room, BGR uint8 (height, width, 3): a wall with light on it, furniture, a window, a table."""
    v, u = np.mgrid[:height, :width].astype(np.float32) / max(width, height)

    def colour(saturation: tuple[int, int], value: tuple[int, int]) -> np.ndarray:
        hsv = np.uint8([[[rng.choice([rng.integers(5, 30), rng.integers(90, 125), rng.integers(180)]),
                          rng.integers(*saturation), rng.integers(*value)]]])
        return cv2.cvtColor(hsv, cv2.COLOR_HSV2BGR)[0, 0].astype(np.float32)

    def box(left: float, top: float, wide: float, high: float, paint: np.ndarray) -> None:
        corners = [(int(x * width), int(y * height)) for x, y in ((left, top), (left + wide, top + high))]
        cv2.rectangle(picture, *corners, paint.tolist(), -1)

    lamp = rng.uniform([0, 0], [1, .5])
    glow = np.exp(-((u - lamp[0]) ** 2 + (v - lamp[1]) ** 2) / rng.uniform(.15, .6))[..., None]
    picture = colour((5, 70), (90, 215)) * (.75 + .45 * glow)
    if rng.random() < .45:  # a window with its bars
        left, top, wide, high = rng.uniform([-.1, -.2, .2, .4], [.8, .15, .45, .7])
        box(left - .02, top - .03, wide + .04, high + .06, colour((0, 40), (150, 240)))
        for column in range(2):
            box(left + column * (wide + .02) / 2, top, (wide - .02) / 2, high, colour((5, 60), (215, 256)))
    for _ in range(rng.integers(1, 5)):  # furniture, shelves among it
        left, top, wide, high = rng.uniform([-.2, .2, .1, .25], [.95, .7, .4, .9])
        box(left, top, wide, high, colour((15, 150), (25, 190)))
        if rng.random() < .5:
            x = left + .01
            while x < left + wide - .02:
                thick = rng.uniform(.012, .035)
                box(x, top + .03 + rng.uniform(0, .04), thick, .18, colour((30, 200), (40, 210)))
                x += thick + .003
    if rng.random() < .35:  # a plant
        foot = rng.uniform([.05, .5], [.95, .9])
        for _ in range(70):
            at = (foot + rng.normal(0, [.06, .12])) * (width, height)
            green = cv2.cvtColor(np.uint8([[[rng.integers(35, 60), rng.integers(60, 170), rng.integers(30, 150)]]]),
                                 cv2.COLOR_HSV2BGR)[0, 0]
            cv2.ellipse(picture, (at.astype(int).tolist(), (width * .05, width * .017), rng.uniform(0, 180)),
                        green.tolist(), -1)
    if rng.random() < .5:  # a table
        edge = rng.uniform(.72, .92)
        box(-.1, edge, 1.2, 1, colour((30, 140), (60, 190)))
    picture = cv2.GaussianBlur(picture, (0, 0), width * rng.uniform(.009, .022))
    for _ in range(rng.integers(0, 7) * rng.integers(0, 2)):  # lights far away
        disc = np.zeros((height, width), np.float32)
        centre = rng.uniform([0, 0], [width, .6 * height]).astype(int).tolist()
        cv2.circle(disc, centre, int(width * rng.uniform(.008, .022)), float(rng.uniform(.25, .7)), -1, cv2.LINE_AA)
        disc = cv2.GaussianBlur(disc, (0, 0), width * .0015)[..., None]
        picture = picture * (1 - disc) + disc * np.float32([190, 225, 255])
    picture *= 1 - .25 * ((u - u.mean()) ** 2 + (v - v.mean()) ** 2)[..., None]
    return np.clip(picture + rng.normal(0, 1.2, picture.shape), 0, 255).astype(np.uint8)


class Photographer:
    """Takes candidate k, the same at every width but for the pixels' noise."""

    def __init__(self, poses: str, seed: int, folder: Path):
        """`folder` is where the cloth's and the held things' patterns come from: painted here if it is empty."""
        self.bank, self.seed = PoseBank.load(poses), seed
        folder.mkdir(parents=True, exist_ok=True)
        for number in range(12):
            cv2.imwrite(str(folder / f"{number:02d}.png"),
                        paint_background(np.random.default_rng([seed, 1, number]), 640, 480))
        self.model = HandLayer.load()
        self.subjects = Subjects(HandModel.load(), self.bank)
        rest = self.model(*(torch.zeros(1, n) for n in (3, 45, 10, 3)))
        self.studio = Studio(self.model, rest.vertices[0].numpy(), rest.joints[0].numpy(), Photos((folder,)))

    @torch.inference_mode()
    def hand(self, rng: np.random.Generator) -> PosedHand:
        """A right hand in a pose of the bank, unmixed, seen about as its photo shows it."""
        for _ in range(50):
            k = rng.integers(len(self.bank.hand_pose))
            turn = rng.normal(0, np.radians(TURNED) / 3, 3).astype(np.float32)
            orient = roma.rotvec_composition([torch.from_numpy(turn), torch.from_numpy(self.bank.global_orient[k])])
            betas = torch.from_numpy(np.clip(rng.normal(0, .8, (1, 10)), -2, 2).astype(np.float32))
            posed = self.model(orient[None], torch.from_numpy(self.bank.hand_pose[k])[None], betas, torch.zeros(1, 3))
            if not collides(posed.joints.numpy())[0]:
                break
        return PosedHand(posed.vertices[0].numpy(), posed.joints[0].numpy(), roma.rotvec_to_rotmat(orient).numpy())

    def take(self, number: int, width: int) -> np.ndarray:
        """RGB uint8 (3/4 width, width, 3)."""
        rng = np.random.default_rng([self.seed, 0, number])
        height, kind = width * HEIGHT // WIDTH, KINDS[number % len(KINDS)]
        room = cv2.resize(paint_background(rng), (width, height), interpolation=cv2.INTER_AREA)
        above = (width - height) // 2  # the renderer's pictures are square
        room = cv2.copyMakeBorder(room, above, width - height - above, 0, 0, cv2.BORDER_REFLECT_101)
        room = room[..., ::-1].astype(np.float32) / 255
        light, palette = sample_light(rng, to_linear(np.maximum(room, 1 / 255))), sample_palette(rng)
        hand = self.hand(rng)
        focal, shift = place_in_view(rng, hand.joints, height)
        if kind == "two":  # farther away, each in its half of the picture
            distance = 1.5 * (hand.joints.mean(0) + shift)[2]
            hand, other = (one.moved(distance * np.append(rng.normal(0, .01, 2) + [-.24 * width / focal, 0], 1)
                                     - one.joints.mean(0)) for one in (hand, self.hand(rng)))
        elif kind == "holding":
            subject = self.subjects.draw(rng, OBJECT)
            focal, shift = place_in_view(rng, subject.hand.joints, height)
            subject = subject.moved(shift)
            hand = subject.hand
        else:
            hand = hand.moved(shift)
        alone = rasterize(project(hand.vertices, focal, width), self.model.faces, width, width).depth
        parts = self.studio.limb(rng, hand, palette, focal, alone)
        if kind == "holding" and subject.thing:
            parts += subject.thing.parts(rng, self.studio.photos)
        if kind == "two":  # the studio has right hands only
            parts += [part.mirrored() for part in self.studio.limb(rng, other, palette, focal)]
        layer, _ = draw(parts, light, focal, width, oversampling=2.0)
        picture = cv2.GaussianBlur(room * (1 - layer[..., 3:]) + layer[..., :3], (0, 0), .45)
        grain = rng.standard_normal(picture.shape, np.float32) * np.float32(.006) * (.5 + np.sqrt(picture))
        return np.round(np.clip(picture + grain, 0, 1) * 255).astype(np.uint8)[above:above + height]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--poses", required=True)
    parser.add_argument("--first", type=int, default=0, help="number of the first candidate")
    parser.add_argument("--count", type=int, default=48)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", nargs="*", default=[], metavar="NUMBER=NAME")
    parser.add_argument("--into", type=Path)
    args = parser.parse_args()
    photographer = Photographer(args.poses, args.seed, args.out / "patterns")
    if args.keep:
        args.into.mkdir(parents=True, exist_ok=True)
        for number, name in (one.split("=") for one in args.keep):
            bgr = photographer.take(int(number), WIDTH)[..., ::-1]
            cv2.imwrite(str(args.into / f"{name}.jpg"), bgr, [cv2.IMWRITE_JPEG_QUALITY, 88])
        return
    tiles = []
    for number in tqdm(range(args.first, args.first + args.count), unit="picture"):
        tile = np.ascontiguousarray(photographer.take(number, CANDIDATE_WIDTH)[..., ::-1])
        tiles.append(cv2.putText(tile, str(number), (4, 18), cv2.FONT_HERSHEY_SIMPLEX, .6, (255, 255, 255), 1))
    rows = [np.hstack(tiles[start:start + 6]) for start in range(0, len(tiles) - len(tiles) % 6, 6)]
    cv2.imwrite(str(args.out / "sheet.png"), np.vstack(rows))


if __name__ == "__main__":
    main()
