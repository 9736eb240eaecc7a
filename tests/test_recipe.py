"""Recipes: what the shipped ones mean, types and ranges, and files that a stranger made."""
import os
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import yaml

from handpose.network.checkpoint import NetworkConfig
from train.learning.data_config import DataConfig, FreihandConfig, KeypointsConfig, PhotosConfig, RendersConfig
from train.learning.recipe import AugmentConfig, LossWeights, Recipe
from train.rounds.recipe import Rounds

RECIPES = sorted((Path(__file__).parent.parent / "train" / "recipes").glob("*.yaml"))
MIXED = """\
network: {backbone: resnet50-half, input_size: 128}
data:
  sources:
    - {kind: photos, folder: photos, labels: labels.npz, fits: fits.npz, held_out: [barehand], share: 2.0}
    - {kind: renders, folder: renders, landmarks: landmarks.npz, share: 3.0}
"""
KINDS = {"photos": PhotosConfig(folder="a", labels="b", fits="c"), "renders": RendersConfig(folder="a", landmarks="b"),
         "freihand": FreihandConfig(path="a"), "keypoints": KeypointsConfig(folder="a")}


@pytest.fixture
def mixed(tmp_path):
    """A recipe's file."""
    (tmp_path / "mixed.yaml").write_text(MIXED)
    return tmp_path / "mixed.yaml"


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_shipped_recipes_mean_what_they_say(path):
    """Every value as PyYAML reads it, all others the defaults."""
    said = yaml.safe_load(path.read_text())
    read = asdict(Rounds.load(path) if "rounds" in said else Recipe.load(path))
    if "rounds" in said:
        run = said.pop("run"), read.pop("run")
        assert listed(read) == said  # it names them all
        said, read = run
    expected = asdict(Recipe())
    said["data"]["sources"] = [asdict(KINDS[source["kind"]]) | source for source in said["data"].get("sources", ())]
    for name, value in said.items():
        expected[name] = expected[name] | value if isinstance(value, dict) else value
    assert listed(read) == listed(expected)


def listed(values):
    """With lists for tuples."""
    if isinstance(values, dict):
        return {name: listed(value) for name, value in values.items()}
    return [listed(value) for value in values] if isinstance(values, list | tuple) else values


def test_defaults_are_those_of_old():
    assert asdict(Recipe()) == {
        "network": asdict(NetworkConfig()), "data": asdict(DataConfig()), "augment": asdict(AugmentConfig()),
        "losses": asdict(LossWeights()), "warm_start": None, "start_from": None, "frozen_stages": None,
        "keep_statistics": False, "steps": 4000, "epochs": None, "batch": 64, "group": 32, "rate": 1e-3,
        "backbone_rate": 0.5, "weight_decay": 0.01, "warm_up": 100, "last_rate": 0.02, "average": 0.998,
        "precision": "auto", "compile": False, "sync_batch_norm": True, "workers": 1, "seed": 0,
        "log_steps": 20, "save_minutes": 3.0, "validate_steps": 500, "validate_epochs": None, "keep_epochs": None}
    assert asdict(AugmentConfig()) == {
        "turn_deg": 25.0, "scale": 0.18, "shift": 0.07, "color": 1.0, "fourier": 0.3, "motion_blur": 0.1, "cutout": 0.3,
        "grey": 0.05, "boxed": 0.0, "boxed_play": 1.6, "withhold": 0.35, "landmark_noise": 0.015}
    assert asdict(LossWeights()) == {
        "heatmap": 0.5, "image_joints": 6.0, "joints": 1.0, "joints_depth": 3.0, "joints_3d": 5.0, "projection": 5.0,
        "orientation": 4.0, "pose": 6.0, "palm_normal": 0.0, "tips_depth": 0.0, "betas": 0.06, "shape": 0.0,
        "confidence": 0.5, "mirrored": 1.0, "side": 0.0, "fitted_3d": 0.35, "heatmap_sigma": 0.09}


@pytest.mark.parametrize("text, value", [("4e-4", 4e-4), ("4.0e-4", 4e-4), ("5E-4", 5e-4), ("1", 1.0), ("0.5", 0.5),
                                         ("1.e+1", 10.0)])
def test_numbers_are_numbers_in_a_file_and_on_the_command_line(tmp_path, mixed, text, value):
    (tmp_path / "recipe.yaml").write_text(f"rate: {text}\n")
    for recipe in (Recipe.load(tmp_path / "recipe.yaml"), Recipe.load(mixed, [f"rate={text}"])):
        assert recipe.rate == value and type(recipe.rate) is float


def refused(path: Path, *changes: str) -> str:
    """The one sentence that says so."""
    with pytest.raises((ValueError, FileNotFoundError)) as caught:
        Recipe.load(path, changes)
    text = str(caught.value)
    assert str(path) in text and "\n" not in text and len(text) < 500 + len(str(path)) and text.endswith("."), text
    return text


@pytest.mark.parametrize("change", [
    "steps=ten", "steps=0", "steps=-1", "steps=1e3", "steps=1.5", "steps=true", "steps='12'", "steps=null",
    "steps=[1]", "steps=1e999", "steps=" + "9" * 5000, "steps=2001-01-01", "steps=1000000000000", "rate=0", "rate=-1",
    "rate=fast", "rate=.nan", "rate=.inf", "rate=true", "batch=0", "group=0", "average=1.1", "seed=-1",
    "precision=8", "sync_batch_norm=1", "sync_batch_norm=maybe", "frozen_stages=5", "warm_start=3", "epochs=0",
    "data.sources.0.share=-0.1", "data.sources.1.share=much", "data.backgrounds=work", "data.backgrounds=[1]",
    "data.sources.1.validation=-1", "data.sources.0.folder=''", "data.sources.0.folder=\"a\\0b\"",
    "data.sources.0.held_out=barehand", "data.sources=3", "data.sources=[3]", "data.without_image=101",
    "augment.turn_deg=181", "augment.cutout=2", "losses.pose=-1", "losses.heatmap_sigma=0", "network.input_size=100",
    "network.input_size='128'", "network.backbone=[]", "network.token_layers=1000000", "network.hand_model=other"])
