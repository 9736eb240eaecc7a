"""MANO's files, made by `mano_files`: what they hold arrives, and what is wrong in them is named."""
import io
import pickle
import pickletools
import sys
import types

import numpy as np
import pytest
import scipy.sparse
from mano_files import (
    Ch,
    Select,
    left_arrays,
    mano_arrays,
    write_mano_npz,
    write_mano_pickle,
)

from handpose.estimator import HandEstimator
from handpose.hand_model import mano
from handpose.hand_model.model import HandModel
from handpose.hand_model.model_file import read_arrays

KEYS = ("v_template", "shapedirs", "posedirs", "J_regressor", "weights", "kintree_table", "f", "hands_mean",
        "hands_components")


@pytest.fixture(scope="module")
def arrays():
    return mano_arrays()


pytestmark = pytest.mark.filterwarnings("ignore:Please import `csc_matrix`:DeprecationWarning")


@pytest.fixture(scope="module")
def pickled(arrays, tmp_path_factory):
    path = tmp_path_factory.mktemp("mano") / "MANO_RIGHT.pkl"
    write_mano_pickle(path, arrays)
    return path


def posed(model: HandModel, seed: int = 0) -> np.ndarray:
    dice = np.random.default_rng(seed)
    parameters = [dice.normal(size=(2, count)).astype(np.float32) * 0.5 for count in (3, 45, 10, 3)]
    hand = model(*parameters)
    return np.concatenate([hand.vertices, hand.joints], 1)


# What the files hold arrives.

def test_made_hand_is_one_of_manos_format(arrays):
    assert arrays["v_template"].shape == (778, 3) and arrays["f"].shape == (1538, 3)
    faces = arrays["f"].astype(int)
    edges, counts = np.unique(np.sort(faces[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2), 1), axis=0, return_counts=True)
    assert len(edges[counts == 1]) == 16 and set(counts) == {1, 2} and len(np.unique(faces)) == 778
    tips, joints = arrays["v_template"][[744, 320, 443, 555, 672]], arrays["J"][[15, 3, 6, 12, 9]]
    assert np.linalg.norm(tips - joints, axis=1).max() < 0.04 and (tips[1:, 0] < joints[1:, 0]).all()


def test_made_pickle_is_a_true_one(pickled, arrays, monkeypatch):
    """Python's own unpickler reads it to the same values, given the libraries that it names."""
    names = [value for code, value, _ in pickletools.genops(pickled.read_bytes()) if code.name == "GLOBAL"]
    assert {"chumpy.ch Ch", "chumpy.reordering Select", "scipy.sparse.csc csc_matrix",
            "numpy.core.multiarray _reconstruct"} <= set(names)
    with pytest.raises(ModuleNotFoundError, match="chumpy"), pickled.open("rb") as file:
        pickle.load(file, encoding="latin1")
    for name, members in {"chumpy": {}, "chumpy.ch": {"Ch": Ch}, "chumpy.reordering": {"Select": Select},
                          "scipy.sparse.csc": {"csc_matrix": scipy.sparse.csc_matrix}}.items():
        module = types.ModuleType(name)
        module.__dict__.update(members)
        monkeypatch.setitem(sys.modules, name, module)
    with pickled.open("rb") as file:
        read = pickle.load(file, encoding="latin1")
    select = read["shapedirs"]
    assert np.array_equal(select.a.x.ravel()[select.idxs].reshape(select.preferred_shape), arrays["shapedirs"])
    assert np.array_equal(read["J_regressor"].toarray(), arrays["J_regressor"])
    assert np.array_equal(read["posedirs"], arrays["posedirs"])


def test_pickle_gives_the_arrays(pickled, arrays):
    read = read_arrays(pickled)
    assert set(read) == set(KEYS)
    for key in KEYS:
        assert np.array_equal(read[key], arrays[key]), key


def test_nothing_of_chumpy_or_scipy_is_imported(pickled):
    import subprocess
    code = ("import sys; sys.modules.update(chumpy=None, scipy=None); "
            "from handpose.hand_model.model_file import read_arrays; "
            f"from pathlib import Path; print(read_arrays(Path({str(pickled)!r}))['J_regressor'].sum())")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert float(done.stdout) == pytest.approx(16)


@pytest.mark.parametrize("protocol", range(6))
def test_pickles_rewritten_by_python_3(tmp_path, arrays, protocol):
    """Plain arrays, as converters leave them, in either memory order and byte order; SciPy's matrix of today."""
    rewritten = {**arrays, "J_regressor": scipy.sparse.csc_matrix(arrays["J_regressor"]),
                 "posedirs": np.asfortranarray(arrays["posedirs"]), "weights": arrays["weights"].astype(">f8"),
                 "v_template": arrays["v_template"].astype(np.float32)}
    path = tmp_path / "MANO_RIGHT.pkl"
    path.write_bytes(pickle.dumps(rewritten, protocol))
    read = read_arrays(path)
    for key in KEYS:
        expected = rewritten[key].toarray() if key == "J_regressor" else rewritten[key]
        assert np.array_equal(read[key], expected), key


