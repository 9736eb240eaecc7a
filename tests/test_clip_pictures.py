"""Clips that are no videos, made by Pillow: GIF, animated WebP and PNG, numbered photos; and QuickTime's lens."""
import io
import logging
import struct

import av
import numpy as np
import pytest
from bad_images import exif_bytes
from clip_files import HEIGHT, WIDTH, encode, picture, same_picture
from PIL import Image
from test_video import StubTracker, command  # noqa: F401

from handpose.clips.pictures import is_animated, read_photos, read_webp, webp_animation_size
from handpose.clips.reading import ClipError, read_clip
from handpose.clips.track_clip import Cancelled, track_clip

SHOWN_MS = [40, 100, 40, 200, 60, 40]
TIMES_S = np.cumsum([0, *SHOWN_MS[:-1]]) / 1000


def animation(path, kind: str, **options):
    first, *rest = (Image.fromarray(picture(k)) for k in range(len(SHOWN_MS)))
    first.save(path, kind, save_all=True, append_images=rest, duration=SHOWN_MS, loop=0, **options)
    return path


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP"])
def test_pictures_that_move_are_clips(tmp_path, kind):
    path = animation(tmp_path / f"wave.{kind.lower()}", kind, **{"lossless": True} if kind == "WEBP" else {})
    still = tmp_path / f"still.{kind.lower()}"
    Image.fromarray(picture(0)).save(still, kind)
    assert is_animated(path) and not is_animated(still) and not is_animated(tmp_path / "none.gif")
    clip = read_webp(path, "wave.webp") if kind == "WEBP" else read_clip(path)
    assert (clip.width, clip.height) == (WIDTH, HEIGHT) and not clip.has_sound
    for _ in range(2):
        times, seen = zip(*clip, strict=True)
        assert np.allclose(times, TIMES_S, atol=0.011)  # a GIF counts hundredths
        assert all(same_picture(rgb, picture(k)) for k, rgb in enumerate(seen))


def test_what_is_transparent_lies_on_white(tmp_path):
    frames = [Image.new("RGBA", (64, 48), (255, 0, 0, alpha)) for alpha in (255, 0)]
    frames[0].save(tmp_path / "a.webp", "WEBP", save_all=True, append_images=frames[1:], duration=50, lossless=True)
    red, white = (rgb for _, rgb in read_webp(tmp_path / "a.webp", "a.webp"))
    assert (red == [255, 0, 0]).all() and (white == 255).all()


