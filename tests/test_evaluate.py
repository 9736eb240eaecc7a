"""What evaluation counts: against the estimator called hand by hand, and against errors written out in full."""
import json
from dataclasses import replace

import cv2
import numpy as np
import pytest
from PIL import Image
from scipy.spatial import KDTree
from scipy.spatial import procrustes as scipy_procrustes

from handpose.camera import Camera
from handpose.detection.landmarks import Landmarks
from handpose.estimator import HandEstimator
from handpose.hand_model.layer import HandLayer
from handpose.image import load_photo
from handpose.network.checkpoint import CHECKPOINT
from train import evaluate
from train.scoring.measure import CONSTANT, METHODS, METRICS, TEACHER, Answer, measure, nearest, score
from train.scoring.sheet import draw_sheet, pick
from train.scoring.tables import Column, Table
from train.scoring.test_sets import in_bin, photo_sets, photos_with_joints, renders
from train.synthesize import Job, synthesize

COUNT, LOST = 12, 5  # renders, and the one of them whose hand the landmark model does not see


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Twelve renders and a landmark model's answers: the true joints, somewhat wrong, one of them without presence."""
    folder = tmp_path_factory.mktemp("evaluate")
    rng = np.random.default_rng(0)
    (folder / "backgrounds").mkdir()
    blobs = cv2.resize(rng.integers(0, 256, (6, 8, 3), np.uint8), (320, 240), interpolation=cv2.INTER_CUBIC)
    cv2.imwrite(str(folder / "backgrounds" / "0.jpg"), blobs)
    job = Job(str(folder / "renders"), None, (str(folder / "backgrounds"),), COUNT, size=160, seed=2, shard=4)
    with np.load(synthesize(job, progress=False)) as labels:
        depth = (labels["joints"] - labels["joints"][:, :1])[..., 2:] * 300
        points = np.concatenate([labels["joints_2d"], depth], 2) + rng.normal(0, 2, (COUNT, 21, 3))
        world = labels["joints"] - labels["joints"].mean(1, keepdims=True) + rng.normal(0, .003, (COUNT, 21, 3))
    presence = np.where(np.arange(COUNT) == LOST, 0.2, 0.99)[:, None]
    np.savez(folder / "landmarks.npz", view_points=points[:, None], view_world=world[:, None], view_presence=presence)
    return folder


@pytest.fixture(scope="module")
def cases(folder):
    return renders(folder / "renders", folder / "landmarks.npz")


@pytest.fixture(scope="module")
def scores(estimator, cases):
    return measure(estimator, cases)


def written_out(hand, case):
    """The errors of one hand by their definitions, joint by joint."""
    goal, goal_2d = case.goal_3d, case.goal_2d
    box = max(goal_2d[:, 0].max() - goal_2d[:, 0].min(), goal_2d[:, 1].max() - goal_2d[:, 1].min())
    apart = [float(np.hypot(*(a - b))) / box for a, b in zip(hand.joints_2d, goal_2d, strict=True)]
    norm = np.linalg.norm(goal - goal.mean(0))
    standard = scipy_procrustes(goal, hand.joints_3d)
    after = 1000 * norm * np.linalg.norm(standard[1] - standard[0], axis=1)
    mesh_norm, mesh = np.linalg.norm(case.vertices - case.vertices.mean(0)), scipy_procrustes(case.vertices,
                                                                                              hand.vertices)
    there, back = (KDTree(a).query(b)[0] * mesh_norm < .005 for a, b in (mesh[:2], mesh[1::-1]))
    return {"2D": sum(apart) / 21, "PCK@.05": sum(share < .05 for share in apart) / 21, "PA-MPJPE": after.mean(),
            "AUC": np.mean([max(0, 1 - error / 50) for error in after]),
            "PA-MPVPE": 1000 * mesh_norm * np.linalg.norm(mesh[1] - mesh[0], axis=1).mean(),
            "F@5": 2 / (1 / there.mean() + 1 / back.mean()),
            "CS-MPJPE, true lens": 1000 * np.mean([np.linalg.norm(a - b)
                                                   for a, b in zip(hand.joints_3d, goal, strict=True)])}


