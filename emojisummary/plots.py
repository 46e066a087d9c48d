"""Figures, readable in print: runs differ in colour and in dash, and nothing hangs on colour alone."""

import json
import os
import shlex
from dataclasses import dataclass, field
from itertools import cycle
from pathlib import Path
from statistics import mean

from emojisummary.artifacts import read_yaml
from emojisummary.stage import UserError

COLOURS = ("#0b6e99", "#c4510c", "#3d7a35", "#7b4fa3", "#8a6d00")  # told apart also by readers who see no red or green
DASHES = ("-", "--", "-.", ":")
Points = list[tuple[float, float]]  # (step, value)


METRICS = ("accuracy@1", "set_f1")  # whichever was measured chose the best checkpoint; a task without any has the loss
RISE = 1.01  # factor on the lowest validation loss: what lies above has turned up, what lies below is noise


@dataclass
class History:
    """What the trainer logged, as points over steps."""

    loss: Points
    eval_loss: Points = field(default_factory=list)
    learning_rate: Points = field(default_factory=list)
    metric: str = METRICS[0]
    measured: Points = field(default_factory=list)
    best_step: int | None = None  # that of the checkpoint that was kept
    stopped_early: bool = False

    def turn(self) -> tuple[float, float] | None:
        """The lowest validation loss, if it has risen since while the training loss fell: from there on it learns by heart."""
        if not self.eval_loss:
            return None
        lowest = min(self.eval_loss, key=lambda point: point[1])
        before, after = ([loss for step, loss in self.loss if (step <= lowest[0]) == early] for early in (True, False))
        falls = before and after and mean(after) < mean(before[-len(after) :])
        return lowest if falls and self.eval_loss[-1][1] > lowest[1] * RISE else None


def read_history(state: Path) -> History:
    """Reads a trainer_state.json. Raises UserError where it's missing, unreadable or without any loss."""
    try:
        content = json.loads(state.read_text())
    except FileNotFoundError:
        again = shlex.join(["python", "5_train.py", "--run", state.parent.parent.name])
        raise UserError(f"{state} does not exist. Make it with: {again}") from None
    except ValueError as error:
        raise UserError(f"{state} is not a trainer's state: {error}.") from None
    try:
        log = content["log_history"]
        metric = next((name for name in METRICS if any(f"eval_{name}" in entry for entry in log)), METRICS[0])
        curves = [_points(log, key) for key in ("loss", "eval_loss", "learning_rate", f"eval_{metric}")]
    except (KeyError, TypeError, ValueError):
        raise UserError(f"{state} is not a trainer's state: its `log_history` can't be read.") from None
    loss, eval_loss, learning_rate, measured = curves
    if not loss:
        raise UserError(f"{state} holds no loss: the training logged nothing.")
    stopped_early = content.get("global_step", 0) < content.get("max_steps", 0)
    return History(loss, eval_loss, learning_rate, metric, measured, content.get("best_global_step"), stopped_early)


def _points(log: list[dict], key: str) -> Points:
    return [(entry["step"], float(entry[key])) for entry in log if key in entry]


def moving_average(points: Points, window: int) -> Points:
    """Each value replaced by the mean of itself and up to window - 1 values before it.

    >>> moving_average([(1, 4.0), (2, 2.0), (3, 0.0)], 2)
    [(1, 4.0), (2, 3.0), (3, 1.0)]
    """
    values = [value for _, value in points]
    means = []
    for end in range(1, len(values) + 1):
        recent = values[max(0, end - window) : end]
        means.append(sum(recent) / len(recent))
    return [(step, value) for (step, _), value in zip(points, means, strict=True)]


def read_curves(results: Path, run: str) -> dict[str, Points]:
    """The risk-coverage curve of the run's own model, from its results.yaml: {run: [(coverage, share of wrong answers), ...]}.

    Nothing where the run wasn't evaluated yet, or its model gives no probabilities. Raises UserError for an unreadable file.
    """
    if not results.exists():
        return {}
    content = read_yaml(results)
    try:
        calibration = next(iter(content["models"].values())).get("calibration")  # the first model is the run's own
        curve = calibration["risk_coverage"]["curve"] if calibration else []
        points = [(float(point["coverage"]), float(point["error"])) for point in curve]
    except (AttributeError, KeyError, StopIteration, TypeError, ValueError):
        again = shlex.join(["python", "7_evaluate.py", "--run", Path(run).name])
        raise UserError(f"{results} holds no results. Delete it and make it again with: {again}") from None
    return {run: points} if points else {}


