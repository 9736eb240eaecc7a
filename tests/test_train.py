"""The whole way to a checkpoint, tiny: backgrounds -> renders -> the landmark model's answers -> fits -> training."""
import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from lightning.fabric import Fabric

from handpose.crop import upright_box
from handpose.crop_predictor import landmarks_in_crop
from handpose.detection.landmarks import Landmarks
from handpose.hand_model.layer import HandLayer
from handpose.network.hand_network import HandNetwork, NetworkConfig
from train.data import augment
from train.data.augment import AugmentConfig, make_batch, upright_boxes
from train.data.dataset import load_renders
from train.data.inputs import make_inputs
from train.data.loader import Group
from train.fit_hands import fit
from train.learning import trainer
from train.learning.data_config import DataConfig, RendersConfig
from train.learning.recipe import Recipe
from train.learning.trainer import Trainer


@pytest.fixture(scope="module")
def recipe(rendered):
    return Recipe(network=NetworkConfig(input_size=64, token_width=12, token_layers=1, pyramid_channels=16,
                                        lifter_width=32, lifter_blocks=1),
                  data=DataConfig(sources=(RendersConfig(folder=str(rendered / "renders"), validation=4,
                                                         landmarks=str(rendered / "landmarks.npz")),),
                                  backgrounds=(str(rendered / "backgrounds"),), without_image=1.0),
                  steps=16, batch=8, group=8, warm_up=2, rate=2e-3, precision="32-true", validate_steps=1000)


def train(recipe, out, steps=None, resume=False):
    out.mkdir(exist_ok=True)
    torch.manual_seed(0)
    fabric = Fabric(accelerator="cpu", devices=1, precision=recipe.fabric_precision)
    losses = []
    trainer = Trainer(recipe, out, fabric)
    if resume:
        trainer.resume()
    whole = trainer._loss_of
    trainer._loss_of = lambda samples: (losses.append(whole(samples)), losses[-1])[1]
    trainer.train(until=steps)
    return trainer, [total.item() for total, _ in losses]


def test_loss_falls_and_the_checkpoint_runs(recipe, tmp_path):
    _, losses = train(recipe, tmp_path / "run")
    assert np.mean(losses[-4:]) < 0.75 * np.mean(losses[:4])
    network = HandNetwork.from_pretrained(tmp_path / "run" / "handpose")
    with torch.no_grad():
        assert torch.isfinite(network(torch.zeros(1, 3, 64, 64)).joints).all()


def test_whichever_is_faster_is_tried_and_taken(recipe, tmp_path, monkeypatch):
    """In bfloat16 the losses are nearly the same, and the trial leaves no trace."""
    tried, trial = [], trainer.faster_in_bfloat16

    def answer(network, inputs, fabric):
        before = {key: value.clone() for key, value in network.state_dict().items()}
        tried.append(trial(network, inputs, fabric))
        assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())
        return len(tried) == 2
    monkeypatch.setattr(trainer, "faster_in_bfloat16", answer)
    auto = replace(recipe, precision="auto", warm_up=0)
    runs = [train(auto, tmp_path / name, 2)[0:2] for name in ("full", "low")]
    assert [type(said) for said in tried] == [bool, bool] and [run.bfloat16 for run, _ in runs] == [False, True]
    full, low = (losses for _, losses in runs)
    assert full[0] != low[0] and np.allclose(full, low, rtol=0.05)


def test_crops_of_both_sizes_are_shown_by_turns(recipe, tmp_path):
    both = replace(recipe, network=replace(recipe.network, live_size=32), steps=4)
    (tmp_path / "run").mkdir()
    trainer = Trainer(both, tmp_path / "run", Fabric(accelerator="cpu", devices=1, precision="32-true"))
    shown, whole = [], trainer._loss_of
    trainer._loss_of = lambda inputs: (shown.append(inputs.images.shape[2:]), whole(inputs))[1]
    trainer.train()
    assert shown == [(64, 64), (32, 32)] * 2
    assert HandNetwork.from_pretrained(tmp_path / "run" / "handpose").config.live_size == 32


def test_a_resumed_run_ends_as_an_unbroken_one(recipe, tmp_path):
    unbroken, losses = train(recipe, tmp_path / "unbroken", 6)
    train(recipe, tmp_path / "broken", 3)
    resumed, rest = train(recipe, tmp_path / "broken", 6, resume=True)
    assert np.allclose(rest, losses[3:], rtol=1e-4)
    for key, value in unbroken.average.state_dict().items():
        assert torch.allclose(value.float(), resumed.average.state_dict()[key].float(), atol=1e-4), key