def test_every_method_scores_the_estimators_own_hands(estimator, cases, scores):
    for method, (use_landmarks, alignment) in zip(METHODS, ((True, True), (True, False), (False, True),
                                                             (False, False)), strict=True):
        alone = HandEstimator(estimator.engine, estimator.hand_models["right"], None, None, alignment)
        for row, case in enumerate(cases):
            prediction = alone.predict(load_photo(case.photo), found=case.found, use_landmarks=use_landmarks)
            hands = alone.place(prediction, case.camera).hands
            found = {metric: scores[method][metric][row] for metric in METRICS}
            if not hands:
                assert found.pop("found %") == 0
                assert np.isnan([*found.values()]).all()
                continue
            assert found["found %"] == 100
            for metric, value in written_out(hands[0], case).items():
                assert found[metric] == pytest.approx(value, rel=1e-3, abs=1e-3), (method, row, metric)
            untold = alone.place(prediction).hands[0]  # before the camera that the estimator guesses
            assert found["CS-MPJPE, guessed lens"] == pytest.approx(
                written_out(untold, case)["CS-MPJPE, true lens"], rel=1e-3)
    assert estimator.alignment  # as it was


def test_a_hand_that_nobody_sees_is_not_found(cases, scores):
    assert cases[LOST].found == ()
    assert all(scores[method]["found %"][LOST] == 0 for method in (*METHODS, TEACHER))
    assert np.isnan(scores[CONSTANT]["found %"]).all()  # that one is not looked for
    assert scores[TEACHER]["found %"].sum() == 100 * (COUNT - 1)
    assert np.nanmean(scores[TEACHER]["2D"]) < 0.05  # as near as it was made


def test_a_hand_that_only_the_network_sees_is_not_the_landmark_model_s(estimator, cases):
    seen = Landmarks.of_joints(cases[0].goal_2d, "right")
    scores = measure(estimator, [replace(cases[0], found=(seen,))])
    assert scores[TEACHER]["found %"].tolist() == [0] and scores[METHODS[0]]["found %"].tolist() == [100]


def test_a_hand_that_the_estimator_is_not_sure_of_is_not_found(estimator, cases, monkeypatch):
    some = cases[:5]
    sure = [hand.score for case in some
            for hand in estimator.predict(load_photo(case.photo), found=case.found).hands]
    monkeypatch.setattr("train.scoring.measure.MIN_SCORE", np.median(sure))
    found = measure(estimator, some)[METHODS[0]]["found %"]
    assert found.tolist() == [100.0 * (score >= np.median(sure)) for score in sure] and 0 < found.mean() < 100


def test_the_network_without_alignment_sees_what_it_sees(scores):
    seen = [scores[method]["2.5D"] for method in METHODS]
    assert np.array_equal(seen[0], seen[1], equal_nan=True) and np.array_equal(seen[2], seen[3], equal_nan=True)
    assert not np.allclose(scores[METHODS[0]]["2D"], scores[METHODS[1]]["2D"], equal_nan=True)


def test_the_nearest_hand_counts_within_one_box(cases):
    case = replace(cases[0], side="right")
    box = np.ptp(case.goal_2d, axis=0).max()
    at = lambda share, side: Answer(side, case.goal_2d + [share * box, 0], case.goal_3d)  # noqa: E731
    far, near = at(0.9, "right"), at(-0.2, "left")
    assert nearest([far, near], case) is near and nearest([near, far], case) is near
    assert nearest([far], case) is far
    assert nearest([at(1.01, "right")], case) is None and nearest([], case) is None
    values = score(near, case)
    assert values["wrong side %"] == 100 and values["2D"] == pytest.approx(0.2) and values["PCK@.05"] == 0
    assert score(far, case)["wrong side %"] == 0
    assert "wrong side %" not in score(far, replace(case, side=None))
    half = Answer("right", np.where(np.arange(21)[:, None] < 7, case.goal_2d, case.goal_2d + .06 * box), case.goal_3d)
    assert score(half, case)["PCK@.05"] == pytest.approx(1 / 3)


