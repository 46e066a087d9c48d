import json
import struct

import pytest
import yaml

from emojisummary import plots
from emojisummary.plots import History, draw, draw_risk_coverage, moving_average, read_curves, read_history
from emojisummary.stage import UserError

LOG = [
    {"step": 10, "loss": 4.0, "learning_rate": 1e-5},
    {"step": 10, "eval_loss": 3.5, "eval_accuracy@1": 0.2},
    {"step": 20, "loss": 2},
    {"step": 20, "eval_loss": 3.0, "eval_accuracy@1": 0.4},
    {"step": 30, "loss": 1.0},
    {"step": 30, "eval_loss": 3.2, "eval_accuracy@1": 0.3},
    {"step": 30, "train_runtime": 5.0},
]


def state(folder, content):
    path = folder / "runs" / "demo" / "model" / "trainer_state.json"
    path.parent.mkdir(parents=True)
    path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    return path


@pytest.mark.parametrize(
    ("values", "window", "expected"),
    [
        ([4, 2, 0], 2, [4, 3, 1]),
        ([4, 2, 0], 1, [4, 2, 0]),
        ([4, 2, 0], 3, [4, 3, 2]),
        ([4, 2, 0], 99, [4, 3, 2]),
        ([1, 2, 3, 4, 5], 2, [1, 1.5, 2.5, 3.5, 4.5]),
        ([5], 3, [5]),
        ([], 3, []),
    ],
)
def test_moving_average(values, window, expected):
    points = [(10 * n, float(value)) for n, value in enumerate(values)]
    assert moving_average(points, window) == [(10 * n, value) for n, value in enumerate(expected)]


def test_a_history_has_the_points_of_each_curve_and_the_best_step(tmp_path):
    history = read_history(state(tmp_path, {"log_history": LOG, "best_global_step": 20}))
    assert history.loss == [(10, 4.0), (20, 2.0), (30, 1.0)]
    assert history.eval_loss == [(10, 3.5), (20, 3.0), (30, 3.2)]
    assert history.learning_rate == [(10, 1e-5)]
    assert (history.metric, history.measured) == ("accuracy@1", [(10, 0.2), (20, 0.4), (30, 0.3)])
    assert history.best_step == 20
    assert not history.stopped_early


def test_a_task_with_another_metric_has_that_one(tmp_path):
    log = [LOG[0], {"step": 10, "eval_loss": 3.5, "eval_set_f1": 0.2}]
    history = read_history(state(tmp_path, {"log_history": log, "global_step": 10, "max_steps": 30}))
    assert (history.metric, history.measured) == ("set_f1", [(10, 0.2)])
    assert history.stopped_early


@pytest.mark.parametrize(
    ("losses", "validation", "turn"),
    [
        ([4, 3, 2, 1], [3.0, 2.5, 2.7], (20, 2.5)),
        ([4, 3, 2, 1], [3.0, 2.5, 2.51], None),  # no more than noise
        ([4, 3, 2, 1], [3.0, 2.5, 2.4], None),
        ([4, 3, 5, 6], [3.0, 2.5, 2.7], None),  # both rise: not overfitting, but a learning rate that's too high
        ([10, 3, 5, 6], [3.0, 2.5, 2.7], None),
        ([4, 3, 2, 1], [3.0, 3.2, 3.5], (10, 3.0)),
        ([4, 3], [], None),
        ([4, 3], [2.0], None),
    ],
)
def test_where_the_validation_loss_turns_up_while_the_training_loss_falls(losses, validation, turn):
    points = [[(10.0 * n, value) for n, value in enumerate(values, start=1)] for values in (losses, validation)]
    assert History(*points).turn() == turn


def test_a_history_without_evaluations_has_no_best_step(tmp_path):
    assert read_history(state(tmp_path, {"log_history": LOG[:1]})) == History([(10, 4.0)], learning_rate=[(10, 1e-5)])


def test_a_missing_state_is_named_with_the_command_that_makes_it(tmp_path):
    path = tmp_path / "runs" / "demo" / "model" / "trainer_state.json"
    with pytest.raises(UserError) as error:
        read_history(path)
    assert str(path) in str(error.value)
    assert "python 5_train.py --run demo" in str(error.value)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"words",
        b'{"log_history": [',
        b"\xff\xfe",
        {},
        {"log_history": []},
        {"log_history": LOG[1:2]},
        pytest.param([]),
        pytest.param(5),
        pytest.param({"log_history": 5}),
        pytest.param({"log_history": [{"loss": 1}]}),
        pytest.param({"log_history": [{"step": 1, "loss": None}]}),
    ],
)
def test_a_state_that_is_none_is_named(content, tmp_path):
    path = state(tmp_path, content)
    with pytest.raises(UserError) as error:
        read_history(path)
    assert str(path) in str(error.value)


def png_size(path):
    content = path.read_bytes()
    assert content.startswith(b"\x89PNG\r\n\x1a\n")
    assert content.endswith(b"IEND\xaeB`\x82")
    return struct.unpack(">II", content[16:24])


