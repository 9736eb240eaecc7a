"""The video tab in a real browser, with clips of our own generator."""
import zipfile
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from playwright.sync_api import expect
from rig_files import Bvh, Played
from test_export import in_gltf_frame

from handpose.clips.reading import ClipError, read_clip
from handpose.clips.writing import ClipWriter
from page.tabs.video import VideoTab
from train.make_clip import make_clip

FRAMES, LONG = 12, 900  # a long clip is one whose work can be called off


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    """A short clip of a waving right hand, and its truth."""
    folder = tmp_path_factory.mktemp("clips")
    make_clip(folder / "waving.mp4", motion="wave", frames=FRAMES, hands=1, width=320, height=240, seed=3)
    with np.load(folder / "waving.npz") as truth:
        return folder / "waving.mp4", {key: truth[key] for key in truth.files}


@pytest.fixture
def video(page):
    page.get_by_role("tab", name="Video").click()
    page.locator("#video input[type=file]").wait_for(state="attached")
    return page


def follow(page, path) -> None:
    page.locator("#video input[type=file]").set_input_files(path)
    page.locator("#video video").wait_for()


def test_a_clip_becomes_an_overlay_a_playback_and_arrays(video, clips):
    path, truth = clips
    follow(video, path)
    expect(video.locator("#video-said")).to_contain_text(f"{FRAMES} pictures")
    expect(video.locator("#video-said")).to_contain_text("1 hand")

    video.wait_for_function("document.querySelector('#overlay-video video')?.videoWidth === 320")
    with video.expect_download() as download:
        video.locator("#clip-overlay").click()
    assert download.value.suggested_filename == "waving.overlay.mp4"
    shown, given = ([rgb.astype(int) for _, rgb in read_clip(file)] for file in (download.value.path(), path))
    assert len(shown) == len(given) == FRAMES
    changed = np.abs(np.array(shown) - given).max(-1).mean(0) > 40
    hand = truth["joints_2d"].reshape(-1, 2)
    rows, columns = np.nonzero(changed)
    assert 0.01 < changed.mean() < 0.5
    assert np.abs([columns.mean(), rows.mean()] - hand.mean(0)).max() < 40  # drawn where the hand is

    with video.expect_download() as download:
        video.locator("#clip-arrays").click()
    with np.load(download.value.path(), allow_pickle=False) as file:
        arrays = dict(file)
        assert arrays["joints_3d"].shape == (FRAMES, 1, 21, 3) and arrays["hand_pose"].shape == (FRAMES, 1, 45)
        assert set(arrays["side"].ravel()) == {"right"}
        box = np.ptp(truth["joints_2d"], axis=2).max(-1)
        apart = np.linalg.norm(arrays["joints_2d"] - truth["joints_2d"], axis=-1).mean(-1)
        assert (apart / box).mean() < 0.15

    with video.expect_download() as download:
        video.locator("#clip-rig").click()
    assert download.value.suggested_filename == "waving.rig.glb"
    played = Played(Path(download.value.path()).read_bytes())
    assert [one["name"] for one in played.tree["animations"]] == ["track1_right"]
    wrist = played.tree["skins"][0]["joints"][0]
    for number in (0, FRAMES - 1):
        place = played.at(truth["times_s"][number]).matrix(wrist)[:3, 3]
        assert np.linalg.norm(place - in_gltf_frame(truth["joints_3d"][number, :, 0])) < 0.1  # its depth is a guess
    with video.expect_download() as download:
        video.locator("#clip-bvh").click()
    with zipfile.ZipFile(download.value.path()) as archive:
        assert archive.namelist() == ["waving.track1_right.bvh"]
        assert len(Bvh(archive.read("waving.track1_right.bvh").decode()).rows) == FRAMES

    moved = video.evaluate("""async () => {
        const player = document.querySelector("#overlay-video video");
        const plot = document.querySelector("#playback .js-plotly-plot");
        player.pause();
        const tips = [];
        for (const time of [0, player.duration * .95]) {
            player.currentTime = time;
            await new Promise((done) => setTimeout(done, 600));
            const mesh = plot.data.find((trace) => trace.type === "mesh3d");
            tips.push([mesh.x[29], mesh.y[29], mesh.z[29]]);
        }
        return tips;
    }""")
    tips = arrays["joints_3d"][[0, FRAMES - 1], 0, 8]  # of the index finger: in Plotly's axes x, z, -y
    assert np.linalg.norm(np.array(moved) - np.stack([tips[:, 0], tips[:, 2], -tips[:, 1]], 1), axis=1).max() < 0.03
    assert np.linalg.norm(np.subtract(*moved)) > 0.002  # the 3D playback goes along, metres
    assert video.locator("#playback .timeline path").count() == 2  # the hand's, and the time's


def test_work_on_a_clip_can_be_called_off(video, clips, tmp_path):
    _, picture = next(iter(read_clip(clips[0])))
    path = tmp_path / "long.mp4"
    with ClipWriter.open(path, picture.shape[1], picture.shape[0], fps=30) as writer:
        for number in range(LONG):
            writer.write(picture, number / 30)
    follow(video, path)
    video.get_by_role("button", name="Cancel").click()
    expect(video.locator("#video-said")).to_contain_text("Cancelled")
    expect(video.get_by_role("button", name="Follow again")).to_be_visible()
    expect(video.locator("#overlay-video video")).to_have_count(0)


def test_what_cannot_be_done_is_said(video, tmp_path):
    (tmp_path / "song.mp4").write_bytes(b"This is no clip.")
    video.locator("#video input[type=file]").set_input_files(tmp_path / "song.mp4")
    expect(video.locator("#video-said")).to_contain_text("song.mp4 is no video")


def test_a_full_disk_is_told_in_a_sentence_and_odd_names_are_cleaned(tmp_path, monkeypatch):
    clip, written = tmp_path.resolve() / ("0" * 64) / "clip.mp4", []
    clip.parent.mkdir()
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path.resolve()))

    def write(source, tracker, overlay, npz, **options):
        written.extend([overlay.name, npz.name])
        raise OSError(28, "No space left on device")

    with ClipWriter.open(clip, 96, 64, fps=30) as writer:
        writer.write(np.zeros((64, 96, 3), np.uint8), 0.0)
    monkeypatch.setattr("page.tabs.video.write_overlay", write)
    tab = SimpleNamespace(estimator=SimpleNamespace(hand_models={}), _calls_off={},
                          overlay=SimpleNamespace(GRADIO_CACHE=str(tmp_path)))
    upload = {"path": str(clip), "orig_name": "two\nlines\0" + "手" * 81 + ".mp4"}
    with pytest.raises(ClipError, match=r"cannot be written \(No space left on device\): try again later"):
        VideoTab.follow(tab, upload, "Mesh", SimpleNamespace(session_hash="visitor", client=None))
    assert written == [f"two_lines_{'手' * 36}{ending}" for ending in (".overlay.mp4", ".npz")]