def test_groups_are_those_of_the_labels(folder, cases, scores):
    tables = {table.title: table for table in evaluate.by_group("Renders", scores, cases)}
    with np.load(folder / "renders" / "labels.npz") as file:
        labels = dict(file)
    error, found = scores[METHODS[0]]["2D"], scores[METHODS[0]]["found %"]
    for grouping, key, bins in (("view angle", "view_angle", (0, 45, 90, 135, 180)),
                                ("occlusion", "occluded", (0, .1, .3, .6))):
        rows = tables[f"Renders by {grouping}"].rows
        assert sum(row[Column("", "hands", 0)] for row in rows.values()) == COUNT
        for low, high in zip(bins[:-1], bins[1:], strict=True):
            chosen = [row for row in range(COUNT) if low <= labels[key][row] < high]
            assert (f"{low}-{high}" in rows) == bool(chosen)
            if not chosen:
                continue
            row = rows[f"{low}-{high}"]
            known = [error[k] for k in chosen if not np.isnan(error[k])]
            assert row[Column("", "hands", 0)] == len(chosen)
            assert row[Column(METHODS[0], "found %", 1)] == pytest.approx(sum(found[k] for k in chosen) / len(chosen))
            assert row[Column(METHODS[0], "2D", 3)] == pytest.approx(np.mean(known) if known else np.nan, nan_ok=True)
    means = [np.mean([error[k] for k in range(COUNT) if labels["tone"][k] == tone and not np.isnan(error[k])])
             for tone in sorted(set(labels["tone"].tolist()))]
    assert len(means) > 2
    worst = tables["Renders by skin tone, worst over best"].rows[METHODS[0]][Column("", "2D", 2)]
    assert worst == pytest.approx(np.nanmax(means) / np.nanmin(means))


def test_what_a_recipe_holds_out_is_measured_too(folder, tmp_path):
    source = f"kind: renders, folder: {folder / 'renders'}, landmarks: {folder / 'landmarks.npz'}, validation: 4"
    (tmp_path / "recipe.yaml").write_text(f"data: {{sources: [{{{source}}}]}}")
    rows = evaluate.held_out(CHECKPOINT, tmp_path / "recipe.yaml").rows
    assert [*rows] == ["renders, with landmarks", "renders, image alone"]
    seen = {column.name: value for column, value in rows["renders, with landmarks"].items()}
    assert 0 < seen["error_2d"] < 0.2 and 2 < seen["pa_mpjpe_mm"] < 40


@pytest.mark.parametrize("value, name", [(0, "0-45"), (44.9, "0-45"), (45, "45-90"), (180, "135-180"), (181, "135-180"),
                                         (-1, "0-45")])
def test_bins_hold_their_lower_edge(value, name):
    assert in_bin(value, (0, 45, 90, 135, 180))[1] == name


def test_photos_with_joints_are_seen_by_their_own_camera(tmp_path):
    joints = np.random.default_rng(0).normal(size=(2, 21, 3)) * 0.05 + [0, 0, 0.5]
    labels = dict(names=["a.jpg", "b.jpg"], joints=joints, camera=[[500, 510, 90, 80], [400, 400, 60, 70]])
    np.savez(tmp_path / "labels.npz", **labels)
    first, second = photos_with_joints(tmp_path, "left")
    assert first.photo == tmp_path / "images" / "a.jpg" and second.side == "left"
    assert second.camera == Camera(400, 400, 60, 70) and not second.told  # to the estimator
    assert all(case.told for case in photos_with_joints(tmp_path, "left", told=True))
    x, y, z = joints[0, 4]
    assert first.goal_2d[4] == pytest.approx([500 * x / z + 90, 510 * y / z + 80])
    np.savez(tmp_path / "labels.npz", side=["Right", "Left"], **labels)
    assert [case.side for case in photos_with_joints(tmp_path, "left")] == ["right", "left"]
    with pytest.raises(FileNotFoundError, match="nowhere"):
        photos_with_joints(tmp_path / "nowhere")