def test_two_runs_are_drawn_into_a_whole_png(tmp_path):
    both = read_history(state(tmp_path, {"log_history": LOG}))
    path = tmp_path / "plots" / "training.png"
    draw({"demo": both, "other run": History([(5, 3.0), (15, 2.5)], measured=[(15, 0.25)], best_step=15)}, path, smoothing=2)
    assert min(png_size(path)) > 1000
    assert [p.name for p in path.parent.iterdir()] == ["training.png"]


def drawn(histories, path, monkeypatch):
    """Whatever is written into the figure, by panel."""
    texts = []
    finish = plots._finish

    def labels(figure, panels, path):
        texts.extend([*(t.get_text() for t in axes.texts), *axes.get_legend_handles_labels()[1]] for axes in panels)
        finish(figure, panels, path)

    monkeypatch.setattr(plots, "_finish", labels)
    draw(histories, path, smoothing=1)
    return texts


def test_what_to_beware_of_is_written_into_the_figure(tmp_path, monkeypatch):
    log = [*LOG[:-1], {"step": 40, "loss": 0.5}, {"step": 40, "eval_loss": 3.6, "eval_accuracy@1": 0.3}]
    content = {"log_history": log, "best_global_step": 20, "global_step": 40, "max_steps": 90}
    losses, metrics, _ = drawn({"demo": read_history(state(tmp_path, content))}, tmp_path / "training.png", monkeypatch)
    assert losses == ["demo, stopped early, training", "demo, stopped early, validation", "demo overfits from here"]
    assert metrics == ["kept: 40.0%", "demo, stopped early, accuracy@1"]


def test_a_run_without_a_metric_shows_its_best_loss(tmp_path, monkeypatch):
    history = History([(10, 4.0), (20, 3.0)], eval_loss=[(10, 3.5), (20, 3.25)], best_step=20)
    panels = drawn({"story": history}, tmp_path / "training.png", monkeypatch)
    assert panels == [["kept: 3.250", "story, training", "story, validation"], []]


def test_a_run_of_one_point_is_drawn(tmp_path):
    draw({"one": History([(10, 4.0)], measured=[(10, 0.5)], best_step=10)}, tmp_path / "training.png", smoothing=5)
    assert png_size(tmp_path / "training.png")


def test_more_runs_than_colours_are_all_drawn(tmp_path):
    runs = {f"run {n}": History([(10, 4.0 + n)], measured=[(10, 0.5)], best_step=10) for n in range(7)}
    draw(runs, tmp_path / "seven.png", smoothing=5)
    runs.popitem()
    draw(runs, tmp_path / "six.png", smoothing=5)
    assert (tmp_path / "seven.png").read_bytes() != (tmp_path / "six.png").read_bytes()


# --- risk over coverage ---

CURVE = [{"coverage": 0.5, "confidence": 0.9, "error": 0.25}, {"coverage": 1, "confidence": 0.1, "error": 0.5}]
CALIBRATED = {"metrics": {}, "calibration": {"risk_coverage": {"area": 0.3, "curve": CURVE}}}


def results(folder, models):
    path = folder / "results.yaml"
    path.write_text(models if isinstance(models, str) else yaml.safe_dump({"models": models}, sort_keys=False))
    return path


def test_the_curve_of_the_run_s_own_model_is_read(tmp_path):
    other = {"metrics": {}, "calibration": {"risk_coverage": {"curve": CURVE[:1]}}}
    path = results(tmp_path, {"runs/demo": CALIBRATED, "a control": other})
    assert read_curves(path, "runs/demo") == {"runs/demo": [(0.5, 0.25), (1, 0.5)]}


def test_a_run_without_results_or_without_probabilities_has_no_curve(tmp_path):
    assert read_curves(tmp_path / "results.yaml", "runs/demo") == {}
    assert read_curves(results(tmp_path, {"runs/demo": {"metrics": {}}, "a control": CALIBRATED}), "runs/demo") == {}


@pytest.mark.parametrize(
    "content",
    ["[]", "models: {}", "models: 5", "models: {a: 5}", "models: {a: {calibration: {b: 1}}}", "models: {a: {calibration: 5}}"],
)
def test_results_that_are_none_are_named(content, tmp_path):
    with pytest.raises(UserError, match="results.yaml.*python 7_evaluate.py --run demo"):
        read_curves(results(tmp_path, content), "runs/demo")


def test_curves_of_several_runs_are_drawn(tmp_path):
    path = tmp_path / "plots" / "risk_coverage.png"
    draw_risk_coverage({f"run {n}": [(0.1, 0), (1, 0.1 * n)] for n in range(7)}, path)
    assert min(png_size(path)) > 800
    assert [p.name for p in path.parent.iterdir()] == ["risk_coverage.png"]


def test_stage_6_draws_what_there_is(world):
    world.path("model").mkdir(parents=True)
    world.path("model/trainer_state.json").write_text(json.dumps({"log_history": LOG, "best_global_step": 20}))
    first = world("6_plot").stdout
    assert [p.name for p in world.path("plots").glob("*.png")] == ["training.png"]
    results(world.path(), {str(world.path()): CALIBRATED})
    again = world("6_plot").stdout
    assert sorted(p.name for p in world.path("plots").glob("*.png")) == ["risk_coverage.png", "training.png"]
    assert "up to date" not in first
    assert [line.endswith("up to date") for line in again.splitlines()] == [True, False]
