"""What a visitor downloads from the photo tab, in a real browser."""
import io
import json
import zipfile
from pathlib import Path

import numpy as np
import trimesh
from page_steps import PHOTO, delete, options, upload
from PIL import Image
from playwright.sync_api import Page, expect


def take(page: Page, name: str) -> tuple[str, bytes]:
    with page.expect_download() as download:
        page.locator("#downloads").get_by_role("button", name=name, exact=name != "Everything").click()
    return download.value.suggested_filename, Path(download.value.path()).read_bytes()


def check_file(name: str, data: bytes, hands: int = 1) -> None:
    """Opens a file with the reader that others would use."""
    kind = name.rsplit(".", 1)[1]
    if kind in ("glb", "obj", "ply"):
        scene = trimesh.load_scene(io.BytesIO(data), file_type=kind, process=False)
        vertices = 1818 if ".rig." in name else 1609  # those on the texture's seams twice, and the wrist's middle
        assert sum(len(mesh.vertices) for mesh in scene.geometry.values()) == vertices * hands
    elif kind == "json":
        result = json.loads(data)
        assert set(result) == {"image", "width", "height", "camera", "hands"} and len(result["hands"]) == hands
        for hand in result["hands"]:
            assert set(hand) == {"side", "score", "box", "hand_model", "scale", "joints_2d", "joints_3d", "mano",
                                 "joint_angles", "wrist_pose", "operator_pose", "joints_error_px", "joints_error_mm",
                                 "joints_hidden"}
            assert np.shape(hand["joints_3d"]) == (21, 3) and len(hand["mano"]["hand_pose"]) == 45
    elif kind == "npz":
        with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
            assert arrays["hand_pose"].shape == (hands, 45) and arrays["vertices"].shape == (hands, 1609, 3)
            assert {"global_orient", "betas", "transl", "left_hand_pose", "right_hand_pose", "faces"} <= set(arrays)
    elif kind == "npy":
        assert np.load(io.BytesIO(data), allow_pickle=False).shape == Image.open(PHOTO).size[::-1]
    else:
        assert kind == "png" and Image.open(io.BytesIO(data)).size == Image.open(PHOTO).size


def test_each_file_is_named_after_the_photo_and_opens_elsewhere(page):
    upload(page, "Ferien am Meer (3).jpg", PHOTO.read_bytes())
    endings = {kind: kind.lower() for kind in ("GLB", "OBJ", "PLY", "JSON", "NPZ")}
    for kind, ending in {**endings, "RIG": "rig.glb", "PNG": "overlay.png"}.items():
        name, data = take(page, kind)
        assert name == f"Ferien am Meer (3).{ending}"
        check_file(name, data)
    name, data = take(page, "Everything")
    assert name == "Ferien am Meer (3).zip"
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.testzip() is None
        inside = set(archive.namelist()) - {"README.txt"}
        assert inside == {f"Ferien am Meer (3).{end}" for end in (
            "glb", "rig.glb", "obj", "ply", "json", "npz", "overlay.png", "depth.png", "depth.npy",
            "hand0_right.mask.png")}
        for one in inside:
            check_file(one, archive.read(one))


def test_the_downloaded_picture_is_what_is_shown(page):
    """Options count."""
    upload(page, "hand.jpg", PHOTO.read_bytes())
    photo = np.asarray(Image.open(PHOTO).convert("RGB"), int)
    pictures = {}
    for choice in ("Mesh", "Skeleton"):
        page.locator("#views .choice").get_by_text(choice, exact=True).click()
        _, data = take(page, "PNG")
        pictures[choice] = np.abs(np.asarray(Image.open(io.BytesIO(data)), int) - photo).max(-1) > 40
    assert 0.02 < pictures["Mesh"].mean() < 0.6
    assert 0 < pictures["Skeleton"].mean() < 0.5 * pictures["Mesh"].mean()


def test_the_example_can_be_downloaded_but_nothing_cannot(page):
    _, data = take(page, "JSON")
    assert len(json.loads(data)["hands"]) == page.locator(".hand").count()
    upload(page, "hand.jpg", PHOTO.read_bytes())
    delete(page)
    expect(page.locator("#stage .photo")).to_have_count(0)
    expect(page.locator("#downloads")).to_be_hidden()


def test_the_snippet_gives_the_same_hands(page, tmp_path, monkeypatch, capsys):
    upload(page, "my hand.jpg", PHOTO.read_bytes())
    options(page)
    page.get_by_label("Field of view").check()
    expect(page.locator("#options .note")).to_contain_text("you gave")
    result = json.loads(take(page, "JSON")[1])
    page.get_by_role("button", name="Python code").click()
    page.locator("[data-copy]").click()
    expect(page.locator("[data-copy]")).to_have_text("Copied")
    program = page.evaluate("navigator.clipboard.readText()")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my hand.jpg").write_bytes(PHOTO.read_bytes())
    names = {}
    exec(program, names)
    assert [hand.side for hand in names["hands"]] == [hand["side"] for hand in result["hands"]]
    assert np.allclose(names["hands"][0].joints_3d, result["hands"][0]["joints_3d"], atol=1e-4)
    assert capsys.readouterr().out.startswith("right ")
