"""What reading, tracking and writing make of clips."""
import os
import threading
from fractions import Fraction
from types import SimpleNamespace

import av
import numpy as np
import pytest
from clip_files import FPS, HEIGHT, WIDTH, encode, heard, onset, picture, same_picture, tone
from test_export import HANDS

from handpose.camera import Camera
from handpose.clips import reading
from handpose.clips.arrays import SHAPES, ClipArrays
from handpose.clips.reading import ClipError, read_clip
from handpose.clips.track_clip import Cancelled, track_clip, write_overlay
from handpose.clips.writing import ClipWriter
from handpose.hand import TrackedHand
from handpose.joint_errors import joint_errors


@pytest.mark.parametrize("suffix, codec, pix_fmt", [
    (".mp4", "libx264", "yuv420p"), (".mov", "libx265", "yuv420p10le"), (".webm", "libvpx-vp9", "yuv420p"),
    (".avi", "mpeg4", "yuv420p"), (".mkv", "mjpeg", "yuvj420p")])
def test_clips_of_any_codec_are_read(tmp_path, suffix, codec, pix_fmt):
    pictures = [picture(k) for k in range(6)]
    clip = read_clip(encode(tmp_path / f"clip{suffix}", pictures, codec=codec, pix_fmt=pix_fmt))
    assert (clip.width, clip.height, clip.frames, clip.has_sound) == (WIDTH, HEIGHT, 6, False)
    assert clip.fps == pytest.approx(FPS, rel=0.01) and clip.duration_s == pytest.approx(6 / FPS, abs=1 / FPS)
    for _ in range(2):  # a clip may be read again
        times, seen = zip(*clip, strict=True)
        assert np.allclose(times, np.arange(6) / FPS, atol=2e-3)
        assert all(same_picture(*pair) for pair in zip(seen, pictures, strict=True))


def test_what_is_written_is_read_again_at_its_irregular_times(tmp_path):
    times = np.array([0, 0.04, 0.05, 0.3, 0.31, 0.7])
    pictures = [picture(k) for k in range(6)]
    with ClipWriter.open(tmp_path / "out.mp4", WIDTH, HEIGHT, fps=FPS) as writer:
        for image, time_s in zip(pictures, times, strict=True):
            writer.write(image, time_s)
    read = list(read_clip(tmp_path / "out.mp4"))
    assert np.allclose([time_s for time_s, _ in read], times, atol=1e-4)
    assert all(same_picture(seen, image, 3) for (_, seen), image in zip(read, pictures, strict=True))
    with av.open(str(tmp_path / "out.mp4")) as file:
        assert file.streams.video[0].codec_context.name == "h264"
        assert file.streams.video[0].codec_context.pix_fmt == "yuv420p"
    data = (tmp_path / "out.mp4").read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")  # plays while it loads


def test_times_and_rates_may_be_strange(tmp_path):
    with ClipWriter.open(tmp_path / "out.mp4", WIDTH, HEIGHT, fps=0.0003) as writer:
        for k, time_s in enumerate((0.0, 0.0, 1e-6, 5000.0)):
            writer.write(picture(k), time_s)
    times = [time_s for time_s, _ in read_clip(tmp_path / "out.mp4")]
    assert np.allclose(times, [0, 0, 0, 5000], atol=1e-3) and (np.diff(times) > 0).all()


def test_odd_sides_become_even_and_nothing_moves(tmp_path):
    image = picture(3, 97, 65)
    with ClipWriter.open(tmp_path / "odd.mp4", 97, 65, fps=FPS) as writer:
        writer.write(image, 0.0)
    (_, seen), = read_clip(tmp_path / "odd.mp4")
    assert seen.shape == (66, 98, 3) and same_picture(seen[:65, :97], image, 3)
    with pytest.raises(ValueError, match="65 x 97"), ClipWriter.open(tmp_path / "no.mp4", 97, 65, fps=FPS) as writer:
        writer.write(picture(0), 0.0)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["odd.mp4"]


ROTATIONS = {  # (a, b, c, d): column p, row q is shown at column a p + c q, row b p + d q
    (1, 0, 0, 1): lambda image: image, (0, 1, -1, 0): lambda image: np.rot90(image, -1),
    (-1, 0, 0, -1): lambda image: np.rot90(image, 2), (0, -1, 1, 0): lambda image: np.rot90(image),
    (-1, 0, 0, 1): lambda image: image[:, ::-1], (0, 1, 1, 0): lambda image: image.transpose(1, 0, 2)}


