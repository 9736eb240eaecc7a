"""The command: what lies in the output folder afterwards, what it says, how it exits."""
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import trimesh
from bad_images import READABLE, UNREADABLE, encode, exif_bytes, scene, write
from PIL import Image
from test_export import HANDS

from handpose import Camera, HandBox, Result
from handpose.command import cli, ledger
from handpose.estimator import MIN_SCORE

ROOT = Path(__file__).resolve().parent.parent


class StubEstimator:
    """In the place of the network: sees the hands it is told to in every photo, and remembers what it was given."""
    hands = HANDS
    seen: list = []
    chosen: list = []  # what else it was told

    @classmethod
    def load(cls, checkpoint=None, hand_model=None):
        if checkpoint is not None and not Path(checkpoint).exists():
            raise FileNotFoundError(f"There is no checkpoint {checkpoint}: check the path.")
        cls.seen, cls.chosen = [], []
        return cls()

    def __call__(self, photo, camera=None, **chosen):
        camera = camera or Camera.of_photo(photo.width, photo.height, focal_35mm=photo.focal_35mm)
        self.seen.append((photo.rgb, camera))
        self.chosen.append(chosen)
        return Result(photo.width, photo.height, camera, sorted(self.hands, key=lambda hand: -hand.score))


@pytest.fixture
def stub(monkeypatch):
    """The command with a stub for the network and another for the overlay, which inverts the photo."""
    estimator = type("Stub", (StubEstimator,), {})
    monkeypatch.setattr("handpose.estimator.HandEstimator", estimator)
    monkeypatch.setattr("handpose.command.batch.draw_overlay",
                        lambda rgb, camera, hands, **_: 255 - rgb if hands else rgb)
    return estimator


@pytest.fixture
def photos(tmp_path):
    folder = tmp_path / "photos"
    (folder / "sub" / "deep").mkdir(parents=True)
    return folder


def predict(*arguments) -> int:
    return cli.main(["predict", *map(str, arguments)])


def files(folder: Path) -> list[str]:
    """All files but the ledger."""
    return sorted(file.relative_to(folder).as_posix() for file in folder.rglob("*")
                  if file.is_file() and file.name != ledger.NAME)


def test_every_photo_gets_its_files(stub, photos, tmp_path, capsys):
    write(photos, READABLE, ["rotated6.jpg"])
    write(photos / "sub" / "deep", READABLE, ["grey16.png"])
    (photos / "notes.txt").write_text("no photo")
    assert predict(photos, "--out", tmp_path / "out") == 0
    assert files(tmp_path / "out") == [
        "rotated6.glb", "rotated6.json", "rotated6.overlay.jpg",
        "sub/deep/grey16.glb", "sub/deep/grey16.json", "sub/deep/grey16.overlay.jpg"]
    result = json.loads((tmp_path / "out/sub/deep/grey16.json").read_text())
    assert result["image"] == "sub/deep/grey16.png" and (result["width"], result["height"]) == (96, 64)
    assert [hand["side"] for hand in result["hands"]] == ["right", "left"]
    assert set(trimesh.load_scene(tmp_path / "out/rotated6.glb").geometry) == {"hand0_right", "hand1_left"}
    overlay = np.asarray(Image.open(tmp_path / "out/rotated6.overlay.jpg")).astype(int)
    assert np.abs(overlay - (255 - scene())).max() < 12  # upright
    assert min(np.abs(rgb.astype(int) - scene()).max() for rgb, _ in stub.seen) <= 4
    out, err = capsys.readouterr()
    assert "4 hands in 2 photos" in out and "2/2" in err  # a progress bar
    assert "1 other file (.txt) passed over" in out


