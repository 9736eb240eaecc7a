"""The endpoints for programs, as docs/api.md shows them: gradio_client, plain HTTP and MCP."""
import base64
import json
import os
import re
import shutil
import subprocess
import zipfile
from pathlib import Path

import numpy as np
import pytest
import trimesh
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from page_steps import run_apart
from PIL import Image
from rig_files import Played, of_vertices
from test_export import in_gltf_frame

from benchmarks.running_page import RunningPage, Visitor
from handpose import Camera, HandEstimator, HandModel, load_photo
from handpose.clips.reading import read_clip
from page.tabs import about
from train.make_clip import make_clip

ROOT = Path(__file__).parent.parent
PHOTO = ROOT / "tests" / "data" / "hand_right.jpg"
TWO_HANDS = ROOT / "assets" / "examples" / "both_hands.jpg"


@pytest.fixture(scope="module")
def client(running_page):
    return Client(running_page.address, verbose=False)


@pytest.fixture
def visitor(running_page):
    return Visitor(running_page.address)


def test_the_estimate_is_the_librarys(client):
    result = client.predict(handle_file(PHOTO), fov_deg=40, api_name="/estimate")
    photo = load_photo(PHOTO)
    camera = Camera.of_photo(photo.width, photo.height, fov_deg=40)
    hand, = HandEstimator.load()(photo, camera).hands
    assert (result["image"], result["width"], result["height"]) == ("hand_right.jpg", photo.width, photo.height)
    assert result["camera"] == {"fx": camera.fx, "fy": camera.fy, "cx": camera.cx, "cy": camera.cy, "source": "user"}
    answer, = result["hands"]
    assert answer["side"] == hand.side and answer["score"] == pytest.approx(hand.score, abs=1e-3)
    assert np.allclose(answer["joints_3d"], hand.joints_3d, atol=1e-4)
    assert np.allclose(answer["mano"]["hand_pose"], hand.hand_pose, atol=1e-3)


def test_parameters_choose_among_hands_and_lenses(client):
    def estimate(**options):
        return client.predict(handle_file(TWO_HANDS), **options, api_name="/estimate")

    both, focal = estimate(), estimate(focal_px=2000)
    assert [hand["side"] for hand in both["hands"]] in (["left", "right"], ["right", "left"])
    assert estimate(most_hands=1)["hands"] == both["hands"][:1]
    scores = [hand["score"] for hand in both["hands"]]
    assert len(estimate(min_score=sum(scores) / 2)["hands"]) == 1
    assert both["camera"]["source"] == "default" and focal["camera"]["fx"] == 2000
    ratio = focal["hands"][0]["joints_3d"][0][2] / both["hands"][0]["joints_3d"][0][2]
    assert ratio == pytest.approx(2000 / both["camera"]["fx"], rel=0.1)
    mirrored = estimate(mirrored=True)
    assert ([hand["side"] for hand in sorted(mirrored["hands"], key=lambda hand: hand["box"][0])]
            == [hand["side"] for hand in sorted(both["hands"], key=lambda hand: hand["box"][0])])


def test_a_whole_camera_and_boxes_may_be_told(client, visitor):
    """As JSON in a text, as an answer's own camera, or read already."""
    photo = load_photo(TWO_HANDS)
    camera = Camera(1500, 1400, 700, 500, distortion=(-0.1, 0.02, 0, 0, 0))
    expected = HandEstimator.load()(photo, camera)
    told = expected.to_dict("")["camera"]
    boxes = [[*hand.box.tolist(), hand.side] for hand in reversed(expected.hands)]
    result = client.predict(handle_file(TWO_HANDS), camera=json.dumps(told), api_name="/estimate")
    assert result["camera"] == told
    assert [hand["box"] for hand in result["hands"]] == [np.round(hand.box, 2).tolist() for hand in expected.hands]
    boxed = client.predict(handle_file(TWO_HANDS), camera=result["camera"], boxes=json.dumps(boxes),
                           api_name="/estimate")
    assert [hand["side"] for hand in boxed["hands"]] == [box[4] for box in boxes]
    assert np.abs(np.array([hand["box"] for hand in boxed["hands"]]) - [box[:4] for box in boxes]).max() < 12
    nowhere = visitor.estimate("hand.jpg", PHOTO.read_bytes(), boxes=[[0, 0, 40, 40]])[1]["hands"]
    assert len(nowhere) == 1 and nowhere[0]["score"] < 0.2
    file = client.predict(handle_file(PHOTO), "json", boxes="[]", api_name="/files")
    assert json.loads(Path(file).read_text())["hands"] == []


