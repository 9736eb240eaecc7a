"""Hands with a skeleton as USDZ, for iPhones, Omniverse and film, by Pixar's own library (usd-core, an extra).

The scene is as that of `rigged_glb`: y up, metres, the camera at the origin; a hand is turned from the camera's frame
by half a turn about x, and below that all is as in our results. A clip's times are time codes, of which there are as
many a second as the clip has frames; a photo's is 0. A hand that is not seen is invisible. Pose blend shapes are left
out.
"""
from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from pxr import Gf, Sdf, Usd, UsdGeom, UsdShade, UsdSkel, UsdUtils, Vt

from ..drawing.material import METALLIC, ROUGHNESS, base_color
from ..hand_model.skeleton import MANO_JOINT_NAMES
from .motion import HandMotion
from .skinned_mesh import SkinnedMesh

HANDS = "/hands"
PHOTO_RATE = 30.0  # time codes a second where there is only one
DECIMALS = 6  # of a time code: those of an even clip are whole numbers


def usdz_bytes(motions: Sequence[HandMotion]) -> bytes:
    """The content of a `.usdz` with all these hands. Raises ValueError where there is none."""
    if not motions:
        raise ValueError("Without a hand there is nothing to rig: check for an empty result first.")
    with TemporaryDirectory() as folder:
        stage = Usd.Stage.CreateNew(f"{folder}/hands.usdc")
        UsdGeom.SetStageUpAxis(stage, UsdGeom.Tokens.y)
        UsdGeom.SetStageMetersPerUnit(stage, UsdGeom.LinearUnits.meters)
        stage.SetDefaultPrim(UsdGeom.Xform.Define(stage, HANDS).GetPrim())
        times_s = motions[0].times_s
        rate = (len(times_s) - 1) / (times_s[-1] - times_s[0]) if len(times_s) > 1 else PHOTO_RATE
        codes = np.round(times_s * rate, DECIMALS)
        stage.SetTimeCodesPerSecond(rate)
        stage.SetStartTimeCode(codes[0])
        stage.SetEndTimeCode(codes[-1])
        for motion in motions:
            _add_hand(stage, motion, codes)
        stage.Save()
        if not UsdUtils.CreateNewUsdzPackage(Sdf.AssetPath(f"{folder}/hands.usdc"), f"{folder}/hands.usdz"):
            raise OSError("USD cannot pack the hands: check that there is room for temporary files.")
        return Path(folder, "hands.usdz").read_bytes()


def _add_hand(stage: Usd.Stage, motion: HandMotion, codes: np.ndarray) -> None:
    """Adds a hand; `codes` (T,) are the time codes of the clip's frames."""
    path = f"{HANDS}/{motion.name}"
    root = UsdSkel.Root.Define(stage, path)
    UsdGeom.Xformable(root).AddRotateXOp().Set(180.0)
    mesh = SkinnedMesh(motion.model)
    rest = mesh.rest(motion.betas)
    parents, names = motion.model.parents, []
    for joint, name in enumerate(MANO_JOINT_NAMES):
        carried = f"{names[parents[joint]]}/" if joint else ""
        names.append(f"{carried}{motion.side}_{name}")

    skeleton = UsdSkel.Skeleton.Define(stage, f"{path}/skeleton")
    steps = rest.joints - np.where(np.arange(16)[:, None] > 0, rest.joints[parents], 0)
    skeleton.CreateJointsAttr(names)
    skeleton.CreateBindTransformsAttr(_moves(rest.joints))
    skeleton.CreateRestTransformsAttr(_moves(steps))

    animation = UsdSkel.Animation.Define(stage, f"{path}/motion")
    animation.CreateJointsAttr(names)
    animation.CreateScalesAttr(Vt.Vec3hArray([Gf.Vec3h(1, 1, 1)] * 16))
    places, turns = animation.CreateTranslationsAttr(), animation.CreateRotationsAttr()
    for code, wrist, quaternions in zip(codes[motion.seen], motion.wrist, motion.rotations, strict=True):
        places.Set(Vt.Vec3fArray.FromNumpy(np.concatenate([wrist[None], steps[1:]]).astype(np.float32)), code)
        turns.Set([Gf.Quatf(*(float(number) for number in (w, x, y, z))) for x, y, z, w in quaternions], code)
    UsdSkel.BindingAPI.Apply(skeleton.GetPrim()).CreateAnimationSourceRel().SetTargets([animation.GetPath()])
    if not motion.seen.all():
        changes = np.diff(motion.seen, prepend=not motion.seen[0])
        for code, seen in zip(codes[changes], motion.seen[changes], strict=True):
            root.CreateVisibilityAttr().Set(UsdGeom.Tokens.inherited if seen else UsdGeom.Tokens.invisible, code)

    skin = UsdGeom.Mesh.Define(stage, f"{path}/skin")
    skin.CreateSubdivisionSchemeAttr(UsdGeom.Tokens.none)
    skin.CreatePointsAttr(Vt.Vec3fArray.FromNumpy(rest.points.astype(np.float32)))
    skin.CreateExtentAttr([Gf.Vec3f(*corner.tolist()) for corner in (rest.points.min(0), rest.points.max(0))])
    skin.CreateNormalsAttr(Vt.Vec3fArray.FromNumpy(rest.normals.astype(np.float32)))
    skin.SetNormalsInterpolation(UsdGeom.Tokens.vertex)
    skin.CreateFaceVertexCountsAttr(np.full(len(mesh.faces), 3))
    skin.CreateFaceVertexIndicesAttr(mesh.faces.ravel())
    if mesh.uv is not None:
        uv = UsdGeom.PrimvarsAPI(skin).CreatePrimvar("st", Sdf.ValueTypeNames.TexCoord2fArray, UsdGeom.Tokens.vertex)
        uv.Set(Vt.Vec2fArray.FromNumpy(mesh.uv.astype(np.float32)))
    binding = UsdSkel.BindingAPI.Apply(skin.GetPrim())
    binding.CreateSkeletonRel().SetTargets([skeleton.GetPath()])
    width = mesh.bones.shape[1]
    binding.CreateJointIndicesPrimvar(False, width).Set(mesh.bones.ravel())
    binding.CreateJointWeightsPrimvar(False, width).Set(mesh.weights.ravel())
    UsdShade.MaterialBindingAPI.Apply(skin.GetPrim()).Bind(_material(stage, f"{path}/material", motion.side))


def _material(stage: Usd.Stage, path: str, side: str) -> UsdShade.Material:
    material, shader = UsdShade.Material.Define(stage, path), UsdShade.Shader.Define(stage, f"{path}/surface")
    shader.CreateIdAttr("UsdPreviewSurface")
    shader.CreateInput("diffuseColor", Sdf.ValueTypeNames.Color3f).Set(Gf.Vec3f(*base_color(side)[:3]))
    shader.CreateInput("metallic", Sdf.ValueTypeNames.Float).Set(METALLIC)
    shader.CreateInput("roughness", Sdf.ValueTypeNames.Float).Set(ROUGHNESS)
    material.CreateSurfaceOutput().ConnectToSource(shader.ConnectableAPI(), "surface")
    return material


def _moves(places: np.ndarray) -> Vt.Matrix4dArray:
    """Translations to places (N, 3) as USD's matrices, whose last row is the place."""
    return Vt.Matrix4dArray([Gf.Matrix4d().SetTranslate(Gf.Vec3d(*place.tolist())) for place in places.astype(float)])
