"""What skin looks like: tones over the human range, and where on a hand it is creased, reddened, horny or a nail.

The maps are made from the hand model's own geometry, so any hand in MANO's format with texture coordinates gets them.
Colours are linear RGB reflectances, white 1.
"""
from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from handpose.drawing.rasterizer import rasterize

from .photo_skin import PhotoSkins, look_up

# Individual typology angle, degrees: arctan((L* - 50) / b*). Borders of Chardon's six groups (very light .. dark), the
# outer ones where measured skin ends (Chardon et al. 1991; Del Bino & Bernerd 2013).
ITA_BORDERS = (68.0, 55.0, 41.0, 28.0, 10.0, -30.0, -62.0)
PHOTOGRAPHIC, VARNISHED = .8, .12  # how often skin is a photograph's, and nails are painted
MAP_NAMES = ("palm", "red", "crease", "wrinkle", "vein", "nail", "nail_edge")


@dataclass(frozen=True)
class Palette:
    """Colours (3,) of one person's skin and how strongly each map shows."""
    tone: int  # 0 very light .. 5 dark (Chardon's groups)
    back: np.ndarray
    palm: np.ndarray
    red: np.ndarray
    crease: np.ndarray
    nail: np.ndarray
    strength: dict[str, float]
    gloss: float
    nail_gloss: float
    varnish: bool
    photo: float | None  # 0..1: which of the people of this tone's photographs; None: the invented maps


def lab_to_linear(lab: np.ndarray) -> np.ndarray:
    """Linear RGB (..., 3) of CIELAB (..., 3), D65."""
    lab = np.asarray(lab, np.float32)
    rgb = cv2.cvtColor(lab.reshape(1, -1, 3), cv2.COLOR_Lab2RGB).reshape(lab.shape)
    return to_linear(np.clip(rgb, .004, 1))


def to_linear(srgb: np.ndarray) -> np.ndarray:
    """Linear light of display values 0..1 (gamma 2.2)."""
    return np.asarray(srgb, np.float32) ** 2.2


def sample_palette(rng: np.random.Generator) -> Palette:
    """One person's skin; every one of the six tone groups equally often."""
    tone = int(rng.integers(6))
    ita = rng.uniform(ITA_BORDERS[tone + 1], ITA_BORDERS[tone])

    def lab(angle: float, redness: float = 0.0, lightness: float = 0.0) -> np.ndarray:
        bump = np.exp(-((angle - 8) / 38) ** 2)  # yellow and red peak in tanned skin, melanin mutes both in dark skin
        b = 12 + 7 * bump
        return np.array([50 + b * np.tan(np.radians(angle)) + lightness, 9 + 3.5 * bump + redness, b])

    warmth = rng.normal(0, 1.5)
    palm_ita = ita + (58 - ita) * rng.uniform(.45, .75)
    back, palm = lab(ita, warmth), lab(palm_ita, warmth + rng.uniform(1, 4), rng.uniform(-4, 0))
    red = back + [rng.uniform(-5, -1), rng.uniform(5, 11), rng.uniform(0, 3)]
    crease = .5 * (back + palm) + [-.22 * palm[0], 4, 2]
    nail = palm + [rng.uniform(-2, 7), rng.uniform(0, 4), -2]
    nail_gloss = rng.uniform(.3, 1.2)
    varnish = rng.random() < VARNISHED
    if varnish:
        nail, nail_gloss = np.array([rng.uniform(15, 85), *rng.uniform(-10, 60, 1), *rng.uniform(-30, 40, 1)]), 2.0
    strength = {"palm": rng.uniform(.8, 1), "red": rng.uniform(.1, .9), "crease": rng.uniform(.25, 1),
                "wrinkle": rng.uniform(.1, .8), "vein": rng.choice([0, rng.uniform(0, .6)]),
                "fine": rng.uniform(.01, .05), "blotch": rng.uniform(.01, .06), "detail": rng.uniform(.7, 1.15)}
    colours = lab_to_linear(np.array([back, palm, red, crease, nail]))
    strength = {name: float(value) for name, value in strength.items()}  # a NumPy double would widen every pixel
    photo = float(rng.random()) if rng.random() < PHOTOGRAPHIC else None
    return Palette(tone, *colours, strength, rng.uniform(.15, .7), nail_gloss, varnish, photo)