@pytest.mark.parametrize("matrix", ROTATIONS)
def test_phones_clips_come_out_upright(tmp_path, matrix):
    path = encode(tmp_path / "clip.mp4", [picture(5)] * 3)
    data = bytearray(path.read_bytes())
    start = data.index(b"tkhd") + 4 + 4 + 20 + 16  # version and flags; times, id, duration; layer, volume, ...
    a, b, c, d = (np.array(value * 65536, ">i4").tobytes() for value in matrix)
    zero = bytes(4)
    data[start:start + 36] = a + b + zero + c + d + zero + zero + zero + np.array(1 << 30, ">i4").tobytes()
    path.write_bytes(data)
    clip, expected = read_clip(path), ROTATIONS[matrix](picture(5))
    assert (clip.height, clip.width) == expected.shape[:2]
    assert all(same_picture(seen, expected) for _, seen in clip)


def test_pixels_become_square_and_large_clips_small(tmp_path):
    path = encode(tmp_path / "wide.mp4", [picture(0)] * 2, aspect=Fraction(3, 2))
    clip = read_clip(path)
    assert (clip.width, clip.height) == (WIDTH * 3 // 2, HEIGHT)
    assert same_picture(next(iter(clip))[1], picture(0, WIDTH * 3 // 2, HEIGHT))
    clip = read_clip(path, largest=72)
    assert (clip.width, clip.height) == (72, 32)
    assert next(iter(clip))[1].shape == (32, 72, 3)


def test_a_browsers_recording_does_not_say_how_long_it_is(tmp_path):
    path = encode(tmp_path / "live.webm", [picture(k) for k in range(10)], codec="libvpx", options={"live": "1"})
    with av.open(str(path)) as file:
        assert not file.duration and not file.streams.video[0].duration
    clip = read_clip(path)
    assert clip.frames == 10 and clip.fps == pytest.approx(FPS, rel=0.02)
    assert clip.duration_s == pytest.approx(10 / FPS, rel=0.02)
    with pytest.raises(ClipError, match="longer than 0.2 seconds"):
        read_clip(path, max_seconds=0.2)


def test_limits_are_named(tmp_path):
    path = encode(tmp_path / "long.mp4", [picture(k) for k in range(20)])
    assert len(list(read_clip(path, max_seconds=0.8, max_frames=20))) == 20
    with pytest.raises(ClipError, match="long.mp4 is longer than 0.5 seconds"):
        read_clip(path, max_seconds=0.5)
    with pytest.raises(ClipError, match="more than 12 frames"):
        read_clip(path, max_frames=12)


def test_a_clip_that_lies_about_its_length_is_stopped_on_the_way(tmp_path, monkeypatch):
    path = encode(tmp_path / "liar.mp4", [picture(k) for k in range(20)])
    monkeypatch.setattr(reading, "_length", lambda *_: (0.1, 2))
    for limit, said in ({"max_seconds": 0.5}, "longer than 0.5"), ({"max_frames": 12}, "more than 12"):
        seen = []
        with pytest.raises(ClipError, match=said):
            seen.extend(iter(read_clip(path, **limit)))
    with pytest.raises(ClipError, match="megapixels"):
        monkeypatch.setattr(reading, "MAX_PIXELS", 1000)
        read_clip(path)


def test_sound_is_kept_as_it_is_or_becomes_aac(tmp_path):
    pictures = [picture(k % 40) for k in range(30)]
    for suffix, codec in (".mp4", "aac"), (".mkv", "pcm_s16le"):
        path = encode(tmp_path / f"in{suffix}", pictures, sound=tone(1.2, silence=0.5), sound_codec=codec)
        clip, out = read_clip(path), tmp_path / f"out{suffix}.mp4"
        assert clip.has_sound
        with ClipWriter.open(out, clip.width, clip.height, clip.fps, sound_of=clip) as writer:
            for time_s, image in clip:
                writer.write(image, time_s)
        with av.open(str(out)) as file:
            assert file.streams.audio[0].codec_context.name == "aac"
        samples, rate = heard(out)
        assert len(samples) / rate == pytest.approx(1.2, abs=0.06)
        assert onset(out) == pytest.approx(onset(path), abs=0.03)
        part = samples[round(0.7 * rate):round(0.7 * rate) + rate // 4]
        assert np.argmax(np.abs(np.fft.rfft(part))) * 4 == pytest.approx(440, abs=4)


def test_late_pictures_stay_beside_their_sound(tmp_path):
    path = encode(tmp_path / "in.mp4", [picture(k) for k in range(20)], times=0.4 + np.arange(20) / FPS,
                  sound=tone(1.2, silence=0.5))
    clip = read_clip(path)
    with ClipWriter.open(tmp_path / "out.mp4", clip.width, clip.height, clip.fps, sound_of=clip) as writer:
        for time_s, image in clip:
            writer.write(image, time_s)
    apart = [onset(file) - list(read_clip(file))[0][0] for file in (path, tmp_path / "out.mp4")]
    assert apart[1] == pytest.approx(apart[0], abs=0.03)


CAMERA = Camera.of_photo(WIDTH, HEIGHT, fov_deg=40)


class StubTracker:
    """Sees a hand from the second frame on, and another one from the fourth."""
    hand_models = {}

    def __init__(self):
        self.resets, self.seen = 0, []

    def reset(self):
        self.resets, self.seen = self.resets + 1, []

    def guess_camera(self, frames):
        return CAMERA

    def __call__(self, rgb, time_s, camera=None):
        self.seen.append((rgb, time_s, camera))
        return [TrackedHand(7 + k, hand) for k, hand in enumerate(HANDS[:len(self.seen) // 2])]


def drawn(rgb, camera, hands):
    return np.clip(rgb.astype(int) - 40 * len(hands), 0, 255).astype(np.uint8)


def test_a_clip_becomes_an_overlay_and_arrays(tmp_path):
    pictures = [picture(k) for k in range(6)]
    clip = read_clip(encode(tmp_path / "in.mp4", pictures, sound=tone(0.3)))
    tracker, told = StubTracker(), []
    arrays = write_overlay(clip, tracker, tmp_path / "out.mp4", tmp_path / "out.npz", draw=drawn,
                           progress=lambda *done: told.append(done))
    assert tracker.resets == 1 and told == [(k + 1, 6) for k in range(6)] and arrays.tracks == [7, 8]
    out = read_clip(tmp_path / "out.mp4")
    assert out.has_sound and len(list(out)) == 6
    for number, (_, seen) in enumerate(out):
        assert same_picture(seen, drawn(pictures[number], None, HANDS[:(number + 1) // 2]))
    with np.load(tmp_path / "out.npz") as file:
        data = dict(file)
    assert np.allclose(data["times_s"], np.arange(6) / FPS, atol=2e-3)
    assert data["track"].tolist() == [[-1, -1], [7, -1], [7, -1], [7, 8], [7, 8], [7, 8]]
    assert data["side"][5].tolist() == [hand.side for hand in HANDS] and data["side"][0].tolist() == ["", ""]
    for name, shape in SHAPES.items():
        assert data[name].shape == (6, 2, *shape)
        assert np.isnan(data[name][data["track"] < 0]).all()
        errors = joint_errors(HANDS)[1]
        expected = getattr(errors, name) if name in errors._fields else getattr(HANDS[1], name)
        expected = [*expected.values()] if isinstance(expected, dict) else expected
        assert np.allclose(data[name][4, 1], expected, rtol=1e-5, atol=1e-5, equal_nan=True)
    assert data["joint_angle_names"].tolist() == [*HANDS[1].joint_angles]
    assert np.allclose(data["intrinsics"], CAMERA.matrix) and data["size"].tolist() == [96, 64]


def test_decoding_and_drawing_go_on_beside_the_tracker():
    """Three threads meet at frame 3 of 4: one decodes, one follows the hands of the frame before, one draws the first.

    One after another they would never meet, and the barrier would break.
    """
    meeting = threading.Barrier(3)

    class Frames(SimpleNamespace):
        def __iter__(self):
            for number in range(4):
                if number == 2:
                    meeting.wait(60)
                yield number / FPS, picture(number)

    def tracker(rgb, time_s, camera):
        if time_s == 1 / FPS:
            meeting.wait(60)
        return []

    def show(time_s, rgb, camera, hands):
        if time_s == 0:
            meeting.wait(60)
        shown.append(time_s)

    shown, tracker.reset, tracker.hand_models = [], lambda: None, {}
    arrays = track_clip(Frames(width=WIDTH, height=HEIGHT, frames=4), tracker, CAMERA, show=show)
    assert len(arrays) == 4 and shown == [number / FPS for number in range(4)]


@pytest.mark.parametrize("trouble", ["cancelled", "drawing", "writing"])
def test_nothing_is_left_of_work_that_did_not_end(tmp_path, trouble, monkeypatch):
    clip = read_clip(encode(tmp_path / "in.mp4", [picture(k) for k in range(6)]))
    (tmp_path / "out.mp4").write_text("of an earlier run")
    count = iter(range(100))
    calls = {"cancelled": {"cancelled": lambda: next(count) == 3, "draw": drawn},
             "drawing": {"draw": lambda *_: 1 / 0}, "writing": {"draw": drawn}}[trouble]
    if trouble == "writing":
        monkeypatch.setattr(ClipArrays, "save", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left")))
    with pytest.raises({"cancelled": Cancelled, "drawing": ZeroDivisionError, "writing": OSError}[trouble]):
        write_overlay(clip, StubTracker(), tmp_path / "out.mp4", tmp_path / "out.npz", **calls)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.mp4", "out.mp4"]
    assert (tmp_path / "out.mp4").read_text() == "of an earlier run"


@pytest.mark.parametrize("fails", ["out.mp4", "out.npz"])
def test_a_clips_files_come_together_or_not_at_all(tmp_path, fails):
    clip = read_clip(encode(tmp_path / "in.mp4", [picture(k) for k in range(6)]))
    (tmp_path / fails).mkdir()  # a folder, which no file takes the place of
    with pytest.raises(OSError):
        write_overlay(clip, StubTracker(), tmp_path / "out.mp4", tmp_path / "out.npz", draw=drawn)
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_file()) == ["in.mp4"]


def test_a_folder_whose_name_looks_like_a_protocol(tmp_path, monkeypatch):
    clip = read_clip(encode(tmp_path / "in.mp4", [picture(k) for k in range(6)]))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a:b").mkdir()
    write_overlay(clip, StubTracker(), "a:b/out.mp4", "a:b/out.npz", draw=drawn)
    assert sorted(path.name for path in (tmp_path / "a:b").iterdir()) == ["out.mp4", "out.npz"]


@pytest.mark.skipif(os.name != "posix", reason="a limit for the size of files stands for a full disk")
def test_a_full_disk_is_an_os_error_and_leaves_nothing(tmp_path):
    import resource
    noise = iter(np.random.default_rng(0).integers(0, 255, (20, HEIGHT, WIDTH, 3), np.uint8))
    clip = read_clip(encode(tmp_path / "in.mp4", [picture(k) for k in range(20)]))
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, before[1]))
    try:
        with pytest.raises(OSError) as error:
            write_overlay(clip, StubTracker(), tmp_path / "out.mp4", tmp_path / "out.npz",
                          draw=lambda *_: next(noise))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert error.value.strerror and sorted(path.name for path in tmp_path.iterdir()) == ["in.mp4"]


def test_a_folder_that_is_not_there_is_an_os_error(tmp_path):
    with pytest.raises(OSError), ClipWriter.open(tmp_path / "no" / "out.mp4", WIDTH, HEIGHT, FPS):
        pass


def test_columns_belong_to_tracks():
    hand = HANDS[0]
    arrays = ClipArrays(Camera.of_photo(8, 8), 8, 8)
    for tracks in [1, 2], [2], [2, 3], [1, 2], []:
        arrays.add(0.0, [TrackedHand(track, hand) for track in tracks])
    assert arrays.arrays()["track"].tolist() == [[1, 2], [-1, 2], [3, 2], [1, 2], [-1, -1]]
    assert len(arrays) == 5 and arrays.tracks == [1, 2, 3]
    assert ClipArrays(Camera.of_photo(8, 8), 8, 8).arrays()["score"].shape == (0, 0)


# ---- the command

@pytest.fixture
def command(monkeypatch):
    """`handpose predict` with a stub for the tracker and for what draws."""
    from handpose import estimator, tracker
    from handpose.clips import track_clip as video
    from handpose.command import cli
    made = []
    monkeypatch.setattr(estimator.HandEstimator, "load", classmethod(lambda *_: "estimator"))
    monkeypatch.setattr(tracker, "HandTracker", lambda *given, **options: made.append(options) or StubTracker())
    monkeypatch.setattr(video, "draw_overlay", drawn)
    monkeypatch.setattr(video.write_overlay, "__kwdefaults__", video.write_overlay.__kwdefaults__ | {"draw": drawn})
    return lambda *arguments: cli.main(["predict", *map(str, arguments)]), made


def test_the_command_takes_clips(tmp_path, command, capsys):
    predict, made = command
    encode(tmp_path / "wave.mp4", [picture(k) for k in range(6)])
    assert predict(tmp_path / "wave.mp4", "--out", tmp_path / "out", "--fov", 70, "--max-hands", 1) == 0
    assert sorted(path.name for path in (tmp_path / "out").glob("w*")) == ["wave.npz", "wave.overlay.mp4"]
    assert len(list(read_clip(tmp_path / "out" / "wave.overlay.mp4"))) == 6 and made == [{"max_hands": 1}]
    with np.load(tmp_path / "out" / "wave.npz") as file:
        assert np.allclose(file["intrinsics"], Camera.from_fov(70, WIDTH, HEIGHT).matrix)
        assert len(file["times_s"]) == 6
    out, err = capsys.readouterr()
    assert "2 hands in 1 clip" in out and "wave.mp4" in err and "/6 [" in err  # a progress bar over its frames


def test_the_command_passes_over_bad_clips_and_can_leave_the_overlay_out(tmp_path, command, capsys):
    predict, _ = command
    encode(tmp_path / "a.mp4", [picture(k) for k in range(6)])
    (tmp_path / "b.mov").write_text("no clip")
    assert predict(tmp_path / "b.mov", tmp_path / "a.mp4", "--out", tmp_path / "out", "--no-overlay") == 1
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [".handpose.jsonl", "a.npz"]
    out, err = capsys.readouterr()
    assert "1 clip failed" in out and "b.mov" in err and "Traceback" not in err
