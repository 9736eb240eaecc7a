"""Prints a checkpoint's errors, and other systems', on photos with true 3D joints, photo sets and renders.

    python -m train.evaluate --photos-3d DIR --side left
    python -m train.evaluate --photos work/photos --sets barehand slang1 --labels work/labels.npz
    python -m train.evaluate --renders work/test_renders --landmarks work/test_renders_landmarks.npz
    python -m train.evaluate --recipe train/recipes/freihand.yaml    # what the recipe holds out, before alignment
    python -m train.evaluate --photos-3d DIR --results hamer/ --system HaMeR    # beside what another system said

One call may measure all of them. `train.scoring.test_sets` says what the folders hold, `train.scoring.measure` how a
hand is counted, docs/evaluation.md what each error means and how another system's results are written down. Errors are
means over the hands found: mm, degrees, and shares of the larger side of the true joints' box. None of this is for
training, or for tuning.
"""
from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np

from handpose.estimator import HandEstimator
from handpose.hand_model.layer import HandLayer
from handpose.hand_model.mano import hand_model_file
from handpose.network.hand_network import CHECKPOINT, HandNetwork
from handpose.whole_file import whole_file

from .data.sources import load_sources
from .learning.recipe import Recipe
from .scoring.angle_errors import ABDUCTION, ABDUCTIONS, FLEXION, FLEXIONS
from .scoring.measure import (
    ALIGNED,
    CONSTANT,
    DETECTED,
    ERROR_2D,
    FOUND,
    IMAGE,
    IMAGE_UNALIGNED,
    METHODS,
    METRICS,
    PA,
    ROOT_RELATIVE,
    SEEN,
    SHARES,
    TEACHER,
    UNALIGNED,
    WRONG_SIDE,
    Scores,
    measure,
)
from .scoring.results import Results
from .scoring.sheet import draw_sheet
from .scoring.tables import Column, Table
from .scoring.test_sets import SKIN_TONE, Case, photo_sets, photos_with_joints, renders
from .scoring.validation import evaluate_source

DECIMALS = dict.fromkeys(METRICS, 1) | dict.fromkeys(SHARES, 3)
OF_GROUPS = {ALIGNED: (FOUND, WRONG_SIDE, PA, ROOT_RELATIVE, ERROR_2D, SEEN), UNALIGNED: (PA, ROOT_RELATIVE, ERROR_2D),
             IMAGE: (FOUND, PA, ROOT_RELATIVE, ERROR_2D, SEEN), IMAGE_UNALIGNED: (PA, ROOT_RELATIVE, ERROR_2D)}
OF_OTHERS = (FOUND, WRONG_SIDE, PA, ROOT_RELATIVE, ERROR_2D)
OF_RATIOS = (PA, ROOT_RELATIVE, ERROR_2D, SEEN)
UNITS = "mm, degrees, shares of the box"


def overview(title: str, scores: dict[str, Scores]) -> Table:
    """A row for each method."""
    rows = {method: {Column("", metric, DECIMALS[metric]): mean(of[metric]) for metric in METRICS}
            for method, of in scores.items()}
    return Table(title, _measured(rows), f", {len(scores[ALIGNED][FOUND])} hands ({UNITS})")


def by_joint(title: str, scores: dict[str, Scores]) -> Table:
    """A row for each method: errors of the joints' angles."""
    columns = [Column(angle, name, 1) for angle, names in ((FLEXION, FLEXIONS), (ABDUCTION, ABDUCTIONS))
               for name in names]
    rows = {method: {column: mean(of[f"{column.over} {column.name}"]) for column in columns}
            for method, of in scores.items()}
    return Table(f"{title} by joint", _measured(rows), " (degrees)")


def _measured(rows: dict[str, dict[Column, float]]) -> dict[str, dict[Column, float]]:
    """Those of which any number is known."""
    return {method: row for method, row in rows.items() if np.isfinite([*row.values()]).any()}


def by_group(title: str, scores: dict[str, Scores], cases: list[Case]) -> list[Table]:
    """A table for each grouping with a row for each group, and how unlike those of other skin tones are."""
    tables, of_groups = [], OF_GROUPS | {name: OF_OTHERS for name in others(scores)}
    for grouping in dict.fromkeys(key for case in cases for key in case.groups):
        rows = {}
        for group in sorted({case.groups[grouping] for case in cases if grouping in case.groups}):
            chosen = np.array([case.groups.get(grouping) == group for case in cases])
            rows[group[1]] = {Column("", "hands", 0): int(chosen.sum())} | {
                Column(method, metric, DECIMALS[metric]): mean(scores[method][metric][chosen])
                for method, metrics in of_groups.items() for metric in metrics}
        tables.append(Table(f"{title} by {grouping}", rows))
        if grouping == SKIN_TONE:
            tables.append(Table(f"{title} by {grouping}, worst over best", ratios(rows)))
    return tables


def others(scores: dict[str, Scores]) -> list[str]:
    """The names of the other systems among those that were measured."""
    return [name for name in scores if name not in (*METHODS, DETECTED, TEACHER, CONSTANT)]


