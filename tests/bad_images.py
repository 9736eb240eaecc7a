"""Image files as people have them: odd ones that must be read right, bad ones that must be refused in one sentence.

READABLE and UNREADABLE map a file name to a function that makes the file's bytes. `write` puts them into a folder.
"""
from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable, Iterable
from pathlib import Path

import cv2
import numpy as np
import pillow_heif
from PIL import ExifTags, Image, PngImagePlugin

pillow_heif.register_heif_opener()  # lets Pillow write HEIC; handpose registers it to read


def scene(width: int = 96, height: int = 64) -> np.ndarray:
    """A smooth picture (H, W, 3) uint8 that no turn or flip maps onto itself."""
    v, u = np.mgrid[:height, :width] / [[[height - 1]], [[width - 1]]]
    return np.stack([30 + 200 * u, 20 + 180 * v, 220 - 120 * u * v - 60 * v], -1).round().astype(np.uint8)


def encode(image: Image.Image, kind: str, **options) -> bytes:
    """An image file's bytes by Pillow."""
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def png16(values: np.ndarray) -> bytes:
    """A 16-bit PNG's bytes of (H, W) or RGB (H, W, 3) uint16, by OpenCV."""
    return cv2.imencode(".png", values if values.ndim == 2 else values[..., ::-1])[1].tobytes()


def blank_png(width: int, height: int) -> bytes:
    """A sound black-and-white PNG of any size, small as a file, made without its pixels ever being in memory."""
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    squeeze, row = zlib.compressobj(1), bytes(1 + (width + 7) // 8)
    pixels = b"".join([squeeze.compress(row) for _ in range(height)] + [squeeze.flush()])
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0))
            + chunk(b"IDAT", pixels) + chunk(b"IEND", b""))


def stored(upright: np.ndarray, orientation: int) -> np.ndarray:
    """The pixels that a file with this EXIF orientation stores of an upright picture.

    The standard (CIPA DC-008) names the sides that the stored first row and first column are of.
    """
    first_row, first_column = {1: ("top", "left"), 2: ("top", "right"), 3: ("bottom", "right"), 4: ("bottom", "left"),
                               5: ("left", "top"), 6: ("right", "top"), 7: ("right", "bottom"), 8: ("left", "bottom")
                               }[orientation]
    sides = {first_row, first_column}
    turned = upright[::-1 if "bottom" in sides else 1, ::-1 if "right" in sides else 1]
    return turned.swapaxes(0, 1) if first_row in ("left", "right") else turned


def exif_bytes(orientation: int | None = None, **tags) -> bytes:
    """An EXIF block; `tags` are names of the camera's settings, such as FocalLength."""
    exif = Image.Exif()
    if orientation is not None:
        exif[ExifTags.Base.Orientation] = orientation
    exif.get_ifd(ExifTags.IFD.Exif).update({ExifTags.Base[name]: value for name, value in tags.items()})
    return exif.tobytes()


# What makes a file (nearly) the picture itself.
BEST = {"JPEG": {"quality": 97, "subsampling": 0}, "WEBP": {"lossless": True}, "HEIF": {"quality": -1, "chroma": 444},
        "AVIF": {"quality": 100, "subsampling": "4:4:4"}}


def rotated(orientation: int, kind: str = "JPEG", upright: np.ndarray | None = None) -> bytes:
    """A file whose EXIF says how to turn it upright."""
    pixels = stored(scene() if upright is None else upright, orientation)
    return encode(Image.fromarray(pixels), kind, exif=exif_bytes(orientation), **BEST.get(kind, {}))


def _jpeg(size: int = 96, **options) -> bytes:
    return encode(Image.fromarray(scene(size, size)), "JPEG", quality=97, subsampling=0, **options)


def _frames() -> list[Image.Image]:
    return [Image.fromarray(scene()), Image.new("RGB", (96, 64), "black"), Image.new("RGB", (96, 64), "white")]


def _animated(kind: str, **options) -> bytes:
    first, *rest = _frames()
    return encode(first, kind, save_all=True, append_images=rest, duration=100, **options)


def _rgba() -> Image.Image:
    """The scene, fully clear on the left and ever less so to the right."""
    image = Image.fromarray(scene()).convert("RGBA")
    image.putalpha(Image.fromarray(np.tile(np.linspace(0, 255, 96).astype(np.uint8), (64, 1))))
    return image


def _clear_palette() -> bytes:
    """A palette picture whose colour 0, which the left half has, is declared transparent."""
    image = Image.fromarray(np.repeat(np.uint8([[0, 1]]), 48, 1).repeat(64, 0), "P")
    image.putpalette([200, 0, 0, 0, 0, 200])
    return encode(image, "PNG", transparency=0)


def _damaged_exif() -> bytes:
    """A photo to turn upright whose EXIF has a focal length of a wrong type, and so of a senseless value."""
    block = exif_bytes(6, FocalLength=5.0, FocalLengthIn35mmFilm=26)
    damaged = block.replace(b"\x92\x0a\x00\x0c", b"\x92\x0a\x00\x10")
    assert damaged != block
    return encode(Image.fromarray(stored(scene(), 6)), "JPEG", quality=97, subsampling=0, exif=damaged)


def _heic10() -> bytes:
    """A 10-bit HEIF, as cameras write it (.hif)."""
    deep = pillow_heif.from_bytes("RGB;16", (96, 64), (scene().astype(np.uint16) * 257).tobytes())
    buffer = io.BytesIO()
    deep.save(buffer, **BEST["HEIF"])
    return buffer.getvalue()