def test_a_clip_comes_back_as_files_and_what_is_none_as_an_error(client, visitor, tmp_path):
    make_clip(tmp_path / "wave.mp4", motion="wave", frames=4, hands=1, width=160, height=120, fps=5, seed=2)
    overlay, arrays, rig, bvh = client.predict(handle_file(tmp_path / "wave.mp4"), "Skeleton", api_name="/video")
    assert Path(overlay).name == "wave.overlay.mp4" and len(list(read_clip(overlay))) == 4
    with np.load(arrays) as file:
        assert file["joints_3d"].shape[0] == 4 and Path(arrays).name == "wave.npz"
    assert Path(rig).read_bytes()[:4] == b"glTF" and zipfile.is_zipfile(bvh)
    (tmp_path / "song.mp4").write_bytes(b"no clip")
    with pytest.raises(AppError, match="song.mp4 is no video"):
        client.predict(handle_file(tmp_path / "song.mp4"), api_name="/video")
    clip = visitor.upload("wave.mp4", (tmp_path / "wave.mp4").read_bytes())
    for inputs, said in ((clip, "Everything"), "parts"), ((clip, ["Mesh"]), "parts"), ((None, "Mesh"), "no clip yet"):
        event, answer = visitor.call("video", *inputs)
        assert event == "error" and said in answer["error"]


def test_files_of_every_kind(client):
    for kind in ("glb", "obj", "ply"):
        file = client.predict(handle_file(PHOTO), kind, api_name="/files")
        assert Path(file).name == f"hand_right.{kind}"
        assert sum(len(mesh.vertices) for mesh in trimesh.load_scene(file, process=False).geometry.values()) == 1609
    result = json.loads(Path(client.predict(handle_file(PHOTO), "json", api_name="/files")).read_text())
    assert [hand["side"] for hand in result["hands"]] == ["right"]
    arrays = np.load(client.predict(handle_file(PHOTO), "npz", api_name="/files"))
    assert arrays["hand_pose"].shape == (1, 45)
    rig = Path(client.predict(handle_file(PHOTO), "rig", api_name="/files"))
    points = of_vertices(Played(rig.read_bytes()).skinned("hand0_right_mesh"), HandModel.load())
    assert rig.name == "hand_right.rig.glb" and np.abs(points - in_gltf_frame(arrays["vertices"][0])).max() < 1e-4
    assert Image.open(client.predict(handle_file(PHOTO), "png", api_name="/files")).format == "PNG"
    with zipfile.ZipFile(client.predict(handle_file(PHOTO), "depth", api_name="/files")) as archive:
        depth = archive.namelist()
        assert depth == [f"hand_right.{end}" for end in ("depth.png", "depth.npy", "hand0_right.mask.png")]
        millimetres = np.asarray(Image.open(archive.open("hand_right.depth.png")))
        u, v = np.round(result["hands"][0]["joints_2d"][9]).astype(int)
        behind = 1000 * result["hands"][0]["joints_3d"][9][2] - int(millimetres[v, u])
        assert millimetres.shape == Image.open(PHOTO).size[::-1] and 0 < behind < 30  # the knuckle lies under the skin
    with zipfile.ZipFile(client.predict(handle_file(PHOTO), api_name="/files")) as archive:
        assert len(archive.namelist()) == 8 + len(depth)


@pytest.mark.parametrize(("options", "reason"), [
    (dict(focal_px=-3), "between 1 and"), (dict(fov_deg=180), "between 1 and 179"), (dict(focal_px="wide"), "wide"),
    (dict(focal_px=500, fov_deg=50), "not several"), (dict(camera="{", boxes=""), "must be JSON"),
    (dict(camera="[900, 900, 9, 9]"), "camera must be"), (dict(camera={"fx": 900}), "camera must be"),
    (dict(camera='{"fx": 9, "fy": 9, "cx": "x", "cy": 9}'), "camera must be"),
    (dict(camera={"fx": 9, "fy": 9, "cx": 9, "cy": 9, "distortion": [1]}), "k1, k2, p1, p2"),
    (dict(camera={"fx": 90, "fy": 90, "cx": 9, "cy": 9, "distortion": [-9, 0, 0, 0]}), "folds"),
    (dict(camera={"fx": -9, "fy": 9, "cx": 9, "cy": 9}), "positive focal lengths"),
    (dict(camera={"fx": 9, "fy": 9, "cx": 9, "cy": 9}, fov_deg=50), "not several"),
    (dict(boxes="[[1, 2, 3]]"), "boxes must be"), (dict(boxes="[" * 50_000), "boxes must be JSON"),
    (dict(boxes=[[9, 9, 1, 1]]), "left < right"), (dict(boxes=[[1, 1, 9, 9, "up"]]), "side is"),
    (dict(boxes=[[1, 1, 9, float("nan")]]), "boxes must be"), (dict(boxes=[[1, 1, 9, 9]] * 11), "10 at most"),
    (dict(boxes=[[9000, 1, 9900, 9]]), "not around a hand"), (dict(most_hands=0), "most_hands"),
    (dict(min_score=2), "min_score"),
    (dict(min_score=[1]), "min_score"), (dict(mirrored="yes"), "mirrored"), (dict(fov_deg=1e308), "between 1 and 179")])
