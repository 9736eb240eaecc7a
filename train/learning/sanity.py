"""A sheet of training crops with joints drawn over them."""
from __future__ import annotations

import cv2
import numpy as np
from torch import Tensor

from handpose.drawing.overlay import draw_lines
from handpose.drawing.skeleton_lines import skeleton_lines


def draw_sheet(images: Tensor, joints: Tensor, columns: int = 8, most: int = 32, zoom: int = 2) -> np.ndarray:
    """(H, W, 3) uint8 of the first `most` crops (B, 3, S, S) 0..255 and their joints (B, 21, 3) in crop units."""
    size = images.shape[3] * zoom
    tiles = []
    for image, points in zip(images[:most].cpu().numpy(), joints[:most].detach().cpu().numpy(), strict=True):
        tile = cv2.resize(image.transpose(1, 2, 0).clip(0, 255).astype(np.uint8), (size, size))
        draw_lines(tile, skeleton_lines((points[:, :2] + 1) * (size / 2) - 0.5, points[:, 2]))
        tiles.append(tile)
    tiles += [np.zeros_like(tiles[0])] * (-len(tiles) % columns)
    return np.vstack([np.hstack(tiles[row:row + columns]) for row in range(0, len(tiles), columns)])
