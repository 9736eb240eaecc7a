"""Clips of many kinds, made here by FFmpeg directly, and what is seen and heard in them."""
from fractions import Fraction

import av
import numpy as np

WIDTH, HEIGHT, FPS = 96, 64, 25
COLORS = np.uint8([[[200, 40, 40], [40, 180, 40]], [[50, 60, 190], [210, 190, 60]]])


def picture(number: int, width: int = WIDTH, height: int = HEIGHT) -> np.ndarray:
    """Four colours in the corners, and a bar that moves right with time."""
    image = COLORS.repeat(-(-height // 2), 0)[:height].repeat(-(-width // 2), 1)[:, :width].copy()
    image[height // 2 - 4:height // 2 + 4, 2 * number:2 * number + 8] = 255
    return image


def tone(seconds: float, silence: float = 0.0, rate: int = 44100) -> np.ndarray:
    """A 440 Hz tone after silence, (1, samples) float32."""
    t = np.arange(round(seconds * rate)) / rate
    return (0.5 * np.sin(2 * np.pi * 440 * t) * (t >= silence)).astype(np.float32)[None]


def encode(path, pictures, times=None, codec="libx264", pix_fmt="yuv420p", options=None, sound=None, sound_codec="aac",
           aspect=None):
    """A video file, by PyAV alone."""
    height, width = pictures[0].shape[:2]
    tick = Fraction(1, FPS if times is None else 1000)
    times = np.arange(len(pictures)) / FPS if times is None else times
    with av.open(str(path), "w", container_options=options or {}) as out:
        video = out.add_stream(codec, rate=FPS)
        video.width, video.height, video.pix_fmt = width, height, pix_fmt
        video.codec_context.time_base = tick
        if aspect:
            video.codec_context.sample_aspect_ratio = aspect
        if codec.startswith("lib"):
            video.options = {"crf": "10"}
        if sound is not None:
            audio = out.add_stream(sound_codec, rate=44100, layout="mono")
            kind = audio.codec_context.format.name
            values = sound if kind.startswith("flt") else (sound * 32000).astype(np.int16)
            step = audio.codec_context.frame_size or 1024
            for start in range(0, values.shape[1], step):
                frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(values[:, start:start + step]), kind, "mono")
                frame.sample_rate, frame.pts, frame.time_base = 44100, start, Fraction(1, 44100)
                out.mux(audio.encode(frame))
            out.mux(audio.encode(None))
        for image, time_s in zip(pictures, times, strict=True):
            frame = av.VideoFrame.from_ndarray(image, format="rgb24").reformat(format=pix_fmt)
            frame.pts, frame.time_base = round(time_s / tick), tick
            out.mux(video.encode(frame))
        out.mux(video.encode(None))
    return path


def heard(path) -> tuple[np.ndarray, int]:
    """A file's sound (samples,) from time 0 on, and its rate."""
    with av.open(str(path)) as file:
        stream = file.streams.audio[0]
        frames = list(file.decode(stream))
        samples = np.concatenate([frame.to_ndarray().reshape(-1, frame.samples)[0] for frame in frames])
        return np.concatenate([np.zeros(round(frames[0].time * stream.rate)), samples]), stream.rate


def onset(path) -> float:
    samples, rate = heard(path)
    return np.flatnonzero(np.abs(samples) > 0.1)[0] / rate


def same_picture(image, expected, tolerance=14):
    """Whether images agree but for what 4:2:0 colours do to edges."""
    return image.shape == expected.shape and np.median(np.abs(image.astype(int) - expected), (0, 1)).max() <= tolerance
