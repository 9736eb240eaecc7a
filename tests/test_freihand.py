"""FreiHAND's layout: labels that fit the images, folder and .zip alike, what is remembered, and what is refused."""
import json
import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from freihand_files import VERSIONS, draw_hands, mano_hand, write_freihand, zip_set
from PIL import Image

from train.data import freihand, json_index
from train.data.freihand import FreiHand
from train.data.json_index import index_json
from train.data.samples import Samples
from train.synthesize import Job, synthesize

SAMPLES, EVALUATION, SIZE = 6, 5, 96
MEAN = mano_hand().hands_mean
ALL = slice(None)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A set; tests do not change it."""
    return write_freihand(tmp_path_factory.mktemp("made"), SAMPLES, EVALUATION, SIZE)


@pytest.fixture
def folder(made, tmp_path):
    """A copy of the set that may be changed."""
    return shutil.copytree(made, tmp_path / "set", ignore=shutil.ignore_patterns(".index"))


@pytest.fixture
def truth():
    return draw_hands(SAMPLES, SIZE, 0)


def read(path, **options) -> FreiHand:
    return FreiHand(path, hands_mean=MEAN, **options)


def same(a: Samples, b: Samples) -> bool:
    return all(torch.equal(getattr(a, field.name), getattr(b, field.name)) for field in fields(Samples))


def rewrite(path: Path, change) -> None:
    """Changes the rows of a JSON file, in place or by what is returned."""
    rows = json.loads(path.read_text())
    path.write_text(json.dumps(change(rows) or rows))


def drop(rows: list, at: int = -1) -> None:
    del rows[at]


def test_labels_are_one_and_the_same_hand(made, truth):
    """Pose, shape and places of each sample, by the hand model and the camera; and they lie on the hand's mask."""
    source = read(made)
    assert len(source) == VERSIONS * SAMPLES
    samples = source.take(torch.arange(SAMPLES))
    rotvec, zeros = samples.rotvec.numpy(), np.zeros((SAMPLES, 3))
    model = mano_hand()
    posed = model.data_joints(model(rotvec[:, 0], rotvec[:, 1:].reshape(-1, 45), samples.betas.numpy(), zeros))
    assert np.allclose(posed - posed[:, :1], samples.joints_3d, atol=2e-5)
    assert np.allclose(samples.rotvec.reshape(SAMPLES, 48), truth["flat"], atol=1e-5)
    ray = torch.cat([(samples.joints_2d[:, 0] - samples.principal) / samples.focal[:, None], torch.ones(SAMPLES, 1)], 1)
    joints = samples.joints_3d + (ray * samples.distance[:, None])[:, None]
    assert np.allclose(joints, truth["xyz"], atol=2e-3)  # two focal lengths that differ by up to 1 % became one
    assert samples.exact.all() and (samples.trust == 1).all() and not samples.found.any()
    assert samples.landmarks.shape == (SAMPLES, 1, 21, 6) and samples.images.shape == (SAMPLES, SIZE, SIZE, 3)
    on_hand = [source.mask(n)[tuple(samples.joints_2d[n, k].round().int().flip(0))]
               for n in range(SAMPLES) for k in range(21)]
    assert np.mean(on_hand) > 0.8


def test_versions_share_labels_and_differ_behind_the_hand(made, truth):
    source = read(made)
    first, third = source.take(torch.tensor([1])), source.take(torch.tensor([1 + 2 * SAMPLES]))
    assert torch.equal(first.joints_2d, third.joints_2d) and not torch.equal(first.images, third.images)
    inside = cv2.erode(source.mask(1).astype(np.uint8), np.ones((5, 5))).astype(bool)
    apart = (first.images[0].float() - third.images[0].float()).abs().mean(2).numpy()
    assert apart[inside].mean() < 6 < 20 < apart[~source.mask(1)].mean()
    with Image.open(made / "training" / "rgb" / f"{1 + 2 * SAMPLES:08d}.jpg") as image:
        assert np.array_equal(third.images[0], np.asarray(image))
    second = read(made, versions=[1])
    assert len(second) == SAMPLES and second.entries.tolist() == list(range(SAMPLES, 2 * SAMPLES))