def test_wrong_values_get_a_sentence(visitor, options, reason):
    event, answer = visitor.estimate("hand.jpg", PHOTO.read_bytes(), **options)
    assert event == "error" and reason in answer["error"]


def test_what_is_no_photo_and_what_has_no_hand(client, visitor, tmp_path):
    assert "is not an image" in visitor.estimate("notes.jpg", b"no pixels")[1]["error"]
    assert "photo must be" in visitor.call("estimate", None, None, None, 1, 0.3, False, None, None)[1]["error"]
    Image.new("RGB", (200, 200), "grey").save(tmp_path / "wall.png")
    assert client.predict(handle_file(tmp_path / "wall.png"), api_name="/estimate")["hands"] == []
    with pytest.raises(AppError, match="no hand to download"):
        client.predict(handle_file(tmp_path / "wall.png"), "glb", api_name="/files")


def test_the_endpoints_are_three_and_say_what_they_take(client):
    described = client.view_api(return_format="dict", print_info=False)
    assert set(described["named_endpoints"]) == {"/estimate", "/files", "/video"}
    assert not described["unnamed_endpoints"]
    names = {name: [one["parameter_name"] for one in endpoint["parameters"]]
             for name, endpoint in described["named_endpoints"].items()}
    common = ["focal_px", "fov_deg", "most_hands", "min_score", "mirrored", "camera", "boxes"]
    assert names["/estimate"] == ["photo", *common] and names["/files"] == ["photo", "kind", *common]
    assert names["/video"] == ["clip", "parts"]
    answers = {name: [one["label"] for one in endpoint["returns"]]
               for name, endpoint in described["named_endpoints"].items()}
    assert answers == {"/estimate": ["result"], "/files": ["file"],
                       "/video": ["overlay", "arrays", "rig", "motion_capture"]}


def examples(text: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


@pytest.mark.parametrize("text", [(ROOT / "docs" / "api.md").read_text(), about.API], ids=["docs", "page"])
def test_the_examples_run_as_they_are_shown(running_page, tmp_path, monkeypatch, capsys, text):
    """All of them, of every endpoint."""
    shutil.copy(PHOTO, tmp_path / "photo.jpg")
    make_clip(tmp_path / "clip.mp4", motion="rest", frames=3, hands=1, width=160, height=120, fps=5, seed=2)
    monkeypatch.chdir(tmp_path)
    text = text.replace("ADDRESS", running_page.address).replace("http://127.0.0.1:7860", running_page.address)
    for program in examples(text, "python"):
        if "gradio_client" in program:
            exec(program, {})
    said = capsys.readouterr().out
    assert "right 0.9" in said and ".glb" in said
    assert ("(3, 1, 21, 3)" in said) == ("/video" in "".join(examples(text, "python")))

    if not shutil.which("curl"):
        pytest.skip("curl is missing")
    told = []
    for script in examples(text, "sh"):
        if "curl" in script:
            done = subprocess.run(["bash", "-euo", "pipefail", "-c", script], capture_output=True, text=True,
                                  timeout=300)
            assert done.returncode == 0, done.stderr
            told += [line for line in done.stdout.splitlines() if line.startswith("data:")]
    assert json.loads(told[-1].removeprefix("data: "))[0]["hands"][0]["side"] == "right"
    if "photo.npz" in text:
        assert np.load("photo.npz")["hand_pose"].shape == (1, 45)


def test_an_assistant_can_use_it(tmp_path):
    """By MCP's own client, over streamable HTTP."""
    from mcp import ClientSession
    from mcp.client.streamable_http import streamable_http_client

    async def use(address: str) -> tuple[dict, list]:
        async with streamable_http_client(f"{address}/gradio_api/mcp/") as (read, write, _):
            async with ClientSession(read, write) as session:
                await session.initialize()
                tools = {tool.name: tool for tool in (await session.list_tools()).tools}
                photo = base64.b64encode(PHOTO.read_bytes()).decode()
                name = next(name for name in tools if name.endswith("estimate"))
                answer = await session.call_tool(name, {"photo": f"data:image/jpeg;base64,{photo}"})
                return tools, answer.content

    os.environ["GRADIO_MCP_SERVER"] = "True"
    try:
        with RunningPage(tmp_path) as running:
            tools, content = run_apart(use(running.address))
    finally:
        del os.environ["GRADIO_MCP_SERVER"]
    assert {name.rsplit("_", 1)[-1] for name in tools} >= {"estimate", "files", "video"}
    described = next(tool for name, tool in tools.items() if name.endswith("estimate"))
    assert "3D pose" in described.description
    assert "Focal length" in described.inputSchema["properties"]["focal_px"]["description"]
    assert "'side': 'right'" in content[0].text
