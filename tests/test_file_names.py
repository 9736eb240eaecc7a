"""Names of files from elsewhere, as sentences and logs call them and as results are called."""
import pytest
from odd_uploads import ODD_NAMES

from handpose.file_names import safe_stem, shown_name

HOSTILE = (*ODD_NAMES, "a" * 245 + ".mp4", "手" * 81 + ".mp4", "x\0y.mp4", "\ud800.mp4", "...", "", " . ", "a/", "\\",
           "nul", "LPT9 .tar.gz", "com1.overlay.mp4", "dots. . .jpg", "tab\t.mp4", "\u2028.mp4",
           "a\r\n[ERROR] forged.mp4")


@pytest.mark.parametrize("name", HOSTILE)
def test_a_stem_is_a_file_name_on_every_system(tmp_path, name):
    stem = safe_stem(name, "clip")
    for ending in ".overlay.mp4", ".npz":
        (tmp_path / f"{stem}{ending}").write_bytes(b"")
        assert len(f"{stem}{ending}".encode()) <= 150
    assert len(list(tmp_path.iterdir())) == 2  # and not in a folder of its own
    assert stem.isprintable() and stem == stem.strip(" .") and not set(stem) & set('/\\:*?"<>|%$`;\'')
    assert stem.split(".")[0].strip().upper() not in {"CON", "PRN", "AUX", "NUL", "COM1", "LPT9"}


def test_what_people_call_their_photos_stays():
    for name in "hand", "фото руки", "手の写真", "صورة", "IMG_1234 (2)", "a.b.c", "é":
        assert safe_stem(f"holiday/{name}.jpg", "photo") == name
    assert safe_stem("e\u0301.jpg", "photo") == "é" and safe_stem("手" * 81, "photo") == "手" * 40
    assert safe_stem("", "photo") == safe_stem("/.", "photo") == "photo"


@pytest.mark.parametrize("name", HOSTILE)
def test_a_shown_name_is_one_short_line(name):
    shown = shown_name(name)
    assert shown.isprintable() and len(shown) <= 201
    shown.encode()


def test_a_shown_name_is_the_name():
    assert shown_name("photos/手の写真.jpg") == "photos/手の写真.jpg"
