"""Things out of a Debian package that is made here: cut out, no hands among them, and credited."""
import shutil
import subprocess
from pathlib import PurePosixPath

import cv2
import numpy as np
import pytest

from train.fetch_things import fetch, is_thing
from train.synthesis.credits import read_credits


def test_hands_and_what_has_some_are_no_things():
    for path in ("food/fruit/orange.png", "vehicles/car_blue.png", "clothes/hats/cap.png", "household/grapes.png"):
        assert is_thing(PurePosixPath("usr/share", path))
    for path in ("clothes/glove.png", "symbols/alphabets/asl/a.png", "animals/mammals/primates/chimp.png",
                 "people/nurse.png", "food/fruit/cartoon/pear.png", "vehicles/car_mirror.png", "food/fruit/pear.txt"):
        assert not is_thing(PurePosixPath("usr/share", path))


@pytest.mark.skipif(not shutil.which("dpkg-deb"), reason="needs Debian's dpkg-deb")
def test_things_of_a_package(tmp_path):
    root = tmp_path / "root"
    (root / "DEBIAN").mkdir(parents=True)
    (root / "DEBIAN" / "control").write_text("Package: stamps\nVersion: 1\nArchitecture: all\n"
                                             "Maintainer: nobody <nobody@example.org>\nDescription: things\n")
    ball = np.zeros((400, 640, 4), np.uint8)
    cv2.circle(ball, (320, 200), 150, (0, 0, 255, 255), -1)
    for name, picture in (("sports/ball.png", ball), ("sports/glove.png", ball), ("food/flat.png", ball[..., :3])):
        (root / "usr" / name).parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(root / "usr" / name), picture)
    package = tmp_path / "stamps_1_all.deb"
    subprocess.run(["dpkg-deb", "--build", "--root-owner-group", root, package], check=True, stdout=subprocess.DEVNULL)
    assert fetch(tmp_path / "out", package) == 1
    kept = cv2.imread(str(tmp_path / "out" / "000.png"), cv2.IMREAD_UNCHANGED)
    assert kept.shape == (200, 320, 4)
    assert kept[100, 160].tolist() == [0, 0, 255, 255] and kept[5, 5, 3] == 0
    (credit,) = read_credits(tmp_path / "out")
    assert credit.file == "000.png" and credit.source.endswith("usr/sports/ball.png")

    shutil.rmtree(root / "usr" / "sports")
    subprocess.run(["dpkg-deb", "--build", "--root-owner-group", root, package], check=True, stdout=subprocess.DEVNULL)
    with pytest.raises(ValueError, match="holds no things"):
        fetch(tmp_path / "empty", package)
    assert not list(tmp_path.glob(".things-*")) and not (tmp_path / "empty").exists()
