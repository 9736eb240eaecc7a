"""Jobs done by processes of Ray Data, on one machine or many (`handpose predict --ray`).

Every process loads the network once, does one job after another (see `batch.do`) and writes the results itself: only
names go there, and only outcomes come back. All machines must see photos, network and results under the same paths.
"""
from __future__ import annotations

import logging
import os
import pickle
from collections.abc import Generator
from math import ceil
from pathlib import Path

os.environ["RAY_USAGE_STATS_ENABLED"] = "0"  # Ray reports on its users unless it is told not to before it starts
import ray  # noqa: E402
import ray.data  # noqa: E402

from ..whole_file import remove_temporaries  # noqa: E402
from .batch import Options, do  # noqa: E402
from .jobs import Job, Outcome, UsageError  # noqa: E402

JOBS_PER_TASK = 16  # at most: their outcomes come back together


class Worker:
    """What one process does: Ray makes one, then calls it with one job after another."""

    def __init__(self, folder: str, checkpoint: str | None, hand_model: Path | None, options: Options):
        """`folder` is where paths that are not absolute begin. Raises as `HandEstimator.load` does."""
        from ..estimator import HandEstimator
        os.chdir(folder)
        self.estimator, self.options = HandEstimator.load(checkpoint, hand_model), options
        if options.person:
            self.estimator = self.estimator.for_person(**options.person)

    def __call__(self, row: dict[str, bytes]) -> dict[str, bytes]:
        job = pickle.loads(row["job"])
        return {"outcome": pickle.dumps(do(job, self.estimator, self.options, progress=False))}


def run_on_ray(jobs: list[Job], options: Options, checkpoint: str | None = None, hand_model: Path | None = None,
               workers: int | None = None) -> Generator[Outcome, None, None]:
    """As `batch.run`, by so many processes (default: one for each CPU that Ray has); yields outcomes in order.

    Joins the cluster that $RAY_ADDRESS names, else starts Ray on this machine; leaves or stops it in the end. Raises
    UsageError where that fails.
    """
    _start(workers)
    ended = False
    try:
        workers = min(workers or max(int(ray.cluster_resources().get("CPU", 1)), 1), len(jobs))
        context = ray.data.DataContext.get_current()
        context.enable_progress_bars = context.print_on_execution_start = False
        context.execution_options.preserve_order = True
        tasks = max(ceil(len(jobs) / JOBS_PER_TASK), min(4 * workers, len(jobs)))
        rows = ray.data.from_items([{"job": pickle.dumps(job)} for job in jobs], override_num_blocks=tasks)
        done = rows.map(Worker, fn_constructor_args=(os.getcwd(), checkpoint, hand_model, options), num_cpus=1,
                        compute=ray.data.ActorPoolStrategy(size=workers))
        for row in done.iter_rows():
            yield pickle.loads(row["outcome"])
        ended = True
    except ray.exceptions.RayError as error:
        raise UsageError(f"Ray cannot go on: {_last_line(error)}") from error
    finally:
        ray.shutdown()
        if not ended:  # its processes were killed
            for folder in {(options.out / job.stem).parent for job in jobs}:
                remove_temporaries(folder)


def _start(workers: int | None) -> None:
    """Joins the cluster, or starts Ray on this machine for so many processes. Raises UsageError."""
    address = os.environ.get("RAY_ADDRESS") or "local"
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    try:
        ray.init(address, include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR,
                 num_cpus=workers if address == "local" else None)
    except Exception as error:  # Ray raises plain ones
        raise UsageError(f"Ray cannot start: {_last_line(error)}") from error


def _last_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[-1]