def test_a_state_of_something_else_is_refused(recipe, tmp_path):
    trainer, _ = train(recipe, tmp_path, 1)
    state = torch.load(tmp_path / "state.pt", weights_only=True)
    for wrong in ({"step": "x"}, {"step": -1}, {"lowest": None}, {"network": {}}, {"optimizer": 3}, {"schedule": []},
                  {"average": {"a": torch.zeros(3)}}, None, b"", b"no state"):
        if isinstance(wrong, bytes):
            (tmp_path / "state.pt").write_bytes(wrong)
        else:
            torch.save(wrong and state | wrong, tmp_path / "state.pt")
        with pytest.raises(ValueError, match="state.pt is damaged or of another recipe's run .*: begin anew") as caught:
            trainer.resume()
        assert "\n" not in str(caught.value) and len(str(caught.value)) < 500


def test_an_unknown_option_of_a_recipe_is_named(tmp_path):
    (tmp_path / "recipe.yaml").write_text("augment: {tilt: 3}\n")
    with pytest.raises(ValueError, match="tilt"):
        Recipe.load(tmp_path / "recipe.yaml")


def test_crops_keep_labels_on_the_hand(rendered):
    """Points, depths and rotations of a batch against the crop's own camera and the hand model."""
    samples = load_renders(rendered / "renders", rendered / "landmarks.npz")
    for config in (None, AugmentConfig()):
        torch.manual_seed(3)
        batch = make_batch(samples, 128, config)
        model = HandLayer.load().joints_only()
        posed = model.pose(batch.rotations, batch.betas, torch.zeros(len(samples), 3)).joints
        # a batch's labels are one and the same hand
        assert torch.allclose(posed - posed[:, :1], batch.joints_3d, atol=1e-5)
        # seen from far away, the 2.5D joints are those joints, scaled: the crop's axes are the labels' axes
        flat = batch.joints[..., :2] - batch.joints[:, :1, :2]
        scale = batch.joints[..., 2].norm(dim=1) / batch.joints_3d[..., 2].norm(dim=1)
        apart = (flat - batch.joints_3d[..., :2] * scale[:, None, None]).norm(dim=2)
        assert apart.median() < 0.08
        assert (batch.joints[..., :2].abs() < 1.25).all()


def test_crop_pixels_follow_the_labels(rendered):
    """A bright dot painted onto a joint that is in the image lies where the batch says that joint is."""
    samples = load_renders(rendered / "renders", rendered / "landmarks.npz")
    inside = ((samples.joints_2d[:, 9] > 2) & (samples.joints_2d[:, 9] < samples.images.shape[1] - 3)).all(1)
    samples = samples.take(inside.nonzero()[:4, 0])
    samples.images = torch.zeros_like(samples.images)
    for n in range(4):
        u, v = samples.joints_2d[n, 9].round().int().tolist()
        samples.joints_2d[n, 9] = torch.tensor([u, v])
        samples.images[n, v - 1:v + 2, u - 1:u + 2] = 255
    batch = make_batch(samples, 128, None)
    for n in range(4):
        weight = batch.images[n].sum(0)
        at = torch.stack([(weight.sum(axis) * torch.arange(128)).sum() for axis in (0, 1)]) / weight.sum()
        assert torch.allclose((at + 0.5) / 64 - 1, batch.joints[n, 9, :2], atol=0.01)


def test_boxed_hands_lie_farther_off_and_have_no_landmarks(rendered):
    samples = load_renders(rendered / "renders", rendered / "landmarks.npz")
    samples = samples.take(torch.arange(len(samples)).repeat(40)[:480])
    torch.manual_seed(1)
    off = {}
    for share in (0.0, 1.0):
        batch = make_batch(samples, 32, AugmentConfig(boxed=share, withhold=0.0, color=0.0))
        center, side, angle = upright_boxes(batch.joints[..., :2])
        off[share] = torch.stack([center.norm(dim=1).mean(), side.log().std(), angle.std()])
        assert batch.given.any() == (share == 0)
    assert torch.allclose(off[1.0] / off[0.0], torch.full((3,), AugmentConfig().boxed_play), rtol=0.25)


def test_hands_are_shown_in_a_mirror_and_it_is_known_which(recipe, rendered):
    hands = load_renders(rendered / "renders", rendered / "landmarks.npz").take(torch.arange(6))
    groups = [Group(seed, hands, None) for seed in (1, 2)]
    recipe = replace(recipe, data=replace(recipe.data, mirrored=.5, without_hand=.4))
    shown = make_inputs(groups, recipe, 64, [torch.zeros(3, 64, 64, 3, dtype=torch.uint8)], torch.device("cpu"))
    assert shown.mirror_of.shape == (len(shown.images) - 12,) and (shown.mirror_of < 0).sum() == 4
    for row, hand in enumerate(shown.mirror_of.tolist(), 12):
        if hand >= 0:
            assert torch.equal(shown.images[row], shown.images[hand].flip(2))
            assert torch.equal(shown.landmarks[row, :, 1:3], shown.landmarks[hand, :, 1:3])
    assert len({hand for hand in shown.mirror_of.tolist() if hand >= 6}) == 3  # of both groups


