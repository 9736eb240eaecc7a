"""The network's own say in a label."""
import json
from pathlib import Path

import numpy as np
import pytest

from handpose import HandEstimator, load_photo
from train import second_opinion
from train.scoring.metrics import root_relative
from train.second_opinion import OF_ALONE, SHARE, Opinion, add_opinion, mix, opinion

PHOTO = Path(__file__).parent / "data" / "hand_right.jpg"


def test_a_share_is_between_the_two_in_the_label_s_own_size():
    rng = np.random.default_rng(0)
    world, other = rng.normal(0, 0.05, (2, 21, 3))
    size = np.linalg.norm(world - world.mean(0))
    assert np.allclose(mix(world, other, 0.0), world - world.mean(0))
    assert np.linalg.norm(mix(world, other, 1.0)) == pytest.approx(size)
    assert np.allclose(mix(world, 3 * world + 1, 0.7), world - world.mean(0))  # the same but for place and size
    half = mix(world, other, 0.5)
    assert np.allclose(2 * half, mix(world, other, 0.0) + mix(world, other, 1.0))


@pytest.mark.parametrize("side", ["right", "left"])
def test_the_network_s_joints_are_in_the_photo_s_own_frame(side):
    """Whatever the views, and for a mirrored photo the mirror image."""
    estimator = HandEstimator.load()
    truth = json.loads(PHOTO.with_suffix(".json").read_text())
    rgb, goal = load_photo(PHOTO).rgb, np.array(truth["joints"])
    if side == "left":
        rgb, goal = np.ascontiguousarray(rgb[:, ::-1]), goal * [-1, 1, 1]
    found = estimator.find(rgb)[0]
    shift = np.array([4.0, -3.0, 0.0])
    joints = opinion(estimator, rgb, side, np.stack([found.points, found.points + shift]), np.stack([found.world] * 2))
    assert joints.shape == (21, 3) and np.allclose(joints.mean(0), 0, atol=1e-6)
    assert root_relative(joints, goal - goal[0]) < 25  # mm; the wrong hand or frame would be far above


def test_labels_are_mixed_replaced_or_left_out(tmp_path, monkeypatch):
    """Of five photos the landmark model's views agree on three; of the others the network is sure of one. A call that
    was stopped goes on where it was."""
    rng = np.random.default_rng(1)
    labels = {"set": ["a"] * 5, "fname": [f"{k}.jpg" for k in range(5)], "side": ["right"] * 5,
              "points": rng.normal(size=(5, 21, 3)), "world": rng.normal(size=(5, 21, 3)),
              "view_points": rng.normal(size=(5, 2, 21, 3)), "view_world": rng.normal(size=(5, 2, 21, 3)),
              "presence": np.array([1, 1, 1, 0.1, 0.9]),
              "spread": np.repeat([0.01, 0.02, 0.03, 0.01, 0.2], 21).reshape(5, 21)}
    np.savez(tmp_path / "labels.npz", **labels)
    said = [Opinion(rng.normal(size=(21, 3)), error) for error in (0.02, 0.04, 0.5)] + [
        Opinion(np.ones((21, 3)), np.nan, np.full((21, 3), 7.0), np.full(21, 0.02), "left"), Opinion()]
    asked, patience = [], [3]

    def answer(job):
        if patience[0] == 0:
            raise KeyboardInterrupt
        patience[0] -= 1
        asked.append(int(job[1].stem))
        assert job[0] == "net" and job[5] == (asked[-1] < 3)
        return said[asked[-1]]
    monkeypatch.setattr(second_opinion, "_opinion", answer)
    monkeypatch.setattr(second_opinion, "SHARD", 2)
    call = lambda: add_opinion(tmp_path, tmp_path / "labels.npz", "net", tmp_path / "new.npz", 1)  # noqa: E731
    with pytest.raises(KeyboardInterrupt):
        call()
    asked.clear()
    patience[0] = -1
    call()
    assert asked == [2, 3, 4] and not list(tmp_path.glob("*.shards"))
    with np.load(tmp_path / "new.npz") as file:
        new = dict(file)
    assert new["side"].tolist() == ["right"] * 3 + ["left", "right"]
    assert np.allclose(new["weight"], [0.02 / 0.03, 0.04 / 0.03, 0.5, OF_ALONE, 0])  # .5 of the box is another hand
    for row in range(5):
        mixed = mix(labels["world"][row], said[row].world, SHARE) if row < 3 else labels["world"][row]
        assert np.allclose(new["world"][row], said[3].world if row == 3 else mixed)
        assert np.allclose(new["points"][row], said[3].points if row == 3 else labels["points"][row])
        assert np.allclose(new["spread"][row], 0.02 if row == 3 else labels["spread"][row])
