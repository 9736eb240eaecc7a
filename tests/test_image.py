"""Photos of every kind go in: the right pixels come out, or one sentence."""
import io
import os
import random
import warnings
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import pytest
from bad_images import BEST, READABLE, UNREADABLE, encode, exif_bytes, png16, rotated, scene, stored, write
from PIL import ExifTags, Image, ImageFile

from handpose.image import MAX_PIXELS, MIN_SIDE, PhotoError, load_photo

CAUSES = {"text.jpg": "not an image", "empty.jpg": "empty", "zeros.png": "not an image", "truncated.jpg": "cut short",
          "truncated.png": "cut short", "truncated.webp": "cut short", "header_only.jpg": "not an image",
          "truncated.heic": "cut short", "truncated.avif": "cut short",
          "one_pixel.png": "too small", "thin.png": "too small", "huge.png": "too large",
          "ninety_five_megapixels_wide.png": "too large", "script.jpg": "not an image",
          "header_only.heic": "not an image", "text_bomb.png": "rare kind", "floats.tif": "floating-point",
          "numbers.tif": "32 bits"}


def refusal(source, **options) -> str:
    """The sentence with which a source is refused; checks that it is one, and has a cause and a remedy."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        with pytest.raises(PhotoError) as caught:
            load_photo(source, **options)
    message = str(caught.value)
    cause, _, remedy = message.partition(": ")
    assert cause and remedy and message.endswith(".") and "\n" not in message and ". " not in message, message
    return message


def difference(a: np.ndarray, b: np.ndarray) -> int:
    assert a.shape == b.shape
    return int(np.abs(a.astype(int) - b).max())


@pytest.mark.parametrize("name", UNREADABLE)
def test_bad_files_are_refused_in_one_sentence(tmp_path, name):
    path, = write(tmp_path, UNREADABLE, [name])
    message = refusal(path)
    assert message.startswith(name) and CAUSES[name] in message, message
    assert refusal(path.read_bytes()).startswith("The photo ")
    assert refusal(path, name="photos/x").startswith("photos/x ")


def test_folder_missing_and_impossible_paths_are_refused(tmp_path):
    assert "is a folder" in refusal(tmp_path)
    assert "no file missing.jpg" in refusal(tmp_path / "missing.jpg")
    assert "no file missing.jpg" in refusal(str(tmp_path / "missing.jpg"))
    assert "cannot be read" in refusal(tmp_path / ("x" * 5000))
    assert "is a device" in refusal("/dev/null")


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may read everything")
def test_forbidden_file_is_refused(tmp_path):
    path, = write(tmp_path, READABLE, ["grey.png"])
    path.chmod(0)
    assert "Permission denied" in refusal(path)


@pytest.mark.parametrize("name", READABLE)
def test_odd_files_give_upright_rgb(tmp_path, name):
    path, = write(tmp_path, READABLE, [name])
    rgb = load_photo(path).rgb
    assert rgb.dtype == np.uint8 and rgb.ndim == 3 and rgb.shape[2] == 3
    assert rgb.flags.c_contiguous and rgb.flags.writeable
    assert (load_photo(path).width, load_photo(path).height) == rgb.shape[1::-1]


@pytest.mark.parametrize(("name", "tolerance"), [
    ("grey.png", 1), ("grey.jpg", 2), ("bitmap.bmp", 0), ("rgb16.png", 0), ("progressive.jpg", 3),
    ("wrong_suffix.png", 3), ("nonsense_exif.jpg", 3), ("damaged_exif.jpg", 3), ("cmyk.jpg", 6), ("palette.png", 0),
    ("black_and_white.png", 0)])
def test_same_pixels_as_another_reader(tmp_path, name, tolerance):
    path, = write(tmp_path, READABLE, [name])
    assert difference(load_photo(path).rgb, cv2.imread(str(path))[..., ::-1]) <= tolerance


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP", "HEIF", "AVIF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_orientation_gives_the_same_upright_picture(orientation, kind):
    rgb = load_photo(rotated(orientation, kind)).rgb
    assert difference(rgb, scene()) <= {"JPEG": 4, "HEIF": 5, "AVIF": 5}.get(kind, 0)


def test_stored_orientations_agree_with_opencv():
    """The test's own reading of the standard, against a reader that is not Pillow."""
    for orientation in range(1, 9):
        data = np.frombuffer(rotated(orientation), np.uint8)
        assert difference(cv2.imdecode(data, cv2.IMREAD_COLOR)[..., ::-1], scene()) <= 4
    assert len({stored(scene(64, 64), orientation).tobytes() for orientation in range(1, 9)}) == 8


