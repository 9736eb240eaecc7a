"""Sources of any kinds, mixed: who gets how much of a batch, what fits together, what is missing."""
import shutil
from dataclasses import fields, replace

import numpy as np
import pytest
import torch
from freihand_files import write_freihand
from keypoint_files import write_keypoints

from handpose.hand_model.layer import HandLayer
from train.data.augment import AugmentConfig, make_batch
from train.data.dataset import load_renders
from train.data.loader import Loader, Shuffle, share_out
from train.data.samples import Samples
from train.data.sources import data_faults, load_sources
from train.learning.data_config import DataConfig, FreihandConfig, KeypointsConfig, PhotosConfig, RendersConfig

RENDERS = dict(validation=4, share=2.0)


@pytest.fixture(scope="module")
def renders(rendered):
    return load_renders(rendered / "renders", rendered / "landmarks.npz")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """mine/, hands of one's own, and set/, FreiHAND's layout."""
    folder = tmp_path_factory.mktemp("sources")
    write_keypoints(folder / "mine")
    write_freihand(folder / "set", samples=3, evaluation=1, size=64)
    return folder


def of_renders(rendered, **options) -> RendersConfig:
    return RendersConfig(folder=str(rendered / "renders"), landmarks=str(rendered / "landmarks.npz"), **options)


@pytest.mark.parametrize("count, shares, expected", [
    (32, [1, 1], [16, 16]), (32, [2, 3], [13, 19]), (32, [9, 11], [14, 18]), (10, [1, 1, 1], [4, 3, 3]),
    (10, [1], [10]), (7, [1, 0, 1], [4, 0, 3]), (0, [1, 2], [0, 0]), (1, [1, 5], [0, 1]), (20, [0.5, 0.25, 0.25],
                                                                                       [10, 5, 5])])
def test_hands_are_shared_out(count, shares, expected):
    assert share_out(count, shares) == expected


def test_no_share_is_off_by_one():
    rng = np.random.default_rng(0)
    for _ in range(200):
        shares, count = rng.uniform(0, 3, rng.integers(1, 8)).tolist(), int(rng.integers(1, 100))
        counts = share_out(count, shares)
        assert sum(counts) == count
        assert all(abs(n - count * share / sum(shares)) < 1 for n, share in zip(counts, shares, strict=True))


def test_images_of_different_sizes_are_seen_as_if_alone(renders):
    """And hands with different numbers of views."""
    small = renders.take(slice(4))
    large = replace(renders.take(slice(4, 7)), images=torch.full((3, 224, 224, 3), 77, dtype=torch.uint8),
                    landmarks=torch.zeros(3, 3, 21, 6), found=torch.tensor([[True, False, False]] * 3))
    joined = Samples.join([small, large])
    assert joined.images.shape == (7, 224, 224, 3) and joined.found.shape == (7, 6) and len(joined) == 7
    alone, together = make_batch(small, 64, None), make_batch(joined, 64, None)
    for name, part in alone._asdict().items():
        assert torch.allclose(getattr(together, name)[:4].float(), part.float(), atol=2e-3), name
    assert torch.equal(joined.found[:4, ::2], small.found[:, :1].repeat(1, 3))  # each view as often
    assert joined.found[4:].float().mean() == pytest.approx(1 / 3)
    assert torch.isfinite(make_batch(joined, 64, AugmentConfig()).images).all()


def test_samples_of_one_kind_are_joined_as_they_are(renders):
    parts = [renders.take(slice(5)), renders.take(slice(5, None))]
    joined = Samples.join(parts)
    assert all(torch.equal(getattr(joined, field.name), getattr(renders, field.name)) for field in fields(Samples))


def test_every_kind_is_mixed_with_every_other(rendered, folder):
    """Renders twice, once as FreiHAND's layout, beside hands of one's own and FreiHAND's joints alone."""
    data = DataConfig(sources=(
        of_renders(rendered, **RENDERS), FreihandConfig(path=str(rendered / "renders"), validation=2),
        KeypointsConfig(folder=str(folder / "mine"), validation=1),
        KeypointsConfig(folder=str(folder / "set"), validation=1, share=0.0)))
    training, validation = load_sources(data, HandLayer.load(), "cpu")
    assert [*map(len, training)] == [20, 22, 5, 8] and {name: len(part) for name, part in validation.items()} == {
        "renders": 4, "freihand": 2, "keypoints": 1, "keypoints 2": 4}
    group, = next(Loader(training, share_out(8, [2, 1, 1, 0]), [3, 0, 0, 0], 1, seed=0).steps(0, 1))
    assert group.hands.images.shape == (8, 192, 192, 3) and group.imageless.images.numel() == 0
    assert group.hands.has_betas.tolist() == [True] * 6 + [False] * 2 and group.hands.has_3d.all()
    assert len(group.imageless) == 3 and group.imageless.landmarks.shape[1] == 2
    assert torch.isfinite(make_batch(group.hands, 64, AugmentConfig()).images).all()


