"""The pictures that ship: chosen small, made large."""
import cv2
import numpy as np
import pytest

from train.make_examples import KINDS, Photographer
from train.synthesis.poses import PoseBank


@pytest.fixture(scope="module")
def photographer(tmp_path_factory):
    folder, bank = tmp_path_factory.mktemp("examples"), PoseBank.invented(50)
    np.savez(folder / "poses.npz", hand_pose=bank.hand_pose, global_orient=bank.global_orient)
    return Photographer(folder / "poses.npz", 1, folder / "patterns")


@pytest.mark.parametrize("number", range(len(KINDS)))
def test_a_candidate_is_the_same_picture_at_every_width(photographer, number):
    small, large = photographer.take(number, 120), photographer.take(number, 240)
    assert small.shape == (90, 120, 3) and large.shape == (180, 240, 3) and small.dtype == np.uint8
    assert np.array_equal(photographer.take(number, 120), small)
    shrunk = cv2.resize(large, (120, 90), interpolation=cv2.INTER_AREA).astype(int)
    other = photographer.take(number + len(KINDS), 120)
    assert 3 * np.abs(shrunk - small).mean() < np.abs(shrunk - other).mean()