def draw_risk_coverage(curves: dict[str, Points], path: Path) -> None:
    """The share of wrong answers, if only the surest answers are given, over the share of texts that are answered."""
    plt, percent = _matplotlib()
    figure, axes = plt.subplots(figsize=(7, 4.5), layout="constrained")
    for (name, points), colour, dash in zip(curves.items(), cycle(COLOURS), cycle(DASHES)):
        axes.plot(*zip(*points, strict=True), color=colour, linestyle=dash, marker="o", markersize=4, label=name)
    axes.set(title="Answering only when sure", xlabel="texts answered, the surest first", ylabel="wrong answers among them")
    axes.set(xlim=(0, 1.02), ylim=(0, None))
    axes.xaxis.set_major_formatter(percent(1.0))
    axes.yaxis.set_major_formatter(percent(1.0))
    _finish(figure, [axes], path)


def draw(histories: dict[str, History], path: Path, smoothing: int) -> None:
    """Three panels over steps: training and validation loss, where it turned up; the metric, with the best checkpoint and an
    early end marked; the learning rate."""
    plt, percent = _matplotlib()
    heights = {"height_ratios": (3, 3, 1)}
    figure, panels = plt.subplots(3, 1, figsize=(7, 8), sharex=True, layout="constrained", gridspec_kw=heights)
    losses, metrics, rates = panels
    for (name, history), colour, dash in zip(histories.items(), cycle(COLOURS), cycle(DASHES)):
        line = {"color": colour, "linestyle": dash}

        def curve(axes, points, label=None, line=line, **marks):
            axes.plot(*zip(*points, strict=True), **line, **marks, label=label)

        losses.plot(*zip(*history.loss, strict=True), color=colour, alpha=0.25, linewidth=0.8)
        curve(losses, moving_average(history.loss, smoothing), f"{name}, training")
        if history.eval_loss:
            curve(losses, history.eval_loss, f"{name}, validation", marker="s", markersize=4)
        if turn := history.turn():
            _note(losses, "validation loss rises from here,\nwhile training loss falls: overfitting", turn, (0, -28), "center")
        if history.learning_rate:
            curve(rates, history.learning_rate)
        if history.measured:
            curve(metrics, history.measured, f"{name}, {history.metric}", marker="o", markersize=4)
            best = next((p for p in history.measured if p[0] == history.best_step), history.measured[-1])
            metrics.plot(*best, marker="*", markersize=16, color=colour, markeredgecolor="black")
            _note(metrics, f"best: {best[1]:.1%}", best, (0, -22), "right")
        if history.stopped_early:
            last = (history.loss[-1][0], history.measured[-1][1] if history.measured else history.loss[-1][1])
            _note(metrics if history.measured else losses, "stopped early", last, (0, 14), "right")
    losses.set(ylabel="loss (cross-entropy)", title="Training")
    metrics.set(ylabel="on validation texts")
    metrics.yaxis.set_major_formatter(percent(1.0))
    rates.set(ylabel="learning rate", xlabel="step (updates of the weights)")
    _finish(figure, panels, path)


def _note(axes, text: str, point: tuple[float, float], offset: tuple[int, int], align: str) -> None:
    label = axes.annotate(text, point, offset, textcoords="offset points", ha=align, va="center", fontsize=8)
    label.set_bbox({"facecolor": "white", "edgecolor": "none", "alpha": 0.8})


def _matplotlib():
    """pyplot, and how an axis writes shares."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    from matplotlib.ticker import PercentFormatter

    return plt, PercentFormatter


def _finish(figure, panels, path: Path) -> None:
    """Grid and legend, then the file, which is there as a whole or not at all."""
    import matplotlib.pyplot as plt

    for axes in panels:
        axes.grid(alpha=0.3)
        if axes.get_legend_handles_labels()[0]:
            axes.legend(fontsize=8)
        axes.spines[["top", "right"]].set_visible(False)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".tmp.png")
    figure.savefig(temporary, dpi=200)
    plt.close(figure)
    os.replace(temporary, path)
