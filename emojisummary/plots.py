"""Figures, readable in print: runs differ in colour and in dash, and nothing hangs on colour alone."""

import json
import os
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path

from emojisummary.artifacts import read_yaml
from emojisummary.stage import UserError

COLOURS = ("#0b6e99", "#c4510c", "#3d7a35", "#7b4fa3", "#8a6d00")  # told apart also by readers who see no red or green
DASHES = ("-", "--", "-.", ":")
Points = list[tuple[float, float]]  # (step, value)


@dataclass
class History:
    """What the trainer logged, as points over steps."""

    loss: Points
    eval_loss: Points
    accuracy: Points
    best_step: int | None


def read_history(state: Path) -> History:
    """Reads a trainer_state.json. Raises UserError where it's missing, unreadable or without any loss."""
    try:
        content = json.loads(state.read_text())
    except FileNotFoundError:
        raise UserError(f"{state} does not exist. Make it with: python 5_train.py --run {state.parent.parent.name}") from None
    except ValueError as error:
        raise UserError(f"{state} is not a trainer's state: {error}.") from None
    try:
        log = content["log_history"]
        history = History(*(_points(log, key) for key in ("loss", "eval_loss", "eval_accuracy@1")), None)
    except (KeyError, TypeError, ValueError):
        raise UserError(f"{state} is not a trainer's state: its `log_history` can't be read.") from None
    if not history.loss:
        raise UserError(f"{state} holds no loss: the training logged nothing.")
    history.best_step = content.get("best_global_step")  # that of the checkpoint that was kept
    return history


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
        again = f"python 7_evaluate.py --run {Path(run).name}"
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
    """Two panels: training and validation loss above, accuracy@1 with the best checkpoint marked below."""
    plt, percent = _matplotlib()
    figure, (losses, accuracies) = plt.subplots(2, 1, figsize=(7, 7), sharex=True, layout="constrained")
    for (name, history), colour, dash in zip(histories.items(), cycle(COLOURS), cycle(DASHES)):
        losses.plot(*zip(*history.loss, strict=True), color=colour, alpha=0.25, linewidth=0.8)
        smooth = moving_average(history.loss, smoothing)
        losses.plot(*zip(*smooth, strict=True), color=colour, linestyle=dash, label=f"{name}, training")
        if history.eval_loss:
            points = zip(*history.eval_loss, strict=True)
            losses.plot(*points, color=colour, linestyle=dash, marker="s", markersize=4, label=f"{name}, validation")
        if history.accuracy:
            points = zip(*history.accuracy, strict=True)
            accuracies.plot(*points, color=colour, linestyle=dash, marker="o", markersize=4, label=name)
            best = next((p for p in history.accuracy if p[0] == history.best_step), history.accuracy[-1])
            accuracies.plot(*best, marker="*", markersize=16, color=colour, markeredgecolor="black")
            label = accuracies.annotate(f"best: {best[1]:.1%}", best, (0, -22), textcoords="offset points", ha="right")
            label.set_bbox({"facecolor": "white", "edgecolor": "none", "alpha": 0.8})
    losses.set(ylabel="loss (cross-entropy)", title="Training")
    accuracies.set(ylabel="accuracy@1 on validation texts", xlabel="step (updates of the weights)")
    accuracies.yaxis.set_major_formatter(percent(1.0))
    _finish(figure, (losses, accuracies), path)


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
        axes.legend(fontsize=8)
        axes.spines[["top", "right"]].set_visible(False)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".tmp.png")
    figure.savefig(temporary, dpi=200)
    plt.close(figure)
    os.replace(temporary, path)