def tileable_noise(rng: np.random.Generator, size: int, cells: int) -> np.ndarray:
    """Smooth noise (size, size) that repeats without a seam, mean 0, standard deviation 1, `cells` bumps a side."""
    grid = np.pad(rng.normal(size=(cells, cells)).astype(np.float32), 2, mode="wrap")
    big = cv2.resize(grid, None, fx=size / cells, fy=size / cells, interpolation=cv2.INTER_CUBIC)
    margin = 2 * size // cells
    noise = big[margin:margin + size, margin:margin + size]
    return (noise - noise.mean()) / noise.std()


def chart_corners(uv: np.ndarray, uv_faces: np.ndarray) -> np.ndarray:
    """The faces' corners (F, 3, 2) in a square chart, 0..1, which their texture coordinates fill."""
    corners = np.asarray(uv, float)[uv_faces]
    low, high = corners.min((0, 1)), corners.max((0, 1))
    return ((corners - low) / (high - low).max() * .98 + .01).astype(np.float32)


def unwrap(attributes: np.ndarray, faces: np.ndarray, corners: np.ndarray, size: int, beyond: bool = True
           ) -> np.ndarray:
    """Vertex attributes (V, C) at each texel of a chart, (size, size, C); outside of it those of the nearest texel
    inside, or, if not `beyond`, zero."""
    flat = np.column_stack([corners.reshape(-1, 2) * (size - 1), np.ones(len(faces) * 3)])
    numbers = np.arange(len(flat)).reshape(-1, 3)
    buffer = rasterize(flat, numbers, size, size)
    image = buffer.interpolate(attributes[faces.reshape(-1)], numbers)
    if not beyond:
        return image
    inside = buffer.face >= 0
    _, label = cv2.distanceTransformWithLabels((~inside).astype(np.uint8), cv2.DIST_L2, 5,
                                               labelType=cv2.DIST_LABEL_PIXEL)
    nearest = np.zeros(label.max() + 1, int)
    nearest[label[inside]] = np.flatnonzero(inside)
    return image.reshape(-1, image.shape[-1])[nearest[label]]