def boxes(data: bytes) -> tuple[int, int | None]:
    """What a HEIC or AVIF file itself says of its orientation: quarter turns anticlockwise, and the mirrored axis."""
    turn, mirror = data.find(b"irot"), data.find(b"imir")
    return data[turn + 4] if turn > 0 else 0, data[mirror + 4] if mirror > 0 else None


@pytest.mark.parametrize("kind", ["HEIF", "AVIF"])
def test_heic_and_avif_are_turned_once_by_the_file_and_never_by_exif(kind):
    """By ISO/IEC 23008-12 `irot` turns the picture; the EXIF tag beside it (phones write both) is only a note."""
    upright = scene()
    for turns in range(4):
        data = rotated({0: 1, 1: 8, 2: 3, 3: 6}[turns], kind, upright)
        assert boxes(data) == (turns, None)
        assert difference(load_photo(data).rgb, upright) <= 5
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation + 1] = 6  # what writes the file knows the tag, and would write `irot` for it
    plain = encode(Image.fromarray(upright), kind, exif=exif.tobytes(), **BEST[kind])
    lying = plain.replace(b"\x01\x13\x00\x03", b"\x01\x12\x00\x03")
    assert lying != plain and boxes(lying) == (0, None)
    assert difference(load_photo(lying).rgb, upright) <= 5


def test_tiled_heic_is_whole():
    assert difference(load_photo(READABLE["tiled.heic"]()).rgb, scene(600, 400)) <= 12


def test_ten_bits_become_eight():
    assert difference(load_photo(READABLE["ten_bit.hif"]()).rgb, scene()) <= 4


def test_the_primary_picture_of_a_heic_counts():
    assert difference(load_photo(READABLE["burst.heic"]()).rgb, scene()) <= 5


@pytest.mark.parametrize("orientation", [0, 9, 77])
def test_unknown_orientation_leaves_the_picture(orientation):
    data = encode(Image.fromarray(scene()), "PNG", exif=exif_bytes(orientation))
    assert difference(load_photo(data).rgb, scene()) == 0


def test_16_bit_ramp_becomes_8_bit_ramp():
    values = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    grey = load_photo(png16(values)).rgb
    assert np.array_equal(grey[..., 0], np.round(values / 65535 * 255)) and np.ptp(grey, axis=2).max() == 0
    colour = load_photo(png16(np.stack([values, values[::-1], values.T], -1))).rgb
    assert difference(colour[..., 0], grey[..., 0]) <= 1 and difference(colour[..., 2], grey[..., 0].T) <= 1
    tiff = cv2.imencode(".tif", values)[1].tobytes()
    assert difference(load_photo(tiff).rgb, grey) == 0


@pytest.mark.parametrize("kind", ["JPEG", "TIFF"])
def test_cmyk_inks_have_their_colours(kind):
    inks = {(255, 0, 0, 0): (0, 255, 255), (0, 255, 0, 0): (255, 0, 255), (0, 0, 255, 0): (255, 255, 0),
            (0, 0, 0, 255): (0, 0, 0), (0, 0, 0, 0): (255, 255, 255)}
    for ink, colour in inks.items():
        rgb = load_photo(encode(Image.new("CMYK", (48, 48), ink), kind)).rgb
        assert difference(rgb, np.broadcast_to(np.uint8(colour), rgb.shape)) <= 3