def test_only_reliable_labels_of_photo_sets_count(tmp_path):
    rng = np.random.default_rng(0)
    points = rng.uniform(20, 200, (2, 3, 21, 3)).astype(np.float32)
    for name, own, flip in (("one", points[0], [.01, .2, .3]), ("two", points[1], [.04, .06, .05])):
        (tmp_path / name).mkdir()
        np.savez(tmp_path / name / "labels.npz", fname=["a.jpg", "b.jpg", "c.jpg"], landmarks_px=own, flip_err=flip,
                 handedness=["Left", "Right", "Left"])
    cases = photo_sets(tmp_path, ["two", "one"])
    assert [(case.photo.parent.name, case.photo.name, case.side) for case in cases] == [
        ("two", "a.jpg", "left"), ("one", "a.jpg", "left")]
    assert np.allclose(cases[0].goal_2d, points[1, 0, :, :2])
    assert cases[1].groups == {"flip error < 0.05": (1, "one")}

    spread = np.array([.5, .01, .019, .021])[:, None].repeat(21, 1)  # "one/c" was not labelled
    np.savez(tmp_path / "labels.npz", set=["one", "one", "two", "two"], fname=["a.jpg", "b.jpg", "a.jpg", "b.jpg"],
             points=points.reshape(-1, 21, 3)[:4] + 3, spread=spread)
    cases = photo_sets(tmp_path, ["one", "two"], tmp_path / "labels.npz")
    assert [(case.photo.parent.name, case.photo.name, sorted(case.groups)) for case in cases] == [
        ("one", "a.jpg", ["flip error < 0.05"]), ("one", "b.jpg", ["spread < 0.02"]),
        ("two", "a.jpg", ["flip error < 0.05", "spread < 0.02"])]
    assert np.allclose(cases[1].goal_2d, points[0, 1, :, :2] + 3)
    with pytest.raises(ValueError, match="reliable"):
        np.savez(tmp_path / "one" / "labels.npz", fname=["a"], landmarks_px=points[0, :1], flip_err=[1],
                 handedness=["Left"])
        photo_sets(tmp_path, ["one"])


def test_renders_without_landmarks_are_looked_at_by_the_detector(folder, cases):
    found, *_ = renders(folder / "renders", count=3)
    assert found.found is None and found.side == "right" and cases[0].side is None
    assert len(renders(folder / "renders", count=3)) == 3
    posed = HandLayer.load()
    assert cases[0].vertices.shape == posed.v_template.shape
    camera = cases[0].camera
    assert isinstance(camera, Camera) and np.allclose(camera.project(cases[0].goal_3d), cases[0].goal_2d, atol=1e-3)
    assert isinstance(cases[0].found[0], Landmarks) and cases[0].found[0].right == 1


def test_tables_align_and_leave_out_what_was_not_measured():
    a, b, c, d = Column("", "hands", 0), Column("over them", "mm", 1), Column("over them", "2D", 3), Column("", "no", 1)
    table = Table("Errors", {"first": {a: 7, b: 12.345, c: .0351, d: np.nan}, "the second": {a: 12, c: 1.2}}, " (mm)")
    title, over, head, first, second = table.text().splitlines()
    assert title == "Errors (mm)" and over.split() == ["over", "them"] and head.split() == ["hands", "mm", "2D"]
    assert first.split() == ["first", "7", "12.3", ".035"] and second.split() == ["the", "second", "12", "1.200"]
    assert len(head) == len(first) == len(second)
    lines = table.markdown().splitlines()
    assert lines[2] == "|  | hands | over them: mm | over them: 2D |"
    assert lines[-1] == "| the second | 12 |  | 1.200 |" and {line.count("|") for line in lines[2:]} == {5}
    assert table.plain()["first"] == {"hands": 7, "over them: mm": 12.345, "over them: 2D": .0351, "no": None}
    assert table.under("").columns == [a]


