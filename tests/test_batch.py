"""Many files at once: the same results as one by one, in the same order, and after an interruption only the rest."""
# ruff: noqa: F811 (fixtures are arguments of the name that they are imported by)
import json
import os
import random
import signal
import stat
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from bad_images import READABLE, write
from clip_files import encode, picture
from PIL import Image
from test_cli import StubEstimator, files, photos, predict, stub  # noqa: F401
from test_export import HANDS
from test_video import StubTracker

from handpose import Camera, Result
from handpose.command import ledger
from handpose.whole_file import remove_temporaries, whole_file


def make_photos(folder: Path, count: int) -> list[Path]:
    """Photos of one colour each; the darker, the further behind."""
    paths = [folder / f"{number:02d}.png" for number in range(count)]
    for number, path in enumerate(paths):
        Image.new("RGB", (48, 40), (250 - 4 * number,) * 3).save(path)
    return paths


def contents(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in files(folder)}


@pytest.fixture(autouse=True)
def ctrl_c_is_heard():
    """Also where the tests were started in the background, as some CIs do, which has it ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def seen(stub, monkeypatch):
    """The numbers of the photos that came to the network, which sees as many hands in each as its number says."""
    numbers = []

    def call(self, photo, **told):
        number = (250 - int(photo.rgb[0, 0, 0])) // 4
        numbers.append(number)
        time.sleep(random.random() * 0.02)
        return Result(photo.width, photo.height, Camera.of_photo(photo.width, photo.height), HANDS[:number % 3])

    monkeypatch.setattr(stub, "__call__", call)
    return numbers


def test_the_same_as_one_by_one(seen, photos, tmp_path, capsys):
    make_photos(photos, 12)
    assert predict(photos, "--out", tmp_path / "one", "--npz", "--workers", 1) == 0
    alone = capsys.readouterr().out
    assert seen == list(range(12))
    assert predict(photos, "--out", tmp_path / "many", "--npz", "--workers", 5) == 0
    assert sorted(seen) == sorted(2 * list(range(12)))
    assert contents(tmp_path / "one") == contents(tmp_path / "many") and len(contents(tmp_path / "one")) == 12 * 3 + 8
    assert capsys.readouterr().out.replace("many", "one") == alone and "12 hands in 12 photos" in alone


def test_several_are_done_at_once_but_no_more_than_asked_for(stub, photos, tmp_path, monkeypatch):
    make_photos(photos, 12)
    meeting, lock, inside, most = threading.Barrier(3), threading.Lock(), [], []

    def call(self, photo, **told):
        with lock:
            inside.append(1)
            most.append(len(inside))
        meeting.wait(60)  # breaks, with an exception, unless three are here
        with lock:
            inside.pop()
        return Result(photo.width, photo.height, Camera.of_photo(photo.width, photo.height), [])

    monkeypatch.setattr(stub, "__call__", call)
    assert predict(photos, "--out", tmp_path / "out", "--workers", 3) == 0 and max(most) == 3


def test_bad_files_are_named_in_the_order_of_the_files(seen, photos, tmp_path, capsys):
    paths = make_photos(photos, 20)
    bad = paths[0], paths[3], paths[4], paths[15]
    for path in bad:
        path.write_bytes(b"no image")
    assert predict(photos, "--out", tmp_path / "out", "--workers", 4) == 1
    out, err = capsys.readouterr()
    named = [line.split(" is not")[0].strip() for line in err.splitlines() if "is not an image" in line]
    assert named == list(map(str, bad)) and "in 16 photos" in out and "4 photos failed" in out
    assert sorted(seen) == [n for n in range(20) if paths[n] not in bad] and "20/20" in err


# ---- a second run

def test_a_second_run_does_what_is_new(seen, photos, tmp_path, capsys, monkeypatch, stub):
    make_photos(photos, 3)
    out = tmp_path / "out"
    assert predict(photos, "--out", out) == 0
    first = contents(out)
    capsys.readouterr()
    loads = []
    monkeypatch.setattr(stub, "load", classmethod(lambda cls, *given: loads.append(given) or cls()))
    assert predict(photos, "--out", out) == 0
    assert len(seen) == 3 and not loads and contents(out) == first
    said = capsys.readouterr().out
    assert "3 hands in 3 photos" in said and "3 photos by an earlier run" in said and "--again" in said
    make_photos(photos, 5)[:3]
    for path in list(photos.glob("0[012].png")):  # written anew: as good as changed
        os.utime(path, ns=(0, 1))
    assert predict(photos, "--out", out) == 0 and sorted(seen[3:]) == [0, 1, 2, 3, 4]
    capsys.readouterr()
    make_photos(tmp_path, 6)
    os.rename(tmp_path / "05.png", photos / "05.png")
    assert predict(photos, "--out", out) == 0 and seen[8:] == [5]
    out_said, err = capsys.readouterr()
    assert "6 hands in 6 photos" in out_said and "5 photos by an earlier run" in out_said and "6/6" in err


@pytest.mark.parametrize("options", [["--again"], ["--focal", "77"], ["--fov", "50"], ["--no-overlay"],
                                     ["--mesh", "ply"], ["--npz"], ["--smplx"], ["--max-hands", "1"],
                                     ["--camera", "99,99,20,20"], ["--min-score", "0.5"], ["--side", "left"],
                                     ["--mirrored"]])
def test_other_options_are_another_result(seen, photos, tmp_path, options):
    make_photos(photos, 3)
    for given in [], options, [option for option in options if option != "--again"]:
        assert predict(photos, "--out", tmp_path / "out", *given) == 0
    assert len(seen) == 6  # and with them, the third run finds all done


def test_what_makes_no_difference_to_results(seen, photos, tmp_path, monkeypatch):
    paths = make_photos(photos, 3)
    assert predict(photos, "--out", tmp_path / "out") == 0
    monkeypatch.chdir(tmp_path)
    assert predict("photos", "--out", "out", "--workers", 1) == 0
    assert predict(*paths, "--out", tmp_path / "photos" / ".." / "out") == 0
    assert len(seen) == 3


def test_a_network_that_was_trained_on_is_another(seen, photos, tmp_path):
    make_photos(photos, 2)
    network = tmp_path / "network"
    network.mkdir()
    (network / "model.safetensors").write_bytes(b"weights")
    (network / "README.md").write_text("card")
    arguments = photos, "--out", tmp_path / "out", "--checkpoint", network
    assert predict(*arguments) == 0
    (network / "README.md").write_text("another card")
    assert predict(*arguments) == 0 and len(seen) == 2
    (network / "model.safetensors").write_bytes(b"better weights")
    assert predict(*arguments) == 0 and len(seen) == 4
    assert predict(photos, "--out", tmp_path / "out") == 0 and len(seen) == 6


def newer(photos: Path, out: Path):
    os.utime(photos / "01.png")


def older_but_other(photos: Path, out: Path):
    os.utime(photos / "01.png", ns=(0, 10 ** 18))


def photo_of_that_name_elsewhere(photos: Path, out: Path):
    times = (photos / "01.png").stat()
    (photos / "01.png").rename(photos / "elsewhere")
    (photos / "01.png").symlink_to(photos / "elsewhere")
    os.utime(photos / "elsewhere", ns=(times.st_atime_ns, times.st_mtime_ns))


def cut_ledger(photos: Path, out: Path):
    lines = (out / ledger.NAME).read_text().splitlines()
    lines = sorted(lines, key=lambda line: json.loads(line)["stem"] == "01")
    (out / ledger.NAME).write_text("\n".join(lines)[:-30])


@pytest.mark.parametrize("change", [newer, older_but_other, photo_of_that_name_elsewhere, cut_ledger, "01.json",
                                    "01.glb", "01.overlay.jpg", "01.npz"],
                         ids=lambda change: getattr(change, "__name__", change))
def test_what_is_missing_or_has_changed_is_done_anew(seen, photos, tmp_path, change):
    make_photos(photos, 3)
    arguments = photos, "--out", tmp_path / "out", "--npz"
    assert predict(*arguments) == 0
    before = contents(tmp_path / "out")
    (tmp_path / "out" / change).unlink() if isinstance(change, str) else change(photos, tmp_path / "out")
    assert predict(*arguments) == 0 and seen[3:] == [1]
    assert set(contents(tmp_path / "out")) == set(before)
    assert predict(*arguments) == 0 and len(seen) == 4


def ledger_with_line(photos: Path, out: Path, make) -> None:
    """Does two photos, and adds to their ledger what `make` makes of the second one's line."""
    make_photos(photos, 2)
    assert predict(photos, "--out", out) == 0
    text = (out / ledger.NAME).read_text()
    true = next(entry for entry in map(json.loads, text.splitlines()) if entry["stem"] == "01")
    (out / ledger.NAME).write_text(text + make(true) + "\n")