def test_renders_take_their_amplitudes_from_photos():
    images = torch.full((12, 3, 32, 32), 200.0)
    rendered = torch.arange(12) % 3 > 0
    images[~rendered] = 50.0
    config = AugmentConfig(color=0.0, fourier=1.0, motion_blur=0.0, cutout=0.0, grey=0.0)
    torch.manual_seed(2)
    mixed = augment.recolor(images, config, rendered).mean((1, 2, 3))
    assert (mixed[rendered] < 199).all() and (mixed[~rendered] < 201).all()
    assert torch.allclose(augment.recolor(images[rendered], config, rendered[rendered]), images[rendered], atol=0.1)


def test_crops_of_bytes_are_those_that_a_gpu_cuts(rendered):
    samples = load_renders(rendered / "renders", rendered / "landmarks.npz").take(slice(6))
    torch.manual_seed(5)
    size, turn = 48, augment._turn(torch.rand(6) * 6)
    across = samples.images.shape[1]
    center, half = torch.rand(6, 2) * (across + 10) - 5, torch.rand(6) * 60 + 30  # beyond the border, too
    crops = augment._cut_bytes(samples.images, center, turn, half, size)
    theta = torch.cat([turn.transpose(1, 2) * (half * 2 / across)[:, None, None],
                       ((center + 0.5) * 2 / across - 1)[:, :, None]], 2)
    grid = torch.nn.functional.affine_grid(theta, [6, 3, size, size], align_corners=False)
    whole = torch.nn.functional.grid_sample(samples.images.permute(0, 3, 1, 2).float(), grid, align_corners=False)
    assert (crops - whole).abs().mean() < 0.7 and (crops - whole).abs().max() < 12  # of 255: by 32nds of a pixel


def test_the_network_is_trained_on_what_the_estimator_will_show_it(estimator, rendered):
    """The same crop of the same image with the same landmarks, whose values are the same to a thousandth."""
    samples = load_renders(rendered / "renders", rendered / "landmarks.npz").take(slice(4))
    batch = make_batch(samples, estimator.crop_size, None)
    for n in range(4):
        crop = estimator.predictor.crop_of(Landmarks.of_joints(samples.joints_2d[n].double().numpy(), "right"))
        points, world = samples.landmarks[n, 0].double().numpy()[:, :3], samples.landmarks[n, 0].double().numpy()[:, 3:]
        given = landmarks_in_crop(Landmarks(points, world, 1.0, 1.0), crop)
        assert np.abs(given - batch.landmarks[n].numpy()).max() < 1e-3
        trained = batch.images[n].permute(1, 2, 0).numpy() * (255 if batch.images.max() <= 1 else 1)
        apart = np.abs(crop.warp(samples.images[n].numpy()) - trained)
        assert np.median(apart) < 2 and apart.mean() < 5


def test_batched_boxes_are_the_estimators():
    points = np.random.default_rng(0).normal(size=(5, 21, 2)) * 40 + 100
    centers, sides, angles = upright_boxes(torch.tensor(points))
    for n in range(5):
        center, extent, angle = upright_box(points[n])
        assert np.allclose(center, centers[n]) and np.allclose(extent.max(), sides[n]) and np.allclose(angle, angles[n])


def test_fits_recover_a_known_hand():
    model = HandLayer.load()
    rng = np.random.default_rng(0)
    pose = np.zeros((6, 15, 3), np.float32)
    pose[:, :12, 2] = rng.uniform(0, 1.1, (6, 12))
    turn = rng.normal(size=(6, 3)).astype(np.float32)
    place = np.tile(np.float32([0, 0, 0.6]), (6, 1))
    with torch.no_grad():
        joints = model.joints_only()(torch.from_numpy(turn), torch.from_numpy(pose.reshape(6, 45)), torch.zeros(6, 10),
                                     torch.from_numpy(place)).joints.numpy().astype(float)
    pixels = joints[..., :2] / joints[..., 2:] * 600 + 128
    found = fit(pixels, joints, np.ones((6, 21)), model, steps=200)
    assert found["residual_2d"].max() < 0.01
    assert found["residual_world"].max() < 0.004


def test_network_config_travels_with_the_weights(recipe, tmp_path):
    HandNetwork(recipe.network).save(tmp_path / "net")
    assert NetworkConfig(**json.loads((tmp_path / "net" / "config.json").read_text())) == recipe.network
