"""The learning curve: the embedded student trained on 10, 25, 50, 75 and 100 % of the corpus, judged on the `test` texts.

    python benchmarks/corpus.py                 # after `make demo`; 160 % of its training once more

reads   runs/demo/ (training_data.csv, validation_data.csv, emoji_data.yaml)
writes  benchmarks/results/corpus.md and corpus.png, and runs/corpus-10 and so on; the run on all rows is that of the demo
"""

import shutil
import subprocess
import sys
from collections import defaultdict
from datetime import date
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from emojisummary import load
from emojisummary.artifacts import TRAINING, read_csv, write_csv, write_text
from emojisummary.metrics import with_interval
from emojisummary.tasks import TASKS
from emojisummary.validation import split

SHARES = (10, 25, 50, 75)  # per cent of the rows, and then all
DEMO = Path("runs/demo")
RESULTS = Path(__file__).parent / "results"
METRICS = ("accuracy@1", "accuracy@5")


def main():
    rows = read_csv(DEMO / "training_data.csv", TRAINING, "make demo")
    texts = split(read_csv(DEMO / "validation_data.csv", ("text", "answers"), "make demo"), "test")
    texts = [row for row in texts if row["language"] == "english"]
    curve = {}
    for share in SHARES:
        part = rows[: len(rows) * share // 100]
        curve[len(part)] = score(load(train_on(part, f"corpus-{share}")), texts)
    curve[len(rows)] = score(load(DEMO), texts)
    draw(curve, RESULTS / "corpus.png")
    write_text(RESULTS / "corpus.md", report(curve, texts))
    print(RESULTS / "corpus.md")


def train_on(rows, run):
    """Trains a student on the rows. Returns the run's folder."""
    folder = DEMO.parent / run
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("emoji_data.yaml", "validation_data.csv"):
        shutil.copy(DEMO / name, folder)
    write_csv(folder / "training_data.csv", TRAINING, rows)
    subprocess.run([sys.executable, "5_train.py", "--run", run], check=True)
    return folder


def score(student, texts):
    """For each text its scores, with the text's own facts beside them."""
    ranked = student.rank([row["text"] for row in texts], top=50)
    task = TASKS["summary"]
    return [
        {**row, **task.score(row["answers"].split(), [emoji for emoji, _ in best]), "given": best[0][0]}
        for row, best in zip(texts, ranked, strict=True)
    ]


def values(scored, metric):
    return [row[metric] for row in scored]


def report(curve, texts):
    lines = [
        "# Learning curve of the embedded student",
        "",
        f"`python benchmarks/corpus.py`, {date.today()}, {len(texts)} English `test` texts, two cores without GPU.",
        "",
        "| rows | accuracy@1 | accuracy@5 |",
        "|---|---|---|",
    ]
    for count, scored in curve.items():
        lines.append(f"| {count:,} | " + " | ".join(percent(values(scored, metric)) for metric in METRICS) + " |")
    lines += ["", "![curve](corpus.png)", ""]
    whole = list(curve.values())[-1]
    for key in ("category", "form"):
        lines += [f"## By {key}", "", f"| {key} | n | accuracy@1 | accuracy@5 |", "|---|---|---|---|"]
        groups = defaultdict(list)
        for row in whole:
            groups[row.get(key, "")].append(row)
        for name, group in sorted(groups.items(), key=lambda item: -len(item[1])):
            figures = " | ".join(percent(values(group, metric)) for metric in METRICS)
            lines.append(f"| {name} | {len(group)} | {figures} |")
        lines.append("")
    lines += ["## Missed most", "", "Best answers that were missed at least twice and never given:", "", worst(whole), ""]
    return "\n".join(lines)


def worst(scored):
    missed, hit = defaultdict(int), set()
    for row in scored:
        best = row["answers"].split()[0]
        if row["accuracy@1"]:
            hit.add(best)
        else:
            missed[best] += 1
    return " ".join(f"{emoji} ({n})" for emoji, n in sorted(missed.items(), key=lambda e: -e[1]) if n > 1 and emoji not in hit)


def percent(scores):
    figure = with_interval(scores, 10_000, 7)
    return f"{100 * figure['value']:.1f} ({100 * figure['low']:.1f}-{100 * figure['high']:.1f})"


def draw(curve, path):
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(6, 4), layout="constrained")
    for metric, dash in zip(METRICS, ("-", "--"), strict=True):
        figures = [with_interval(values(scored, metric), 10_000, 7) for scored in curve.values()]
        means = [figure["value"] for figure in figures]
        errors = [[f["value"] - f["low"] for f in figures], [f["high"] - f["value"] for f in figures]]
        axes.errorbar(list(curve), means, yerr=errors, linestyle=dash, marker="o", capsize=3, label=metric, color="#0b6e99")
    axes.set(xlabel="training rows", ylabel="share of the test texts", xscale="log", ylim=(0, 1))
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(path, dpi=150)


if __name__ == "__main__":
    main()
