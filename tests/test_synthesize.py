"""Training images: labels that fit the pixels, the same files whatever made them, and the parts they are made of."""
import json
import os
import pickle
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from handpose.drawing.shading import vertex_normals
from handpose.hand_model.layer import HandLayer
from train.synthesis.arm import Forearm, border_loop, skin_rings, sleeve, tube_faces
from train.synthesis.objects import THINGS, make
from train.synthesis.poses import PoseBank, bent_fingers, collides
from train.synthesis.props import Photos
from train.synthesis.scene import NEAREST, place_in_view
from train.synthesis.skin import MAP_NAMES, SkinMaps, sample_palette, tileable_noise
from train.synthesize import Job, _tools, synthesize

SIZE = 96


@pytest.fixture(scope="module")
def job(tmp_path_factory):
    folder = tmp_path_factory.mktemp("synthesis")
    rng = np.random.default_rng(0)
    (folder / "photos").mkdir()
    for k in range(3):
        picture = cv2.resize(rng.integers(0, 255, (6, 8, 3), np.uint8), (200, 150))
        cv2.imwrite(str(folder / "photos" / f"{k}.png"), picture)
    bank = PoseBank.invented(200, seed=3)
    np.savez(folder / "bank.npz", hand_pose=bank.hand_pose, global_orient=bank.global_orient)
    return Job(str(folder / "out"), str(folder / "bank.npz"), (str(folder / "photos"),), 18, SIZE, seed=4, shard=4)


@pytest.fixture(scope="module")
def labels(job):
    with np.load(synthesize(job, workers=1, progress=False)) as file:
        return dict(file)


def files_of(out):
    return {path.relative_to(out): path.read_bytes() for path in sorted(Path(out).rglob("*"))
            if path.suffix in (".jpg", ".npz", ".json")}


def silhouette(vertices, faces, K):
    """Filled by OpenCV, triangle by triangle: knows nothing of the renderer."""
    uv = vertices @ K.T
    image = np.zeros((SIZE * 8, SIZE * 8), np.uint8)
    for corners in ((uv[:, :2] / uv[:, 2:] + .5) * 8 - .5)[faces]:
        cv2.fillConvexPoly(image, np.round(corners * 256).astype(np.int32), 255, cv2.LINE_8, 8)
    return cv2.resize(image, (SIZE, SIZE), interpolation=cv2.INTER_AREA) > 127


def test_labels_fit_the_pixels(job, labels):
    model = HandLayer.load()
    posed = model(*(torch.from_numpy(labels[key]) for key in ("global_orient", "hand_pose", "betas", "transl")))
    np.testing.assert_allclose(posed.joints, labels["joints"], atol=1e-5)
    projected = np.einsum("nij,nkj->nki", labels["K"], labels["joints"])
    np.testing.assert_allclose(projected[..., :2] / projected[..., 2:], labels["joints_2d"], atol=1e-2)
    around = np.ones((5, 5), np.uint8)
    assert {"bare", "object", "two hands", "glove", "border"} == set(labels["kind"])
    for k in range(job.count):
        outline = silhouette(posed.vertices[k].numpy(), model.faces, labels["K"][k])
        mask = cv2.imread(f"{job.out}/training/mask/{k:08d}.jpg", cv2.IMREAD_GRAYSCALE) > 127
        assert not (mask & (cv2.dilate(outline.astype(np.uint8), around[:3, :3]) == 0)).any()
        if labels["kind"][k] != "glove":  # which is larger than the hand in it
            assert abs(1 - mask.sum() / outline.sum() - labels["occluded"][k]) < .06
        u, v = np.round(labels["joints_2d"][k]).astype(int).T
        inside = (u >= 0) & (v >= 0) & (u < SIZE) & (v < SIZE)
        assert inside.all() != (labels["kind"][k] == "border")
        if labels["occluded"][k] < .02:
            assert cv2.dilate(mask.astype(np.uint8), around)[v[inside], u[inside]].all()
    assert (labels["occluded"] < .02).sum() >= 3
    box = np.ptp(labels["joints_2d"], axis=1).max(1) / SIZE
    assert (.35 < box).all() and (box < np.where(labels["kind"] == "border", .85, .65)).all()