def _burst() -> bytes:
    """A HEIC of three pictures, of which the second is the primary one."""
    first, black, white = _frames()
    return encode(black, "HEIF", save_all=True, append_images=[first, white], primary_index=1, **BEST["HEIF"])


def _text_bomb() -> bytes:
    """A PNG with a text of 10 MB, packed into 10 kB."""
    texts = PngImagePlugin.PngInfo()
    texts.add_text("Comment", "x" * 10_000_000, zip=True)
    return encode(Image.fromarray(scene()), "PNG", pnginfo=texts)


READABLE: dict[str, Callable[[], bytes]] = {
    "grey.png": lambda: encode(Image.fromarray(scene()).convert("L"), "PNG"),
    "grey.jpg": lambda: encode(Image.fromarray(scene()).convert("L"), "JPEG"),
    "black_and_white.png": lambda: encode(Image.fromarray(scene()).convert("1"), "PNG"),
    "grey16.png": lambda: png16(np.linspace(0, 65535, 96 * 64).astype(np.uint16).reshape(64, 96)),
    "rgb16.png": lambda: png16(scene().astype(np.uint16) * 257),
    "cmyk.jpg": lambda: encode(Image.fromarray(scene()).convert("CMYK"), "JPEG", quality=97),
    "cmyk.tif": lambda: encode(Image.fromarray(scene()).convert("CMYK"), "TIFF"),
    "rgba.png": lambda: encode(_rgba(), "PNG"),
    "grey_alpha.png": lambda: encode(_rgba().convert("LA"), "PNG"),
    "palette.png": lambda: encode(Image.fromarray(scene()).quantize(64), "PNG"),
    "clear_palette.png": _clear_palette,
    "animated.gif": lambda: _animated("GIF"),
    "animated.webp": lambda: _animated("WEBP", lossless=True),
    "animated.png": lambda: _animated("PNG"),
    "animated.avif": lambda: _animated("AVIF", **BEST["AVIF"]),
    "phone.heic": lambda: rotated(6, "HEIF"),
    "tiled.heic": lambda: encode(Image.fromarray(scene(600, 400)), "HEIF", tile_size=256),  # as iPhones do
    "other_brand.heif": lambda: rotated(1, "HEIF").replace(b"ftypheic", b"ftypmif1", 1),
    "other_brand.avif": lambda: rotated(1, "AVIF").replace(b"ftypavif", b"ftypmif1", 1),
    "grey.heic": lambda: encode(Image.fromarray(scene()).convert("L"), "HEIF", **BEST["HEIF"]),
    "rgba.heic": lambda: encode(_rgba(), "HEIF", **BEST["HEIF"]),
    "rgba.avif": lambda: encode(_rgba(), "AVIF", **BEST["AVIF"]),
    "rgba.webp": lambda: encode(_rgba(), "WEBP", lossless=True, exact=True),
    "ten_bit.hif": _heic10,
    "burst.heic": _burst,
    "heic_inside.jpg": lambda: rotated(1, "HEIF"),
    "progressive.jpg": lambda: _jpeg(progressive=True),
    "bitmap.bmp": lambda: encode(Image.fromarray(scene()), "BMP"),
    "nonsense_exif.jpg": lambda: _jpeg(exif=b"Exif\0\0" + bytes(range(200, 250))),
    "damaged_exif.jpg": _damaged_exif,
    "wrong_suffix.png": lambda: _jpeg(),
    **{f"rotated{turn}.jpg": lambda turn=turn: rotated(turn) for turn in range(1, 9)},
}

UNREADABLE: dict[str, Callable[[], bytes]] = {
    "text.jpg": lambda: b"This is a shopping list, not a photo.\n" * 20,
    "empty.jpg": lambda: b"",
    "zeros.png": lambda: bytes(5000),
    "truncated.jpg": lambda: _jpeg(256)[:4000],
    "truncated.png": lambda: encode(Image.fromarray(scene(256, 256)), "PNG")[:900],
    "truncated.heic": lambda: encode(Image.fromarray(scene(256, 256)), "HEIF")[:-200],
    "truncated.avif": lambda: encode(Image.fromarray(scene(256, 256)), "AVIF")[:-200],
    "truncated.webp": lambda: encode(Image.fromarray(scene(256, 256)), "WEBP")[:300],
    "header_only.jpg": lambda: _jpeg()[:20],
    "one_pixel.png": lambda: encode(Image.new("RGB", (1, 1), "red"), "PNG"),
    "thin.png": lambda: encode(Image.new("RGB", (3000, 2), "red"), "PNG"),
    "huge.png": lambda: blank_png(20000, 20000),
    "ninety_five_megapixels_wide.png": lambda: blank_png(47500, 2000),
    "script.jpg": lambda: b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 99 99\nshowpage\n%%EOF\n",
    "header_only.heic": lambda: struct.pack(">I", 24) + b"ftypheic" + bytes(4) + b"mif1heic" + bytes(200),
    "text_bomb.png": _text_bomb,
    "floats.tif": lambda: encode(Image.fromarray(np.zeros((64, 96), np.float32)), "TIFF"),
    "numbers.tif": lambda: encode(Image.fromarray(np.full((64, 96), 1 << 20, np.int32)), "TIFF"),
}


def write(folder: Path, files: dict[str, Callable[[], bytes]], names: Iterable[str] | None = None) -> list[Path]:
    """Writes files of such a table, all or those named, into a folder; returns their paths."""
    paths = [Path(folder) / name for name in names or files]
    for path in paths:
        path.write_bytes(files[path.name]())
    return paths