def test_the_sheet_shows_best_median_and_worst():
    errors = np.random.default_rng(0).permutation(np.r_[np.arange(100.0), np.full(9, np.nan)])
    best, median, worst = (errors[chosen].tolist() for chosen in pick(errors, 4).values())
    assert best[0] == 0 and max(best) < 10 and worst[-1] == 99 and min(worst) >= 90
    assert all(45 <= error < 55 for error in median) and len({*best, *median, *worst}) == 12
    few = pick(np.array([3.0, np.nan, 1, 2]), 4)
    assert [part.tolist() for part in few.values()] == [[2, 3, 0]] * 3


def test_the_sheet_draws_every_hand(estimator, cases, scores, tmp_path):
    draw_sheet(estimator, cases, scores[METHODS[0]], tmp_path / "sheet.png")
    sheet = np.asarray(Image.open(tmp_path / "sheet.png")).astype(int)
    assert [path.name for path in tmp_path.iterdir()] == ["sheet.png"]
    # the overlay is the photo with a hand over it: it differs, but not at its border
    photo, overlay = sheet[44:244, 14:214], sheet[44:244, 217:417]
    changed = (np.abs(photo - overlay).max(2) > 8).mean()
    assert 0.02 < changed < 0.9
    draw_sheet(estimator, cases, scores[METHODS[0]] | {"found %": np.full(COUNT, 100.0)}, tmp_path / "all.png")
    assert Image.open(tmp_path / "all.png").height < len(sheet)  # without those not found


def test_the_command_prints_and_writes_the_same_numbers(folder, tmp_path, capsys, cases, scores):
    count, few = 7, {metric: values[:7] for metric, values in scores[METHODS[0]].items()}
    (tmp_path / "other").mkdir()
    for case in cases[:count - 1]:  # another system, which knows the truth but of one photo says nothing
        np.savez(tmp_path / "other" / f"{case.photo.stem}.npz", joints_3d=case.goal_3d[None],
                 joints_2d=case.goal_2d[None], vertices=case.vertices[None])
    arguments = ["--renders", folder / "renders", "--landmarks", folder / "landmarks.npz", "--json",
                 tmp_path / "numbers.json", "--sheet", tmp_path / "sheets", "--results", tmp_path / "other",
                 "--system", "Other", "--count", count]
    evaluate.main([*map(str, arguments)])
    printed = capsys.readouterr().out
    assert f"Other has files of {count - 1} of {count} photos." in printed
    numbers = json.loads((tmp_path / "numbers.json").read_text())
    mean = np.nanmean(few["PA-MPJPE"])
    assert numbers["Renders"][METHODS[0]]["PA-MPJPE"] == pytest.approx(mean)
    assert f"{mean:.1f}" in next(line for line in printed.splitlines() if line.startswith(METHODS[0]))
    other = numbers["Renders"]["Other"]
    assert other["found %"] == pytest.approx(100 * (count - 1) / count) and other["F@5"] == 1
    assert max(other[error] for error in ("PA-MPJPE", "PA-MPVPE", "CS-MPJPE, guessed lens", "flexion", "2D")) < 1e-3
    assert other["CS-MPJPE, true lens"] is None  # it does not say what lens it took
    assert numbers["Renders by joint"][METHODS[0]]["flexion: PIP"] == pytest.approx(np.nanmean(few["flexion PIP"]))
    assert sum(row["hands"] * row["Other: found %"] for row in numbers["Renders by view angle"].values()) == (
        pytest.approx(100 * (count - 1)))
    assert (tmp_path / "sheets" / "renders.jpg").is_file()
    for wrong in (["--photos", "x"], [], ["--renders", "x", "--results", "y"],
                  ["--renders", "x", "--results", "y", "--system", METHODS[0]]):
        with pytest.raises(SystemExit) as stop:
            evaluate.main(wrong)
        assert stop.value.code == 2
    for wrong in (["--renders", str(tmp_path / "nothing")],
                  [*map(str, arguments[:4]), "--results", str(tmp_path / "nothing"), "--system", "Other"]):
        with pytest.raises(SystemExit) as stop:
            evaluate.main(wrong)
        assert stop.value.code == 1 and "nothing" in capsys.readouterr().err
