"""The overfitting study for people: a chart over the epochs, and a page of Markdown with the measured figures."""

from pathlib import Path

MITIGATIONS = """\
Each is a switch of `5_train.py`, to be tried with the same command:

- **Early stopping**: `--early_stopping_patience 2` ends a training whose validation score no longer rises.
- **Regularisation**: `--lora_dropout 0.1` for an adapter, `--weight_decay 0.1`.
- **Mixing in general rows**: `--general_share 0.2` adds questions with plain answers, so that the model keeps apart when it's
  asked for emoji and when it isn't.
- **More and more varied data**: stage 2 with more teachers; it helps more than any of the above.
- **A smaller adapter or learning rate**: recipes/conservative.yaml.
"""


def draw(study: dict, path: Path) -> None:
    """Losses, the task's score, leaks and divergence over the epochs, in one figure of three panels."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    epochs = [number for number in study["epochs"] if number]
    panels = {
        "loss (nats a token)": ("train_loss", "validation_loss"),
        "share": (*filter(None, [study["metric"]]), "leak_rate", "distinct-2"),
        "KL to the untuned base (nats)": ("kl_to_base",),
    }
    figure, axes = pyplot.subplots(1, len(panels), figsize=(11, 3.4), layout="constrained")
    for axis, (label, names) in zip(axes, panels.items(), strict=True):
        for name, style in zip(names, ("-o", "--s", ":^"), strict=False):
            axis.plot(epochs, [study["epochs"][number][name] for number in epochs], style, label=name)
        axis.axvline(study["recommended"], color="0.7", linewidth=1, zorder=0)
        axis.set(xlabel="epochs", ylabel=label, xticks=epochs)
        axis.legend(frameon=False, fontsize=8)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=150)
    pyplot.close(figure)


def as_markdown(study: dict, settings) -> str:
    """study.md: the figures by epoch, what they mean, and some answers side by side."""
    return "\n".join(
        [f"# Overfitting: {study['task']}\n", _table(study), "![Curves over the epochs](plots/overfitting.png)\n",
         "## What the figures say\n", _discussion(study), "## What helps\n", MITIGATIONS, _answers(study)]
    )  # fmt: skip


def _table(study: dict) -> str:
    metric = [study["metric"]] if study["metric"] else []
    names = ["train_loss", "validation_loss", *metric, "leak_rate", "kl_to_base", "distinct-2"]
    lines = ["| epochs | " + " | ".join(names) + " |", "|---" * (len(names) + 1) + "|"]
    for epochs, figures in study["epochs"].items():
        cells = [str(figures.get(name, "")) for name in names]
        lines.append(f"| {epochs or 'untuned'} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _discussion(study: dict) -> str:
    """A paragraph for each sign of overfitting, with the measured figures."""
    trained = {number: figures for number, figures in study["epochs"].items() if number}
    first, last = min(trained), max(trained)
    before, after, base = trained[first], trained[last], study["epochs"][0]
    lowest = min(trained, key=lambda number: trained[number]["validation_loss"])
    gap = {number: figures["validation_loss"] - figures["train_loss"] for number, figures in trained.items()}
    turned = lowest != last
    lines = [
        f"From {first} to {last} epochs the training loss goes from {before['train_loss']} to {after['train_loss']}, the "
        f"validation loss from {before['validation_loss']} to {after['validation_loss']}. It is lowest after {lowest} epochs: "
        + ("behind that the model learns its rows by heart." if turned else "it still falls, so there is no overfitting in it.")
        + f" The gap between both goes from {gap[first]:.2f} to {gap[last]:.2f}.",
        f"Asked what has nothing to do with emoji, the untuned base uses some in {base['leak_rate']:.0%} of its answers, the "
        f"model of {first} epochs in {before['leak_rate']:.0%}, that of {last} in {after['leak_rate']:.0%}. Its next tokens "
        f"diverge from the base's by {before['kl_to_base']} and {after['kl_to_base']} nats; distinct-2 of the answers "
        f"is {base['distinct-2']} untuned, then {before['distinct-2']} and {after['distinct-2']}.",
    ]
    if study["metric"]:
        metric = study["metric"]
        lines.append(f"On validation texts {metric} goes from {before[metric]} to {after[metric]}.")
    lines.append(
        f"**{study['recommended']} epochs** are recommended: the fewest whose score is within one standard error of the best, or, "
        "for a task without such a score, those of the lowest validation loss."
    )
    return "\n\n".join(lines) + "\n"


def _answers(study: dict) -> str:
    """What each model answers, to prompts for emoji and to others."""
    lines = []
    for kind, title in (("emoji", "Prompts for emoji"), ("general", "Prompts that ask for no emoji")):
        lines.append(f"## {title}\n")
        for prompt in study["epochs"][0]["answers"][kind]:
            lines.append(f"- {prompt}")
            for epochs, figures in study["epochs"].items():
                lines.append(f"  - {epochs or 'untuned'}: {' '.join(figures['answers'][kind][prompt].split()) or '(nothing)'}")
        lines.append("")
    return "\n".join(lines)
