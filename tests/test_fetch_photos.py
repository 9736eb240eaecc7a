"""Fetching photo sets: archives served as GitHub serves them give crops of the listed hands; what is wrong is said."""
import gzip
import io
import json
import tarfile
import threading
import zipfile
from functools import partial
from http.client import BadStatusLine
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import cv2
import numpy as np
import pytest

from handpose.detection.landmarks import LandmarkModel
from handpose.detection.palm_detector import PalmDetector
from train.fetch_photos import PhotoSet, fetch_set, main, photo_sets, read_archive
from train.pseudo_label import list_photos
from train.scoring import test_sets

HAND = Path(__file__).parent / "data" / "hand_right.jpg"
COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture(scope="module")
def tools():
    return PalmDetector.load(), LandmarkModel.load()


@pytest.fixture(scope="module")
def scene():
    """A photo of a right hand and, left of it and smaller, of a left one; the middles and sides of their boxes."""
    hand = cv2.imread(str(HAND))
    truth = json.loads(HAND.with_suffix(".json").read_text())
    joints = np.array(truth["joints"])
    pixels = joints[:, :2] / joints[:, 2:] * truth["fx"] + [truth["cx"], truth["cy"]]
    canvas = np.full((600, 1000, 3), 128, np.uint8)
    canvas[60:572, 440:952] = hand
    canvas[100:484, 20:404] = cv2.resize(hand, (384, 384), interpolation=cv2.INTER_AREA)[:, ::-1]
    small = np.column_stack([383 - ((pixels[:, 0] + .5) * .75 - .5), (pixels[:, 1] + .5) * .75 - .5]) + [20, 100]
    boxes = {"right": pixels + [440, 60], "left": small}
    return canvas, {side: ((p.min(0) + p.max(0)) / 2, np.ptp(p, axis=0).max()) for side, p in boxes.items()}


@pytest.fixture()
def server(tmp_path):
    """Serves archives put with `server.put(photo_set, {path: content})`; counts requests."""
    folder = tmp_path / "served"
    folder.mkdir()
    requests = []

    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, text, *arguments):
            requests.append(arguments)

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=folder)) as httpd:
        def put(photo_set, files):
            data = io.BytesIO()
            with tarfile.open(fileobj=data, mode="w:gz") as archive:
                for name, content in files.items():
                    member = tarfile.TarInfo(f"{photo_set.repository.split('/')[1]}-{photo_set.commit}/{name}")
                    member.size = len(content)
                    archive.addfile(member, io.BytesIO(content))
            path = folder / photo_set.repository / "tar.gz" / photo_set.commit
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data.getvalue())
            return path

        httpd.put, httpd.requests, httpd.host = put, requests, f"http://127.0.0.1:{httpd.server_port}"
        thread = threading.Thread(target=httpd.serve_forever)
        thread.start()
        yield httpd
        httpd.shutdown()
        thread.join()


def photo_set(scene, path="images/two hands.jpg", **changes):
    listed = [(side, float(size)) for side, (_, size) in scene[1].items()]
    values = {"name": "waves", "repository": "someone/hands", "commit": COMMIT, "licence": "MIT",
              "licence_file": "LICENSE", "licence_says": "MIT License", "attribution": "someone",
              "hands": {path: listed}}
    return PhotoSet(**values | changes)


def files(scene, path="images/two hands.jpg"):
    return {"LICENSE": b"MIT License\nCopyright someone", "images/other.jpg": b"not listed, never read",
            path: cv2.imencode(".png", scene[0])[1].tobytes()}