def ratios(rows: dict[str, dict[Column, float]]) -> dict[str, dict[Column, float]]:
    """By method, the largest error of any row over the smallest."""
    found: dict[str, dict[Column, float]] = {}
    for column in next(iter(rows.values())):
        if column.name in OF_RATIOS:
            least, most = np.min([row[column] for row in rows.values()]), np.max([row[column] for row in rows.values()])
            found.setdefault(column.over, {})[Column("", column.name, 2)] = float(most / least) if least else np.nan
    return found


def mean(values: np.ndarray) -> float:
    """Of those that are numbers; NaN where none is."""
    values = values[np.isfinite(values)]
    return float(values.mean()) if len(values) else np.nan


def held_out(checkpoint: str | Path, recipe: Path) -> Table:
    """The samples that a recipe validates on, in crops around the true hand, before alignment."""
    network = HandNetwork.from_pretrained(checkpoint)
    hand_model = HandLayer.load(hand_model_file(network.config.hand_model))
    _, validation = load_sources(Recipe.load(recipe).data, hand_model, "cpu")
    rows = {}
    for name, source in validation.items():
        for given in (True, False):
            means = evaluate_source(network, source, hand_model.joints_only(), given)
            rows[f"{name}, {ALIGNED if given else IMAGE}"] = {
                Column("", key, 3 if key == "error_2d" else 1): value for key, value in means.items()}
    return Table(f"Held out by {recipe.name}", rows)


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser("python -m train.evaluate", description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--checkpoint", default=CHECKPOINT)
    add("--live", action="store_true", help="in the smaller crops of `HandEstimator.for_live`")
    add("--photos-3d", type=Path, metavar="DIR", help="photos with true 3D joints")
    add("--side", choices=("left", "right"), help="of all hands of --photos-3d, where its labels do not say")
    add("--told-lens", action="store_true", help="tell the estimator the cameras of --photos-3d")
    add("--photos", type=Path, metavar="DIR", help="folder of photo sets")
    add("--sets", nargs="+", metavar="SET", help="which of them: such as the checkpoint has not seen")
    add("--labels", type=Path, metavar="NPZ", help="what train.pseudo_label said of them, instead of their own labels")
    add("--renders", type=Path, metavar="DIR", help="folder of train.synthesize")
    add("--landmarks", type=Path, metavar="NPZ", help="what train.pseudo_label said of them; else hands are looked for")
    add("--count", type=int, help="only so many renders, the first ones")
    add("--recipe", type=Path, help="also measure on what this recipe holds out")
    add("--results", type=Path, action="append", default=[], metavar="DIR",
        help="also measure what another system said of the same photos (docs/evaluation.md); may be given repeatedly")
    add("--system", action="append", default=[], metavar="NAME", help="what it is called; once for each --results")
    add("--markdown", action="store_true", help="print tables for a README; by groups, of aligned hands only")
    add("--json", type=Path, metavar="FILE", help="also write the numbers")
    add("--sheet", type=Path, metavar="DIR", help="also draw the best, the median and the worst hands of each test set")
    args = parser.parse_args(argv)
    if bool(args.photos) != bool(args.sets):
        parser.error("--photos and --sets go together: the folder, and the sets to measure on")
    if not (args.photos_3d or args.photos or args.renders or args.recipe):
        parser.error("nothing to measure on: give --photos-3d, --photos, --renders or --recipe")
    taken = [*METHODS, DETECTED, TEACHER, CONSTANT, *args.system]
    if len(args.results) != len(args.system) or len(set(taken)) < len(taken):
        parser.error("each --results needs a --system of its own: the name that it has in the tables")
    try:
        estimator = HandEstimator.load(args.checkpoint)
        estimator = estimator.for_live() if args.live else estimator
        test_sets = {}
        if args.photos_3d:
            test_sets["Photos with true 3D joints"] = photos_with_joints(args.photos_3d, args.side, args.told_lens)
        if args.photos:
            test_sets["Photo sets"] = photo_sets(args.photos, args.sets, args.labels)
        if args.renders:
            test_sets["Renders"] = renders(args.renders, args.landmarks, args.count)
        results = {title: {name: Results(folder, [case.photo for case in cases])
                           for name, folder in zip(args.system, args.results, strict=True)}
                   for title, cases in test_sets.items()}
    except (OSError, ValueError) as error:
        parser.exit(1, f"{error}\n")
    tables = [held_out(args.checkpoint, args.recipe)] if args.recipe else []
    for title, cases in test_sets.items():
        scores = measure(estimator, cases, results[title])
        groups = by_group(title, scores, cases)
        if args.markdown:
            groups = [table.under("", ALIGNED, IMAGE, *args.system) for table in groups]
        tables += [overview(title, scores), by_joint(title, scores), *groups]
        for name, answers in results[title].items():
            print(f"{title}: {name} has files of {len(answers)} of {len({case.photo for case in cases})} photos.")
        if args.sheet:
            args.sheet.mkdir(parents=True, exist_ok=True)
            draw_sheet(estimator, cases, scores[ALIGNED], args.sheet / f"{title.lower().replace(' ', '-')}.jpg")
    tables = [table for table in tables if table.rows]
    print("\n\n".join(table.markdown() if args.markdown else table.text() for table in tables))
    if args.json:
        with whole_file(args.json) as temporary:
            temporary.write_text(json.dumps({table.title: table.plain() for table in tables}, indent=1) + "\n")


if __name__ == "__main__":
    main()