def test_impossible_values_are_named(mixed, change):
    assert change.partition("=")[0].split(".")[-1] in refused(mixed, change)


@pytest.mark.parametrize("change, words", [
    ("colour=red", "colour"), ("data.colour=red", "data.colour"), ("network.eyes=2", "eyes"), ("a.b.c=1", "a"),
    ("steps.x=1", "steps"), ("data=3", "data"), ("network=3", "network"), ("losses=[]", "losses"), ("steps", "steps"),
    ("=3", "Unexpected"), ("data.=3", "data"), ("steps=[", "no YAML"), ("steps=&a [*a]", "aliases"),
    ("data={sources: [{kind: photos, folder: x, fits: y}]}", "data.sources.0.photos.labels: Field required"),
    ("data={sources: [{kind: renders, folder: x}]}", "data.sources.0.renders.landmarks: Field required"),
    ("data={sources: [{kind: freihand}]}", "data.sources.0.freihand.path"),
    ("data={sources: [{kind: keypoints}]}", "data.sources.0.keypoints.folder"),
    ("data={sources: [{folder: x}]}", "kind"), ("data={sources: [{kind: hands}]}", "'hands'"),
    ("data={sources: [{kind: freihand, path: x, fits: y}]}", "data.sources.0.freihand.fits"),
    ("data={sources: [{kind: keypoints, folder: x, share: 0}]}", "one source at least needs a share"),
    ("data.sources.2.share=1", "2 in a list of 2"), ("data.sources.x.share=1", "x in a list of 2"),
    ("data.sources.0=3", "data.sources.0"), ("data.sources.-1.share=2", "-1 in a list")])
def test_unknown_and_half_said_options_are_named(mixed, change, words):
    assert words in refused(mixed, change)


def test_recipes_made_in_python_are_checked_too():
    for make in (lambda: Recipe(steps=0), lambda: replace(Recipe(), rate="1"),
                 lambda: RendersConfig(folder="a", landmarks="b", share=-1.0),
                 lambda: Recipe(network={"input_size": 3})):
        with pytest.raises(ValueError, match="steps|rate|share|input_size"):
            make()
    with pytest.raises(AttributeError):
        Recipe().steps = 3


def laughs(levels: int) -> str:
    """Ten times ten times ten ... by aliases, as data.backgrounds."""
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, levels)]
    return "\n".join([*lines, f"data: {{backgrounds: *a{levels - 1}}}"])


HOSTILE = {
    "a billion laughs": (laughs(10), "aliases"), "merged": ("a: &a {steps: 1}\n<<: *a\n", "aliases"),
    "endless": ("data: &a {photos: *a}", "aliases"),
    "an object": ("!!python/object/apply:os.system ['touch made']", "no YAML"),
    "a name": ("steps: !!python/name:os.system", "no YAML"), "a tag of its own": ("steps: !mine 3", "no YAML"),
    "brackets": ("steps: " + "[" * 16_000, "8 levels"), "braces": ("{a: " * 4_000, "8 levels"),
    "indented": ("".join(f"{' ' * n}a:\n" for n in range(150)), "8 levels"),
    "twice": ("steps: 1\nsteps: 2\n", "steps stands there twice"),
    "twice within": ("data: {mirrored: 0.1, mirrored: 0.2}", "mirrored stands there twice"),
    "a list": ("[1, 2]", "lists no options"), "a text": ("hello", "lists no options"), "a number": ("3", "lists no"),
    "numbers as names": ("1: 2", "1"), "a list as a name": ("[a]: 2", "no YAML"),
    "two texts": ("a: 1\n---\nb: 2", "no YAML"),
    "not UTF-8": (b"steps: \xff\xfe", "no YAML"), "UTF-16": ("steps: 1".encode("utf-16"), "no YAML"),
    "control characters": ("steps: \0\x01", "no YAML"), "binary": (os.urandom(5000), "no YAML"),
    "half": ("data: {photos: [", "no YAML"), "a tab": ("data:\n\tphotos: x", "no YAML"),
    "empty numbers": ("steps: !!int ''", "no YAML"), "an empty time": ("steps: !!timestamp x", "no YAML"),
    "a wrong truth": ("sync_batch_norm: !!bool 7", "no YAML"),
    "base 60": ("rate: " + "1:" * 500 + "1.5", "rate: Input should be a valid number"),
    "octal": ("steps: 010", "steps"), "long": ("x" * 10 ** 5, "has 100000 bytes"),
    "a long name": ("x" * 16_000 + ": 1", "xxx"),
    "nothing": ("", "0 bytes")}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_files_are_refused_in_one_sentence(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    content, words = HOSTILE[name]
    path = tmp_path / "recipe.yaml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    assert words in refused(path)
    assert [file.name for file in tmp_path.iterdir()] == ["recipe.yaml"]


def test_gigabytes_and_other_kinds_of_file(tmp_path):
    with (tmp_path / "huge.yaml").open("wb") as file:
        file.truncate(1 << 30)
    assert "1073741824 bytes" in refused(tmp_path / "huge.yaml")
    os.mkfifo(tmp_path / "fifo.yaml")
    assert "No recipe" in refused(tmp_path / "fifo.yaml")
    assert "No recipe" in refused(tmp_path)
