"""Video files that every browser and phone plays: H.264 in MP4, with the sound of another clip where there is one."""
from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction

import av
import cv2
import numpy as np

from ..file_names import shown_name
from ..whole_file import whole_file
from .reading import STALL_S, Clip, Deadline, open_container

TICKS = 90_000  # a second, of the video's clock: frames need not come at regular times
CRF = 20  # x264's constant quality: hardly to be told from the frames
SOUND_KEPT = ("aac", "mp3", "alac", "ac3")  # put into the file as they are; other sound becomes AAC
SOUND_RATE = 48_000  # Hz, of sound that is made anew
SANE_RATES = range(4_000, 192_001)  # Hz; a second of sound at 1 Hz would become 48,000 samples for one
MOST_CHANNELS = 8
BT601, BT709, LIMITED = 6, 1, 1  # FFmpeg's numbers: how RGB becomes YUV, what RGB is, in 16..235

log = logging.getLogger(__name__)


class ClipWriter:
    """Writes frames as an MP4. `ClipWriter.open` gives one; the file is there when the `with` block ended well.

        with ClipWriter.open("out.mp4", 640, 480, fps=30) as writer:
            writer.write(rgb, time_s)
    """

    def __init__(self, out: av.container.OutputContainer, width: int, height: int, fps: float, crf: int):
        self._out, self.width, self.height, self._frame_s, self._last = out, width, height, 1 / fps, -1
        self._video = out.add_stream("libx264", rate=Fraction(max(fps, 1)).limit_denominator(1001),
                                     options={"crf": str(crf), "preset": "veryfast"})
        self._video.width, self._video.height, self._video.pix_fmt = width + width % 2, height + height % 2, "yuv420p"
        context = self._video.codec_context
        context.time_base = Fraction(1, TICKS)
        context.colorspace, context.color_primaries, context.color_trc = BT601, BT709, BT709
        context.color_range = LIMITED
        self._sound: Iterator[av.Packet] = iter(())
        self._waiting: av.Packet | None = None  # the next packet of sound

    @classmethod
    @contextmanager
    def open(cls, path: str | os.PathLike, width: int, height: int, fps: float, crf: int = CRF,
             sound_of: Clip | None = None) -> Iterator[ClipWriter]:
        """A writer of a clip of this size, which becomes a file, or nothing where an exception ends the block.

        Sides are made even, as H.264's usual colour format wants them, by repeating the last row or column. `crf` is
        x264's quality, 0 best .. 51. `sound_of` lends its sound, at the times that it has there. Raises OSError.
        """
        try:
            # "file:" keeps FFmpeg from taking a name with a colon for a protocol.
            with whole_file(path) as temporary, av.open(f"file:{temporary}", "w", format="mp4",
                                                        container_options={"movflags": "+faststart"}) as out:
                writer = cls(out, width, height, fps, crf)
                if sound_of is not None and sound_of.has_sound:
                    with open_container(sound_of.path, sound_of.name) as source:
                        writer._sound = sound_packets(source, out, sound_of)
                        writer._waiting = next(writer._sound, None)
                        yield writer
                        writer._finish()
                else:
                    yield writer
                    writer._finish()
        except av.FFmpegError as error:
            raise OSError(error.errno, f"The clip cannot be written: {error.strerror}", str(path)) from error

    def write(self, rgb: np.ndarray, time_s: float) -> None:
        """Adds a frame (height, width, 3) uint8 that is shown from `time_s` on, later than the one before."""
        if rgb.shape != (self.height, self.width, 3):
            raise ValueError(f"The clip's frames are {self.height} x {self.width} x 3, not {rgb.shape}.")
        even = cv2.copyMakeBorder(rgb, 0, self.height % 2, 0, self.width % 2, cv2.BORDER_REPLICATE)
        frame = av.VideoFrame.from_ndarray(even, format="rgb24")
        frame = frame.reformat(format="yuv420p")
        self._last = max(round(time_s * TICKS), self._last + 1)
        frame.pts, frame.time_base = self._last, Fraction(1, TICKS)
        self._write_sound(until=time_s)
        self._out.mux(self._video.encode(frame))

    def _finish(self) -> None:
        self._write_sound(until=self._last / TICKS + self._frame_s)
        self._out.mux(self._video.encode(None))

    def _write_sound(self, until: float) -> None:
        """Writes the sound up to a time, so that picture and sound lie side by side in the file."""
        while self._waiting is not None and self._waiting.pts * self._waiting.time_base <= until:
            self._out.mux(self._waiting)
            self._waiting = next(self._sound, None)


