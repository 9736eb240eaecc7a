"""Clips as an open page gets them: odd, broken and hostile ones, the same ones every time (but for the time stamps in
some). `odd_clips()` yields (name, bytes).
"""
from __future__ import annotations

import random
import struct
import tempfile
from collections.abc import Callable, Iterator
from fractions import Fraction
from functools import cache
from pathlib import Path

import av
import numpy as np
from bad_images import encode, scene
from odd_uploads import damaged
from PIL import Image

MUTATIONS = 12  # of each sound clip
# What phones, cameras and browsers write, by suffix: container, codec and pixel format.
KINDS = {"mp4": ("mp4", "libx264", "yuv420p"), "mov": ("mov", "mjpeg", "yuvj420p"),
         "webm": ("webm", "libvpx", "yuv420p"), "mkv": ("matroska", "libvpx-vp9", "yuv420p"),
         "avi": ("avi", "mpeg4", "yuv420p"), "mpg": ("mpeg", "mpeg2video", "yuv420p"),
         "mts": ("mpegts", "libx264", "yuv420p"),  "flv": ("flv", "flv", "yuv420p"),
         "wmv": ("asf", "wmv2", "yuv420p")}


def clip(suffix: str, width: int = 96, height: int = 64, frames: int = 8,
         time: Callable[[int], int] = lambda number: number) -> bytes:
    """A sound clip of 10 frames a second; `time(number)` is that of a frame, tenths of a second."""
    container, codec, pixels = KINDS[suffix]
    picture = np.asarray(Image.fromarray(scene()).resize((width, height)))
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder, f"clip.{suffix}"))
        with av.open(path, "w", format=container) as out:
            stream = out.add_stream(codec, rate=25 if suffix == "mpg" else 10)
            stream.width, stream.height, stream.pix_fmt = width, height, pixels
            stream.codec_context.max_b_frames = 0
            for number in range(frames):
                frame = av.VideoFrame.from_ndarray(np.roll(picture, 4 * number, axis=1), "rgb24")
                frame.pts, frame.time_base = number, Fraction(1, 10)
                for packet in stream.encode(frame):
                    shift = round((time(number) - number) / (10 * packet.time_base))
                    packet.pts, packet.dts = packet.pts + shift, packet.dts + shift
                    out.mux(packet)
            out.mux(stream.encode(None))
        return Path(path).read_bytes()


@cache
def sound_clips() -> dict[str, bytes]:
    """One sound clip of each kind, by suffix."""
    return {suffix: clip(suffix) for suffix in KINDS}


def odd_clips(mutations: int = MUTATIONS, seed: int = 0, private: str = "/etc/passwd") -> Iterator[tuple[str, bytes]]:
    """All clips, each with its name; lists among them name the file `private`, which is none of the sender's."""
    for suffix, data in sound_clips().items():
        yield f"sound.{suffix}", data
    for name, make in ODD_CLIPS.items():
        yield name, make()
    for name, text in LISTS.items():
        for suffix in (name.rpartition(".")[2], "mp4", "mkv"):
            yield f"{name}.{suffix}", text.format(private=private).encode()
    yield "reference.mov", reference_mov(private)
    dice = random.Random(seed)
    for suffix, data in sound_clips().items():
        for number in range(mutations):
            yield f"mutation{number:02d}.{suffix}", damaged(data, dice)


# Lists of files or addresses, which some readers of clips follow.
LISTS = {
    "list.ffconcat": "ffconcat version 1.0\nfile '{private}'\n", "list.txt": "file '{private}'\n",
    "list.m3u8": "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nfile://{private}\n#EXT-X-ENDLIST\n",
    "bytes.m3u8": "#EXTM3U\n#EXT-X-MEDIA-SEQUENCE:0\n#EXTINF:9,\nconcat:{private}|subfile,,start,0,end,9,,:{private}\n",
    "key.m3u8": '#EXTM3U\n#EXT-X-KEY:METHOD=AES-128,URI="{private}"\n#EXTINF:9,\n{private}\n#EXT-X-ENDLIST\n',
    "list.mpd": '<?xml version="1.0"?><MPD><Period><AdaptationSet><Representation><BaseURL>{private}</BaseURL>'
                "</Representation></AdaptationSet></Period></MPD>",
    "session.sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 5004 RTP/AVP 96\n"
                   "a=rtpmap:96 H264/90000\n",
    "list.asx": '<asx version="3.0"><entry><ref href="{private}"/></entry></asx>',
    "script.avs": 'AviSource("{private}")', "list.xspf": "<playlist><track><location>{private}</location></track>",
    "picture.svg": '<svg><image href="{private}"/></svg>'}


