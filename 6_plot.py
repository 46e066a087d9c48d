"""Stage 6: draws the curves of one or several trainings: loss, accuracy on validation texts, and which checkpoint was best;
and of runs that 7_evaluate.py has judged, how few answers are wrong if only the surest ones are given.

    python 6_plot.py
    python 6_plot.py --runs runs/demo --runs runs/demo-llm

reads   runs/<run>/model/trainer_state.json, and runs/<run>/results.yaml where it's there
writes  runs/<run>/plots/training.png, and risk_coverage.png where a model's probabilities were measured
"""

from pathlib import Path

from emojisummary.artifacts import fingerprint, is_stamped, stamp
from emojisummary.plots import draw, draw_risk_coverage, read_curves, read_history
from emojisummary.stage import run


def main(settings):
    runs = [Path(name) for name in settings.runs] or [settings.folder]
    states = [folder / "model" / "trainer_state.json" for folder in runs]
    results = [folder / "results.yaml" for folder in runs]
    own = None if settings.runs else "python 5_train.py"  # in an error, the command then names the recipe, too
    histories = {str(folder): read_history(state, own) for folder, state in zip(runs, states, strict=True)}
    training, risk = (settings.folder / "plots" / name for name in ("training.png", "risk_coverage.png"))
    write(training, states, histories, settings, lambda path: draw(histories, path, settings.smoothing))
    curves = {}
    for path in results:
        curves |= read_curves(path, str(path.parent))
    if curves:
        write(risk, results, curves, settings, lambda path: draw_risk_coverage(curves, path))


def write(path, sources, names, settings, draws):
    made_from = fingerprint(sources, settings.own())
    if is_stamped(path, made_from):
        print(f"{path}: up to date")
        return
    draws(path)
    stamp(path, made_from)
    print(f"{path}: {', '.join(names)}")


if __name__ == "__main__":
    run(main, "plot")