def test_bad_files_are_named_and_passed_over(stub, photos, tmp_path, capsys, recwarn):
    write(photos, UNREADABLE)
    write(photos / "sub", READABLE, ["grey.png"])
    (photos / "folder.jpg").mkdir()  # a folder of that name is searched, not read
    write(photos / "folder.jpg", READABLE, ["rgba.png"])
    assert predict(photos, "--out", tmp_path / "out", "--no-overlay") == 1
    assert files(tmp_path / "out") == ["folder.jpg/rgba.glb", "folder.jpg/rgba.json", "sub/grey.glb", "sub/grey.json"]
    out, err = capsys.readouterr()
    assert "in 2 photos" in out and f"{len(UNREADABLE)} photos failed" in out
    for name in UNREADABLE:
        sentence, = [line for line in err.splitlines() if str(photos / name) in line]
        assert sentence.endswith(".")
    assert "Traceback" not in err and not [warning for warning in recwarn if "pixels" in str(warning.message)]


@pytest.mark.parametrize("name", UNREADABLE)
def test_one_bad_file_alone(stub, tmp_path, capsys, name):
    path, = write(tmp_path, UNREADABLE, [name])
    assert predict(path, "--out", tmp_path / "out") == 1
    assert files(tmp_path / "out") == []
    assert str(path) in capsys.readouterr().err


def test_odd_files_all_work(stub, photos, tmp_path):
    odd = sorted(set(READABLE) - {"animated.gif", "animated.webp"})  # which are clips
    write(photos, READABLE, odd)
    assert predict(photos, "--out", tmp_path / "out") == 0
    names = [json.loads(file.read_text())["image"] for file in (tmp_path / "out").glob("*.json")]
    assert sorted(names) == odd


def test_photo_without_hands(stub, photos, tmp_path, capsys):
    write(photos, READABLE, ["grey.png"])
    assert predict(photos, "--out", tmp_path / "out", "--npz") == 0
    assert "grey.glb" in files(tmp_path / "out")
    stub.hands = []
    assert predict(photos, "--out", tmp_path / "out", "--npz", "--again") == 0
    assert files(tmp_path / "out") == ["grey.json", "grey.npz", "grey.overlay.jpg"]
    assert json.loads((tmp_path / "out/grey.json").read_text())["hands"] == []
    assert "0 hands in 1 photo" in capsys.readouterr().out


