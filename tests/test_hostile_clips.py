"""Files that are no clips, damaged ones, and ones that would take all time, memory or log: a sentence or a warning."""
import logging
import threading
from types import SimpleNamespace

import av
import bad_images
import numpy as np
import pytest
from bad_images import scene
from clip_files import encode, picture, same_picture, tone
from odd_clips import junk_avi, low_rate_wav_avi, many_streams_mov
from PIL import Image

from handpose.clips import reading, writing
from handpose.clips.reading import ClipError, read_clip
from handpose.clips.track_clip import Cancelled
from handpose.clips.writing import ClipWriter


def one_sentence(error) -> bool:
    message = str(error.value)
    return message.endswith(".") and ". " not in message and "\n" not in message


def test_files_that_are_no_clips_are_refused(tmp_path):
    whole = encode(tmp_path / "whole.mp4", [picture(k) for k in range(10)]).read_bytes()
    with av.open(str(tmp_path / "sound.mp4"), "w") as out:
        audio = out.add_stream("aac", rate=44100, layout="mono")
        frame = av.AudioFrame.from_ndarray(tone(0.02)[:, :882], "fltp", "mono")
        frame.sample_rate = 44100
        out.mux([*audio.encode(frame), *audio.encode(None)])
    (tmp_path / "cut.mp4").write_bytes(whole[:len(whole) - 200])  # its table of contents, at the end, is gone
    (tmp_path / "empty.mp4").write_bytes(b"")
    (tmp_path / "text.mp4").write_text("no clip at all")
    (tmp_path / "noise.mp4").write_bytes(np.random.default_rng(0).bytes(5000))
    (tmp_path / "list.mp4").write_text(f"ffconcat version 1.0\nfile '{tmp_path}/whole.mp4'\n")
    (tmp_path / "hls.mp4").write_text(f"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{tmp_path}/whole.mp4\n")
    (tmp_path / "small.mp4").write_bytes(encode(tmp_path / "s.mp4", [picture(0, 16, 16)]).read_bytes())
    (tmp_path / "folder.mp4").mkdir()
    for name in ("sound", "cut", "empty", "text", "noise", "list", "hls", "small", "folder", "missing"):
        with pytest.raises(ClipError, match=f"{name}.mp4") as error:
            read_clip(tmp_path / f"{name}.mp4")
        assert one_sentence(error)
    assert issubclass(ClipError, ValueError)


def test_what_is_whole_of_a_damaged_clip_is_read(tmp_path, caplog):
    pictures = [picture(k) for k in range(40)]
    path = encode(tmp_path / "clip.mp4", pictures, options={"movflags": "+faststart"})
    data = bytearray(path.read_bytes())
    path.write_bytes(data[:-len(data) // 4])
    with caplog.at_level(logging.WARNING):
        seen = [image for _, image in read_clip(path)]
    assert 5 < len(seen) < 40
    assert all(same_picture(*pair) for pair in zip(seen[:5], pictures, strict=False))


def test_junk_ends_in_time_with_one_warning(tmp_path, monkeypatch, caplog):
    (tmp_path / "junk.avi").write_bytes(junk_avi(2000))
    (tmp_path / "one\nline.avi").write_bytes(junk_avi(2000, bad_images.encode(Image.fromarray(scene(64, 64)), "JPEG")))
    assert len(list(read_clip(tmp_path / "one\nline.avi"))) == 1
    warning, = (record.getMessage() for record in caplog.records)
    assert warning.startswith("one?line.avi is damaged: frames are left out at 2000 places") and "\n" not in warning
    with pytest.raises(ClipError, match="no frame that can be decoded"):
        read_clip(tmp_path / "junk.avi")
    clock = iter(range(10**6))  # a second at every look
    monkeypatch.setattr(reading, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    with pytest.raises(ClipError, match="takes too long") as error:
        read_clip(tmp_path / "junk.avi")
    assert one_sentence(error) and next(clock) < 20


def test_frames_that_come_slowly_for_their_number_end_a_clip(tmp_path, monkeypatch):
    clip = read_clip(encode(tmp_path / "clip.mp4", [picture(k) for k in range(40)]))
    clock = iter(range(10**6))
    monkeypatch.setattr(reading, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    frames = []
    with pytest.raises(ClipError, match="takes too long"):
        frames.extend(iter(clip))
    assert len(frames) < 40


@pytest.mark.parametrize("packets", [30, 3000])
def test_a_clip_is_called_off_at_any_packet(tmp_path, packets):
    (tmp_path / "junk.avi").write_bytes(junk_avi(packets))
    (tmp_path / "live.webm").write_bytes(encode(tmp_path / "l.webm", [picture(k) for k in range(30)], codec="libvpx",
                                                options={"live": "1"}).read_bytes())
    for name in "junk.avi", "live.webm":
        asked = iter(range(10**6))
        with pytest.raises(Cancelled):
            read_clip(tmp_path / name, cancelled=lambda asked=asked: next(asked) >= 20)
        assert next(asked) == 21
    calls_off = threading.Event()
    clip = read_clip(tmp_path / "live.webm", cancelled=calls_off.is_set)
    calls_off.set()
    with pytest.raises(Cancelled):
        list(clip)


def test_every_stream_has_the_pixel_limit_and_only_so_many_are_opened(tmp_path, monkeypatch):
    monkeypatch.setattr(reading, "MAX_PIXELS", 100 * 100)
    (tmp_path / "ten.mov").write_bytes(many_streams_mov(9, 128))
    with reading.open_container(tmp_path / "ten.mov", "ten.mov") as container:
        kinds = [stream.codec_context.pix_fmt for stream in container.streams.video]
    assert kinds == ["rgb24"] * 9 + [None]  # None: it was not decoded
    assert len(list(read_clip(tmp_path / "ten.mov"))) == 1
    (tmp_path / "many.mov").write_bytes(many_streams_mov(99, 64))
    with pytest.raises(ClipError) as error:
        read_clip(tmp_path / "many.mov")
    assert one_sentence(error)


def test_sound_that_would_grow_without_bound_is_left_out(tmp_path, caplog):
    (tmp_path / "slow.avi").write_bytes(low_rate_wav_avi(1))
    (tmp_path / "usual.avi").write_bytes(low_rate_wav_avi(48_000))
    for name, streams in ("slow", 0), ("usual", 1):
        clip = read_clip(tmp_path / f"{name}.avi")
        assert clip.has_sound
        with ClipWriter.open(tmp_path / "out.mp4", clip.width, clip.height, clip.fps, sound_of=clip) as writer:
            for time_s, image in clip:
                writer.write(image, time_s)
        with av.open(str(tmp_path / "out.mp4")) as file:
            assert len(file.streams.audio) == streams and len(list(file.decode(video=0))) == 25
    assert [record.getMessage() for record in caplog.records] == [
        "The sound of slow.avi cannot be decoded and is left out."]


def test_sound_that_takes_too_long_ends_early(tmp_path, monkeypatch, caplog):
    clip = read_clip(encode(tmp_path / "in.mp4", [picture(k % 40) for k in range(50)], sound=tone(2)))
    monkeypatch.setattr(writing, "STALL_S", -clip.duration_s)
    with ClipWriter.open(tmp_path / "out.mp4", clip.width, clip.height, clip.fps, sound_of=clip) as writer:
        for time_s, image in clip:
            writer.write(image, time_s)
    assert len(list(read_clip(tmp_path / "out.mp4"))) == 50
    assert [record.getMessage() for record in caplog.records] == [
        "The sound of in.mp4 is damaged and ends early (it takes long)."]
