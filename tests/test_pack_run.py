"""A run's data in one small folder: the same hands, and a recipe that trains on them."""
import numpy as np
import pytest
import torch
import yaml

from train import pack_run, run
from train.data.augment import make_batch
from train.data.dataset import load_renders
from train.data.packed import load_packed, pack
from train.learning.recipe import Recipe


@pytest.fixture(scope="module")
def samples(rendered):
    return load_renders(rendered / "renders", rendered / "landmarks.npz")


def test_a_packed_hand_is_shown_as_it_was(samples, tmp_path):
    pack(samples.take(slice(6)), tmp_path / "some.npz", 144)
    loaded = load_packed(tmp_path / "some.npz")
    assert loaded.images.shape == (6, 144, 144, 3) and loaded.images.dtype == torch.uint8
    before, after = make_batch(samples.take(slice(6)), 64, None), make_batch(loaded, 64, None)
    for name in before._fields[1:]:
        mine, theirs = getattr(before, name), getattr(after, name)
        if mine.dtype == torch.bool:
            assert torch.equal(mine, theirs), name
        else:
            assert torch.allclose(mine, theirs, atol=2e-3), name
    apart = (before.images - after.images).abs()
    assert apart.median() < 4 and apart.mean() < 8  # of 255: JPEG, and other pixels


def test_a_folder_that_says_it_all_is_trained_on(rendered, tmp_path, monkeypatch, capsys):
    tiny = {"backbone": "resnet18", "input_size": 64, "token_width": 12, "token_layers": 1, "pyramid_channels": 16,
            "lifter_width": 32, "lifter_blocks": 1}
    renders = {"kind": "renders", "folder": str(rendered / "renders"), "landmarks": str(rendered / "landmarks.npz"),
               "validation": 4}
    (tmp_path / "tiny.yaml").write_text(yaml.safe_dump({
        "network": tiny, "steps": 2, "batch": 8, "group": 8, "warm_up": 1, "precision": "32-true",
        "data": {"backgrounds": [str(rendered / "backgrounds")], "false_hands": [str(rendered / "backgrounds")],
                 "sources": [renders]}}))
    monkeypatch.chdir(tmp_path)
    pack_run.main(["tiny.yaml", "packed", "--most-mb", "0.3", "--size", "96"])
    recipe = Recipe.load(tmp_path / "packed" / "recipe.yaml")
    source, = recipe.data.sources
    assert (source.kind, source.file, source.validation) == ("packed", "packed/source_0.npz", "packed/held_out_0.npz")
    assert len(load_packed(tmp_path / source.validation)) == 4
    assert pack_run.bytes_in(tmp_path / "packed") < 0.31 * pack_run.MB
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "packed").rename(tmp_path / "elsewhere" / "packed")
    monkeypatch.chdir(tmp_path / "elsewhere")
    run.main(["packed/recipe.yaml", "--out", "out", "--devices", "1"])
    assert (tmp_path / "elsewhere" / "out" / "handpose" / "model.safetensors").is_file()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit):
        pack_run.main(["tiny.yaml", "other", "--most-mb", "0.001"])
    assert "allow more, or smaller images" in capsys.readouterr().err


def test_what_is_no_packed_source_is_refused(tmp_path):
    np.savez(tmp_path / "other.npz", points=np.zeros(3))
    with pytest.raises(ValueError, match="none of train.pack_run's"):
        load_packed(tmp_path / "other.npz")