class SkinMaps:
    """Maps over a hand's texture chart, and noise that repeats.

    `maps` (size, size, 7) float32 0..1 in the order of MAP_NAMES; `corner_coords` (F, 3, 2) are the faces' corners in
    the chart, 0..1.
    """

    def __init__(self, rest_vertices: np.ndarray, rest_normals: np.ndarray, rest_joints: np.ndarray, faces: np.ndarray,
                 uv: np.ndarray, uv_faces: np.ndarray, size: int = 512):
        """From the flat right hand: vertices and unit normals (V, 3), 21 joints (21, 3), texture coordinates."""
        rng = np.random.default_rng(0)
        self.corner_coords = chart_corners(uv, uv_faces)
        self.size = size
        texels = unwrap(np.hstack([rest_vertices, rest_normals]), faces, self.corner_coords, size)
        wave = cv2.GaussianBlur(rng.normal(size=(size, size)).astype(np.float32), (0, 0), 6)
        layers = _paint(texels[..., :3], texels[..., 3:], rest_joints, wave / wave.std(), rng)
        maps = np.stack([layers[name] for name in MAP_NAMES], -1).astype(np.float32)
        self.maps = cv2.GaussianBlur(maps, (0, 0), .6)
        self.palm, self.nail = (np.ascontiguousarray(self.maps[..., MAP_NAMES.index(name)])
                                for name in ("palm", "nail"))
        inside = unwrap(np.ones((len(rest_vertices), 1)), faces, self.corner_coords, size, beyond=False)[..., 0] > 0
        self.photos = PhotoSkins(self.palm, rest_vertices[:, 0].max() - texels[..., 0], inside)
        self.fine = tileable_noise(rng, 256, 128)
        self.blotch = tileable_noise(rng, 256, 16) + .6 * tileable_noise(rng, 256, 40)

    def on_hand(self, coords: np.ndarray, palette: Palette, offset: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Reflectance (N, 3) and gloss (N,) at chart coordinates (N, 2); `offset` (2,) moves the noise."""
        if palette.photo is not None:
            return self._photographed(coords, palette)
        layer = dict(zip(MAP_NAMES, look_up(self.maps, coords).T[..., None], strict=True))
        s = palette.strength
        colour = palette.back + (palette.palm - palette.back) * (layer["palm"] * s["palm"])
        colour *= 1 + (palette.red / palette.back - 1) * (layer["red"] * s["red"])
        colour += (palette.crease - colour) * (layer["crease"] * s["crease"])
        colour *= 1 - layer["wrinkle"] * np.float32([.38, .45, .48]) * s["wrinkle"]
        colour *= 1 - layer["vein"] * np.float32([.30, .16, .10]) * s["vein"]
        colour *= self._noise(coords * 4 + offset, palette)  # a noise tile spans a quarter of the chart, about 5 cm
        colour += (palette.nail - colour) * layer["nail"]
        colour *= 1 - .35 * layer["nail_edge"]
        gloss = palette.gloss * (1 - .5 * layer["palm"]) * (1 - layer["nail"]) + palette.nail_gloss * layer["nail"]
        return colour.astype(np.float32), gloss[:, 0]

    def _photographed(self, coords: np.ndarray, palette: Palette) -> tuple[np.ndarray, np.ndarray]:
        palm, nail = (look_up(image, coords) for image in (self.palm, self.nail))
        alike = self.photos.nearest(palette.back)
        detail = self.photos.at(coords, alike[int(palette.photo * len(alike))])
        colour = palette.back + (palette.palm - palette.back) * (palm * palette.strength["palm"])[:, None]
        detail -= 1
        detail *= palette.strength["detail"]
        detail += 1
        colour *= detail
        if palette.varnish:
            colour += (palette.nail - colour) * nail[:, None]
        gloss = palette.gloss * (1 - .5 * palm) * (1 - nail) + palette.nail_gloss * nail
        return colour, gloss

    def on_arm(self, coords: np.ndarray, palette: Palette, offset: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Reflectance (N, 3) and gloss (N,) of the forearm; coords (N, 2) = turn from the back (0..1), metres."""
        inner = (.5 - .5 * np.cos(2 * np.pi * coords[:, :1])) ** 2 * np.clip(coords[:, 1:] / .03, 0, 1)
        colour = palette.back + (palette.palm - palette.back) * (.28 * inner * palette.strength["palm"])
        colour = colour * self._noise(coords * [4, 12] + offset, palette)
        return colour.astype(np.float32), np.full(len(coords), palette.gloss, np.float32)

    def _noise(self, coords: np.ndarray, palette: Palette) -> np.ndarray:
        """Factor (N, 3) on the reflectance: pores in all colours, blotches of blood mostly in green and blue."""
        column, row = np.floor(np.float32(coords).T * np.float32(128)).astype(np.int32) & 255
        texel = row * 256 + column
        fine = self.fine.reshape(-1).take(texel)[:, None] * palette.strength["fine"]
        blotch = self.blotch.reshape(-1).take(texel)[:, None] * palette.strength["blotch"]
        return np.clip(1 + fine + blotch * np.float32([.45, 1, .9]), .5, 1.6)


def _line(distance: np.ndarray, width: float) -> np.ndarray:
    """A soft line of the given half width, metres."""
    return np.exp(-.5 * (distance / width) ** 2)


def _paint(position: np.ndarray, normal: np.ndarray, joints: np.ndarray, wave: np.ndarray,
           rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Each map (H, W) from the texels' rest position and normal (H, W, 3), metres: back +y, fingers along -x."""
    position, normal, joints, wave = (np.asarray(a, np.float32) for a in (position, normal, joints, wave))
    palmward = np.clip(.5 - 1.6 * normal[..., 1], 0, 1)
    maps = {name: np.zeros(position.shape[:2], np.float32) for name in MAP_NAMES}
    past_wrist = np.clip((joints[0, 0] - position[..., 0]) / .012 + .3, 0, 1)
    finger_palm = palmward.copy()
    for finger in range(5):
        mcp, pip, dip, tip = joints[1 + 4 * finger:5 + 4 * finger]
        back = _nail_direction(finger, tip - dip)
        for joint, before, after in ((mcp, mcp, pip), (pip, mcp, pip), (dip, pip, dip)):
            axis = (after - before) / np.linalg.norm(after - before)
            offset = position - joint
            along = offset @ axis + .0006 * wave
            radius = np.linalg.norm(offset - (offset @ axis)[..., None] * axis, axis=-1)
            near = np.clip((.017 - radius) / .003, 0, 1)
            facing = np.clip(.2 + 1.5 * (normal @ back), 0, 1)
            if joint is mcp:
                if finger:
                    web = along - .42 * np.linalg.norm(pip - mcp)
                    maps["crease"] = np.maximum(maps["crease"], near * (1 - facing) * _line(web, .0008) * .9)
                    knuckle = np.exp(-.5 * (np.linalg.norm(offset - [0, .008, 0], axis=-1) / .009) ** 2)
                    maps["red"] = np.maximum(maps["red"], knuckle * (1 - palmward) * .7)
                continue
            lines = (-.0012, .0014) if joint is pip else (0.0,)
            for line in lines:
                maps["crease"] = np.maximum(maps["crease"], near * (1 - facing) * _line(along - line, .0007))
            for line in np.arange(-3, 4) * .0019 * (1 if joint is pip else .7):
                fold = near * facing * _line(along - line + .0005 * wave, .0006) * _line(line, .004)
                maps["wrinkle"] = np.maximum(maps["wrinkle"], fold)
            maps["red"] = np.maximum(maps["red"], near * facing * _line(along, .006) * .8)
        # The last phalanx: a red pulp, and the nail on its back.
        axis = (tip - dip) / np.linalg.norm(tip - dip)
        length = np.linalg.norm(tip - dip)
        offset = position - dip
        along, sideways = offset @ axis / length, offset @ np.cross(axis, back) / length
        radius = np.linalg.norm(offset - (offset @ axis)[..., None] * axis, axis=-1)
        last = (radius < .016) & (along > .1) & (along < 1.5)
        maps["red"] = np.maximum(maps["red"], last * np.clip((along - .3) / .6, 0, 1) * (1 - .5 * (normal @ back > 0)))
        distance = np.hypot((along - .78) / .24, sideways / .22)
        on_back = last & (normal @ back > .15)
        maps["nail"] = np.maximum(maps["nail"], on_back * np.clip((1 - distance) / .12, 0, 1))
        maps["nail_edge"] = np.maximum(maps["nail_edge"], on_back * _line(distance - 1.02, .08))
        owned = (np.linalg.norm(position - (mcp + tip) / 2, axis=-1) < .62 * np.linalg.norm(tip - mcp))
        finger_palm = np.where(owned & (finger == 0), np.clip(.5 - 1.6 * (normal @ back), 0, 1), finger_palm)
    maps["palm"] = finger_palm * past_wrist

    across, up = joints[5] - joints[17], joints[9] - joints[0]
    plane = np.stack([(position - joints[0]) @ up / (up @ up), (position - joints[9]) @ across / (across @ across)], -1)
    for curve in (((.70, .62), (.62, .38), (.42, .18), (.2, .1), (.02, .14)),  # around the thumb's ball
                  ((.72, .62), (.68, .3), (.56, -.1), (.4, -.5)),  # across the middle
                  ((.72, -.75), (.76, -.3), (.84, .1), (.97, .32))):  # under the fingers
        maps["crease"] = np.maximum(maps["crease"], _distance_to_curve(plane, np.array(curve), wave) * palmward ** 2)
    ball = np.exp(-.5 * (((plane - [.45, .75]) / [.3, .3]) ** 2).sum(-1))
    maps["red"] = np.maximum(maps["red"], .45 * ball * palmward)
    ridges = cv2.GaussianBlur(rng.normal(size=wave.shape).astype(np.float32), (0, 0), 14)
    maps["vein"] = _line(ridges / ridges.std(), .11) * np.clip(3 * normal[..., 1] - .8, 0, 1) * (plane[..., 0] < 1)
    return maps


def _nail_direction(finger: int, axis: np.ndarray) -> np.ndarray:
    """Unit normal of the nail in the rest pose: up for the fingers; the thumb's looks up and to its own side."""
    normal = np.float32([0, 1, 0] if finger else [.66, .27, .66])
    axis = axis / np.linalg.norm(axis)
    normal = normal - axis * (normal @ axis)
    return normal / np.linalg.norm(normal)


def _distance_to_curve(plane: np.ndarray, curve: np.ndarray, wave: np.ndarray) -> np.ndarray:
    """A soft line (H, W) along a smoothed polyline (K, 2) in palm coordinates (1 = wrist to middle knuckle)."""
    fine = np.stack([np.interp(np.linspace(0, 1, 24), np.linspace(0, 1, len(curve)), c) for c in curve.T], -1)
    fine = np.vstack([fine[:1], np.stack([np.convolve(c, np.ones(7) / 7, "valid") for c in fine.T], -1), fine[-1:]])
    nearest = np.full(plane.shape[:2], np.inf, np.float32)
    x, y = plane[..., 0], plane[..., 1]
    for (ax, ay), (bx, by) in zip(fine[:-1].tolist(), fine[1:].tolist(), strict=True):
        t = np.clip(((x - ax) * (bx - ax) + (y - ay) * (by - ay)) / ((bx - ax) ** 2 + (by - ay) ** 2), 0, 1)
        nearest = np.minimum(nearest, np.hypot(x - ax - t * (bx - ax), y - ay - t * (by - ay)))
    return _line(nearest + .006 * wave, .012)
