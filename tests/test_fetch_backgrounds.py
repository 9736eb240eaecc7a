"""Backgrounds out of Debian packages: a package and a Qt resource file made here come back as the photos put in."""
import shutil
import struct
import subprocess

import cv2
import numpy as np
import pytest

from train.fetch_backgrounds import fetch, read_package, read_resources
from train.synthesis.credits import Credit, read_credits


def resources(tree, version):
    """A Qt resource file of nested dicts of bytes, written breadth first as Qt's rcc does."""
    entries, names, data = [], b"", b""
    level = [(None, "", tree)]
    while level:
        following = []
        for parent, name, node in level:
            index = len(entries)
            entries.append([len(names), node, 0])
            names += struct.pack(">HI", len(name), 0) + name.encode("utf-16-be")
            if parent is not None and not entries[parent][2]:
                entries[parent][2] = index
            if isinstance(node, dict):
                following += [(index, key, node[key]) for key in node]
        level = following
    table = b""
    for name, node, first in entries:
        if isinstance(node, dict):
            table += struct.pack(">IHII", name, 2, len(node), first)
        else:
            flags, content = (1, node[0]) if isinstance(node, tuple) else (0, node)
            table += struct.pack(">IHHHI", name, flags, 0, 0, len(data))
            data += struct.pack(">I", len(content)) + content
        table += struct.pack(">Q", 0) if version > 1 else b""
    head = 20 + (4 if version == 3 else 0)
    start = [head, head + len(table), head + len(table) + len(data)]
    return struct.pack(">4s4I", b"qres", version, *start) + b"\0" * (head - 20) + table + data + names


@pytest.mark.parametrize("version", [1, 2, 3])
def test_qt_resource_files(version):
    tree = {"game": {"one": {"é.webp": b"photo", "b.svg": b"drawing"}, "two": {"packed.svg": (b"zipped",)}},
            "c.png": b"picture"}
    assert sorted(read_resources(resources(tree, version))) == [
        ("c.png", b"picture"), ("game/one/b.svg", b"drawing"), ("game/one/é.webp", b"photo")]
    with pytest.raises(ValueError, match="no Qt resource file"):
        list(read_resources(b"PK\3\4" + bytes(40)))


@pytest.mark.skipif(not shutil.which("dpkg-deb"), reason="needs Debian's dpkg-deb")
def test_listed_photos_of_a_package(tmp_path):
    rng = np.random.default_rng(0)
    photos = [cv2.resize(rng.integers(0, 256, (4, 6, 3), np.uint8), size, interpolation=cv2.INTER_CUBIC)
              for size in ((1536, 1024), (300, 200))]
    root = tmp_path / "root"
    (root / "DEBIAN").mkdir(parents=True)
    (root / "DEBIAN" / "control").write_text("Package: walls\nVersion: 1\nArchitecture: all\n"
                                             "Maintainer: nobody <nobody@example.org>\nDescription: photos\n")
    (root / "usr").mkdir()
    cv2.imwrite(str(root / "usr" / "large.jpg"), photos[0])
    cv2.imwrite(str(root / "usr" / "other.jpg"), photos[0])
    inner = {"a": {"small.png": cv2.imencode(".png", photos[1])[1].tobytes()}}
    (root / "usr" / "game.rcc").write_bytes(resources(inner, 3))
    package = tmp_path / "walls_1_all.deb"
    subprocess.run(["dpkg-deb", "--build", "--root-owner-group", root, package], check=True, stdout=subprocess.DEVNULL)

    listed = [{"package": "walls", "path": path, "inside": inside, "author": author, "licence": "CC0-1.0"}
              for path, inside, author in (("usr/game.rcc", "a/small", "A, B"), ("usr/gone.jpg", "", "C"),
                                           ("usr/large.jpg", "", "D"))]
    assert fetch(tmp_path / "out", {"walls": package}, listed) == 2
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["000.jpg", "002.jpg", "credits.csv"]
    assert sorted(read_credits(tmp_path / "out"), key=lambda credit: credit.file) == [
        Credit("000.jpg", "A, B", "CC0-1.0", "walls: usr/game.rcc a/small"),
        Credit("002.jpg", "D", "CC0-1.0", "walls: usr/large.jpg")]
    small, large = (cv2.imread(str(tmp_path / "out" / name)) for name in ("000.jpg", "002.jpg"))
    assert small.shape == (200, 300, 3) and large.shape == (512, 768, 3)
    assert np.abs(small.astype(float) - photos[1]).mean() < 3
    assert np.abs(large.astype(float) - cv2.resize(photos[0], (768, 512), interpolation=cv2.INTER_AREA)).mean() < 3

    with pytest.raises(ValueError, match="correct the list"):
        fetch(tmp_path / "empty", {"walls": package}, listed[1:2])
    package.write_bytes(b"no package")
    with pytest.raises(subprocess.CalledProcessError):
        list(read_package(package))
    assert not list(tmp_path.glob(".backgrounds-*")) and not (tmp_path / "empty").exists()