def test_hand_model_of_pickle_and_npz_and_arrays_is_the_same(tmp_path, pickled, arrays):
    write_mano_npz(tmp_path / "hand.npz", arrays)
    models = [HandModel.load(pickled), HandModel.load(tmp_path / "hand.npz"), HandModel(arrays, "mano")]
    assert {model.name for model in models} == {"mano"}
    expected = posed(models[2])
    for model in models[:2]:
        assert np.array_equal(posed(model), expected)
        assert np.array_equal(model.hands_mean, arrays["hands_mean"])
        assert np.array_equal(model.hands_components, arrays["hands_components"])
    assert HandModel.load().hands_mean is None and HandModel.load().name == "open"


@pytest.mark.parametrize("as_published", [True, False])
def test_left_file_gives_the_right_hand_it_mirrors(tmp_path, arrays, as_published):
    """Also with MANO_LEFT's own shape directions, which are the right hand's."""
    write_mano_pickle(tmp_path / "MANO_LEFT.pkl", left_arrays(as_published))
    model = HandModel.load(tmp_path / "MANO_LEFT.pkl")
    assert np.abs(posed(model) - posed(HandModel(arrays, "mano"))).max() < 1e-6
    assert np.array_equal(model.faces, arrays["f"])
    assert np.array_equal(model.hands_mean, arrays["hands_mean"])
    assert np.array_equal(model.hands_components, arrays["hands_components"])


def test_damaged_files_are_named(tmp_path, pickled, arrays):
    whole = pickled.read_bytes()
    write_mano_npz(tmp_path / "whole.npz", arrays)
    packed = (tmp_path / "whole.npz").read_bytes()
    dice = np.random.default_rng(0)
    for suffix, contents in ((".pkl", [b"", b"not a pickle", dice.bytes(3000), pickle.dumps([1, 2]), packed,
                                       *(whole[:int(len(whole) * part)] for part in (.001, .3, .9, .999999))]),
                             (".npz", [b"", b"PK", dice.bytes(3000), whole, *(packed[:int(len(packed) * part)]
                                                                              for part in (.001, .3, .9, .9999))])):
        for content in contents:
            path = tmp_path / f"broken{suffix}"
            path.write_bytes(content)
            with pytest.raises(ValueError, match=f"broken{suffix}"):
                HandModel.load(path)
    with pytest.raises(ValueError, match="hand.obj is no hand model"):
        (tmp_path / "hand.obj").write_text("v 0 0 0")
        HandModel.load(tmp_path / "hand.obj")


def broken(arrays, key, change):
    value = arrays[key].copy()
    return {**arrays, key: change(value) if callable(change) else value}


