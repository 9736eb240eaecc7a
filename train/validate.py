"""What a checkpoint makes of photos, and its errors on FreiHAND's evaluation set.

    python -m train.validate photos/ --out results
    python -m train.validate FreiHAND_pub_v2_eval.zip --out results --checkpoint runs/freihand

Of photos it writes NAME.overlay.jpg (the photo, and beside it the same with the mesh), NAME.obj, NAME.npz (parameters
and vertices) and NAME.json. A .zip, or a folder that holds evaluation_K.json, is an evaluation set: it writes pred.json
and pred.zip, which the benchmark's server takes, and where the set has its answers scores.json, which is printed, too.

Where a hand is, `--crop detector` lets the detector find, as the command `handpose` does: the default for photos.
`--crop image` shows the network nothing but the image, and takes the one hand that it is surest of
(`train.scoring.image_alone`): in a photo of either side, anywhere, pointing anywhere; in an evaluation set, for which
this is the default, a right hand that fills the image, as FreiHAND's do. `--passes` is how often it looks.
"""
from __future__ import annotations

import argparse
import json
import sys
import zipfile
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
from tqdm import tqdm

from handpose.camera import Camera
from handpose.command.finding import find_jobs
from handpose.command.jobs import Job, UsageError
from handpose.drawing.overlay import draw_overlay, shrink
from handpose.estimator import HandEstimator
from handpose.export import save_result
from handpose.hand import Hand, Result
from handpose.image import Photo, PhotoError, load_photo
from handpose.whole_file import whole_file

from .data.freihand import FreiHand
from .scoring.image_alone import hand_in_image
from .scoring.metrics import freihand_scores
from .scoring.tables import Column, Table

LARGEST_PICTURE = 1024  # pixels a side
REFERENCE_BONE = (9, 10)  # whose length FreiHAND calls a hand's scale


def right_hand(estimator: HandEstimator, rgb: np.ndarray, camera: Camera, passes: int = 3) -> Hand:
    """The right hand that fills an image (H, W, 3) uint8 RGB, from the image alone."""
    hand = hand_in_image(estimator, rgb, passes, sides=("right",), parts=(1.0,))
    return estimator.place_hand(camera, estimator.align(camera, hand))


def hand_found(estimator: HandEstimator, rgb: np.ndarray, camera: Camera) -> Hand | None:
    """The surest hand that the detector finds, taken for a right one."""
    found = estimator.find(rgb)
    if not found:
        return None
    hand, = estimator.predictor.predict_hands(rgb, [replace(found[0], right=1.0)])
    return estimator.place_hand(camera, estimator.align(camera, hand))


def beside(rgb: np.ndarray, result: Result) -> np.ndarray:
    """The photo, and to its right the same with the meshes over it."""
    rgb, camera, hands = shrink(rgb, result.camera, result.hands, LARGEST_PICTURE)
    return np.hstack([rgb, draw_overlay(rgb, camera, hands, opacity=1.0)])


def result_of_image(estimator: HandEstimator, photo: Photo, focal_px: float | None = None, passes: int = 3) -> Result:
    """The result of a photo with one hand, from the image alone."""
    camera = Camera.of_photo(photo.width, photo.height, focal_px=focal_px, focal_35mm=photo.focal_35mm)
    hand = hand_in_image(estimator, photo.rgb, passes)
    return Result(photo.width, photo.height, camera, [estimator.place_hand(camera, estimator.align(camera, hand))])


def validate_photos(jobs: list[Job], out: Path, estimate: Callable[[Photo], Result]) -> int:
    """Writes each photo's files; bad photos are named and passed over. Returns how many these were."""
    failed = 0
    for job in tqdm(jobs, unit="photo"):
        try:
            photo = load_photo(job.path, str(job.path))
        except PhotoError as error:
            failed += 1
            tqdm.write(str(error), sys.stderr)
            continue
        result = estimate(photo)
        save_result(out, job.stem, job.image, result, overlay=beside(photo.rgb, result), mesh="obj", npz=True)
    return failed


