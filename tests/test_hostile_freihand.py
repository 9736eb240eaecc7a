"""FreiHAND sets that a stranger may have made: archives packed in odd ways, and what lies beside a set."""
import io
import shutil
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from freihand_files import VERSIONS, write_freihand, zip_set
from PIL import Image
from test_freihand import EVALUATION, SAMPLES, SIZE, read, same

from train.data import set_files


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return write_freihand(tmp_path_factory.mktemp("made"), SAMPLES, EVALUATION, SIZE)


@pytest.fixture
def folder(made, tmp_path):
    return shutil.copytree(made, tmp_path / "set", ignore=shutil.ignore_patterns(".index"))


def refused(path: Path, words: str, **options) -> None:
    with pytest.raises(ValueError, match=words) as caught:
        read(path, **options)
    text = str(caught.value)
    assert path.name in text and "\n" not in text and text.endswith(".") and len(text) < 500 + len(str(path)), text


def pack(made: Path, path: Path, change=lambda name, info, data: data, method=zipfile.ZIP_DEFLATED) -> Path:
    """The set as a .zip whose members `change` may alter."""
    with zipfile.ZipFile(path, "w", method) as archive:
        for file in sorted(file for file in made.rglob("*") if file.is_file() and ".index" not in file.parts):
            info = zipfile.ZipInfo(file.relative_to(made).as_posix())
            info.compress_type = method
            archive.writestr(info, change(info.filename, info, file.read_bytes()))
    return path


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA, 93, 99])
def test_members_packed_in_other_ways_are_refused(made, tmp_path, method):
    """They unpack all at once, or not at all with what Python has."""
    if method in (zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        path = pack(made, tmp_path / "set.zip", method=method)
    else:
        path = zip_set(made, tmp_path / "set.zip")
        path.write_bytes(_with_fields(path.read_bytes(), 10, method))
    refused(path, "is encrypted or packed in a way that is not read")


def test_encrypted_members_are_refused(made, tmp_path):
    path = zip_set(made, tmp_path / "set.zip")
    path.write_bytes(_with_fields(path.read_bytes(), 8, 1))
    refused(path, "is encrypted or packed in a way that is not read")


def _with_fields(data: bytes, at: int, value: int) -> bytes:
    """A .zip's bytes with another 16-bit number at this place of each header (2 less in a member's own header)."""
    data = bytearray(data)
    for mark, place in ((b"PK\1\2", at), (b"PK\3\4", at - 2)):
        start = data.find(mark)
        while start >= 0:
            data[start + place:start + place + 2] = value.to_bytes(2, "little")
            start = data.find(mark, start + 4)
    return bytes(data)


def test_an_image_that_unpacks_to_much_is_not_unpacked(made, tmp_path):
    def change(name, info, data):
        return bytes(10 ** 8) if name == "training/rgb/00000003.jpg" else data
    path = pack(made, tmp_path / "set.zip", change)
    tracemalloc.start()
    refused(path, "training/rgb/00000003.jpg is damaged")
    assert tracemalloc.get_traced_memory()[1] < 5e7
    tracemalloc.stop()


def test_annotations_that_unpack_to_too_much_are_not_unpacked(made, tmp_path, monkeypatch):
    monkeypatch.setattr(set_files, "MOST_BYTES", 10 ** 6)
    def change(name, info, data):
        return data + b" " * 10 ** 6 if name == "training_K.json" else data
    path = pack(made, tmp_path / "set.zip", change)
    refused(path, "training_K.json is damaged .* bytes are too many")


def test_an_image_of_too_many_pixels_is_not_decoded(folder):
    Image.new("L", (5000, 5000)).save(folder / "training/rgb/00000003.jpg")
    refused(folder, "training/rgb/00000003.jpg is damaged")


def test_members_with_names_of_other_places_stay_in_the_archive(made, tmp_path):
    """Nothing is unpacked by its name."""
    (tmp_path / "in").mkdir()
    path = zip_set(made, tmp_path / "in" / "set.zip")
    with zipfile.ZipFile(path, "a") as archive:
        for name in ("../evil.jpg", str(tmp_path / "evil"), "training/rgb/../../../evil.jpg", "C:\\evil", "a\nb"):
            archive.writestr(name, b"evil")
    assert len(read(path)) == VERSIONS * SAMPLES
    assert not [file for file in tmp_path.rglob("*") if "evil" in file.name]
    evil = zip_set(made, tmp_path / "in" / "evil.zip", top="../../up/")
    assert len(read(evil)) == VERSIONS * SAMPLES and not (tmp_path / "up").exists()


def test_overlapping_members_are_refused(made, tmp_path):
    """Many entries of the directory that mean the same bytes."""
    path = zip_set(made, tmp_path / "set.zip")
    data = path.read_bytes()
    with zipfile.ZipFile(path) as archive:
        places = {info.filename: info.header_offset for info in archive.infolist()}
    entry = data.index(b"training_xyz.json", data.index(b"PK\1\2")) - 46
    path.write_bytes(data[:entry + 42] + places["training_K.json"].to_bytes(4, "little") + data[entry + 46:])
    refused(path, "training_xyz.json")


@pytest.mark.parametrize("seed", range(60))
def test_a_zip_with_other_bytes_in_its_directory_is_a_sentence_or_read(made, tmp_path, seed):
    path = zip_set(made, tmp_path / "set.zip")
    data, rng = bytearray(path.read_bytes()), np.random.default_rng(seed)
    start = data.index(b"PK\1\2")
    for place in rng.integers(start if seed % 2 else len(data) - 22, len(data), 3):
        data[place] = rng.integers(256)
    path.write_bytes(data)
    try:
        read(path, cache=tmp_path / "cache")
    except (ValueError, FileNotFoundError) as error:
        assert path.name in str(error) and "\n" not in str(error) and str(error).endswith(".")


@pytest.mark.parametrize("content", [b"[" * 10 ** 5, b"{}", b"3", b"null", b'["a"]', b"[[]]", b"[true]", b"[99]",
                                     b"[-1]", b"\xff", b"", b"[" + b"9" * 5000 + b"]"])
def test_what_another_has_left_beside_a_set_is_not_trusted(folder, content):
    """Images are looked at again, numbers read again."""
    index = folder / ".index"
    expected = read(folder).take(torch.arange(SAMPLES))

    def leave(ending: str, content: bytes) -> None:
        files = [*index.glob(ending)]
        assert files
        for file in files:
            file.unlink()  # not written over: it is mapped into memory
            file.write_bytes(content)

    leave("*.json", content)
    leave("*.npy", content)
    assert same(expected, read(folder).take(torch.arange(SAMPLES)))
    with io.BytesIO() as other:
        np.save(other, np.zeros((3, 5)))
        leave("*.npy", other.getvalue())
    assert same(expected, read(folder).take(torch.arange(SAMPLES)))