@pytest.mark.parametrize("line", [
    "[" * 100_000, "null", "3", '"x"', "[]", "{}", '{"stem": []}', '{"stem": {}}', '{"stem": null}', '{"stem": 3}',
    '{"stem": "%s"}' % ("x" * 10 ** 7), "\ufffd" * 100, "9" * 5000], ids=lambda line: line[:20])
def test_lines_in_the_ledger_that_are_none_are_passed_over(seen, photos, tmp_path, line):
    ledger_with_line(photos, tmp_path / "out", lambda true: line)
    assert predict(photos, "--out", tmp_path / "out") == 0 and len(seen) == 2


@pytest.mark.parametrize("field, value", [
    ("source", 3), ("source", "ab"), ("source", [1]), ("source", [[], {}]), ("source", None), ("source", {"a": 1}),
    ("source", [float("nan")] * 2), ("hands", "x"), ("hands", "1"), ("hands", None), ("hands", True), ("hands", [1]),
    ("endings", 3), ("endings", [3]), ("endings", [[]]), ("endings", None), ("endings", ".json"), ("path", []),
    ("options", {})])
def test_a_line_of_other_types_counts_as_not_done(seen, photos, tmp_path, field, value):
    ledger_with_line(photos, tmp_path / "out", lambda true: json.dumps(true | {field: value}))
    for _ in range(2):
        assert predict(photos, "--out", tmp_path / "out") == 0 and seen[2:] == [1]