@pytest.mark.parametrize("zipped", [False, True])
def test_listed_hands_become_crops_around_them(scene, server, tools, tmp_path, zipped):
    given, content = photo_set(scene), files(scene)
    if zipped:
        given, inner = photo_set(scene, archive="data.zip"), io.BytesIO()
        with zipfile.ZipFile(inner, "w") as archive:
            for name, data in content.items():
                archive.writestr(name, data)
        content = {"data.zip": inner.getvalue()}
    server.put(given, content)
    assert fetch_set(given, tmp_path / "photos", *tools, server.host) == 2
    folder = tmp_path / "photos" / "waves"
    assert sorted(p.name for p in folder.iterdir()) == ["000000.jpg", "000001.jpg", "LICENSE.txt", "SOURCE.txt",
                                                        "labels.npz"]
    source = (folder / "SOURCE.txt").read_text()
    assert COMMIT in source and "someone/hands" in source and "MIT" in source
    with np.load(folder / "labels.npz") as file:
        labels = {key: file[key] for key in file.files}
    assert labels["handedness"].tolist() == ["Right", "Left"] and (labels["flip_err"] < 0.1).all()
    for name, joints, (middle, side) in zip(labels["fname"], labels["landmarks_px"], scene[1].values(), strict=True):
        crop = cv2.imread(str(folder / name))
        size = len(crop)
        assert crop.shape == (size, size, 3) and size <= 256
        # The joints fill half of the crop, around its middle ...
        low, high = joints.min(0), joints.max(0)
        assert np.allclose((low + high) / 2, (size - 1) / 2, atol=0.5)
        assert (high - low).max() == pytest.approx(size / 2, abs=1)
        # ... and the crop shows what the photo shows there, its edge carried on: cut by hand from the true box.
        span = 2 * side
        grid = (np.arange(size) + 0.5) / size * span - span / 2
        u, v = np.meshgrid(middle[0] + grid, middle[1] + grid)
        expected = cv2.remap(cv2.GaussianBlur(scene[0], (0, 0), span / size / 2 + 0.1), np.float32(u), np.float32(v),
                             cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        shift, _ = cv2.phaseCorrelate(*(np.float32(cv2.cvtColor(a, cv2.COLOR_BGR2GRAY)) for a in (expected, crop)))
        assert np.abs(shift).max() < 0.08 * size  # the detector's box against the true one
        assert np.corrcoef(expected.ravel(), crop.ravel())[0, 1] > 0.8
    # what comes after reads it
    assert [path.name for path, rough in list_photos(tmp_path / "photos")] == ["000000.jpg", "000001.jpg"]
    assert len(test_sets.photo_sets(tmp_path / "photos", ["waves"])) == (labels["flip_err"] < 0.05).sum()


def test_a_hand_of_another_size_than_listed_is_left_out(scene, server, tools, tmp_path):
    path = "images/two hands.jpg"
    given = photo_set(scene, hands={path: [("left", scene[1]["left"][1])]})
    server.put(given, files(scene))
    assert fetch_set(given, tmp_path / "one", *tools, server.host) == 1
    with np.load(tmp_path / "one" / "waves" / "labels.npz") as labels:
        assert labels["handedness"].tolist() == ["Left"]
    given = photo_set(scene, hands={path: [("right", 40.0)]})
    with pytest.raises(ValueError, match="No hand was found"):
        fetch_set(given, tmp_path / "none", *tools, server.host)
    assert not any((tmp_path / "none").iterdir())


def test_failures_are_named_and_leave_nothing_behind(scene, server, tools, tmp_path):
    out = tmp_path / "photos"
    given = photo_set(scene)

    def failure(kind, photos=given):
        with pytest.raises(kind) as caught:
            fetch_set(photos, out, *tools, server.host)
        assert not list(out.iterdir()) and not list(tmp_path.glob(".photos-*"))
        assert "\n" not in str(caught.value)
        return str(caught.value)

    assert "404" in failure(OSError) and "waves" in failure(OSError)
    path = server.put(given, files(scene))
    whole = path.read_bytes()
    path.write_bytes(whole[:len(whole) // 2])
    assert "try again" in failure(OSError)
    path.write_bytes(gzip.compress(b"no archive"))
    assert "cannot be fetched" in failure(OSError)
    path.write_bytes(whole)
    assert "lacks 1" in failure(ValueError, photo_set(scene, hands=given.hands | {"images/gone.jpg": [("left", 9.0)]}))
    assert "does not say 'Public Domain'" in failure(ValueError, photo_set(scene, licence_says="Public Domain"))


def run(*arguments) -> int:
    """The command's exit code."""
    try:
        main([*map(str, arguments)])
    except SystemExit as stopped:
        return stopped.code
    return 0


def test_the_command_fetches_what_is_not_there_and_goes_on_past_what_cannot_be_had(scene, server, tmp_path, monkeypatch,
                                                                                  capsys):
    names = ("gone", "damaged", "waves")
    sets = [photo_set(scene, name=name, repository=f"someone/{name}") for name in names]
    monkeypatch.setattr("train.fetch_photos.photo_sets", lambda: sets)
    server.put(sets[1], {"LICENSE": b"MIT License", "images/two hands.jpg": b"no photo"})
    server.put(sets[2], files(scene))
    command = tmp_path / "photos", "--host", server.host
    assert run(*command) == 1
    said = capsys.readouterr()
    assert "waves: 2 of 2 hands" in said.out and {path.name for path in (tmp_path / "photos").iterdir()} == {"waves"}
    *reasons, last = said.err.strip().splitlines()
    assert any(line.startswith("gone: ") and "404" in line for line in reasons)
    assert any(line.startswith("damaged: ") and "two hands.jpg" in line for line in reasons)
    assert last == ("Missing are 2 of 3 sets: gone, damaged. "
                    "The same command tries them again; --allow-missing goes on without them.")
    server.requests.clear()
    assert run(*command, "--allow-missing", "--held-out", "gone", "waves") == 0
    said = capsys.readouterr()
    assert "waves: there already" in said.out and not any("waves" in str(request) for request in server.requests)
    assert "(of which gone is held out, so that nothing will be measured there)" in said.err
    assert run(*command, "--allow-missing", "--sets", "gone") == 1  # without any set there is nothing to go on with
    capsys.readouterr()
    server.put(sets[0], files(scene))
    server.put(sets[1], files(scene))
    assert run(*command) == 0 and "Missing" not in capsys.readouterr().err
    assert {path.name for path in (tmp_path / "photos").iterdir()} == set(names)


def test_a_server_that_speaks_no_http_is_a_set_that_cannot_be_had(scene, tools, tmp_path, monkeypatch):
    def urlopen(*_, **__):
        raise BadStatusLine("SSH-2.0")

    monkeypatch.setattr("train.fetch_photos.urlopen", urlopen)
    with pytest.raises(OSError, match="waves cannot be fetched .*SSH-2.0.*: try again, or leave the set out"):
        fetch_set(photo_set(scene), tmp_path / "photos", *tools)


def test_the_lists_of_the_project_are_whole():
    sets = {one.name: one for one in photo_sets()}
    assert len(sets) == 13 and sum(len(h) for one in sets.values() for h in one.hands.values()) == 5102
    for one in sets.values():
        assert len(one.commit) == 40 and one.repository.count("/") == 1 and one.attribution and one.hands
        assert all(side in ("left", "right") and size >= 48 for hands in one.hands.values() for side, size in hands)
    assert sets["digits"].address("https://codeload.github.com") == (
        "https://codeload.github.com/ardamavi/Sign-Language-Digits-Dataset/tar.gz/"
        "4b09433ef9d5c60602e8805bb54b8aa2428527f8")


def test_only_listed_files_are_read(scene, server):
    given = photo_set(scene)
    server.put(given, files(scene))
    assert sorted(path for path, _ in read_archive(given, server.host)) == ["LICENSE", "images/two hands.jpg"]
