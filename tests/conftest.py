"""Data that several tests train on."""
import cv2
import numpy as np
import pytest

from train.pseudo_label import label_folder
from train.synthesize import Job, synthesize

RENDERS = 24


@pytest.fixture(scope="session")
def rendered(tmp_path_factory):
    """A folder with backgrounds/ that were painted, renders/ before them and landmarks.npz, what is seen in them."""
    folder = tmp_path_factory.mktemp("data")
    rng = np.random.default_rng(0)
    (folder / "backgrounds").mkdir()
    for k in range(4):
        blobs = cv2.resize(rng.integers(0, 256, (6, 8, 3), np.uint8), (320, 240), interpolation=cv2.INTER_CUBIC)
        cv2.imwrite(str(folder / "backgrounds" / f"{k}.jpg"), blobs)
    job = Job(str(folder / "renders"), None, (str(folder / "backgrounds"),), RENDERS, size=160, shard=8)
    synthesize(job, progress=False)
    label_folder(folder / "renders", folder / "landmarks.npz", processes=1, views=2)
    return folder
