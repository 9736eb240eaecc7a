"""Uploads as an open page gets them: odd, broken and hostile files under odd names, the same ones every time
(but for the time stamps in some).

`odd_uploads()` yields (name, bytes): first every kind that is known to be odd, then mutations of sound files.
"""
from __future__ import annotations

import gzip
import io
import pickle
import random
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from functools import cache
from itertools import count
from pathlib import Path

import cv2
import numpy as np
from bad_images import READABLE, UNREADABLE, blank_png, encode, exif_bytes, scene
from PIL import Image

MUTATIONS = 28  # of each sound file


@cache
def sound_files() -> dict[str, bytes]:
    """One sound file of each kind that visitors bring, small but of real structure, by its suffix."""
    rng = np.random.default_rng(0)
    picture = Image.fromarray(np.clip(scene(192, 144) + rng.normal(0, 8, (144, 192, 3)), 0, 255).astype(np.uint8))
    exif = exif_bytes(6, FocalLengthIn35mmFilm=26)
    return {"jpg": encode(picture, "JPEG", quality=85, exif=exif), "png": encode(picture, "PNG", exif=exif),
            "webp": encode(picture, "WEBP", quality=80, exif=exif),
            "heic": encode(picture, "HEIF", quality=60, exif=exif, tile_size=64),
            "avif": encode(picture, "AVIF", quality=60, exif=exif, speed=9), "gif": encode(picture, "GIF"),
            "tif": encode(picture, "TIFF", exif=exif), "mp4": _film()}


def _film() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder, "film.mp4"))
        film = cv2.VideoWriter(path, cv2.VideoWriter.fourcc(*"mp4v"), 10, (96, 64))
        for shift in range(8):
            film.write(np.roll(scene(), 4 * shift, axis=1))
        film.release()
        return Path(path).read_bytes()


def odd_uploads(mutations: int = MUTATIONS, seed: int = 0) -> Iterator[tuple[str, bytes]]:
    """All files, each as the name that a visitor's browser gives and the bytes."""
    for table in (READABLE, UNREADABLE, LYING_HEADERS, BOMBS, NO_PHOTOS, POLYGLOTS):
        for name, make in table.items():
            yield name, make()
    good, bad = sound_files()["jpg"], UNREADABLE["truncated.jpg"]()
    for name in ODD_NAMES:
        yield name, good
        yield name, bad
    for suffix, data in sound_files().items():  # the wrong suffix
        yield f"sound_{suffix}.{'png' if suffix == 'jpg' else 'jpg'}", data
    dice = random.Random(seed)
    for suffix in sound_files():
        for number in range(mutations):
            yield f"mutation{number:02d}.{suffix}", mutate(suffix, dice)


def mutate(suffix: str, dice: random.Random) -> bytes:
    """A sound file of that kind after one to four accidents."""
    return damaged(sound_files()[suffix], dice)


def damaged(file: bytes, dice: random.Random) -> bytes:
    """The file after one to four accidents."""
    data = bytearray(file)
    for _ in range(dice.choice([1, 1, 1, 4])):
        dice.choice(ACCIDENTS)(data, dice)
    return bytes(data)


def _place(data: bytearray, dice: random.Random) -> int:
    """Somewhere in the file, half the time near its start, where the headers are."""
    end = max(len(data) - 1, 0)
    return min(int(dice.expovariate(1 / 150)), end) if dice.random() < .5 else dice.randint(0, end)


def _flip_bits(data: bytearray, dice: random.Random) -> None:
    for _ in range(dice.choice([1, 2, 16])):
        data[_place(data, dice)] ^= 1 << dice.randrange(8)


def _overwrite_number(data: bytearray, dice: random.Random) -> None:
    value = dice.choice([b"\0" * 4, b"\0\0\0\1", b"\xff" * 4, b"\x7f\xff\xff\xff", b"\xff\xff\xff\x7f", b"\0\x01\0\0"])
    at = _place(data, dice)
    data[at:at + 4] = value


def _cut(data: bytearray, dice: random.Random) -> None:
    del data[max(1, _place(data, dice)):]