def _box(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data) + 8) + kind + data


def _inside(file: bytes, path: list[bytes], change: Callable[[bytes], bytes]) -> bytes:
    """A file of boxes (MP4, MOV) in which what the first box at this path holds was changed."""
    at = 0
    while at + 8 <= len(file):
        size = struct.unpack_from(">I", file, at)[0]
        if file[at + 4:at + 8] == path[0]:
            inner = file[at + 8:at + size]
            inner = _inside(inner, path[1:], change) if path[1:] else change(inner)
            return file[:at] + _box(path[0], inner) + file[at + size:]
        at += max(size, 8)
    raise ValueError(f"There is no box {path[0]!r}.")


def reference_mov(target: str) -> bytes:
    """A MOV that says its pictures lie in another file."""
    name = target.encode()
    alias = (bytes(4) + bytes(150) + struct.pack(">HH", 18, len(name)) + name + bytes(len(name) % 2)
             + struct.pack(">h", -1))
    data = (bytes(4) + struct.pack(">I", 2) + _box(b"alis", alias)
            + _box(b"url ", bytes(4) + b"file://" + name + b"\0"))
    return _inside(sound_clips()["mov"], [b"moov", b"trak", b"mdia", b"minf", b"dinf", b"dref"], lambda _: data)


def _edits(*entries: tuple[int, int]) -> bytes:
    """An MP4 whose pictures are played in these stretches: (length, start)."""
    edits = _box(b"edts", _box(b"elst", struct.pack(">II", 0, len(entries)) + b"".join(
        struct.pack(">iiHH", length, start, 1, 0) for length, start in entries)))
    return _inside(sound_clips()["mp4"], [b"moov", b"trak"], lambda inner: inner.replace(b"edts", b"free") + edits)


def _nested(kind: bytes, depth: int) -> bytes:
    data = b""
    for _ in range(depth):
        data = _box(kind, data)
    return data


def _cover_art() -> bytes:
    """An MP4 of sound alone with a picture on its cover."""
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder, "cover.mp4"))
        with av.open(path, "w") as out:
            stream, cover = out.add_stream("aac", rate=8000), out.add_stream("mjpeg", rate=1)
            cover.width = cover.height = 64
            cover.pix_fmt = "yuvj420p"
            cover.disposition = av.stream.Disposition.attached_pic
            packet = av.Packet(encode(Image.new("RGB", (64, 64)), "JPEG"))
            packet.stream, packet.pts, packet.dts = cover, 0, 0
            frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
            frame.rate = 8000
            out.mux(packet)
            out.mux(stream.encode(frame))
            out.mux(stream.encode(None))
        return Path(path).read_bytes()


ODD_CLIPS: dict[str, Callable[[], bytes]] = {
    "backwards.mkv": lambda: clip("mkv", time=lambda number: -number),
    "before.mkv": lambda: clip("mkv", time=lambda number: number - 99),
    "all_at_once.mkv": lambda: clip("mkv", time=lambda number: 0),
    "years.mkv": lambda: clip("mkv", time=lambda number: 10**9 * number),
    "far.mp4": lambda: clip("mp4", time=lambda number: 10**6 * number),
    "smaller_later.mts": lambda: clip("mts", 320, 240) + clip("mts", 64, 64),
    "larger_later.mts": lambda: clip("mts", 64, 64) + clip("mts", 4096, 2304, 3),
    "much_larger_later.mts": lambda: clip("mts", 64, 64) + clip("mts", 4096, 4096, 2),
    "larger_later.mpg": lambda: clip("mpg", 64, 64) + clip("mpg", 1920, 1080, 3),
    "turned_later.flv": lambda: clip("flv", 64, 96) + clip("flv", 96, 64),
    "two.webm": lambda: sound_clips()["webm"] * 2, "two.mp4": lambda: sound_clips()["mp4"] * 2,
    "thin.mkv": lambda: clip("mkv", 2, 16_000, 2), "wide.mkv": lambda: clip("mkv", 16_000, 32, 2),
    "one_frame.mp4": lambda: clip("mp4", frames=1), "cover.mp4": _cover_art,
    "many_small.mkv": lambda: clip("mkv", 32, 32, 5000),
    "no_edits.mp4": lambda: _edits(), "backwards.mp4": lambda: _edits((100, 700), (100, 500), (100, 300)),
    "edits.mp4": lambda: _edits(*[(1, 0)] * 500), "before.mp4": lambda: _edits((2**31 - 1, -1), (100, -5)),
    "endless.mp4": lambda: _edits((2**31 - 1, 0), (2**31 - 1, 0)),
    "boxes.mp4": lambda: sound_clips()["mp4"] + _box(b"moov", b"") * 100_000,
    "nested.mp4": lambda: sound_clips()["mp4"] + _nested(b"moov", 20_000),
    "large_moov.mp4": lambda: _inside(sound_clips()["mp4"], [b"moov"],
                                      lambda inner: inner + _box(b"free", bytes(30_000_000))),
    "tracks.mp4": lambda: _inside(sound_clips()["mp4"], [b"moov"], lambda inner: inner + inner[108:] * 3000),
    "samples.mp4": lambda: sound_clips()["mp4"].replace(b"stsz" + bytes(8), b"stsz" + bytes(4) + b"\0\0\0\1"),
}


