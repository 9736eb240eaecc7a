"""What counts as a photo: the same picture in any form is the same photo, and all else is refused in a sentence."""
import io
import warnings
from pathlib import Path

import cv2
import numpy as np
import pytest
from bad_images import exif_bytes, scene
from PIL import Image

from handpose import Camera, Photo, PhotoError, load_photo
from handpose.photo import as_photo

HEIGHT, WIDTH = 40, 56
RNG = np.random.default_rng(0)
RGB = RNG.integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)
GREY = RGB[..., 0]
RGBA = RNG.integers(0, 256, (HEIGHT, WIDTH, 4), np.uint8)
WIDE = np.round(RGB.astype(float) * 257 + RNG.uniform(-128, 128, RGB.shape)).clip(0, 65535).astype(np.uint16)
RGB_OF_GREY = np.dstack([GREY] * 3)


def on_white(rgba: np.ndarray) -> np.ndarray:
    """By the formula of a colour over another, in floats."""
    opacity = rgba[..., 3:] / 255
    return rgba[..., :3] * opacity + 255 * (1 - opacity)


@pytest.mark.parametrize("array, expected", [
    (RGB, RGB), (RGB.astype(np.float64) / 255, RGB), (RGB.astype(np.float32) / 255, RGB), (WIDE, RGB),
    (WIDE.astype(">u2"), RGB), (GREY, RGB_OF_GREY), (GREY.astype(np.uint16) * 257, RGB_OF_GREY),
    (GREY / 255.0, RGB_OF_GREY)], ids=["uint8", "float64", "float32", "uint16", "big-endian", "grey", "16-bit grey",
                                       "float grey"])
def test_arrays_of_the_same_picture_are_the_same_photo(array, expected):
    before = array.copy()
    photo = as_photo(array)
    assert photo.rgb.dtype == np.uint8 and photo.rgb.flags.c_contiguous and photo.focal_35mm is None
    assert np.array_equal(photo.rgb, expected)
    assert np.array_equal(array, before)


def test_transparency_lies_on_white():
    before = RGBA.copy()
    for array in (RGBA, RGBA / 255, RGBA.astype(np.uint16) * 257):
        rgb = as_photo(array).rgb
        assert np.abs(rgb - on_white(RGBA)).max() <= 1
        assert np.array_equal(rgb, as_photo(Image.fromarray(RGBA)).rgb)
    assert np.array_equal(RGBA, before)


@pytest.mark.parametrize("view", [lambda a: a[:, ::-1], lambda a: a[::-1], lambda a: a[..., ::-1],
                                  lambda a: a.transpose(1, 0, 2), lambda a: np.repeat(a, 2, 1)[:, ::2],
                                  np.asfortranarray])
@pytest.mark.parametrize("array", [RGB, RGB / 255.0, WIDE], ids=["uint8", "float", "uint16"])
def test_any_strides_do(view, array):
    photo = as_photo(view(array))
    assert np.array_equal(photo.rgb, view(RGB)) and photo.rgb.flags.c_contiguous
    cv2.warpAffine(photo.rgb, np.eye(2, 3), (32, 32))  # which wants positive strides


def test_an_array_that_may_not_be_written_to_is_only_read():
    for array in (RGB, RGBA, GREY, RGB / 255.0):
        locked = array.copy()
        locked.flags.writeable = False
        as_photo(locked)


@pytest.mark.parametrize("mode", ["RGB", "L", "1", "P", "CMYK", "YCbCr", "HSV", "RGBX"])
def test_pillow_images_are_what_pillow_says_they_show(mode):
    image = Image.fromarray(RGB).convert(mode)
    assert np.array_equal(as_photo(image).rgb, np.asarray(image.convert("RGB")))


@pytest.mark.parametrize("mode", ["RGBA", "LA", "PA", "RGBa"])
def test_transparent_pillow_images_lie_on_white(mode):
    image = {"RGBA": lambda: Image.fromarray(RGBA), "LA": lambda: Image.fromarray(RGBA).convert("LA"),
             "PA": lambda: Image.fromarray(RGBA).convert("P").convert("PA"),
             "RGBa": lambda: Image.fromarray(RGBA).convert("RGBa")}[mode]()
    assert np.abs(as_photo(image).rgb - on_white(np.asarray(image.convert("RGBA")))).max() <= 1