def test_photos_of_like_names_do_not_overwrite_each_other(stub, photos, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    for path in (photos / "a.jpg", photos / "a.png", photos / "A.JPG", other / "a.jpg", photos / "a.jpg.png",
                 photos / "sub" / "a.jpg"):
        Image.fromarray(scene()).save(path)
    inputs = {path for folder in (photos, other) for path in folder.rglob("*") if path.is_file()}  # A.JPG may be a.jpg
    assert predict(photos, other, photos / "a.jpg", photos / "sub" / ".." / "a.png", "--out", tmp_path / "out") == 0
    results = [file for file in files(tmp_path / "out") if file.endswith(".json")]
    assert len({name.casefold() for name in results}) == len(results) == len(inputs)
    assert len(stub.seen) == len(inputs)  # what was given twice is done once
    assert {"a.json", "sub/a.json"} <= {name.casefold() for name in results}
    images = sorted(json.loads((tmp_path / "out" / name).read_text())["image"] for name in results)
    assert images == sorted([path.relative_to(photos).as_posix() for path in inputs if other not in path.parents]
                            + ["a.jpg"])


def test_results_are_not_taken_for_photos(stub, photos, capsys):
    """Results may go where the photos are, and a second run finds the same photos."""
    write(photos, READABLE, ["rotated1.jpg"])
    (photos / "._rotated1.jpg").write_bytes(b"what macOS leaves on memory sticks")
    assert predict(photos, "--out", photos) == 0
    before = files(photos)
    assert predict(photos, "--out", photos, "--again") == 0
    assert files(photos) == before and "in 1 photo" in capsys.readouterr().out


def test_focal_length_from_user_exif_or_default(stub, photos, tmp_path):
    path = photos / "a.jpg"
    path.write_bytes(encode(Image.fromarray(scene()), "JPEG", exif=exif_bytes(FocalLengthIn35mmFilm=26)))
    plain, = write(photos, READABLE, ["grey.jpg"])

    def camera(*arguments) -> dict:
        assert predict(*arguments, "--out", tmp_path / "out") == 0
        return json.loads((tmp_path / "out" / f"{arguments[0].stem}.json").read_text())["camera"]

    diagonal = np.hypot(96, 64) / np.hypot(36, 24)  # pixels per mm of film
    assert camera(path)["fx"] == pytest.approx(26 * diagonal) and camera(path)["source"] == "exif"
    assert camera(path, "--focal", "123")["fy"] == 123 and camera(path, "--focal", "123")["source"] == "user"
    assert camera(path, "--fov", "90")["fx"] == pytest.approx(48)
    assert camera(plain)["source"] == "default"
    assert stub.seen[0][1].source == "default"


def test_a_whole_camera_and_its_lens(stub, photos, tmp_path, capsys):
    path, = write(photos, READABLE, ["grey.jpg"])
    calibrated = ["--camera", "90,95,47,31", "--distortion", "-0.2,0.05,0,-0.001"]
    assert predict(path, "--out", tmp_path / "out", *calibrated, "--npz") == 0
    camera = json.loads((tmp_path / "out" / "grey.json").read_text())["camera"]
    assert camera == {"fx": 90, "fy": 95, "cx": 47, "cy": 31, "source": "user",
                      "distortion": [-0.2, 0.05, 0, -0.001, 0]}
    with np.load(tmp_path / "out" / "grey.npz") as arrays:
        assert np.allclose(arrays["distortion"], camera["distortion"]) and arrays["intrinsics"][0, 2] == 47
    assert predict(path, "--out", tmp_path / "out", "--camera", "90,95,47,31", "--distortion=-9,0,0,0") == 1
    assert predict(path, "--out", tmp_path / "out", "--camera", "90,95,1e6,31") == 1
    folds, elsewhere = [line for line in capsys.readouterr().err.splitlines() if str(path) in line]
    assert "folds an image of 96 x 64" in folds and "not that of an image of 96 x 64" in elsewhere


def test_boxes_sides_scores_and_mirrors(stub, photos, tmp_path, capsys):
    path, other = write(photos, READABLE, ["rotated1.jpg", "grey.png"])
    assert predict(path, "--out", tmp_path / "out", "--box", "-5,10,40,50,left", "--box", "40,10,90.5,50",
                   "--min-score", "0.7", "--side", "left", "--mirrored") == 0
    chosen, = stub.chosen
    assert chosen == {"boxes": [HandBox(-5, 10, 40, 50, "left"), HandBox(40, 10, 90.5, 50)], "min_score": 0.7}
    assert np.abs(stub.seen[0][0][:, ::-1].astype(int) - scene()).max() <= 4
    hand, = json.loads((tmp_path / "out" / "rotated1.json").read_text())["hands"]
    assert hand["side"] == "left"
    assert predict(photos, "--out", tmp_path / "out") == 0 and {"boxes": None, "min_score": MIN_SCORE} in stub.chosen
    assert predict(path, "--out", tmp_path / "out", "--box", "500,10,600,50") == 1
    assert "is not around a hand of an image of 96 x 64 pixels" in capsys.readouterr().err


def test_surest_hands_and_other_files(stub, photos, tmp_path):
    write(photos, READABLE, ["grey.png"])
    stub.hands = [HANDS[1], HANDS[0]]  # .8 and .9
    assert predict(photos, "--out", tmp_path, "--max-hands", "1", "--mesh", "ply", "--npz", "--no-overlay") == 0
    assert [name for name in files(tmp_path) if name.startswith("grey")] == ["grey.json", "grey.npz", "grey.ply"]
    assert [hand["side"] for hand in json.loads((tmp_path / "grey.json").read_text())["hands"]] == ["right"]


def test_result_that_cannot_be_written_is_named(stub, photos, tmp_path, capsys):
    write(photos, READABLE, ["grey.png", "rgba.png"])
    (tmp_path / "out" / "grey.json").mkdir(parents=True)  # in the way
    assert predict(photos, "--out", tmp_path / "out") == 1
    assert "rgba.json" in files(tmp_path / "out") and not [name for name in files(tmp_path / "out") if "tmp" in name]
    err = capsys.readouterr().err
    assert f"results of {photos / 'grey.png'} cannot be written" in err and "Traceback" not in err


@pytest.mark.parametrize("arguments", [
    [], ["predict"], ["predict", "x.jpg"], ["show", "x.jpg"], ["predict", "PHOTO", "--out", "OUT", "--focal", "0"],
    ["predict", "PHOTO", "--out", "OUT", "--focal", "inf"], ["predict", "PHOTO", "--out", "OUT", "--focal", "nan"],
    ["predict", "PHOTO", "--out", "OUT", "--focal", "1e300"], ["predict", "PHOTO", "--out", "OUT", "--fov", "1e-300"],
    ["predict", "PHOTO", "--out", "OUT", "--focal", "wide"], ["predict", "PHOTO", "--out", "OUT", "--fov", "180"],
    ["predict", "PHOTO", "--out", "OUT", "--focal", "9", "--fov", "9"],
    ["predict", "PHOTO", "--out", "OUT", "--mesh", "stl"], ["predict", "PHOTO", "--out", "OUT", "--max-hands", "0"],
    ["predict", "PHOTO", "--out", "OUT", "--max-hands", "two"], ["predict", "MISSING", "--out", "OUT"],
    ["predict", "PHOTO", "MISSING", "--out", "OUT"], ["predict", "EMPTY", "--out", "OUT"],
    ["predict", "PHOTO", "--out", "OUT", "--distortion", "0.1,0,0,0"],
    ["predict", "PHOTO", "--out", "OUT", "--camera", "9,9,9"],
    ["predict", "PHOTO", "--out", "OUT", "--camera", "0,0,9,9"],
    ["predict", "PHOTO", "--out", "OUT", "--camera", "9,9,9,9", "--focal", "9"],
    ["predict", "PHOTO", "--out", "OUT", "--camera", "9,9,9,9", "--distortion", "0.1,0"],
    ["predict", "PHOTO", "--out", "OUT", "--camera", "9,9,9,9", "--distortion", "nan,0,0,0"],
    ["predict", "PHOTO", "--out", "OUT", "--camera", "9,9,9,9", "--distortion", "--again"],
    ["predict", "PHOTO", "--out", "OUT", "--box", "1,2,3"], ["predict", "PHOTO", "--out", "OUT", "--box", "9,9,1,1"],
    ["predict", "PHOTO", "--out", "OUT", "--box", "1,1,9,9,up"], ["predict", "PHOTO", "PAIR", "--out", "OUT", "--box",
                                                                   "1,1,9,9"],
    ["predict", "PHOTO", "--out", "OUT", "--min-score", "2"], ["predict", "PHOTO", "--out", "OUT", "--side", "both"],
    ["predict", "PHOTO", "--out", "PHOTO"], ["predict", "PHOTO", "--out", "OUT", "--checkpoint", "MISSING"]])
def test_wrong_usage(stub, tmp_path, capsys, arguments):
    photo, pair = write(tmp_path, READABLE, ["grey.png", "rgba.png"])
    (tmp_path / "empty").mkdir()
    words = {"PHOTO": photo, "PAIR": pair, "OUT": tmp_path / "out", "MISSING": tmp_path / "missing",
             "EMPTY": tmp_path / "empty"}
    assert cli.main([str(words.get(word, word)) for word in arguments]) == 2
    out, err = capsys.readouterr()
    assert not out and err.strip() and "Traceback" not in err
    assert not (tmp_path / "out").exists() or not files(tmp_path / "out")
    for word in {"MISSING", "EMPTY"} & set(arguments):
        assert str(words[word]) in err


def test_help_is_instant_and_usage_errors_too():
    """Nothing heavy is imported to say how the command is used."""
    program = ("import sys; from handpose.command.cli import main; code = main(['predict', '--help']);"
               "heavy = {'torch', 'cv2', 'trimesh', 'numpy', 'PIL'} & set(sys.modules);"
               "sys.exit(str(heavy) if heavy else code)")
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0 and "--max-hands" in done.stdout, done.stderr


def test_module_runs_as_a_program(tmp_path):
    command = [sys.executable, "-m", "handpose", "predict", tmp_path / "none.jpg", "--out", tmp_path / "out"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 2 and str(tmp_path / "none.jpg") in done.stderr and "Traceback" not in done.stderr
