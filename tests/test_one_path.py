"""The hands of a photo are the same by README's example, the command, train.validate and a program."""
import json
import re
from pathlib import Path

import numpy as np
import pytest
from bad_images import exif_bytes
from PIL import Image

from handpose import HandEstimator, load_photo
from handpose.command import cli
from train import validate

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module", params=["lens told by EXIF", "lens guessed"])
def told(request):
    return request.param == "lens told by EXIF"


@pytest.fixture
def photo(told, tmp_path):
    """A hand that fills its picture, and whether its file tells of a 77 mm lens."""
    path = tmp_path / "hand.jpg"
    with Image.open(ROOT / "tests" / "photos" / "open_light.jpg") as image:
        image.save(path, quality=95, exif=exif_bytes(FocalLengthIn35mmFilm=77) if told else b"")
    return path


@pytest.fixture
def shared(estimator, monkeypatch):
    """What loads an estimator gets the one that is there, and its results are kept."""
    results = []

    class Recorded(HandEstimator):
        def __call__(self, *args, **kwargs):
            results.append(super().__call__(*args, **kwargs))
            return results[-1]

    recorded = object.__new__(Recorded)
    recorded.__dict__.update(estimator.__dict__)
    monkeypatch.setattr(HandEstimator, "load", lambda *args, **kwargs: recorded)
    return results


def test_four_ways_to_the_same_hands(estimator, shared, photo, told, tmp_path, monkeypatch, capsys):
    expected = estimator(load_photo(photo)).to_dict("hand.jpg")
    camera = expected["camera"]
    # 43.27 mm is the diagonal of 36 x 24 mm, 512 sqrt 2 that of the picture, 55 degrees the usual field of view.
    usual = 256 / np.tan(np.radians(55) / 2)
    assert camera["source"] == ("exif" if told else "default")
    assert camera["fx"] == pytest.approx(77 / 43.2666 * 512 * np.sqrt(2), rel=1e-4) if told else (
        1.3 * usual < camera["fx"] < 2 * usual)
    distance = np.linalg.norm(expected["hands"][0]["joints_3d"][0])
    assert 0.4 < distance < 0.6 if told else 0.2 < distance < 0.4

    assert cli.main(["predict", str(photo), "--out", str(tmp_path / "command"), "--no-overlay"]) == 0
    assert json.loads((tmp_path / "command" / "hand.json").read_text()) == expected
    assert validate.main([str(photo), "--out", str(tmp_path / "validate")]) == 0
    assert json.loads((tmp_path / "validate" / "hand.json").read_text()) == expected

    shared.clear()
    monkeypatch.chdir(tmp_path)
    example = re.search(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL).group(1)
    capsys.readouterr()
    exec(example, {})
    (result,) = shared
    assert result.to_dict("hand.jpg") == expected
    assert expected["hands"][0]["side"] in capsys.readouterr().out
