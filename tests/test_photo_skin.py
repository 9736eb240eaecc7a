"""Photographic skin: as many people as there are files, their own tones taken out, and details kept."""
import cv2
import numpy as np
import pytest

from handpose.drawing.shading import vertex_normals
from handpose.hand_model.model import HandModel
from train.synthesis.photo_skin import CHOICE, PhotoSkins
from train.synthesis.skin import SkinMaps, sample_palette


@pytest.fixture(scope="module")
def maps():
    model = HandModel.load()
    rest = model(*(np.zeros((1, n), np.float32) for n in (3, 45, 10, 3)))
    vertices = rest.vertices[0]
    return SkinMaps(vertices, vertex_normals(vertices, model.faces), rest.joints[0], model.faces, model.uv,
                    model.uv_faces)


def test_tone_is_the_palettes_and_detail_the_photos(maps):
    """Over the back, the median colour is the palette's for everybody, while spots differ between people."""
    assert len(maps.photos.paths) == 42
    coords = np.random.default_rng(0).uniform(0, 1, (60000, 2))
    texel = (coords * (maps.size - 1) + .5).astype(int)
    inside = np.zeros((maps.size, maps.size), np.uint8)
    for corners in np.round(maps.corner_coords * (maps.size - 1)).astype(np.int32):
        cv2.fillConvexPoly(inside, corners, 1)
    back = coords[(maps.palm[texel[:, 1], texel[:, 0]] < .05) & (inside[texel[:, 1], texel[:, 0]] == 1)]
    palettes = (sample_palette(np.random.default_rng(k)) for k in range(400))
    shown = {}
    for palette in (one for one in palettes if one.photo is not None):
        colour, gloss = maps.on_hand(back, palette, np.zeros(2))
        np.testing.assert_allclose(np.median(colour, 0) / palette.back, 1, atol=.2)
        assert colour.min() > 0 and gloss.min() >= 0
        shown[maps.photos.nearest(palette.back)[int(palette.photo * CHOICE)]] = colour / palette.back
    assert len(shown) > 30
    relative = np.array(list(shown.values()))
    assert relative.std(1).mean() > .03 and relative.std(0).mean() > .03


def test_people_are_near_in_tone(maps):
    lightness = maps.photos._lightness
    for back in (.05, .3, .6):
        near = maps.photos.nearest(np.full(3, back))
        others = np.setdiff1d(np.arange(42), near)
        away = np.abs(lightness - np.log(back))
        assert away[near].max() <= away[others].min()


def test_a_folder_without_skins_is_refused(maps, tmp_path):
    with pytest.raises(FileNotFoundError, match="train.bake_skins"):
        PhotoSkins(maps.palm, maps.palm, maps.palm, tmp_path)