def predict_set(freihand: FreiHand, pose: Callable[[np.ndarray, Camera], Hand], own_scale: bool = False,
                out: Path | None = None, pictures: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Joints (N, 21, 3) and vertices (N, V, 3) of an evaluation set, metres, camera frame.

    Each hand is brought to the size that the set gives, as it does to all who take part, by moving it along the rays
    on which it is seen; not if `own_scale`. The first `pictures` hands' files go to `out`.
    """
    joints, vertices = [], []
    for number in tqdm(range(len(freihand)), unit="image"):
        rgb, intrinsics = freihand.image(number), freihand.K[number].astype(float)
        camera = Camera(*intrinsics[[0, 1, 0, 1], [0, 1, 2, 2]].tolist())
        hand = pose(rgb, camera)
        if not own_scale:
            start, end = hand.joints_3d[list(REFERENCE_BONE)]
            factor = freihand.scale[number] / max(np.linalg.norm(end - start), 1e-4)
            hand = replace(hand, joints_3d=hand.joints_3d * factor, vertices=hand.vertices * factor)
        joints.append(hand.joints_3d)
        vertices.append(hand.vertices)
        if number < pictures:
            result = Result(rgb.shape[1], rgb.shape[0], camera, [hand])
            save_result(out, f"{number:08d}", f"{number:08d}.jpg", result, overlay=beside(rgb, result), mesh="obj",
                        npz=True)
    return np.stack(joints), np.stack(vertices)


def score_table(freihand: FreiHand, joints: np.ndarray, vertices: np.ndarray) -> Table:
    """The benchmark's errors of what `predict_set` gave; the set must have its answers."""
    scores = freihand_scores(joints, vertices, freihand.xyz.astype(float), freihand.verts.astype(float))
    rows = {row: {Column("", name, 2 if name.endswith("mm") else 3): value for name, value in values.items()}
            for row, values in scores.items()}
    return Table(f"{freihand.path.name}, {len(joints)} hands", rows)


def write_predictions(out: Path, joints: np.ndarray, vertices: np.ndarray) -> None:
    """Writes pred.json and pred.zip as the benchmark's server takes them, each whole or not at all."""
    with whole_file(out / "pred.json") as temporary, open(temporary, "w") as file:
        for begin, hands in (("[[", joints), (", [", vertices)):
            for number, points in enumerate(hands):
                file.write((", " if number else begin) + json.dumps(points.astype(float).round(6).tolist()))
            file.write("]")
        file.write("]")
    with whole_file(out / "pred.zip") as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(out / "pred.json", "pred.json")


def validate_set(freihand: FreiHand, out: Path, pose: Callable[[np.ndarray, Camera], Hand], own_scale: bool = False,
                 pictures: int = 0) -> Table | None:
    """Writes the predictions and, where the set has its answers, their errors; returns these."""
    joints, vertices = predict_set(freihand, pose, own_scale, out, pictures)
    write_predictions(out, joints, vertices)
    if freihand.xyz is None or freihand.verts is None:
        return None
    table = score_table(freihand, joints, vertices)
    with whole_file(out / "scores.json") as temporary:
        temporary.write_text(json.dumps({"hands": len(joints), **table.plain()}, indent=1) + "\n")
    return table


def main(argv: list[str] | None = None) -> int:
    """Returns the exit code: 0 done, 1 some photos failed, 2 it cannot be done."""
    parser = argparse.ArgumentParser("python -m train.validate", description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("paths", nargs="+", type=Path, metavar="PATH", help="photos and folders of them, or one evaluation set")
    add("--out", type=Path, required=True, metavar="DIR", help="where the results go; made if it does not exist")
    add("--checkpoint", metavar="DIR", help="a folder, or an id OWNER/NAME on the Hub (default: the one that ships)")
    add("--hand-model", type=Path, metavar="PATH", help="MANO_RIGHT.pkl, for a checkpoint that was trained with it")
    add("--crop", choices=("detector", "image"), help="how the hand is found, see the module's documentation")
    add("--passes", type=int, choices=(1, 2, 3, 4), default=3, help="passes of --crop image (default: %(default)s)")
    add("--no-alignment", action="store_true", help="take the network's rotations as they are")
    add("--focal", type=float, metavar="PX", help="focal length of the photos (default: EXIF's, else a guess)")
    add("--own-scale", action="store_true", help="evaluation sets: the size that the network gives, not the set's")
    add("--pictures", type=int, default=0, metavar="N", help="evaluation sets: also the first N hands' files")
    args = parser.parse_args(argv)
    is_set = len(args.paths) == 1 and (args.paths[0].suffix == ".zip"
                                       or (args.paths[0] / "evaluation_K.json").is_file())
    crop = args.crop or ("image" if is_set else "detector")
    try:
        estimator = HandEstimator.load(args.checkpoint, args.hand_model)
        data = FreiHand(args.paths[0], part="evaluation") if is_set else [
            job for job in find_jobs(args.paths).jobs if not job.is_clip or job.path in args.paths]
        if is_set:
            _ = data.verts  # what is wrong with them should be known before the work, not after it
        args.out.mkdir(parents=True, exist_ok=True)
    except (OSError, ValueError, UsageError) as error:
        print(error, file=sys.stderr)
        return 2
    estimator.alignment = not args.no_alignment
    if not is_set:
        estimate = (partial(estimator, focal_px=args.focal) if crop == "detector" else
                    partial(result_of_image, estimator, focal_px=args.focal, passes=args.passes))
        return 1 if validate_photos(data, args.out, estimate) else 0
    of_image = partial(right_hand, estimator, passes=args.passes)

    missed = []

    def found_or_image(rgb: np.ndarray, camera: Camera) -> Hand:
        hand = hand_found(estimator, rgb, camera)
        missed.append(hand is None)
        return hand or of_image(rgb, camera)

    table = validate_set(data, args.out, found_or_image if crop == "detector" else of_image, args.own_scale,
                         args.pictures)
    if crop == "detector":
        print(f"The detector found {len(missed) - sum(missed)} of {len(missed)} hands; the others: whole image.")
    print(table.text() if table else f"{args.paths[0]} does not hold its answers (evaluation_xyz.json, "
          "evaluation_verts.json), as FreiHAND_pub_v2_eval does: send pred.zip to the benchmark's server.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