def test_transparent_pictures_lie_on_white():
    alpha = np.linspace(0, 255, 96).astype(np.uint8)[None, :, None] / 255
    over_white = scene() * alpha + 255 * (1 - alpha)
    for kind, tolerance in (("png", 1), ("webp", 1), ("heic", 5), ("avif", 5)):
        assert difference(load_photo(READABLE[f"rgba.{kind}"]()).rgb, over_white.round()) <= tolerance, kind
    grey = cv2.cvtColor(scene(), cv2.COLOR_RGB2GRAY)[..., None] * alpha + 255 * (1 - alpha)
    assert difference(load_photo(READABLE["grey_alpha.png"]()).rgb, np.repeat(grey.round(), 3, 2)) <= 2
    palette = load_photo(READABLE["clear_palette.png"]()).rgb
    assert (palette[:, :48] == 255).all() and (palette[:, 48:] == [0, 0, 200]).all()


@pytest.mark.parametrize(("name", "tolerance"), [("animated.gif", 40), ("animated.webp", 0), ("animated.png", 0),
                                                ("animated.avif", 5)])
def test_first_frame_of_an_animation_counts(name, tolerance):
    """GIF has 256 colours, so it is only near; the other frames are black and white."""
    rgb = load_photo(READABLE[name]()).rgb
    assert difference(rgb, scene()) <= tolerance
    assert np.abs(rgb.astype(int) - scene()).mean() < 6


def test_path_bytes_and_file_are_the_same(tmp_path):
    path, = write(tmp_path, READABLE, ["rotated6.jpg"])
    expected = load_photo(path).rgb
    for source in (str(path), path.read_bytes(), bytearray(path.read_bytes()), io.BytesIO(path.read_bytes())):
        assert np.array_equal(load_photo(source).rgb, expected)
    with path.open("rb") as file:
        assert np.array_equal(load_photo(file).rgb, expected) and not file.closed
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"")
    with broken.open("rb") as file:
        assert refusal(file).startswith("broken.jpg ")


def test_size_limits():
    assert load_photo(blank := encode(Image.new("L", (MIN_SIDE, MIN_SIDE)), "PNG")).rgb.shape == (MIN_SIDE, MIN_SIDE, 3)
    assert len(blank) and "too small" in refusal(encode(Image.new("L", (MIN_SIDE, MIN_SIDE - 1)), "PNG"))
    assert 8000 * 10000 < MAX_PIXELS  # what large cameras take


@pytest.mark.parametrize("name", ["rotated6.jpg", "rgba.png", "animated.gif", "animated.webp", "cmyk.tif", "phone.heic",
                                  "animated.avif"])
def test_damage_anywhere_gives_a_photo_or_a_sentence(name):
    """Whatever the damage, nothing but PhotoError comes out."""
    whole, dice = READABLE[name](), random.Random(1)
    for _ in range(150):
        data = bytearray(whole)
        for _ in range(dice.choice([1, 3, 20])):
            data[min(int(dice.expovariate(1 / 200)), len(data) - 1)] = dice.randrange(256)
        if dice.random() < 0.3:
            data = data[:dice.randrange(1, len(data))]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                assert load_photo(bytes(data)).rgb.shape[2] == 3
            except PhotoError as error:
                assert str(error).endswith(".")


def test_many_threads_and_no_global_settings():
    before = Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES
    whole, cut = rotated(6), UNREADABLE["truncated.jpg"]()

    def answer(number: int) -> bool:
        try:
            return difference(load_photo(cut if number % 2 else whole).rgb, scene()) <= 4
        except PhotoError as error:
            return number % 2 == 1 and "cut short" in str(error)

    with ThreadPoolExecutor(8) as threads:
        assert all(threads.map(answer, range(80)))
    assert before == (Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES)
