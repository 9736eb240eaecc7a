"""What paths on the command line mean: folders, patterns, numbered photos, pictures that move."""
from collections import Counter
from pathlib import Path

import pytest
from bad_images import READABLE, encode, scene, write
from PIL import Image

from handpose.command.finding import find_jobs
from handpose.command.jobs import UsageError


def photo(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encode(Image.fromarray(scene()), "PNG"))
    return path


def names(found) -> list[tuple[str, str, bool]]:
    return [(job.image, job.stem, job.is_clip) for job in found.jobs]


def test_folders_hold_photos_clips_and_what_is_counted(tmp_path):
    write(tmp_path, READABLE, ["grey.png", "animated.gif", "animated.webp", "rgba.webp"])
    for name in ("sub/clip.MP4", "grey.mov", "notes.txt", "NOTES.TXT", "Makefile", ".hidden.txt", "a.overlay.mp4",
                 "b.overlay.jpg", "c.mask.png", "d.turntable.mp4", "out/grey.json", "out/grey.glb"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    found = find_jobs([tmp_path], out=tmp_path / "out")
    assert names(found) == [
        ("animated.gif", "animated", True), ("animated.webp", "animated.webp", True), ("grey.mov", "grey", True),
        ("grey.png", "grey.png", False), ("rgba.webp", "rgba", False), ("sub/clip.MP4", "sub/clip", True)]
    assert found.passed_over == Counter({".txt": 2, "": 1})
    assert found.passed_over_in_words == "3 other files (.txt, no suffix)"
    assert find_jobs([tmp_path / "grey.png"]).passed_over_in_words == ""


def test_patterns_are_matched_where_no_shell_has(tmp_path):
    for name in ("a.png", "b.png", "c.jpg", "a.overlay.png", "sub/d.png", "[odd].png"):
        photo(tmp_path / name)
    (tmp_path / "e.txt").touch()
    assert [image for image, _, _ in names(find_jobs([tmp_path / "*.png"]))] == ["[odd].png", "a.png", "b.png"]
    assert [image for image, _, _ in names(find_jobs([tmp_path / "**" / "?.png"]))] == ["a.png", "b.png", "d.png"]
    assert len(find_jobs([tmp_path / "[ab].png", tmp_path / "a*", tmp_path / "[odd].png"]).jobs) == 3
    assert [image for image, _, _ in names(find_jobs([tmp_path / "s*"]))] == ["d.png"]  # a folder that matches
    with pytest.raises(UsageError, match="Nothing matches .*tif: check the pattern"):
        find_jobs([tmp_path / "*.tif"])


def test_numbered_photos_are_a_clip_at_the_times_of_their_numbers(tmp_path):
    for number in (3, 4, 7, 10):
        photo(tmp_path / "take" / f"frame_{number:05d}.png")
    photo(tmp_path / "take" / "frame_x.png")
    (job,) = find_jobs([tmp_path / "take" / "frame_%05d.png"], fps=10).jobs
    assert (job.image, job.stem, job.is_clip, job.fps) == ("frame_%05d.png", "frame", True, 10)
    assert [(time_s, file.name[-6:]) for time_s, file in job.photos] == [
        (0, "03.png"), (0.1, "04.png"), (0.4, "07.png"), (0.7, "10.png")]
    assert find_jobs([tmp_path / "take" / "frame_%d.png"]).jobs[0].photos[-1][0] == pytest.approx(7 / 30)
    before = job.source()
    photo(tmp_path / "take" / "frame_00004.png").write_bytes(b"another")
    assert job.source() != before
    with pytest.raises(UsageError, match="There is no shot_%03d.png with a number"):
        find_jobs([tmp_path / "take" / "shot_%03d.png"])


def test_with_a_rate_a_folder_is_a_clip_in_the_order_of_its_numbers(tmp_path):
    for number in (1, 2, 10, 9):
        photo(tmp_path / "take" / f"{number}.png")
    (tmp_path / "take" / "2.overlay.jpg").touch()
    (job,) = find_jobs([tmp_path / "take"], fps=4).jobs
    assert (job.image, job.stem, job.is_clip) == ("take", "take", True)
    assert [(time_s, file.stem) for time_s, file in job.photos] == [(0, "1"), (0.25, "2"), (0.5, "9"), (0.75, "10")]
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match="there is none in .*empty"):
        find_jobs([tmp_path / "empty"], fps=4)


def test_a_folder_without_any_says_what_else_is_there(tmp_path):
    (tmp_path / "notes.txt").touch()
    with pytest.raises(UsageError, match=r"no image or clip in .*; 1 other file \(.txt\) passed over"):
        find_jobs([tmp_path])