def test_the_hand_is_drawn_where_the_mask_is(job, labels):
    """Pixels change at the mask's edge more than elsewhere: the picture shows the hand that the labels describe."""
    stronger = []
    for k in range(job.count):
        grey = cv2.imread(f"{job.out}/training/rgb/{k:08d}.jpg", cv2.IMREAD_GRAYSCALE).astype(np.float32)
        mask = cv2.imread(f"{job.out}/training/mask/{k:08d}.jpg", cv2.IMREAD_GRAYSCALE)
        edge = cv2.morphologyEx((mask > 127).astype(np.uint8), cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8)) > 0
        slope = np.hypot(cv2.Sobel(grey, -1, 1, 0), cv2.Sobel(grey, -1, 0, 1))
        stronger.append(slope[edge].mean() / slope[~edge].mean())
    assert np.median(stronger) > 2


@pytest.mark.parametrize("cut_off", [False, True])
def test_a_hand_that_points_at_a_wide_lens_is_in_view(cut_off):
    """It is deeper than the camera would first be away; then no joint may come behind the camera, and a hand
    that is not cut off is as large as asked for."""
    hand = np.column_stack([np.linspace(0, 0.08, 21), np.tile([0, 0.05, 0.02], 7), np.linspace(0, -0.2, 21)])
    for seed in range(60):
        focal, shift = place_in_view(np.random.default_rng(seed), hand, SIZE, cut_off)
        joints = hand + shift
        assert joints[:, 2].min() > NEAREST - 1e-6
        pixels = joints[:, :2] / joints[:, 2:] * focal + (SIZE - 1) / 2
        inside = ((pixels > 0) & (pixels < SIZE)).all(1)
        assert inside.any() if cut_off else inside.all() and .4 < np.ptp(pixels, axis=0).max() / SIZE < .62


def test_freihand_layout(job, labels):
    mano, xyz, scale, K = (json.loads(Path(job.out, f"training_{name}.json").read_text())
                           for name in ("mano", "xyz", "scale", "K"))
    assert np.shape(mano) == (job.count, 1, 61) and np.shape(xyz) == (job.count, 21, 3)
    np.testing.assert_allclose(np.array(mano)[:, 0, :58], np.hstack([labels[key] for key in (
        "global_orient", "hand_pose", "betas")]), atol=1e-5)
    np.testing.assert_allclose(scale, np.linalg.norm(np.array(xyz)[:, 9] - np.array(xyz)[:, 10], axis=1), atol=1e-5)
    np.testing.assert_allclose(K, labels["K"], atol=1e-3)


class Elsewhere:
    """In the place of a pool of processes: what it runs comes pickled, finds nothing of what ran before, and is done in
    another order."""

    def __init__(self, *_, **__):
        _tools.cache_clear()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def map(self, function, *arguments):
        tasks = [pickle.dumps((function, task)) for task in zip(*arguments, strict=True)]
        answers = []
        for function, task in map(pickle.loads, reversed(tasks)):
            answers.append(function(*task))
        return reversed(answers)


def test_same_files_with_more_workers(job, labels, monkeypatch):
    monkeypatch.setattr("train.synthesize.ProcessPoolExecutor", Elsewhere)
    other = replace(job, out=job.out + "_2")
    synthesize(other, workers=2, progress=False)
    assert files_of(job.out) == files_of(other.out)


def test_resume_makes_only_what_is_missing(job, labels):
    part = replace(job, out=job.out + "_3", count=9)
    synthesize(part, progress=False)
    keep = Path(part.out, "training", "rgb", "00000003.jpg")  # of a shard that is whole
    keep.write_bytes(b"as it was")
    os.remove(Path(part.out, "training", "rgb", "00000008.jpg"))  # of the shard that ended at 9
    synthesize(replace(part, count=job.count), progress=False)
    ours, theirs = files_of(part.out), files_of(job.out)
    assert ours.pop(keep.relative_to(part.out)) == b"as it was"
    theirs.pop(keep.relative_to(part.out))
    assert ours == theirs
    with pytest.raises(ValueError, match="seed"):
        synthesize(replace(part, seed=5), progress=False)


def test_errors_name_the_remedy(job, tmp_path):
    with pytest.raises(FileNotFoundError, match="name a folder"):
        synthesize(replace(job, out=str(tmp_path / "a"), backgrounds=(str(tmp_path / "none"),)), progress=False)
    with pytest.raises(FileNotFoundError, match="train.fit_hands"):
        synthesize(replace(job, out=str(tmp_path / "b"), poses=str(tmp_path / "none.npz")), progress=False)
    np.savez(tmp_path / "poor.npz", hand_pose=np.zeros((2, 45)))
    with pytest.raises(ValueError, match="global_orient"):
        PoseBank.load(tmp_path / "poor.npz")


def volume(vertices, faces):
    a, b, c = (vertices - vertices.mean(0))[faces].swapaxes(0, 1)
    return (np.cross(a, b) * c).sum() / 6