def _swap_blocks(data: bytearray, dice: random.Random) -> None:
    length = dice.choice([4, 32, 512])
    one, other = sorted((_place(data, dice), _place(data, dice)))
    if one + length <= other:
        data[one:one + length], data[other:other + length] = data[other:other + length], data[one:one + length]


def _repeat_block(data: bytearray, dice: random.Random) -> None:
    at = _place(data, dice)
    data[at:at] = data[at:at + dice.choice([4, 64, 1024])] * dice.choice([1, 20])


def _splice(data: bytearray, dice: random.Random) -> None:
    other = dice.choice(list(sound_files().values()))
    data[_place(data, dice):] = other[dice.randrange(len(other)):]


def _insert_noise(data: bytearray, dice: random.Random) -> None:
    at = _place(data, dice)
    data[at:at] = dice.randbytes(dice.choice([1, 16, 2048]))


ACCIDENTS = (_flip_bits, _flip_bits, _overwrite_number, _cut, _swap_blocks, _repeat_block, _splice, _insert_noise)


def _patched(suffix: str, mark: bytes, offset: int, value: bytes) -> bytes:
    """A sound file with other bytes at so many bytes after the first `mark`."""
    data = bytearray(sound_files()[suffix])
    at = data.index(mark) + offset
    data[at:at + len(value)] = value
    return bytes(data)


def _png(*chunks: tuple[bytes, bytes]) -> bytes:
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in (*chunks, (b"IEND", b"")))


def _header(width: int, height: int, depth: int = 8, colours: int = 2) -> tuple[bytes, bytes]:
    return b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colours, 0, 0, 0)


def _frames(kind: str, frames: int) -> bytes:
    pictures = (Image.new("L", (64, 64), number % 256) for number in count())
    return encode(next(pictures), kind, save_all=True, append_images=[next(pictures) for _ in range(frames - 1)])


# Sizes and lengths that are not those of what follows.
LYING_HEADERS: dict[str, Callable[[], bytes]] = {
    "promises_more.png": lambda: _png(_header(4000, 4000), (b"IDAT", zlib.compress(bytes(1000)))),
    "promises_less.png": lambda: _png(_header(64, 64), (b"IDAT", zlib.compress(bytes(5_000_000)))),
    "no_size.png": lambda: _png(_header(0, 0), (b"IDAT", zlib.compress(b""))),
    "largest.png": lambda: _png(_header(2**31 - 1, 2**31 - 1), (b"IDAT", zlib.compress(b""))),
    "odd_depth.png": lambda: _png(_header(64, 64, 7, 9), (b"IDAT", zlib.compress(bytes(9999)))),
    "no_palette.png": lambda: _png(_header(64, 64, 8, 3), (b"IDAT", zlib.compress(bytes(64 * 65)))),
    "largest.jpg": lambda: _patched("jpg", b"\xff\xc0", 5, b"\xff\xff\xff\xff"),
    "large.jpg": lambda: _patched("jpg", b"\xff\xc0", 5, b"\x26\x00\x26\x00"),
    "largest.webp": lambda: _patched("webp", b"VP8X", 12, b"\xff" * 6),
    "largest.gif": lambda: _patched("gif", b"GIF8", 6, b"\xff" * 4),
    "largest.heic": lambda: _patched("heic", b"ispe", 8, b"\x7f\xff\xff\xff" * 2),
    "large.heic": lambda: _patched("heic", b"ispe", 8, b"\0\0\x20\0" * 2),
    "largest.avif": lambda: _patched("avif", b"ispe", 8, b"\x7f\xff\xff\xff" * 2),
    "large.avif": lambda: _patched("avif", b"ispe", 8, b"\0\0\x20\0" * 2),
    "many_tiles.heic": lambda: _patched("heic", b"grid", 4, b"\xff" * 8),
    "endless_box.heic": lambda: _patched("heic", b"meta", -4, b"\xff" * 4),
    "endless_box.mp4": lambda: _patched("mp4", b"moov", -4, b"\xff" * 4),
    "large.ppm": lambda: b"P6 9000 9000 255\n" + bytes(1000),
    "largest.ppm": lambda: b"P6 99999999999 99999999999 255\n",
    "large.bmp": lambda: struct.pack("<2sIIIIiiHH", b"BM", 99, 0, 54, 40, 9000, -9000, 1, 24) + bytes(24),
    "own_tail.tif": lambda: struct.pack("<2sHIHHHIII", b"II", 42, 8, 1, 256, 4, 1, 64, 8),  # a directory after itself
}

