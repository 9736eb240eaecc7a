"""Frames as the live view takes them from a browser, and what no browser sends."""
from base64 import b64encode

import numpy as np
import pytest
from bad_images import encode, exif_bytes, scene
from odd_uploads import scans
from PIL import Image

from page.tabs.live import LARGEST_FRAME, _decode, _read


def message(data: bytes) -> dict:
    return {"visitor": "x" * 12, "frame": "data:image/jpeg;base64," + b64encode(data).decode()}


def jpeg(width: int = 96, height: int = 64, **options) -> bytes:
    return encode(Image.fromarray(scene(width, height)), "JPEG", quality=97, subsampling=0, **options)


def test_a_canvas_frame_is_read():
    visitor, data = _read(message(jpeg()))
    assert visitor == "x" * 12 and np.abs(_decode(data).astype(int) - scene()).max() <= 4
    assert _decode(jpeg(LARGEST_FRAME, 540, exif=exif_bytes(6))).shape == (540, LARGEST_FRAME, 3)


@pytest.mark.parametrize("data", [
    jpeg(progressive=True), scans(3000, 960), jpeg() * 2, b"\xff\xd8" + b"\xff" * 1_000_000 + jpeg()[2:],
    b"\xff\xd8" + b"\xff\xfe\0\2" * 300_000 + jpeg()[2:], encode(Image.fromarray(scene()), "PNG"), jpeg()[:30],
    b"", b"\xff", jpeg(LARGEST_FRAME + 1, 64), jpeg(16, 16)])
def test_anything_else_is_refused_before_it_is_decoded(data, monkeypatch):
    monkeypatch.setattr("cv2.imdecode", lambda *_: pytest.fail("it was decoded"))
    with pytest.raises(ValueError, match="camera's picture"):
        _decode(_read(message(data))[1])