def test_betas_of_different_hands_are_not_mixed(rendered, folder):
    mano, mine = FreihandConfig(path=str(folder / "set")), KeypointsConfig(folder=str(folder / "mine"))
    ours = FreihandConfig(path=str(rendered / "renders"))  # made_from.json tells that these are ours
    for sources, hand_model, wrong in (((of_renders(rendered), mano), "open", [1]), ((mano, ours), "mano", [1]),
                                       ((mano, mine), "mano", []), ((mine, ours), "open", []), ((mine,), "mano", []),
                                       ((of_renders(rendered), ours), "mano", [0, 1])):
        faults = data_faults(DataConfig(sources=sources), hand_model)
        assert [int(fault.split("sources.")[1][0]) for fault in faults] == wrong
        assert all("betas of one hand mean nothing to another" in fault for fault in faults)


def test_all_that_is_missing_is_named_at_once(rendered, folder, tmp_path):
    (tmp_path / "photos" / "kitchen").mkdir(parents=True)
    data = DataConfig(backgrounds=(str(tmp_path),), sources=(
        PhotosConfig(folder=str(tmp_path / "photos"), labels="no/labels", fits="no/fits", held_out=("attic",)),
        RendersConfig(folder=str(tmp_path), landmarks="no/landmarks"), FreihandConfig(path="no/set.zip"),
        KeypointsConfig(folder=str(tmp_path))))
    with pytest.raises(ValueError) as caught:
        load_sources(data, HandLayer.load(), "cpu", ["the first of all"])
    text = str(caught.value)
    for words in ("the first of all", "no labels no/labels", "no fits no/fits", "held_out names attic", "no/landmarks",
                  "has no labels.npz", "no/set.zip", "neither annotations.json nor", "holds no .jpg"):
        assert words in text, words
    assert text.endswith(".") and "\n" not in text
    with pytest.raises(ValueError, match="names no data.sources"):
        load_sources(DataConfig(), HandLayer.load(), "cpu")


def test_renders_and_their_landmarks_belong_together(rendered, tmp_path):
    with np.load(rendered / "landmarks.npz") as file:
        np.savez(tmp_path / "few.npz", **{key: file[key][:10] for key in file.files})
    with pytest.raises(ValueError, match="knows 10 of the 24 renders in .*make it anew"):
        load_renders(rendered / "renders", tmp_path / "few.npz")
    for content in (b"", b"PK", b"x" * 100):
        (tmp_path / "bad.npz").write_bytes(content)
        with pytest.raises(ValueError, match="bad.npz is damaged or none of train.pseudo_label's .*: make it anew"):
            load_renders(rendered / "renders", tmp_path / "bad.npz")
    shutil.copytree(rendered / "renders", tmp_path / "renders", ignore=shutil.ignore_patterns("*.jpg", "*.npy"))
    with pytest.raises(ValueError, match="has 24 hands, of which 24 cannot be held out"):  # before images are read
        load_renders(tmp_path / "renders", rendered / "landmarks.npz", validation=24)


def test_every_epoch_shows_everything_once_in_an_order_of_its_own():
    shuffle = Shuffle(7, seed=3)
    first, second = shuffle.at(range(0, 7)), shuffle.at(range(7, 14))
    assert sorted(first.tolist()) == sorted(second.tolist()) == list(range(7))
    assert first.tolist() != second.tolist()
    assert shuffle.at(range(5, 9)).tolist() == [*first[5:].tolist(), *second[:2].tolist()]


def test_processes_share_out_what_one_would_show(monkeypatch):
    class Numbers:
        def __len__(self):
            return 50

        def take(self, index, with_images=True):
            return index
    monkeypatch.setattr(Samples, "join", staticmethod(torch.cat))

    def shown(rank, world):
        return [[(group.seed, group.hands.tolist()) for group in groups]
                for groups in Loader([Numbers()], [4], [0], 4, 1, rank, world).steps(3, 9)]
    alone, halves = shown(0, 1), [shown(rank, 2) for rank in (0, 1)]
    for step, groups in enumerate(alone):
        assert groups == [halves[number % 2][step][number // 2] for number in range(4)]