def test_webps_that_cannot_be_used_are_refused_before_they_are_decoded(tmp_path):
    data = bytearray(animation(tmp_path / "wave.webp", "WEBP").read_bytes())
    (tmp_path / "cut.webp").write_bytes(data[:len(data) // 2])
    data[24:30] = struct.pack("<I", 16382)[:3] * 2  # a canvas of 16,383 x 16,383, for which Pillow takes 2 GB
    (tmp_path / "huge.webp").write_bytes(data)
    Image.fromarray(picture(0)).save(tmp_path / "still.webp")
    for name, said in (("cut", "damaged"), ("huge", "16383 x 16383 pixels"), ("still", "no animated WebP"),
                       ("none", "no animated WebP")):
        with pytest.raises(ClipError, match=said) as error:
            list(read_webp(tmp_path / f"{name}.webp", f"{name}.webp"))
        assert str(error.value).startswith(name) and str(error.value).endswith(".")
    assert webp_animation_size(tmp_path / "huge.webp") == (16383, 16383)
    asked = iter(range(100))
    clip = read_webp(tmp_path / "wave.webp", "wave", cancelled=lambda: next(asked) == 3)
    with pytest.raises(Cancelled):
        list(clip)


def test_animations_have_the_limits_of_clips(tmp_path):
    path = animation(tmp_path / "wave.gif", "GIF")
    with pytest.raises(ClipError, match="more than 4 frames"):
        list(read_clip(path, max_frames=4))
    with pytest.raises(ClipError, match="longer than 0.2 seconds"):
        list(read_clip(path, max_seconds=0.2))
    data = bytearray(path.read_bytes())
    data[6:10] = struct.pack("<HH", 65000, 65000)  # the canvas
    (tmp_path / "huge.gif").write_bytes(data)
    with pytest.raises(ClipError, match="huge.gif"):
        list(read_clip(tmp_path / "huge.gif"))


@pytest.fixture
def numbered(tmp_path):
    """Six photos, the first of which tells its lens."""
    files = []
    for number in range(6):
        exif = exif_bytes(FocalLengthIn35mmFilm=52) if number == 0 else b""
        data = io.BytesIO()
        Image.fromarray(picture(number)).save(data, "PNG", exif=exif)
        files.append(tmp_path / f"frame_{number:03d}.png")
        files[-1].write_bytes(data.getvalue())
    return files


def test_numbered_photos_are_a_clip_with_the_first_ones_lens(numbered, caplog):
    times = [0, 0.1, 0.2, 0.5, 0.6, 0.7]
    clip = read_photos(numbered, times, 10, "frame_%03d.png")
    assert (clip.width, clip.height, clip.frames, clip.fps) == (WIDTH, HEIGHT, 6, 10)
    assert clip.duration_s == pytest.approx(0.8)
    assert clip.camera.source == "exif"
    assert clip.camera.fx == pytest.approx(52 * np.hypot(WIDTH, HEIGHT) / np.hypot(36, 24))
    assert track_clip(clip, StubTracker()).camera == clip.camera
    numbered[2].write_bytes(b"no photo")
    with caplog.at_level(logging.WARNING):
        seen = list(clip)
    assert [time_s for time_s, _ in seen] == [0, 0.1, 0.5, 0.6, 0.7]
    assert all(np.array_equal(rgb, picture(k)) for k, (_, rgb) in zip((0, 1, 3, 4, 5), seen, strict=True))
    assert "1 pictures are left out (frame_002.png is not an image" in caplog.text
    Image.fromarray(picture(0, 80, 64)).save(numbered[4])
    with pytest.raises(ClipError, match="of 96 x 64 pixels, but frame_004.png of 80 x 64"):
        list(clip)


@pytest.mark.parametrize("value, focal", [("26", 26.0), ("26.5", 26.5), ("nan", None), ("-3", None), ("wide", None)])
def test_quicktimes_lens_is_the_clips(tmp_path, value, focal):
    path = encode(tmp_path / "plain.mov", [picture(k) for k in range(3)])
    told = tmp_path / "told.mov"
    with av.open(str(path)) as source, av.open(str(told), "w", options={"movflags": "use_metadata_tags"}) as out:
        out.metadata["com.apple.quicktime.camera.focal_length.35mm_equivalent"] = value
        stream = out.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                out.mux(packet)
    assert read_clip(path).camera is None
    clip = read_clip(told)
    assert clip.focal_35mm == focal
    if focal:
        assert clip.camera.source == "exif"
        assert clip.camera.fx == pytest.approx(focal * np.hypot(WIDTH, HEIGHT) / np.hypot(36, 24))


def test_the_command_takes_them(tmp_path, command, numbered, capsys):  # noqa: F811
    predict, _ = command
    animation(tmp_path / "wave.gif", "GIF")
    animation(tmp_path / "shake.webp", "WEBP", lossless=True)
    out = tmp_path / "out"
    assert predict(tmp_path / "frame_%03d.png", tmp_path / "wave.gif", tmp_path / "shake.webp", "--fps", 10,
                   "--out", out, "--mirrored") == 0
    for name, times in ("frame", np.arange(6) / 10), ("wave", TIMES_S), ("shake", TIMES_S):
        with np.load(out / f"{name}.npz") as arrays:
            assert np.allclose(arrays["times_s"], times, atol=0.011)
        seen = [rgb for _, rgb in read_clip(out / f"{name}.overlay.mp4")]
        assert len(seen) == 6 and same_picture(seen[0], picture(0)[:, ::-1])
    assert "6 hands in 3 clips" in capsys.readouterr().out
    assert predict(tmp_path / "frame_%03d.png", "--fps", 10, "--out", out, "--mirrored") == 0
    assert "1 clip by an earlier run" in capsys.readouterr().out
