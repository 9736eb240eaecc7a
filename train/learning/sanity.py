"""A sheet of training crops with joints drawn over them."""
from __future__ import annotations

import cv2
import numpy as np
from torch import Tensor

from handpose.drawing.palette import FINGER_COLORS
from handpose.hand_model.skeleton import BONES, FINGER_OF_JOINT


def draw_sheet(images: Tensor, joints: Tensor, columns: int = 8, most: int = 32, zoom: int = 2) -> np.ndarray:
    """(H, W, 3) uint8 of the first `most` crops (B, 3, S, S) 0..255 and their joints (B, 21, >=2) in crop units."""
    size = images.shape[3] * zoom
    tiles = []
    for image, points in zip(images[:most].cpu().numpy(), joints[:most, :, :2].detach().cpu().numpy(), strict=True):
        tile = cv2.resize(image.transpose(1, 2, 0).clip(0, 255).astype(np.uint8), (size, size))
        pixels = ((points + 1) * (size / 2) - 0.5).round().astype(int)
        for start, end in BONES:
            cv2.line(tile, pixels[start].tolist(), pixels[end].tolist(), FINGER_COLORS[FINGER_OF_JOINT[end]], 2,
                     cv2.LINE_AA)
        tiles.append(tile)
    tiles += [np.zeros_like(tiles[0])] * (-len(tiles) % columns)
    return np.vstack([np.hstack(tiles[row:row + columns]) for row in range(0, len(tiles), columns)])
