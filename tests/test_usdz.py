"""USDZ by Pixar's own library: what it skins, shows and finds fault with."""
import numpy as np
import pytest
from rig_files import of_vertices
from test_export import in_gltf_frame
from test_rig import EXAMPLES, FPS, FRAMES, MODELS, TENTH_MM, UNSEEN, arrays, frames  # noqa: F401

from handpose.command import cli
from handpose.command.cli import main
from handpose.rig.motion import motions_of_clip, motions_of_photo

pytest.importorskip("pxr", reason="USD is missing: pip install usd-core")
from pxr import Usd, UsdGeom, UsdShade, UsdSkel, UsdValidation, Vt  # noqa: E402

from handpose.rig.usdz import usdz_bytes  # noqa: E402


@pytest.fixture(scope="module")
def clip(arrays, tmp_path_factory):  # noqa: F811
    path = tmp_path_factory.mktemp("usd") / "clip.usdz"
    path.write_bytes(usdz_bytes(motions_of_clip(arrays, MODELS)))
    return path


def skinned(stage: Usd.Stage, name: str, code: float) -> np.ndarray | None:
    """The points of a hand in the scene as USD skins them, None where it hides them."""
    cache, root = UsdSkel.Cache(), UsdSkel.Root(stage.GetPrimAtPath(f"/hands/{name}"))
    cache.Populate(root, Usd.TraverseInstanceProxies())
    binding, = cache.ComputeSkelBindings(root, Usd.TraverseInstanceProxies())
    target, = binding.GetSkinningTargets()
    mesh = UsdGeom.Mesh(target.GetPrim())
    points = Vt.Vec3fArray(mesh.GetPointsAttr().Get())
    moves = cache.GetSkelQuery(binding.GetSkeleton()).ComputeSkinningTransforms(code)
    assert target.ComputeSkinnedPoints(moves, points, code)
    world = np.array(mesh.ComputeLocalToWorldTransform(code))
    hidden = mesh.ComputeVisibility(code) == UsdGeom.Tokens.invisible
    return None if hidden else np.array(points) @ world[:3, :3] + world[3, :3]


def test_usd_shows_our_hands_at_their_times(clip, frames):  # noqa: F811
    stage = Usd.Stage.Open(str(clip))
    assert UsdGeom.GetStageUpAxis(stage) == "Y" and UsdGeom.GetStageMetersPerUnit(stage) == 1
    assert stage.GetTimeCodesPerSecond() == pytest.approx(FPS)
    assert (stage.GetStartTimeCode(), stage.GetEndTimeCode()) == (0, FRAMES - 1)
    for number in (0, 8, 9, 13, 14, FRAMES - 1):
        for one, name in zip(frames[number], ("track1_right", "track2_left"), strict=True):
            points = skinned(stage, name, number)
            if name == "track2_left" and UNSEEN.start <= number < UNSEEN.stop:
                assert points is None
            else:
                points = of_vertices(points, MODELS[one.hand.side])
                assert np.abs(points - in_gltf_frame(one.hand.vertices)).max() < TENTH_MM / 5


def test_usd_finds_no_fault(clip):
    registry = UsdValidation.ValidationRegistry()
    known = [registry.GetOrLoadValidatorByName(about.name) for about in registry.GetAllValidatorMetadata()]
    assert len(known) > 10
    stage = Usd.Stage.Open(str(clip))
    assert [fault.GetMessage() for fault in UsdValidation.ValidationContext(known).Validate(stage)] == []
    skin = stage.GetPrimAtPath("/hands/track2_left/skin")
    assert UsdGeom.Mesh(skin).GetExtentAttr().HasAuthoredValue()
    material, _ = UsdShade.MaterialBindingAPI(skin).ComputeBoundMaterial()
    assert material.GetPath() == "/hands/track2_left/material"
    uv = UsdGeom.PrimvarsAPI(skin).GetPrimvar("st")
    assert uv.GetInterpolation() == "vertex" and len(uv.Get()) == len(UsdGeom.Mesh(skin).GetPointsAttr().Get())


def test_a_photo_is_posed_at_time_0(frames, tmp_path):  # noqa: F811
    hands = [one.hand for one in frames[5]]
    (tmp_path / "photo.usdz").write_bytes(usdz_bytes(motions_of_photo(hands, MODELS)))
    stage = Usd.Stage.Open(str(tmp_path / "photo.usdz"))
    for number, hand in enumerate(hands):
        points = of_vertices(skinned(stage, f"hand{number}_{hand.side}", 0), MODELS[hand.side])
        assert np.abs(points - in_gltf_frame(hand.vertices)).max() < TENTH_MM / 5
    with pytest.raises(ValueError, match="nothing to rig"):
        usdz_bytes([])


def test_the_command_writes_it_or_says_what_it_needs(tmp_path, monkeypatch, capsys):
    command = ["predict", str(EXAMPLES / "open_palm.jpg"), "--out", str(tmp_path), "--usdz", "--no-overlay"]
    assert main(command) == 0
    assert Usd.Stage.Open(str(tmp_path / "open_palm.usdz")).GetPrimAtPath("/hands/hand0_right/skin")
    monkeypatch.setattr(cli, "find_spec", lambda name: None)
    assert main([*command, "--again"]) == 2
    assert "pip install 'handpose[usd]'" in capsys.readouterr().err