def sound_packets(source: av.container.InputContainer, out: av.container.OutputContainer, clip: Clip
                  ) -> Iterator[av.Packet]:
    """A clip's sound, read from `source`, as packets of a new stream of `out`.

    Ends early, with a logged warning, where it is damaged or takes more seconds of work than the clip is long. Raises
    Cancelled where the clip's reading is called off.
    """
    stream = source.streams.best("audio") or source.streams.audio[0]
    context = stream.codec_context
    if context is None or context.sample_rate not in SANE_RATES or not 1 <= context.channels <= MOST_CHANNELS:
        log.warning("The sound of %s cannot be decoded and is left out.", clip.name)
        return iter(())
    packets = _packets(source, stream, Deadline(STALL_S + clip.duration_s, clip.cancelled))
    if context.name in SOUND_KEPT:
        made = _copied(packets, stream, out.add_stream_from_template(stream), clip.start_s)
    else:
        layout = "mono" if context.channels == 1 else "stereo"
        made = _encoded(packets, context.sample_rate, out.add_stream("aac", rate=SOUND_RATE, layout=layout),
                        clip.start_s)
    return _until_damaged(made, clip.name)


def _until_damaged(packets: Iterator[av.Packet], name: str) -> Iterator[av.Packet]:
    try:
        yield from packets
    except (av.FFmpegError, ValueError, TimeoutError) as error:
        log.warning("The sound of %s is damaged and ends early (%s).", name, shown_name(str(error)) or "it takes long")


def _packets(source: av.container.InputContainer, stream: av.AudioStream, deadline: Deadline) -> Iterator[av.Packet]:
    """The stream's packets; those of other streams are taken, too, lest many of them pass where nobody checks."""
    deadline.resume()
    for packet in source.demux():
        deadline.check()
        if packet.stream_index == stream.index:
            deadline.pause()
            yield packet
            deadline.resume()


def _copied(packets: Iterator[av.Packet], stream: av.AudioStream, out: av.AudioStream, start_s: float
            ) -> Iterator[av.Packet]:
    shift, last = round(start_s / stream.time_base), None
    for packet in packets:
        if packet.pts is None or packet.dts is None or (last is not None and packet.dts <= last):
            continue
        last = packet.dts
        packet.pts, packet.dts, packet.stream = packet.pts - shift, packet.dts - shift, out
        yield packet


def _encoded(packets: Iterator[av.Packet], rate: int, out: av.AudioStream, start_s: float) -> Iterator[av.Packet]:
    resampler = av.AudioResampler(format="fltp", layout=out.codec_context.layout, rate=SOUND_RATE)
    end = None  # samples so far: the encoder wants them without gaps
    for packet in packets:
        for frame in packet.decode():
            if frame.sample_rate != rate:  # which no clip does on its way, and the resampler's growth depends on
                raise ValueError(f"its rate changes from {rate} to {frame.sample_rate} Hz")
            for sound in resampler.resample(frame):
                if end is None:
                    end = 0 if frame.time is None else max(0, round((frame.time - start_s) * SOUND_RATE))
                sound.pts, sound.time_base = end, Fraction(1, SOUND_RATE)
                end += sound.samples
                yield from out.encode(sound)
    yield from out.encode(None)