def _chunk(kind: bytes, data: bytes) -> bytes:
    return kind + struct.pack("<I", len(data)) + data + bytes(len(data) % 2)


def junk_avi(packets: int, good: bytes = b"") -> bytes:
    """An AVI of one picture, if any, and so many broken ones, as JPEGs of 64 x 64 pixels."""
    main = struct.pack("<14I", 40_000, 0, 0, 0, 25, 0, 1, 0, 64, 64, 0, 0, 0, 0)
    stream = b"vidsMJPG" + struct.pack("<10I4H", 0, 0, 0, 1, 25, 0, 25, 0, 0, 0, 0, 0, 64, 64)  # it says: one second
    picture = struct.pack("<IiiHH4sIiiII", 40, 64, 64, 1, 24, b"MJPG", 0, 0, 0, 0, 0)
    header = b"hdrl" + _chunk(b"avih", main) + _chunk(
        b"LIST", b"strl" + _chunk(b"strh", stream) + _chunk(b"strf", picture))
    film = b"movi" + (_chunk(b"00dc", good) if good else b"") + _chunk(b"00dc", b"\xff\xd8") * packets
    return _chunk(b"RIFF", b"AVI " + _chunk(b"LIST", header) + _chunk(b"LIST", film))


def many_streams_mov(small: int, side: int) -> bytes:
    """A MOV of so many small videos and, behind them, one of so many pixels a side."""
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder, "streams.mov"))
        with av.open(path, "w") as out:
            streams = [out.add_stream("png", rate=5) for _ in range(small + 1)]
            for stream, length in zip(streams, [64] * small + [side], strict=True):
                stream.width = stream.height = length
                stream.pix_fmt = "rgb24"
            for stream in streams:
                frame = av.VideoFrame.from_ndarray(np.zeros((stream.height, stream.width, 3), np.uint8), "rgb24")
                out.mux(stream.encode(frame))
            for stream in streams:
                out.mux(stream.encode(None))
        return Path(path).read_bytes()


def low_rate_wav_avi(rate: int = 1) -> bytes:
    """An AVI of a picture and a second of sound that says it has so many samples a second."""
    picture = encode(Image.fromarray(scene(64, 64)), "JPEG")
    main = struct.pack("<14I", 40_000, 0, 0, 0, 25, 0, 2, 0, 64, 64, 0, 0, 0, 0)
    video = b"vidsMJPG" + struct.pack("<10I4H", 0, 0, 0, 1, 25, 0, 25, 0, 0, 0, 0, 0, 64, 64)
    sound = b"auds" + struct.pack("<11I4H", 0, 0, 0, 0, 2, 2 * rate, 0, 48_000, 0, 0, 2, 0, 0, 0, 0)
    header = b"hdrl" + _chunk(b"avih", main) + _chunk(b"LIST", b"strl" + _chunk(b"strh", video) + _chunk(
        b"strf", struct.pack("<IiiHH4sIiiII", 40, 64, 64, 1, 24, b"MJPG", 0, 0, 0, 0, 0))) + _chunk(
        b"LIST", b"strl" + _chunk(b"strh", sound) + _chunk(
            b"strf", struct.pack("<HHIIHH", 1, 1, rate, 2 * rate, 2, 16)))
    film = b"movi" + _chunk(b"01wb", bytes(96_000)) + _chunk(b"00dc", picture) * 25
    return _chunk(b"RIFF", b"AVI " + _chunk(b"LIST", header) + _chunk(b"LIST", film))


# Each took 13 seconds or more, or up to 2 GB, when clips were read without limits; not among `odd_clips`.
COSTLY_CLIPS: dict[str, Callable[[], bytes]] = {
    "junk.avi": lambda: junk_avi(100_000),
    "one_picture.avi": lambda: junk_avi(100_000, encode(Image.fromarray(scene(64, 64)), "JPEG")),
    "streams.mov": lambda: many_streams_mov(9, 9_000), "very_many_streams.mov": lambda: many_streams_mov(99, 64),
    "slow_sound.avi": low_rate_wav_avi,
}