@pytest.mark.parametrize("top", ["", "FreiHAND_pub_v2/"])
def test_zip_and_folder_are_read_alike(made, tmp_path, top):
    path = zip_set(made, tmp_path / "set.zip", top)
    index = torch.tensor([5, 0, 17, 23, 0])
    assert same(read(path).take(index), read(made).take(index))
    a, b = (FreiHand(p, part="evaluation") for p in (path, made))
    assert len(a) == EVALUATION and np.array_equal(a.verts, b.verts) and np.array_equal(a.image(3), b.image(3))
    truth = draw_hands(EVALUATION, SIZE, 1)
    for key in ("K", "xyz", "scale", "verts"):
        assert np.allclose(getattr(a, key), truth[key], rtol=1e-6), key


def test_many_threads_read_what_one_reads(made, tmp_path):
    source = read(zip_set(made, tmp_path / "set.zip"))
    indices = [torch.randint(len(source), (9,), generator=torch.Generator().manual_seed(n)) for n in range(40)]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(source.take, indices))
    assert all(same(taken, source.take(index)) for taken, index in zip(together, indices, strict=True))


def test_split_keeps_the_versions_of_a_sample_together(made):
    training, validation = read(made).split(2)
    assert len(training) == VERSIONS * (SAMPLES - 2) and len(validation) == VERSIONS * 2
    samples = [set((part.entries % SAMPLES).tolist()) for part in (training, validation)]
    assert samples == [{0, 1, 2, 3}, {4, 5}]
    assert sorted(torch.cat([training.entries, validation.entries]).tolist()) == list(range(VERSIONS * SAMPLES))
    assert same(validation.take(torch.tensor([0])), read(made).take(torch.tensor([4])))
    assert len(read(made).split(0)[1]) == 0
    with pytest.raises(ValueError, match=r"6 cannot be held out: choose fewer\.$"):
        read(made).split(SAMPLES)


def test_annotations_are_read_once(folder, monkeypatch):
    xyz = np.array(read(folder).xyz)
    read_again = []
    monkeypatch.setattr(freihand, "index_json", lambda stream, name, *rest: (read_again.append(name),
                                                                             index_json(stream, name, *rest)))
    monkeypatch.setattr(freihand, "decode_jpeg", lambda data: pytest.fail("images were looked at again"))
    assert np.array_equal(read(folder).xyz, xyz) and not read_again
    file = folder / "training_xyz.json"
    rewrite(file, lambda rows: [[[x + 1, y, z] for x, y, z in row] for row in rows])
    os.utime(file, ns=(1, 1))
    assert np.allclose(read(folder).xyz, xyz + [1, 0, 0]) and read_again == [f"{folder}: training_xyz.json"]
    assert len(list((folder / ".index").glob("training_xyz-*"))) == 1  # the old one is gone