# Little on the way, much in memory.
BOMBS: dict[str, Callable[[], bytes]] = {
    "just_allowed.png": lambda: blank_png(10_000, 9_999),
    "too_much.png": lambda: blank_png(30_000, 30_000),
    "profile.png": lambda: _png(_header(64, 64), (b"iCCP", b"x\0\0" + zlib.compress(bytes(50_000_000))),
                                (b"IDAT", zlib.compress(bytes(64 * 193)))),
    "text.png": lambda: _png(_header(64, 64), *[(b"zTXt", b"x\0\0" + zlib.compress(bytes(1_000_000)))] * 99,
                             (b"IDAT", zlib.compress(bytes(64 * 193)))),
    "deflated.tif": lambda: encode(Image.new("L", (9_000, 9_000)), "TIFF", compression="tiff_adobe_deflate"),
    "too_much.webp": lambda: encode(Image.new("L", (16_383, 8_000)), "WEBP", method=0, quality=1),
    "film.gif": lambda: _frames("GIF", 600),
    "book.tif": lambda: _frames("TIFF", 600),
    "bomb.zip": lambda: _zip(bytes(20_000_000)),
    "bomb.jpg": lambda: gzip.compress(bytes(20_000_000)),
}


def _zip(data: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("photo.jpg", data)
    return buffer.getvalue()


def _jpeg_with(before: bytes = b"", again: int = 0, side: int = 64) -> bytes:
    """A progressive JPEG with other bytes behind its start, and its last scan so many times more."""
    data = encode(Image.new("L", (side, side)), "JPEG", progressive=True)
    last_scan = data[data.rindex(b"\xff\xda"):-2]
    return data[:2] + before + data[2:-2] + again * last_scan + data[-2:]


def scans(number: int, side: int = 4096) -> bytes:
    """A JPEG of so many scans, each of which goes over all of the picture."""
    return _jpeg_with(again=number, side=side)


def just_allowed_jpeg() -> bytes:
    """A progressive JPEG, of which all is in memory at once, that says it has nearly 100 megapixels."""
    data = bytearray(encode(Image.new("RGB", (64, 64)), "JPEG", progressive=True, subsampling=0))
    at = data.index(b"\xff\xc2") + 5
    data[at:at + 4] = struct.pack(">HH", 9_999, 10_000)
    return bytes(data)


def exif_flood(entries: int = 2600, values: int = 4000) -> bytes:
    """A JPEG whose EXIF block has so many tags, all of which have the same so many fractions."""
    fractions_at = 8 + 18 + 6 + 12 * entries
    tags = b"".join(struct.pack("<HHII", 40_000 + tag, 5, values, fractions_at) for tag in range(entries))
    block = (b"Exif\0\0II*\0\x08\0\0\0" + struct.pack("<HHHIII", 1, 0x8769, 4, 1, 26, 0)
             + struct.pack("<H", entries) + tags + bytes(4) + struct.pack("<II", 1, 3) * values)
    return _jpeg_with(b"\xff\xe1" + struct.pack(">H", len(block) + 2) + block)


def deep_png(side: int = 9_999) -> bytes:
    """A grey PNG of 16 bits a pixel."""
    squeeze, row = zlib.compressobj(1), bytes(1 + 2 * side)
    pixels = b"".join([squeeze.compress(row) for _ in range(side)] + [squeeze.flush()])
    return _png(_header(side, side, 16, 0), (b"IDAT", pixels))


def runs_bmp(side: int = 9_999) -> bytes:
    """A BMP whose rows are runs of one colour."""
    row = b"\xff\1" * (side // 255) + bytes([side % 255, 1, 0, 0])
    pixels, palette = row * side + b"\0\1", bytes(1024)
    return (struct.pack("<2sIII", b"BM", 54 + 1024 + len(pixels), 0, 54 + 1024)
            + struct.pack("<IiiHHIIiiII", 40, side, side, 1, 8, 1, len(pixels), 0, 0, 256, 256) + palette + pixels)


def one_tile_tiff(tile: int = 16_384, side: int = 64) -> bytes:
    """A small RGB TIFF that is the corner of one huge tile."""
    squeeze, row = zlib.compressobj(1), bytes(3 * tile)
    data = b"".join([squeeze.compress(row) for _ in range(tile)] + [squeeze.flush()])
    entries = [(256, 4, 1, side), (257, 4, 1, side), (258, 3, 3, 8), (259, 3, 1, 8), (262, 3, 1, 2), (277, 3, 1, 3),
               (284, 3, 1, 1), (322, 4, 1, tile), (323, 4, 1, tile), (324, 4, 1, 14), (325, 4, 1, len(data))]
    return (struct.pack("<2sHIHHH", b"II", 42, 14 + len(data), 8, 8, 8) + data + struct.pack("<H", len(entries))
            + b"".join(struct.pack("<HHII", *entry) for entry in entries) + bytes(4))


def many_directories_tiff(number: int, again: bool = False) -> bytes:
    """A TIFF of a grey picture and behind it so many directories more, of which the last leads to the first if told."""
    picture = encode(Image.new("L", (64, 64)), "TIFF")
    first = struct.unpack_from("<I", picture, 4)[0]
    next_at = first + 2 + 12 * struct.unpack_from("<H", picture, first)[0]
    chain = b"".join(struct.pack("<HHHIII", 1, 256, 4, 1, 64, len(picture) + 18 * (one + 1)) for one in range(number))
    end = struct.pack("<I", first if again else 0)
    return picture[:next_at] + struct.pack("<I", len(picture)) + picture[next_at + 4:] + chain[:-4] + end


def exif_loop() -> bytes:
    """A JPEG whose EXIF directories are one and the same, which comes after itself."""
    entries = [(0x8769, 4, 1, 8), (0x8825, 4, 1, 8), (0xA005, 4, 1, 8), (0x9286, 7, 2**31, 8), (0x014A, 4, 1, 8)]
    block = b"Exif\0\0II*\0\x08\0\0\0" + struct.pack("<H", len(entries)) + b"".join(
        struct.pack("<HHII", *entry) for entry in sorted(entries)) + struct.pack("<I", 8)
    return _jpeg_with(b"\xff\xe1" + struct.pack(">H", len(block) + 2) + block)


def many_pictures_gif(number: int) -> bytes:
    """A GIF of so many pictures, the same one again and again."""
    gif = encode(Image.new("L", (64, 64)), "GIF")
    at = gif.index(b",", 13 + 3 * 2 ** ((gif[10] & 7) + 1))
    return gif[:at] + gif[at:-1] * number + gif[-1:]


def paeth_png(width: int = 10_000, height: int = 9_999) -> bytes:
    """An RGB PNG whose rows all have the filter that takes longest."""
    squeeze, row = zlib.compressobj(1), b"\4" + bytes(3 * width)
    pixels = b"".join([squeeze.compress(row) for _ in range(height)] + [squeeze.flush()])
    return _png(_header(width, height), (b"IDAT", pixels))


def animated_png(frames: int) -> bytes:
    """An APNG that says it has so many frames, and has each."""
    pixels = zlib.compress(bytes(64 * 193))
    later = [(kind, data) for number in range(1, frames) for kind, data in (
        (b"fcTL", struct.pack(">IIIIIHHBB", 2 * number - 1, 64, 64, 0, 0, 1, 10, 0, 0)),
        (b"fdAT", struct.pack(">I", 2 * number) + pixels))]
    return _png(_header(64, 64), (b"acTL", struct.pack(">II", frames, 0)),
                (b"fcTL", struct.pack(">IIIIIHHBB", 0, 64, 64, 0, 0, 1, 10, 0, 0)), (b"IDAT", pixels), *later)


# Much of what a format allows once, or of what leads in circles; not among `odd_uploads`.
CROWDED: dict[str, Callable[[], bytes]] = {
    "directories.tif": lambda: many_directories_tiff(300_000), "circle.tif": lambda: many_directories_tiff(3, True),
    "strips.tif": lambda: encode(Image.new("L", (64, 30_000)), "TIFF", compression="tiff_lzw", tiffinfo={278: 1}),
    "exif_circle.jpg": exif_loop, "pictures.gif": lambda: many_pictures_gif(65_535),
    "tables.jpg": lambda: _jpeg_with((b"\xff\xc4\0\x14\0\1" + bytes(15) + b"\0") * 400_000),
    "restarts.jpg": lambda: encode(Image.new("L", (64, 64)), "JPEG")[:-2] + b"\xff\xd0" * 5_000_000 + b"\xff\xd9",
    "profiles.jpg": lambda: _jpeg_with((b"\xff\xe2\xff\xffICC_PROFILE\0\1\xff" + bytes(65_519)) * 255),
    "exif.png": lambda: _png(_header(64, 64), (b"eXIf", b"II*\0\x08\0\0\0" + bytes(50_000_000)),
                             (b"IDAT", zlib.compress(bytes(64 * 193)))),
    "texts.png": lambda: _png(_header(64, 64), *[(b"iTXt", b"x\0\1\0\0\0" + zlib.compress(bytes(900_000)))] * 70,
                              (b"IDAT", zlib.compress(bytes(64 * 193)))),
    "frames.png": lambda: animated_png(20_000), "frames.webp": lambda: _frames("WEBP", 1000),
    "paeth.png": paeth_png, "interlaced.png": lambda: bytes(_with(blank_png(10_000, 9_999), 28, b"\1")),
    "clear.png": lambda: encode(Image.new("LA", (9_999, 9_999)), "PNG", compress_level=1),
    "print.tif": lambda: encode(Image.new("CMYK", (9_999, 9_999)), "TIFF", compression="tiff_lzw"),
    "palette.gif": lambda: encode(Image.new("P", (9_999, 9_999)), "GIF"),
    "lossless.webp": lambda: encode(Image.new("RGBA", (9_999, 9_999)), "WEBP", lossless=True, method=0, quality=0),
}


def _with(file: bytes, at: int, value: bytes) -> bytes:
    return file[:at] + value + file[at + len(value):]


# Each took 4 to 150 seconds or up to 2.5 GB when photos were decoded without limits; not among `odd_uploads`.
COSTLY: dict[str, Callable[[], bytes]] = {
    "scans.jpg": lambda: scans(1000), "exif_flood.jpg": exif_flood,
    "padding.jpg": lambda: _jpeg_with(b"\xff" * 20_000_000),
    "comments.jpg": lambda: _jpeg_with(b"\xff\xfe\0\2" * 5_000_000),
    "chunks.png": lambda: _png(_header(64, 64), *[(b"prIv", b"")] * 1_000_000,
                               (b"IDAT", zlib.compress(bytes(64 * 193)))),
    "deep.png": deep_png, "runs.bmp": runs_bmp, "one_tile.tif": one_tile_tiff,
    "numbers.pgm": lambda: b"P2 4000 4000 255\n" + b"7 " * 16_000_000,
    "bits.pbm": lambda: b"P1 9999 9999\n" + b"1" * 99_980_001,
    "wavelets.jp2": lambda: encode(Image.new("RGB", (64, 64)), "JPEG2000"),  # 100 megapixels took as many bytes
    "just_allowed.webp": lambda: encode(Image.new("RGB", (10_000, 9_999)), "WEBP", method=0, quality=1),
    "just_allowed.jpg": just_allowed_jpeg,
}


LAUGHS = ('<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "ha">' + "".join(
    f'<!ENTITY {new} "{f"&{old};" * 10}">' for old, new in zip("abcdefgh", "bcdefghi", strict=True)) + "]>")

# Other things than photos, most under a photo's suffix.
NO_PHOTOS: dict[str, Callable[[], bytes]] = {
    "page.html": lambda: b"<html><script>alert(1)</script></html>",
    "drawing.svg": lambda: b'<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>',
    "laughs.svg": lambda: f"{LAUGHS}<svg>&i;</svg>".encode(),
    "laughs.png": lambda: f"{LAUGHS}<svg>&i;</svg>".encode(),
    "include.svg": lambda: b'<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><svg>&a;</svg>',
    "paper.pdf": lambda: b"%PDF-1.7\n1 0 obj<</OpenAction<</S/JavaScript/JS(app.alert(1))>>>>endobj\n%%EOF",
    "tool.jpg": lambda: b"MZ" + bytes(1000), "program.png": lambda: b"\x7fELF" + bytes(1000),
    "pickle.jpg": lambda: pickle.dumps({"photo": b"\xff\xd8\xff"}), "archive.jpg": lambda: _zip(b"no photo"),
    "link.jpg": lambda: b"../../../../etc/passwd", "address.jpg": lambda: b"http://127.0.0.1:1/photo.jpg",
    "photoshop.psd": lambda: b"8BPS\0\1" + bytes(6) + struct.pack(">HIIHH", 3, 64, 64, 8, 3) + bytes(100),
    "windows.ico": lambda: b"\0\0\1\0\xff\xff" + bytes(100), "vector.wmf": lambda: b"\xd7\xcd\xc6\x9a" + bytes(100),
    "camera.dng": lambda: b"II*\0\x08\0\0\0" + bytes(500),
    "sound.wav": lambda: b"RIFF\xff\xff\xff\xffWAVEfmt " + bytes(99),
    "film.mkv": lambda: b"\x1aE\xdf\xa3" + bytes(500), "film.avi": lambda: b"RIFF\xff\xff\xff\xffAVI LIST" + bytes(500),
    "newline.jpg": lambda: b"\n", "byte.jpg": lambda: b"\xff", "start.jpg": lambda: b"\xff\xd8\xff",
    "ends.jpg": lambda: b"\xff\xd8\xff\xd9", "random.jpg": lambda: random.Random(0).randbytes(100_000),
}

# Sound to one reader, something else to another.
POLYGLOTS: dict[str, Callable[[], bytes]] = {
    "script.gif": lambda: b"GIF89a/*" + sound_files()["gif"][8:] + b"*/=1;alert(1)",
    "archive_behind.jpg": lambda: sound_files()["jpg"] + _zip(b"behind"),
    "php_behind.png": lambda: sound_files()["png"] + b"<?php system($_GET['x']); ?>",
    "program_behind.heic": lambda: sound_files()["heic"] + b"MZ" + bytes(5000),
    "paper_before.jpg": lambda: b"%PDF-1.7\n" + sound_files()["jpg"],
    "film_behind.jpg": lambda: sound_files()["jpg"] + sound_files()["mp4"],
    "photo_behind.mp4": lambda: sound_files()["mp4"] + sound_files()["jpg"],
    "film_in_heic.heic": lambda: sound_files()["heic"][:24] + sound_files()["mp4"],
    "html_comment.jpg": lambda: (b"\xff\xd8\xff\xfe\0\x1d<script>alert(1)</script> " + sound_files()["jpg"][2:]),
    "two.webp": lambda: sound_files()["webp"] * 2,
    "avif_as_heic.heic": lambda: sound_files()["avif"].replace(b"avif", b"heic"),
    "heic_as_avif.avif": lambda: sound_files()["heic"].replace(b"heic", b"avif"),
}

ODD_NAMES = (
    "фото руки.jpg", "手の写真.jpg", "صورة.jpg", "✋🏿.jpg", "e\u0301.jpg", "right\u202egpj.exe", "a" * 250 + ".jpg",
    "../../../etc/passwd", "..\\..\\windows\\win.ini", "C:\\hand.jpg", "CON.jpg", "-rf.jpg", ".jpg", "photo", "photo.",
    "two\nlines.jpg", "bell\x07\x1b[31m.jpg", "quote\"'`.jpg", "<img src=x onerror=alert(1)>.jpg", "%2e%2e%2fpasswd",
    "hand.jpg.exe", "hand.JPG", "photo;rm.jpg", "$(id).jpg", "{0}{name}%s.jpg")
