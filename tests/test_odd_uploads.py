"""Whatever is uploaded: a photo, or one sentence that says what is wrong with it; soon, and in little memory.

`python -m benchmarks.hostile` sends all of it to a running page; here goes a sample.
"""
import os
import random
import resource
import subprocess
import sys
import time
import warnings

import numpy as np
import pytest
from bad_images import scene, write
from odd_uploads import COSTLY, ODD_NAMES, POLYGLOTS, mutate, odd_uploads, sound_files

from benchmarks import attacks
from benchmarks.hostile import judge, some, tracebacks
from benchmarks.running_page import ROOT, RunningPage, Visitor
from handpose.image import MAX_PIXELS, PhotoError, load_photo

MOST_SECONDS = 5  # of computing, not of waiting: others may use the machine
MOST_MEMORY = 1_000_000_000  # bytes, here and in the decoding process together
MEMORY_KEPT = 400_000_000  # bytes by which a page may be larger afterwards that had hardly begun


def memory(who: int = resource.RUSAGE_SELF) -> int:
    """Most bytes of memory that this process has had, or the largest of those that it started and that have ended."""
    return resource.getrusage(who).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def computed() -> float:
    """Seconds that this process and those that it started and that have ended have computed."""
    return sum(sum(resource.getrusage(who)[:2]) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))


def answer(name: str, data: bytes) -> np.ndarray | str:
    """Pixels or the refusal; checks that there is nothing else."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            rgb = load_photo(data, name).rgb
        except PhotoError as error:
            message = str(error)
            assert message.endswith(".") and message.isprintable() and ": " in message
            return message
    assert rgb.dtype == np.uint8 and rgb.ndim == 3 and rgb.shape[2] == 3 and rgb.size <= 3 * MAX_PIXELS
    return rgb


def test_each_is_a_photo_or_a_sentence():
    before, answers = memory(), []
    for name, data in odd_uploads():
        start = time.process_time()
        answers.append(isinstance(answer(name, data), str))
        assert time.process_time() - start < MOST_SECONDS, name  # here; the decoding process ends itself
    assert len(answers) >= 300
    assert .3 < np.mean(answers) < .9  # neither are all files too broken to get far nor hardly any broken
    assert memory() - before < 15 * MAX_PIXELS  # of which most is what making the files took


COST = """if True:
    import sys
    from pathlib import Path
    from test_odd_uploads import answer, computed, memory, resource
    from handpose.decoding.process import end_idle

    data, before, start = Path(sys.argv[1]).read_bytes(), memory(), computed()
    answer("photo", data)
    end_idle()
    print(computed() - start, memory() - before + memory(resource.RUSAGE_CHILDREN))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits a process's memory so")
@pytest.mark.parametrize("name", ["one_tile.tif", "just_allowed.jpg"])
def test_a_photo_costs_little(tmp_path, name):
    """In a fresh process, for the most memory that one has had is never forgotten."""
    path, = write(tmp_path, COSTLY, [name])
    run = subprocess.run([sys.executable, "-c", COST, path], capture_output=True, text=True, cwd=ROOT / "tests",
                         env={**os.environ, "PYTHONPATH": str(ROOT)})
    assert run.returncode == 0, run.stderr
    seconds, memory = map(float, run.stdout.split())
    assert seconds < MOST_SECONDS and memory < MOST_MEMORY


@pytest.mark.parametrize("name", ["numbers.pgm", "bits.pbm", "wavelets.jp2"])
def test_what_is_no_photo_is_not_read(name):
    assert "of a known kind" in answer(name, COSTLY[name]())


def test_mutations_are_the_same_every_time():
    def some(seed: int) -> list[bytes]:
        dice = random.Random(seed)
        return [mutate(suffix, dice) for suffix in sound_files() for _ in range(5)]

    assert some(0) == some(0) != some(1)
    assert not set(some(0)) & set(sound_files().values())


def test_sound_files_are_sound_whatever_they_are_called():
    upright = scene(192, 144)
    for suffix, data in sound_files().items():
        for name in (f"photo.{suffix}", "photo.jpg", "", *ODD_NAMES[:3]):
            rgb = answer(name, data)
            assert isinstance(rgb, str) == (suffix == "mp4"), name
            if suffix not in ("mp4", "gif"):  # which have no orientation
                assert np.abs(rgb.astype(int) - np.rot90(upright, -1)).mean() < 12, suffix


@pytest.mark.parametrize("name", ["archive_behind.jpg", "php_behind.png", "program_behind.heic", "film_behind.jpg"])
def test_what_lies_behind_a_photo_does_not_matter(name):
    assert np.array_equal(answer(name, POLYGLOTS[name]()), answer(name, sound_files()[name[-4:].strip(".")]))


def test_a_running_page_answers_all_of_it_and_is_well_afterwards(tmp_path):
    photo = (ROOT / "tests" / "data" / "hand_right.jpg").read_bytes()
    with RunningPage(tmp_path) as page:
        visitor = Visitor(page.address, timeout=300)
        first = [visitor.estimate("hand.jpg", photo) for _ in range(3)][0]
        assert first[0] == "complete" and len(first[1]["hands"]) == 1
        before = page.memory() if sys.platform == "linux" else 0
        # Every seventh photo; the machine may be busy, and the benchmark looks at the clock.
        listed = [*some(attacks.photos(visitor), 7), *attacks.calls(visitor)]
        outcomes = [judge(attack, patience=float("inf")) for attack in listed]
        assert [outcome for outcome in outcomes if not outcome.good] == []
        assert {outcome.kind for outcome in outcomes} == {"hands", "sentence", "refused"}
        assert page.alive and tracebacks(page) == 0
        assert visitor.estimate("hand.jpg", photo) == first
        if sys.platform == "linux":
            assert page.memory() - before < MEMORY_KEPT