def with_value(value):
    def change(array):
        array.flat[array.size // 2] = value
        return array
    return change


@pytest.mark.parametrize("key, change, message", [
    ("J_regressor", lambda x: x[:15], "J_regressor of shape .15, 778."),
    ("kintree_table", lambda x: x[:, :15], "kintree_table of shape"),
    ("posedirs", lambda x: np.zeros((778, 3, 207)), "posedirs of shape"),
    ("weights", lambda x: x[:777], "weights of shape"),
    ("shapedirs", lambda x: x[:, :2], "shapedirs of shape"),
    ("hands_mean", lambda x: x[:6], "hands_mean of shape"),
    ("v_template", with_value(np.nan), "v_template that are no finite numbers"),
    ("weights", with_value(np.inf), "weights that are no finite numbers"),
    ("f", with_value(778), "f that it does not have"),
    ("kintree_table", lambda x: x + 1, "another tree of joints")])
@pytest.mark.parametrize("write", [write_mano_npz, write_mano_pickle])
def test_wrong_arrays_are_named(tmp_path, arrays, key, change, message, write):
    path = tmp_path / f"hand.{'npz' if write is write_mano_npz else 'pkl'}"
    write(path, broken(arrays, key, change))
    with pytest.raises(ValueError, match=message) as error:
        HandModel.load(path)
    assert str(path) in str(error.value) and "\n" not in str(error.value)


def test_fingertips_must_be_known(tmp_path, arrays):
    fewer = {key: arrays[key][:770] for key in ("v_template", "shapedirs", "posedirs", "weights")}
    fewer |= {"J_regressor": arrays["J_regressor"][:, :770], "f": arrays["f"][:1] * 0}
    write_mano_npz(tmp_path / "hand.npz", {**arrays, **fewer})
    with pytest.raises(ValueError, match="has 770 vertices and does not say"):
        HandModel.load(tmp_path / "hand.npz")


# Where it is found.

def test_mano_is_found(tmp_path, monkeypatch, pickled):
    monkeypatch.setattr(mano, "MANO_FOLDER", tmp_path / "assets")
    monkeypatch.delenv("HANDPOSE_MANO", raising=False)
    with pytest.raises(FileNotFoundError, match="mano.is.tue.mpg.de.*non-commercial.*--hand-model.*open hand"):
        mano.find_mano()
    for folder in ("assets", "variable/mano_v1_2/models", "given/mano"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "MANO_RIGHT.pkl").write_bytes(b"")
    assert mano.find_mano() == tmp_path / "assets/MANO_RIGHT.pkl"
    monkeypatch.setenv("HANDPOSE_MANO", str(tmp_path / "variable"))
    assert mano.find_mano() == tmp_path / "variable/mano_v1_2/models/MANO_RIGHT.pkl"
    assert mano.find_mano(tmp_path / "given") == tmp_path / "given/mano/MANO_RIGHT.pkl"
    assert mano.find_mano(pickled) == pickled
    with pytest.raises(FileNotFoundError, match="nowhere"):  # asked for, so nothing else is taken instead
        mano.find_mano(tmp_path / "nowhere")


def test_estimator_takes_the_hand_that_the_checkpoint_answers_for(tmp_path, monkeypatch, pickled):
    from handpose.network.hand_network import HandNetwork, NetworkConfig
    HandNetwork(NetworkConfig(backbone="resnet18", pyramid_channels=8, token_width=12, lifter_width=8,
                              hand_model="mano")).save(tmp_path / "checkpoint")
    estimator = HandEstimator.load(tmp_path / "checkpoint", pickled)
    assert estimator.hand_models["left"].v_template.shape == (778, 3) and estimator.hand_models["right"].name == "mano"
    monkeypatch.setenv("HANDPOSE_MANO", str(pickled.parent))
    assert HandEstimator.load(tmp_path / "checkpoint").hand_models["right"].name == "mano"
    monkeypatch.setenv("HANDPOSE_MANO", str(tmp_path / "none"))
    with pytest.raises(FileNotFoundError, match="MANO_RIGHT"):
        HandEstimator.load(tmp_path / "checkpoint")
    with pytest.raises(ValueError, match="'open', not 'mano'"):
        HandEstimator.load(hand_model=pickled)


# Conventions.

def test_pose_spaces(arrays):
    pose, mean, components = np.random.default_rng(1).normal(size=(4, 45)), arrays["hands_mean"], \
        arrays["hands_components"]
    assert np.allclose(mano.to_flat_pose(mano.to_mean_pose(pose, mean), mean), pose, atol=1e-15)
    assert np.allclose(mano.to_mean_pose(mean, mean), 0)
    assert np.allclose(mano.from_pca(mano.to_pca(pose, components, 45, mean), components, mean), pose)
    closest = np.linalg.lstsq(components[:6].T, (pose - mean).T, rcond=None)[0].T
    assert np.allclose(mano.to_pca(pose, components, 6, mean), closest)
    assert np.allclose(mano.from_pca(closest, components, mean), closest @ components[:6] + mean)


def test_freihand_vector(arrays):
    dice, mean = np.random.default_rng(2), arrays["hands_mean"]
    vector = dice.normal(size=(5, 61))
    parts = mano.split_freihand(vector, mean)
    assert np.array_equal(parts.global_orient, vector[:, :3]) and np.array_equal(parts.betas, vector[:, 48:58])
    assert np.allclose(parts.hand_pose, vector[:, 3:48] + mean)
    assert np.allclose(mano.join_freihand(parts, mean), vector)
    with pytest.raises(ValueError, match="61"):
        mano.split_freihand(vector[:, :58], mean)

    intrinsics = np.array([[480.0, 0, 112], [0, 480, 110], [0, 0, 1]])
    root = np.array([[0.05, -0.02, 0.6], [0, 0.1, 1.1]])
    uv, scale = mano.freihand_uv_scale(root, intrinsics)
    seen = root @ intrinsics.T
    assert np.allclose(uv, seen[:, :2] / seen[:, 2:]) and np.allclose(scale, 480 / root[:, 2])
    assert np.allclose(mano.freihand_root(uv, scale, np.stack([intrinsics] * 2)), root)


def test_command_without_manos_file(tmp_path, capsys, monkeypatch):
    """The command says in one sentence that MANO is missing, before it looks at any photo."""
    from handpose.command.cli import WRONG_USAGE, main
    monkeypatch.setenv("HANDPOSE_MANO", str(tmp_path / "none"))
    from PIL import Image
    Image.new("RGB", (64, 64)).save(tmp_path / "a.png")
    assert main(["predict", str(tmp_path / "a.png"), "--out", str(tmp_path / "out"), "--smplx-pca", "6"]) == WRONG_USAGE
    assert "mano.is.tue.mpg.de" in capsys.readouterr().err and not list((tmp_path / "out").iterdir())


def test_npz_that_is_one_array(tmp_path, arrays):
    buffer = io.BytesIO()
    np.save(buffer, arrays["v_template"])
    (tmp_path / "hand.npz").write_bytes(buffer.getvalue())
    with pytest.raises(ValueError, match="hand.npz"):
        HandModel.load(tmp_path / "hand.npz")