def test_a_colour_that_counts_as_transparent_is_white():
    image = Image.fromarray(np.uint8(np.arange(40)[:, None] // 20 * np.ones((1, 40))), "P")
    image.putpalette([200, 10, 10, 10, 200, 10])
    image.info["transparency"] = 0
    assert np.array_equal(as_photo(image).rgb[[0, 39], 0], [[255, 255, 255], [10, 200, 10]])


@pytest.mark.parametrize("kind", [np.uint16, np.int32])
def test_16_bit_pillow_images_keep_their_greys(kind):
    assert np.array_equal(as_photo(Image.fromarray((GREY * np.uint16(257)).astype(kind))).rgb, RGB_OF_GREY)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", ["jpeg", "png", "tiff"])
def test_an_opened_file_counts_as_that_file(tmp_path, suffix, orientation):
    """Pillow's image, the path and what load_photo read: the same pixels, upright, and the same lens."""
    path = tmp_path / f"photo.{suffix}"
    Image.fromarray(scene()).save(path, exif=exif_bytes(orientation, FocalLengthIn35mmFilm=77))
    loaded = load_photo(path)
    assert loaded.focal_35mm == 77
    for photo in (as_photo(path), as_photo(str(path)), as_photo(Image.open(path)), as_photo(loaded)):
        assert np.array_equal(photo.rgb, loaded.rgb) and photo.focal_35mm == 77


def test_a_damaged_exif_block_costs_only_the_lens(tmp_path):
    file = io.BytesIO()
    Image.fromarray(RGB).save(file, "JPEG", exif=b"Exif\0\0MM\0*\0\0\0\x08\xff\xff" + bytes(30))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert as_photo(Image.open(file)).rgb.shape == RGB.shape


def closed_image():
    image = Image.fromarray(RGB)
    image.close()
    return image


def truncated_image():
    file = io.BytesIO()
    Image.fromarray(RGB).save(file, "JPEG")
    return Image.open(io.BytesIO(file.getvalue()[:-500]))


@pytest.mark.parametrize("wrong, cause", [
    (None, "NoneType"), (RGB.tolist(), "list"), (5, "int"), (b"jpeg", "bytes"), ({}, "dict"),
    (RGB.transpose(2, 0, 1), "channels first"), (RGBA.transpose(2, 0, 1), "channels first"), (RGB[None], "shape"),
    (RGB.ravel(), "shape"), (np.float64(3), "float64"), (np.array(3), "shape"), (RGB[..., :1], "shape"),
    (RGB[..., :2], "shape"), (np.zeros((40, 50, 5), np.uint8), "shape"), (np.zeros((0, 50, 3), np.uint8), "50 x 0"),
    (np.zeros((50, 0, 3)), "0 x 50"), (np.zeros((31, 50, 3), np.uint8), "50 x 31"),
    (np.zeros((100_000, 2), np.uint8), "2 x 100000"), (np.broadcast_to(np.uint8(0), (32_000, 32_000, 3)), "megapixels"),
    (RGB.astype(np.float32), "Floats from 0 to 255"), (RGB / 255.0 - 0.5, "Floats from -0.5"),
    (np.where(RGB > 250, np.nan, 0.5), "Floats from nan"), (np.where(RGB > 250, np.inf, 0.5), "inf"),
    (RGB > 100, "bool"), (RGB.astype(np.int64), "int64"), (RGB.astype(np.int8), "int8"),
    (RGB.astype(np.uint32), "uint32"), (RGB.astype(complex), "complex"), (RGB.astype(object), "object"),
    (np.full((40, 50), "x"), "<U1"), (np.zeros((40, 50), "M8[s]"), "datetime"),
    (np.zeros((40, 50), [("r", "u1")]), "'r'"),
    ("nowhere.jpg", "no file nowhere.jpg"), (Image.new("RGB", (0, 5)), "0 x 5"), (closed_image(), "closed"),
    (truncated_image(), "damaged"), (Image.new("F", (40, 50), 0.5), "floating-point"),
    (Image.fromarray(np.full((40, 50), 70_000, np.int32)), "32 bits")], ids=lambda value: str(type(value).__name__))
def test_what_is_no_photo_is_refused_in_a_sentence(wrong, cause):
    with pytest.raises(PhotoError, match=".") as error:
        as_photo(wrong)
    said = str(error.value)
    assert cause in said and ": " in said and said.endswith(".") and ". " not in said and "\n" not in said


def test_an_estimator_takes_what_as_photo_takes(estimator):
    """And tells the same of it; a Photo of a lens keeps it."""
    path = Path(__file__).parent / "photos" / "grey.jpg"
    photo = load_photo(path)
    expected = estimator(photo).to_dict("x")
    assert len(expected["hands"]) == 1
    for other in (path, photo.rgb, photo.rgb[..., 0], photo.rgb / 255.0, Image.open(path)):
        assert estimator(other).to_dict("x") == expected
    assert estimator(Photo(photo.rgb, 50.0)).camera == Camera.of_photo(512, 512, focal_35mm=50.0)
    with pytest.raises(PhotoError, match="NoneType"):
        estimator(None)