@pytest.fixture(scope="module")
def rest():
    model = HandLayer.load()
    posed = model(*(torch.zeros(1, n) for n in (3, 45, 10, 3)))
    return model, posed.vertices[0].numpy(), posed.joints[0].numpy()


def test_arm_closes_the_wrist_and_bends(rest):
    model, vertices, joints = rest
    loop = border_loop(model.faces)
    frame = np.eye(3)[:, [1, 2, 0]]
    for bend in (np.zeros(2), np.array([.9, -.3])):
        forearm = Forearm(vertices[loop], frame, bend, np.array([1.5, 1.4]))
        rings, distances = skin_rings(forearm)
        tube = np.concatenate([loop, len(vertices) + np.arange(rings.size // 3)])[tube_faces(len(rings) + 1, len(loop))]
        faces = np.concatenate([model.faces, tube])
        edges = np.sort(np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]), 1)
        counts = np.unique(edges, axis=0, return_counts=True)[1]
        assert (counts == 1).sum() == len(loop) and counts.max() == 2  # open only at the arm's far end
        assert volume(np.concatenate([vertices, rings.reshape(-1, 3)]), faces) > .0008
        way = rings[-1].mean(0) - rings[-3].mean(0)
        turned = np.degrees(np.arccos(way[0] / np.linalg.norm(way)))
        assert abs(turned - np.degrees(np.arccos(np.prod(np.cos(bend)) / np.linalg.norm(
            [*np.sin(bend), np.prod(np.cos(bend))])))) < 3
        inner = np.linalg.norm(rings - rings.mean(1, keepdims=True), axis=2)
        cuff, cuff_faces, _ = sleeve(forearm, .05, .3, .01, np.zeros((2, 2)))
        assert volume(cuff, cuff_faces) > volume(rings.reshape(-1, 3), tube_faces(len(rings), len(loop))) * .2
        assert inner.min() > .01


def test_objects_face_outwards(job):
    photos, rng = Photos(job.backgrounds), np.random.default_rng(1)
    for name in THINGS:
        for body in make(name, rng).parts(rng, photos):
            assert volume(body.vertices, body.faces) > 0 and body.coords.shape == (len(body.faces), 3, 2)


def test_skin_maps_lie_where_anatomy_has_them(rest):
    model, vertices, joints = rest
    maps = SkinMaps(vertices, vertex_normals(vertices, model.faces), joints, model.faces, model.uv, model.uv_faces, 256)
    texel = (maps.corner_coords.mean(1) * (maps.size - 1) + .5).astype(int)
    of_face = maps.maps[texel[:, 1], texel[:, 0]]
    middle, up = vertices[model.faces].mean(1), vertex_normals(vertices, model.faces)[model.faces].mean(1)[:, 1]
    nail = of_face[:, MAP_NAMES.index("nail")] > .5
    nearest_tip = np.linalg.norm(middle[:, None] - joints[[4, 8, 12, 16, 20]], axis=2).min(1)
    assert nail.sum() > 25 and nearest_tip[nail].max() < .02 and (up[nail] > 0).mean() > .9
    palm = of_face[:, MAP_NAMES.index("palm")]
    fingers = middle[:, 0] < joints[5, 0]
    assert palm[fingers & (up < -.6)].mean() > .9 and palm[fingers & (up > .6)].mean() < .1


def test_skin_spans_the_human_range_evenly():
    palettes = [sample_palette(np.random.default_rng(k)) for k in range(600)]
    tone = np.array([p.tone for p in palettes])
    assert np.bincount(tone, minlength=6).min() > 70
    light = np.array([p.back @ [.21, .72, .07] for p in palettes])
    means = [light[tone == k].mean() for k in range(6)]
    assert (np.diff(means) < 0).all() and means[0] > .45 and means[5] < .1
    dark = [p for p in palettes if p.tone == 5]
    assert np.mean([p.palm.sum() / p.back.sum() for p in dark]) > 2  # palms stay light


def test_noise_tiles():
    noise = tileable_noise(np.random.default_rng(0), 64, 16)
    inside = np.abs(np.diff(noise, axis=0)).mean()
    assert np.abs(noise[0] - noise[-1]).mean() < 2 * inside


def test_bank_keeps_to_its_limits_and_mixes(job):
    bank = PoseBank.load(job.poses)
    orient, pose, betas = bank.draw(np.random.default_rng(0), 400)
    assert (pose >= bank.low - 1e-5).all() and (pose <= bank.high + 1e-5).all()
    apart = np.abs(pose[:, None] - bank.hand_pose).max(2).min(1)
    assert (apart > .1).mean() > .3  # poses that the bank does not have
    assert np.abs(betas).max() <= 2.5 and orient.shape == (400, 3)


def test_fingers_bend_towards_the_palm_and_spread(job):
    """As the hand model poses them: bent knuckles bring the tips to the palm's side, -y, and hardly any hand's straight
    fingers cross."""
    pose = bent_fingers(np.random.default_rng(0), 500)
    knuckles = np.degrees(pose.reshape(-1, 4, 3, 3)[:, :, 0, 2])
    assert knuckles.min() < -10 and knuckles.max() > 80  # from overstretched to a fist
    nothing = [torch.zeros(500, count) for count in (3, 10, 3)]
    joints = HandLayer.load()(nothing[0], torch.from_numpy(np.float32(np.hstack([pose, np.zeros((500, 9))]))),
                              *nothing[1:]).joints.numpy()
    middles, tips = joints[:, [6, 10, 18, 14]], joints[:, [8, 12, 20, 16]]
    toward_palm = (joints[:, [5, 9, 17, 13]] - middles)[..., 1]
    assert (toward_palm[knuckles > 40] > .01).all() and (toward_palm[knuckles < -10] < .005).all()
    straight = (np.degrees(pose.reshape(-1, 4, 3, 3)[..., 2]) < 25).all((1, 2))
    across = tips[straight][:, [0, 1, 3, 2], 2]  # z is towards the thumb
    assert straight.sum() > 10 and (np.diff(across) < 0).all(1).mean() > .9


def test_many_hands_have_straight_fingers_flat_in_the_palm_s_plane_or_not():
    bends = np.degrees(bent_fingers(np.random.default_rng(0), 2000).reshape(-1, 4, 3, 3)[..., 2])
    straight = bends[(np.abs(bends[:, :, 1:]) < 20).all((1, 2))]
    assert .25 < len(straight) / len(bends) < .4
    flat = (np.abs(straight[:, :, 0]) < 20).all(1)
    assert .4 < flat.mean() < .7 and (straight[:, :, 0] > 30).all(1).mean() > .1


def test_fingers_bend_whichever_way_the_hand_is_turned():
    """Of a bank that only has flat hands, all turned alike, many hands with bent fingers come that are turned so."""
    flat = PoseBank(np.zeros((5, 45), np.float32), np.zeros((5, 3), np.float32), np.full(45, -2.0), np.full(45, 2.0))
    orient, pose, _ = flat.draw(np.random.default_rng(1), 1000)
    alike = np.linalg.norm(orient, axis=1) < .5
    bent = np.abs(pose[alike].reshape(-1, 15, 3)[:, :12, 2]).max(1) > .5  # half a radian is no noise
    assert alike.sum() > 200 and .3 < bent.mean() < .7


def test_fingers_that_run_through_each_other_are_found(rest):
    model, _, joints = rest
    crossed = joints.copy()
    crossed[6:9] += joints[10] - joints[6] + [.0, .002, 0]  # the index finger moved into the middle one
    fist = np.zeros(45, np.float32)
    fist[2:36:3] = [1.4, 1.6, 1.0] * 4
    closed = model(torch.zeros(1, 3), torch.from_numpy(fist)[None], torch.zeros(1, 10), torch.zeros(1, 3)).joints
    assert collides(np.stack([joints, crossed, closed[0].numpy()])).tolist() == [False, True, False]


def test_poses_come_from_the_sets_asked_for(job, tmp_path):
    bank = PoseBank.invented(60, seed=1)
    sets, residual = np.repeat(["a", "b", "c"], 20), np.where(np.arange(60) % 20 == 0, 0.5, 0.01)
    np.savez(tmp_path / "bank.npz", hand_pose=bank.hand_pose, global_orient=bank.global_orient, set=sets,
             residual_2d=residual)
    for kept, options in ((("a", "b", "c"), {}), (("a", "c"), {"without": ("b",)}), (("b",), {"only": ("b",)}),
                          (("c",), {"only": ("b", "c"), "without": ("b",)})):
        drawn = PoseBank.load(tmp_path / "bank.npz", **options)
        assert np.array_equal(drawn.hand_pose, bank.hand_pose[np.isin(sets, kept) & (residual < 0.1)])
    with pytest.raises(ValueError, match="no good pose"):
        PoseBank.load(tmp_path / "bank.npz", only=("d",))
    with pytest.raises(ValueError, match="does not say which photo set"):  # rather than all of its poses
        PoseBank.load(job.poses, only=("b",))
    with pytest.raises(ValueError, match="only"):  # another run's images
        synthesize(replace(job, poses=str(tmp_path / "bank.npz"), only=("b",)), progress=False)