def test_what_is_no_ledger_is_named(seen, photos, tmp_path, capsys):
    make_photos(photos, 1)
    (tmp_path / "out").mkdir()
    file = tmp_path / "out" / ledger.NAME
    with file.open("wb") as huge:
        huge.truncate(1 << 40)
    for make in (None, file.mkdir, lambda: os.mkfifo(file)):
        if make:
            make()
        assert predict(photos, "--out", tmp_path / "out") != 0
        assert "no ledger of earlier runs: .handpose.jsonl" in capsys.readouterr().err
        file.rmdir() if file.is_dir() else file.unlink()


def test_another_photo_that_takes_the_place_of_one(seen, tmp_path):
    for name in "ab":
        (tmp_path / name).mkdir()
        make_photos(tmp_path / name, 2)
    for round_, name in enumerate("abbab"):
        assert predict(tmp_path / name, "--out", tmp_path / "out") == 0
        assert len(seen) == [2, 4, 4, 6, 8][round_]


def test_photos_that_failed_are_tried_again(seen, photos, tmp_path):
    good = make_photos(photos, 2)
    bad = photos / "02.png"
    bad.write_bytes(b"cut")
    assert predict(photos, "--out", tmp_path / "out") == predict(photos, "--out", tmp_path / "out") == 1
    make_photos(tmp_path, 3)
    os.replace(tmp_path / "02.png", bad)
    assert predict(photos, "--out", tmp_path / "out") == 0 and seen[len(good):] == [2]


# ---- an interruption

def interrupted_at(call, number: int):
    """The network's call, during which of one photo the user presses Ctrl-C."""
    pressed = threading.Event()

    def call_or_interrupt(self, photo, **told):
        hands = call(self, photo, **told)
        if 250 - 4 * number == photo.rgb[0, 0, 0]:
            pressed.set()
            os.kill(os.getpid(), signal.SIGINT)
        if pressed.is_set():
            time.sleep(1.0)  # until the main thread has heard of it
        return hands
    return call_or_interrupt


def test_after_an_interruption_the_next_run_does_the_rest(seen, stub, photos, tmp_path, monkeypatch, capsys):
    make_photos(photos, 40)
    assert predict(photos, "--out", tmp_path / "whole") == 0
    del seen[:]
    call = stub.__call__
    monkeypatch.setattr(stub, "__call__", interrupted_at(call, 10))
    assert predict(photos, "--out", tmp_path / "out", "--workers", 3) == 130
    assert "Interrupted" in capsys.readouterr().err and 10 <= len(seen) < 40
    whole, part = contents(tmp_path / "whole"), contents(tmp_path / "out")
    assert all(part[name] == whole[name] for name in part)
    assert sum(name.endswith(".json") for name in part) == len(seen)  # photos that were begun were finished
    begun, noted = len(seen), len((tmp_path / "out" / ledger.NAME).read_text().splitlines())
    assert 4 <= noted <= begun
    monkeypatch.setattr(stub, "__call__", call)
    assert predict(photos, "--out", tmp_path / "out") == 0
    assert contents(tmp_path / "out") == whole and len(seen) == begun + 40 - noted


