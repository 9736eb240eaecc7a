"""The shape that one person's hands have in common, by a first look at all photos and clips (`--one-person`)."""
from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from tqdm import tqdm

from ..person import common_betas
from .batch import Options, in_order, open_clip, open_photo, told_camera_of
from .jobs import Job

if TYPE_CHECKING:
    from ..estimator import HandEstimator
    from ..hand import Hand

FRAMES = 24  # of a clip that are looked at, evenly spread


def betas_in_common(jobs: list[Job], estimator: HandEstimator, options: Options, threads: int | None = None
                    ) -> np.ndarray | None:
    """The betas (10,) of the hands in all files, None where no hand is sure. Files that cannot be read are passed over:
    whoever does the jobs names them."""
    def look(job: Job, cancelled: Callable[[], bool]) -> list[Hand]:
        try:
            return (_hands_of_clip if job.is_clip else _hands_of_photo)(job, estimator, options, cancelled)
        except Exception:  # of a file or of a library that reads it, as in `batch.do`
            return []

    looks = tqdm(in_order(jobs, look, threads), total=len(jobs), unit="look", desc="whose hands", leave=False)
    return common_betas(hand for hands in looks for hand in hands)


def _hands_of_photo(job: Job, estimator: HandEstimator, options: Options, cancelled: Callable[[], bool]) -> list[Hand]:
    photo = open_photo(job, options)
    return estimator(photo, camera=told_camera_of(job, options, photo.width, photo.height), boxes=options.boxes).hands


def _hands_of_clip(job: Job, estimator: HandEstimator, options: Options, cancelled: Callable[[], bool]) -> list[Hand]:
    clip = open_clip(job, options, cancelled)
    camera, step, hands = told_camera_of(job, options, clip.width, clip.height), max(1, clip.frames // FRAMES), []
    for number, (_, rgb) in enumerate(clip):
        if number % step == 0:
            hands += estimator(rgb, camera=camera).hands
    return hands
