"""Stage 6: draws the curves of one or several trainings: loss, accuracy on validation texts, and which checkpoint was best.

    python 6_plot.py
    python 6_plot.py --runs runs/demo --runs runs/demo-llm

reads   runs/<run>/model/trainer_state.json
writes  runs/<run>/plots/training.png
"""

from pathlib import Path

from emojisummary.artifacts import fingerprint, is_stamped, stamp
from emojisummary.plots import draw, read_history
from emojisummary.stage import run


def main(settings):
    runs = [Path(name) for name in settings.runs] or [settings.folder]
    states = [folder / "model" / "trainer_state.json" for folder in runs]
    histories = {str(folder): read_history(state) for folder, state in zip(runs, states, strict=True)}
    path = settings.folder / "plots" / "training.png"
    made_from = fingerprint(states, settings.own())
    if is_stamped(path, made_from):
        print(f"{path}: up to date")
        return
    draw(histories, path, settings.smoothing)
    stamp(path, made_from)
    print(f"{path}: {', '.join(histories)}")


if __name__ == "__main__":
    run(main, "plot")
