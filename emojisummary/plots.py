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
        losses = [loss for _, loss in self.loss]
        half = max(sum(step > lowest[0] for step, _ in self.loss) // 2, 1)  # of the points since
        before, after = losses[-2 * half : -half], losses[-half:]
        falls = before and mean(after) < mean(before)
        return lowest if falls and self.eval_loss[-1][1] > lowest[1] * RISE else None


def read_history(state: Path, made_by: str | None = None) -> History:
    """Reads a trainer_state.json. Raises UserError where it's missing, unreadable or without any loss; `made_by`: the command
    that makes it."""
    try:
        content = json.loads(state.read_text())
    except FileNotFoundError:
        made_by = made_by or shlex.join(["python", "5_train.py", "--run", state.parent.parent.name])
        raise UserError(f"{state} does not exist. Make it with: {made_by}") from None
    except ValueError as error:
        raise UserError(f"{state} is not a trainer's state: {error}.") from None
    try:
        log = content["log_history"]
        metric = next((name for name in METRICS if any(f"eval_{name}" in entry for entry in log)), METRICS[0])
        curves = [_points(log, key) for key in ("loss", "eval_loss", "learning_rate", f"eval_{metric}")]
        stopped_early = content.get("global_step", 0) < content.get("max_steps", 0)
    except (KeyError, TypeError, ValueError):
        raise UserError(f"{state} is not a trainer's state: its `log_history` can't be read.") from None
    loss, eval_loss, learning_rate, measured = curves
    if not loss:
        raise UserError(f"{state} holds no loss: the training logged nothing.")
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
    """Over steps: training and validation loss, the metric where there is one, and the learning rate. Marked are the checkpoint
    that was kept, where a run begins to overfit, and an early end."""
    plt, percent = _matplotlib()
    heights = (3, 3, 1) if any(history.measured for history in histories.values()) else (3, 1)
    figure, panels = plt.subplots(len(heights), figsize=(7, 8), sharex=True, layout="constrained", height_ratios=heights)
    losses, rates = panels[0], panels[-1]
    for (name, history), colour, dash in zip(histories.items(), cycle(COLOURS), cycle(DASHES)):
        line = {"color": colour, "linestyle": dash}
        end = f"{name}, stopped early" if history.stopped_early else name
        _curve(losses, history.loss, color=colour, alpha=0.25, linewidth=0.8)
        _curve(losses, moving_average(history.loss, smoothing), **line, label=f"{end}, training")
        if history.eval_loss:
            _curve(losses, history.eval_loss, **line, label=f"{end}, validation", marker="s", markersize=4)
        if turn := history.turn():
            losses.plot(*turn, color=colour, linestyle="", marker="X", markersize=11, label=f"{name} overfits from here")
        if history.learning_rate:
            _curve(rates, history.learning_rate, **line)
        axes, points, form = losses, history.eval_loss, ".3f"
        if history.measured:
            axes, points, form = panels[1], history.measured, ".1%"
            _curve(axes, points, **line, label=f"{end}, {history.metric}", marker="o", markersize=4)
            axes.set(ylabel="on validation texts")
            axes.yaxis.set_major_formatter(percent(1.0))
        if best := next((point for point in points if point[0] == history.best_step), None):
            axes.plot(*best, marker="*", markersize=16, color=colour, markeredgecolor="black")
            label = axes.annotate(f"kept: {best[1]:{form}}", best, (0, -22), textcoords="offset points", ha="right", fontsize=8)
            label.set_bbox({"facecolor": "white", "edgecolor": "none", "alpha": 0.8})
    losses.set(ylabel="loss (cross-entropy)", title="Training")
    rates.set(ylabel="learning rate", xlabel="step (updates of the weights)")
    _finish(figure, panels, path)


def _curve(axes, points: Points, **style) -> None:
    axes.plot(*zip(*points, strict=True), **style)


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