def test_half_a_run_with_other_options_is_not_taken_for_done(seen, stub, photos, tmp_path, monkeypatch):
    """Even where results of two runs lie mixed, as a kill may leave them."""
    make_photos(photos, 6)
    arguments = photos, "--out", tmp_path / "out", "--workers", 1
    assert predict(*arguments) == 0
    first = contents(tmp_path / "out")
    call = stub.__call__
    monkeypatch.setattr(stub, "__call__", interrupted_at(call, 3))
    assert predict(*arguments, "--focal", 500) == 130
    monkeypatch.setattr(stub, "__call__", call)
    (tmp_path / "out" / "04.overlay.jpg").write_bytes(b"of the other run")
    assert predict(*arguments) == 0 and contents(tmp_path / "out") == first


class OneHand(StubEstimator):
    hands = HANDS[:1]


def test_an_interrupted_clip_is_given_up(tmp_path, monkeypatch, capsys):
    """What waits for it is not begun, and both are done by the next run."""
    class Tracker(StubTracker):
        def __init__(self, *given, **options):
            super().__init__()

        def __call__(self, rgb, time_s, camera=None):
            if len(self.seen) == 3 and interrupting:
                interrupting.pop()
                os.kill(os.getpid(), signal.SIGINT)
                time.sleep(1.5)  # until the main thread has heard of it
            return super().__call__(rgb, time_s, camera)

    interrupting = [True]
    monkeypatch.setattr("handpose.estimator.HandEstimator.load", classmethod(lambda *_: OneHand()))
    monkeypatch.setattr("handpose.tracker.HandTracker", Tracker)
    clip = encode(tmp_path / "a.mp4", [picture(k) for k in range(30)])
    photo, = write(tmp_path, READABLE, ["grey.png"])
    arguments = clip, photo, "--out", tmp_path / "out", "--workers", 1
    assert predict(*arguments) == 130 and list((tmp_path / "out").iterdir()) == []
    assert predict(*arguments) == 0
    assert files(tmp_path / "out") == ["a.npz", "a.overlay.mp4", "grey.glb", "grey.json", "grey.overlay.jpg"]
    assert "3 hands in 2 files" in capsys.readouterr().out
    assert predict(*arguments) == 0 and "2 files by an earlier run" in capsys.readouterr().out
    (tmp_path / "out" / "a.npz").unlink()
    assert predict(*arguments) == 0 and "1 file by an earlier run" in capsys.readouterr().out
    with np.load(tmp_path / "out" / "a.npz") as arrays:
        assert arrays["times_s"].shape == (30,)


def test_what_killed_processes_left_is_removed(tmp_path):
    with pytest.raises(KeyboardInterrupt), whole_file(tmp_path / "a.json") as temporary:
        left = tmp_path / temporary.name
        left.write_text("half")
        (tmp_path / "kept").write_bytes(left.read_bytes())
        raise KeyboardInterrupt
    assert not left.exists()
    left.write_text("half")
    for name in ".mine.tmp", "a.tmp", ".hidden":
        (tmp_path / name).write_text("not ours")
    remove_temporaries(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [".hidden", ".mine.tmp", "a.tmp", "kept"]


@pytest.mark.parametrize("umask, mode", [(0o022, 0o644), (0o077, 0o600), (0o002, 0o664)])
def test_files_are_for_those_whom_the_umask_or_the_file_before_them_allows(tmp_path, umask, mode):
    before = os.umask(umask)
    try:
        for kept in (mode, 0o640):
            with whole_file(tmp_path / "a.json") as temporary:
                temporary.write_text("new")
            assert stat.S_IMODE((tmp_path / "a.json").stat().st_mode) == kept
            (tmp_path / "a.json").chmod(0o640)
    finally:
        os.umask(before)


@pytest.mark.parametrize("error", [ZeroDivisionError("division\nby zero"), MemoryError(), RuntimeError("of a library")])
def test_whatever_one_job_raises_the_others_are_done_and_a_rerun_does_it_again(seen, stub, photos, tmp_path, capsys,
                                                                            monkeypatch, error):
    make_photos(photos, 5)
    (photos / "03.png").rename(photos / "bad\x1b.png")
    call = stub.__call__

    def fails(self, photo, **told):
        if int(photo.rgb[0, 0, 0]) == 250 - 4 * 3:
            raise error
        return call(self, photo, **told)

    monkeypatch.setattr(stub, "__call__", fails)
    assert predict(photos, "--out", tmp_path / "out") == 1
    out, err = capsys.readouterr()
    said, = (line for line in err.splitlines() if "cannot be done" in line)
    assert "bad?.png" in said and type(error).__name__ in said and "1 photo failed" in out and "Traceback" not in err
    assert sorted(path.stem for path in (tmp_path / "out").glob("*.json")) == ["00", "01", "02", "04"]
    monkeypatch.setattr(stub, "__call__", call)
    seen.clear()
    assert predict(photos, "--out", tmp_path / "out") == 0 and seen == [3]