def test_a_set_that_cannot_be_written_to_is_remembered_elsewhere(folder, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (folder / ".index").write_text("in the way")
    read(folder)
    assert len(list((tmp_path / "cache" / "handpose").rglob("training_xyz-*.npy"))) == 1
    with pytest.raises(ValueError, match="give a `cache` folder"):
        read(folder, cache=folder / "training_K.json")


def test_bad_images_are_named_until_they_are_good(folder, capfd, monkeypatch):
    names = [folder / "training" / "rgb" / f"{n:08d}.jpg" for n in (2, 9, 11, 20)]
    good = [name.read_bytes() for name in names]
    names[0].write_bytes(good[0][:len(good[0]) // 2])
    names[1].write_bytes(b"")
    names[2].write_bytes(b"<html>404</html>")
    Image.new("RGB", (SIZE, SIZE - 8)).save(names[3])
    with pytest.raises(ValueError, match=r"00000002.jpg, \S+00000009.jpg, \S+00000011.jpg and 1 more are damaged"):
        read(folder)
    assert "24/24" in capfd.readouterr().err  # a progress bar
    for name, data in zip(names[:3], good, strict=False):
        name.write_bytes(data)
    with pytest.raises(ValueError, match="rgb/00000020.jpg is damaged"):  # only those are looked at again
        read(folder)
    assert "4/4" in capfd.readouterr().err
    names[3].write_bytes(good[3])
    assert len(read(folder)) == VERSIONS * SAMPLES
    capfd.readouterr()
    read(folder)
    assert not capfd.readouterr().err
    names[0].write_bytes(good[0][:300])
    with pytest.raises(ValueError, match="00000002.jpg is damaged: fetch it again"):  # in the middle of training
        read(folder).take(torch.tensor([2]))


def _missing(folder):
    for number in (3, 4, 5, 6, 23):
        (folder / "training" / "rgb" / f"{number:08d}.jpg").unlink()


BROKEN = {
    "one joint less": (lambda f: rewrite(f / "training_xyz.json", lambda rows: drop(rows[4])),
                       "training_xyz.json: row 4 has 20 x 3 numbers instead of 21 x 3"),
    "an uneven row": (lambda f: rewrite(f / "training_xyz.json", lambda rows: drop(rows[4][7])),
                      "training_xyz.json: row 4 is uneven"),
    "words": (lambda f: rewrite(f / "training_K.json", lambda rows: rows.__setitem__(1, {"fx": 3})),
              "training_K.json: row 1 is uneven or has something else than numbers"),
    "NaN": (lambda f: rewrite(f / "training_xyz.json", lambda rows: rows[2][0].__setitem__(1, float("nan"))),
            "training_xyz.json: row 2 has a value that is no finite number"),
    "null": (lambda f: rewrite(f / "training_mano.json", lambda rows: rows[3][0].__setitem__(1, None)),
             "training_mano.json: row 3 has a value that is no finite number"),
    "huge": (lambda f: (f / "training_scale.json").write_text("[1, 2, 1" + "0" * 400 + ", 4, 5, 6]"),
             "training_scale.json: row 2 is uneven or has something else than numbers"),
    "fewer rows": (lambda f: rewrite(f / "training_mano.json", lambda rows: rows[:-1]),
                   "training_mano.json has 5 rows where others have 6"),
    "fewer annotations than images": (lambda f: [rewrite(f / f"training_{key}.json", lambda rows: rows[:4])
                                                 for key in ("K", "xyz", "mano", "scale")],
                                      "training_K.json is too short with 4 rows for 24 images"),
    "cut short": (lambda f: (f / "training_xyz.json").write_text((f / "training_xyz.json").read_text()[:-900]),
                  "training_xyz.json is cut short"),
    "no JSON": (lambda f: (f / "training_xyz.json").write_text("<html>not found</html>"),
                "training_xyz.json is no JSON list"),
    "bad JSON": (lambda f: (f / "training_scale.json").write_text("[1, 2, oops, 4, 5, 6]"),
                 "training_scale.json is no list of numbers near its row 0"),
    "nested without end": (lambda f: (f / "training_K.json").write_text("[" * 100000 + "]" * 100000),
                           "training_K.json is no list of numbers"),
    "empty": (lambda f: (f / "training_K.json").write_text(""), "training_K.json is cut short"),
    "no rows": (lambda f: (f / "training_K.json").write_text("[]"), "training_K.json holds no rows"),
    "no K": (lambda f: (f / "training_K.json").unlink(), "has no training_K.json: give the folder or .zip"),
    "no images": (lambda f: shutil.rmtree(f / "training" / "rgb"), "has no images training/rgb/00000000.jpg"),
    "missing images": (_missing, "00000003.jpg, .*04.jpg, .*05.jpg and 2 more are missing of the 24 images"),
}


@pytest.mark.parametrize("name", BROKEN)
@pytest.mark.parametrize("packed", [False, True])
def test_a_broken_set_is_refused_in_one_sentence(folder, tmp_path, name, packed):
    spoil, message = BROKEN[name]
    spoil(folder)
    path = zip_set(folder, tmp_path / "set.zip") if packed else folder
    with pytest.raises((ValueError, FileNotFoundError), match=message) as caught:
        read(path)
    text = str(caught.value)
    assert text.endswith(".") and text.count(". ") == 0 and "\n" not in text
    assert path.name in text
    beside = tmp_path / "set.zip.index" if packed else folder / ".index"
    assert not [file for file in beside.iterdir() if "part" in file.name]  # nothing half-written


def test_half_a_zip_and_none_at_all(made, tmp_path):
    path = zip_set(made, tmp_path / "set.zip")
    data = path.read_bytes()
    path.write_bytes(data[:len(data) // 2])
    with pytest.raises(ValueError, match=r"set.zip is no .zip file or only a part of one: fetch it again\.$"):
        read(path)
    with pytest.raises(FileNotFoundError, match="There is no .*nowhere.zip: give the set's folder or .zip"):
        read(tmp_path / "nowhere.zip")


def test_a_zip_with_a_flipped_bit_is_refused(made, tmp_path):
    """The .zip's own checksums tell."""
    path = zip_set(made, tmp_path / "set.zip")
    data = bytearray(path.read_bytes())
    name = b"training_xyz.json"
    data[data.index(name) + len(name) + 500] ^= 1
    path.write_bytes(data)
    with pytest.raises(ValueError, match=r"training_xyz.json .*(damaged|no list of numbers)"):
        read(path)


def test_landmarks_of_another_kind_are_named(made, tmp_path):
    path = tmp_path / "landmarks.npz"
    good = {"set": np.array(["rgb"]), "fname": np.array(["00000000.jpg"]), "view_points": np.zeros((1, 1, 21, 3)),
            "view_world": np.zeros((1, 1, 21, 3))}
    for wrong in ({"fname": np.array(["x.jpg"])}, {"view_points": np.zeros((1, 1, 20, 3))}, {"view_world": np.zeros(0)},
                  {"set": np.array([{}], object)}, {"view_points": np.zeros(1)}):
        np.savez(path, **good | wrong)
        with pytest.raises(ValueError, match="landmarks.npz is damaged or none of train.pseudo_label's") as caught:
            read(made, landmarks=path)
        assert "\n" not in str(caught.value)
    for content in (b"", b"PK", b"\x80\x04."):
        path.write_bytes(content)
        with pytest.raises(ValueError, match="landmarks.npz is damaged or none of train.pseudo_label's"):
            read(made, landmarks=path)


def test_poses_of_an_unknown_mean_are_not_trained_on(made):
    source = FreiHand(made)
    with pytest.raises(ValueError, match="relative to MANO's mean pose: give MANO_RIGHT as the hand model"):
        source.take(torch.tensor([0]))


def test_an_evaluation_set_without_answers(folder):
    for key in ("xyz", "verts", "mano"):
        (folder / f"evaluation_{key}.json").unlink()
    source = FreiHand(folder, part="evaluation")
    assert source.xyz is None and source.verts is None and len(source.scale) == len(source) == EVALUATION
    with pytest.raises(ValueError, match="lacks evaluation_xyz.json or evaluation_mano.json"):
        source.take(torch.tensor([0]))


def test_landmarks_are_those_of_the_image(made, truth, tmp_path):
    """A file of train.pseudo_label that knows some of the images in another order, and other files, too."""
    numbers = [14, 3, 7]
    uv = np.einsum("nij,npj->npi", truth["K"], truth["xyz"])
    uv = (uv[..., :2] / uv[..., 2:])[[n % SAMPLES for n in numbers]]
    points = np.zeros((5, 2, 21, 3), np.float32)
    points[1:4, :, :, :2] = uv[:, None]
    points[1:4, :, :, 2] = np.array(numbers)[:, None, None]
    points[2, 1, :, :2] += 50  # this view missed the hand
    world = np.random.default_rng(0).normal(size=points.shape).astype(np.float32)
    np.savez(tmp_path / "landmarks.npz", set=["mask", "rgb", "rgb", "rgb", "rgb"], view_points=points, view_world=world,
             fname=["00000014.jpg", "00000014.jpg", "00000003.jpg", "00000007.jpg", "00000999.jpg"])
    samples = read(made, landmarks=tmp_path / "landmarks.npz").take(torch.tensor([3, 0, 14]))
    assert samples.found.tolist() == [[True, False], [False, False], [True, True]]
    assert torch.allclose(samples.landmarks[[0, 2], 0, :, :2], samples.joints_2d[[0, 2]], atol=1e-3)
    assert samples.landmarks[:, 0, 0, 2].tolist() == [3, 0, 14]
    assert np.allclose(samples.landmarks[2, 1, :, 3:], world[1, 1] - world[1, 1, 0])
    np.savez(tmp_path / "others.npz", set=["holiday"], fname=["a.jpg"], view_points=points[:1], view_world=world[:1])
    with pytest.raises(ValueError, match="knows none of the images"):
        read(made, landmarks=tmp_path / "others.npz")


def test_renders_are_read_as_they_were_made(tmp_path):
    """What train.synthesize wrote, against its own labels.npz."""
    (tmp_path / "backgrounds").mkdir()
    noise = np.random.default_rng(0).integers(0, 256, (12, 16, 3), np.uint8)
    cv2.imwrite(str(tmp_path / "backgrounds" / "a.jpg"), cv2.resize(noise, (320, 240)))
    synthesize(Job(str(tmp_path / "renders"), None, (str(tmp_path / "backgrounds"),), 5, size=96, shard=8),
               progress=False)
    source = FreiHand(tmp_path / "renders")
    samples = source.take(ALL)
    with np.load(tmp_path / "renders" / "labels.npz") as labels:
        assert np.allclose(samples.joints_2d, labels["joints_2d"], atol=0.02)
        assert np.allclose(samples.joints_3d, labels["joints"] - labels["joints"][:, :1], atol=1e-5)
        rotvec = np.concatenate([labels["global_orient"], labels["hand_pose"]], 1)
        assert np.allclose(samples.rotvec.reshape(5, 48), rotvec, atol=1e-5)
        assert np.allclose(samples.betas, labels["betas"], atol=1e-5)


@pytest.mark.parametrize("piece", [3, 17, 1 << 20])
@pytest.mark.parametrize("indent", [None, 1])
def test_json_in_pieces_is_json(tmp_path, monkeypatch, piece, indent):
    monkeypatch.setattr(json_index, "PIECE", piece)
    rng = np.random.default_rng(piece)
    for shape, row in (((40, 5, 3), (None, 3)), ((40,), ()), ((40, 1, 6), (6,)), ((1, 3, 3), (3, 3)), ((7, 1), ())):
        values = rng.normal(size=shape) * 10.0 ** rng.integers(-6, 7, shape)
        (tmp_path / "a.json").write_text(" \n" + json.dumps(values.tolist(), indent=indent) + "\n ")
        with open(tmp_path / "a.json", "rb") as stream:
            index_json(stream, "a.json", row, tmp_path / "a.npy")
        found = np.load(tmp_path / "a.npy", mmap_mode="r")
        assert found.dtype == np.float32 and np.array_equal(found, values.astype(np.float32).reshape(found.shape))
        assert found.shape == (shape[0], *(n for n in shape[1:] if n > 1))
