"""Turntables: read back by FFmpeg and Pillow, they show the hands all around."""
import io
from contextlib import contextmanager

import av
import numpy as np
import pytest
from PIL import Image
from test_export import HANDS, RESULT

from handpose.clips import turntable
from handpose.clips.turntable import turntable_bytes, turntable_pictures, write_turntable
from handpose.drawing.palette import hand_color
from handpose.hand import Result
from page.content import files

NOBODY = Result(96, 64, RESULT.camera, [])


@pytest.fixture(scope="module", autouse=True)
def short():
    """Films of a few pictures."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(turntable, "FPS", 4)
        patch.setattr(turntable_pictures, "__defaults__", (turntable.SIZE, 16))
        yield


def shown(picture: np.ndarray) -> np.ndarray:
    """Where hands are, (H, W) bool: what is more coloured than the background."""
    return np.ptp(picture.astype(int), axis=2) > 40


def test_half_a_turn_shows_the_hands_from_behind_and_a_whole_one_closes_the_circle():
    pictures = list(turntable_pictures(RESULT, 160, 16))
    assert len(pictures) == 16 and {picture.shape for picture in pictures} == {(160, 160, 3)}
    columns = [np.flatnonzero(shown(picture).any(0)) for picture in pictures]
    assert all(0 < column.min() and column.max() < 159 for column in columns)  # wholly in view
    colors = np.array([hand_color(hand.side, hand.certainty) for hand in HANDS])
    hues = colors / colors.max(1, keepdims=True)

    def places(picture: np.ndarray) -> list[float]:  # columns of the two hands
        pixels, (_, column) = picture[shown(picture)].astype(int), shown(picture).nonzero()
        nearest = np.abs((pixels / pixels.max(1, keepdims=True))[:, None] - hues).sum(2).argmin(1)
        return [column[nearest == hand].mean() for hand in (0, 1)]

    (right, left), (right_behind, left_behind) = places(pictures[0]), places(pictures[8])
    assert right > left + 20 and right_behind < left_behind - 20  # half a turn swaps the sides
    steps = [np.abs(one.astype(int) - other).mean() for one, other in zip(pictures, pictures[1:] + pictures[:1],
                                                                         strict=True)]
    assert steps[-1] < 2 * np.mean(steps[:-1])  # the last leads on to the first


def test_an_mp4_is_h264_and_a_gif_repeats_for_ever(tmp_path):
    with av.open(io.BytesIO(turntable_bytes(RESULT, "mp4"))) as film:
        stream = film.streams.video[0]
        assert stream.codec_context.name == "h264" and stream.codec_context.pix_fmt == "yuv420p"
        frames = [frame.to_ndarray(format="rgb24") for frame in film.decode(stream)]
    assert len(frames) == 16 and frames[0].shape[:2] == (turntable.SIZE, turntable.SIZE)
    assert shown(frames[0]).mean() > 0.02

    gif = Image.open(io.BytesIO(turntable_bytes(RESULT, "gif")))
    assert gif.n_frames == 8 and gif.info["loop"] == 0 and gif.size == (turntable.GIF_SIZE,) * 2
    picture = np.asarray(gif.convert("RGB"))
    near = np.abs(picture[shown(picture)].astype(int) - hand_color(HANDS[0].side, HANDS[0].certainty)).sum(1).min()
    assert near < 90  # its hand's colour, lit

    assert write_turntable(tmp_path / "deep", "photo", RESULT) == [".turntable.mp4"]
    assert (tmp_path / "deep" / "photo.turntable.mp4").is_file()
    assert write_turntable(tmp_path / "deep", "photo", NOBODY) == []
    assert not list((tmp_path / "deep").iterdir())  # the earlier run's is gone


def test_what_cannot_be_turned_is_said():
    with pytest.raises(ValueError, match="mp4, gif"):
        turntable_bytes(RESULT, "avi")
    with pytest.raises(ValueError, match="no hand"):
        turntable_bytes(NOBODY, "gif")


def test_the_page_makes_it_picture_by_picture_and_gives_up_in_a_sentence(monkeypatch):
    kinds = []

    @contextmanager
    def work(kind):
        kinds.append(kind)
        yield

    monkeypatch.setattr(files.CORES, "work", work)
    assert files.film(RESULT, "gif").startswith(b"GIF")
    assert kinds == [files.CLIP] * 17  # the last asks whether there is another
    monkeypatch.setattr(files, "FILM_S", -1)
    with pytest.raises(ValueError, match="try again later"):
        files.film(RESULT, "gif")
