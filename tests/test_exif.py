"""The lens that EXIF tells, from tags as cameras, phones and editors write them."""

import pytest
from bad_images import BEST, READABLE, encode, exif_bytes, scene
from PIL import Image, TiffImagePlugin
from test_image import difference

from handpose.camera import Camera
from handpose.image import load_photo


def with_tags(**tags) -> float | None:
    return load_photo(encode(Image.fromarray(scene()), "JPEG", exif=exif_bytes(6, **tags))).focal_35mm


def test_focal_length_from_exif():
    rational = TiffImagePlugin.IFDRational
    assert with_tags() is None
    assert with_tags(FocalLengthIn35mmFilm=26) == 26
    assert with_tags(FocalLengthIn35mmFilm=0, FocalLength=rational(5)) is None
    # A full-frame sensor, 6000 pixels on 36 mm: both lengths are the same.
    sensor = {"FocalPlaneXResolution": rational(6000 * 10, 36), "FocalPlaneYResolution": rational(4000 * 10, 24),
              "FocalPlaneResolutionUnit": 3, "ExifImageWidth": 6000, "ExifImageHeight": 4000}
    assert with_tags(FocalLength=rational(50), **sensor) == pytest.approx(50, rel=1e-4)
    inches = {**sensor, "FocalPlaneResolutionUnit": 2, "FocalPlaneXResolution": rational(60000 * 254, 3600),
              "FocalPlaneYResolution": rational(40000 * 254, 2400)}
    assert with_tags(FocalLength=rational(50), **inches) == pytest.approx(50, rel=1e-4)
    assert with_tags(FocalLengthIn35mmFilm=75, FocalLength=rational(50), **sensor) == 75  # the tag of that name first


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP", "HEIF", "AVIF"])
@pytest.mark.parametrize("orientation", [1, 6])
def test_focal_length_from_every_format_with_exif(kind, orientation):
    """The field of view along the longer side, which turning the picture must not change."""
    data = encode(Image.fromarray(scene(360, 240)), kind, exif=exif_bytes(orientation, FocalLengthIn35mmFilm=36))
    photo = load_photo(data)
    assert photo.focal_35mm == 36 and (photo.width > photo.height) == (orientation == 1)
    camera = Camera.of_photo(photo.width, photo.height, focal_35mm=photo.focal_35mm)
    assert camera.source == "exif" and camera.fy == pytest.approx(360)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "HEIF"])
def test_damaged_exif_costs_the_focal_length_and_not_the_photo(kind):
    damaged = exif_bytes(FocalLengthIn35mmFilm=36).replace(b"MM\0*", b"XXXX")
    photo = load_photo(encode(Image.fromarray(scene()), kind, exif=damaged, **BEST.get(kind, {})))
    assert photo.focal_35mm is None and difference(photo.rgb, scene()) <= 5


def test_a_photo_that_was_cropped_since_no_longer_tells_its_lens():
    """The scene is 3:2. Shrunk or turned it keeps its field of view, cut out of a larger picture it does not."""
    lens = {"FocalLengthIn35mmFilm": 26}
    assert with_tags(**lens, ExifImageWidth=6000, ExifImageHeight=4000) == 26
    assert with_tags(**lens, ExifImageWidth=4000, ExifImageHeight=6000) == 26
    assert with_tags(**lens, ExifImageWidth=4032, ExifImageHeight=3024) is None
    assert with_tags(**lens, ExifImageWidth=6000) == 26  # half a size says nothing
    assert with_tags(**lens, ExifImageWidth=0, ExifImageHeight=0) == 26


def test_the_sensor_is_not_measured_in_pixels_of_a_shrunk_picture():
    """Without the size that was taken, 96 pixels would be a sensor of .06 mm, or a hand metres away."""
    rational = TiffImagePlugin.IFDRational
    sensor = {"FocalPlaneXResolution": rational(480 * 10, 36), "FocalPlaneYResolution": rational(320 * 10, 24),
              "FocalPlaneResolutionUnit": 3, "FocalLength": rational(50)}
    taken = {"ExifImageWidth": 480, "ExifImageHeight": 320}
    assert with_tags(**sensor, **taken) == pytest.approx(50, rel=1e-4)
    assert with_tags(**sensor) is None and with_tags(**sensor, ExifImageWidth=480) is None


def test_senseless_focal_lengths_are_not_believed():
    rational = TiffImagePlugin.IFDRational
    assert with_tags(FocalLengthIn35mmFilm=60000) is None
    assert with_tags(FocalLengthIn35mmFilm=1) is None
    assert load_photo(READABLE["damaged_exif.jpg"]()).focal_35mm == 26  # which stands whatever the other tags say
    plane = {"FocalPlaneXResolution": rational(0, 0), "FocalLength": rational(50)}
    assert with_tags(**plane) is None
    assert with_tags(**{**plane, "FocalPlaneXResolution": rational(1, 100)}) is None  # a sensor of kilometres
    assert with_tags(**{**plane, "FocalPlaneXResolution": rational(100), "FocalPlaneResolutionUnit": 9}) is None
    assert with_tags(FocalPlaneXResolution=rational(100), FocalLength=rational(0, 0)) is None


def test_focal_length_reaches_the_camera_as_the_field_of_view_it_means():
    photo = load_photo(encode(Image.fromarray(scene(360, 240)), "JPEG", exif=exif_bytes(6, FocalLengthIn35mmFilm=36)))
    assert (photo.width, photo.height) == (240, 360)
    camera = Camera.of_photo(photo.width, photo.height, focal_35mm=photo.focal_35mm)
    # 36 mm before 36 mm of film: the longer side, 360 pixels, is as long as the focal length.
    assert camera.source == "exif" and camera.fy == pytest.approx(360)
