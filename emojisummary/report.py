"""The results for people, in the terminal. What metrics there are is up to the task: whatever results.yaml holds is shown."""

from emojisummary.figures import cell, number, read


def table_as_text(results: dict) -> str:
    """One line a model: each metric with its 95 % interval, shares in per cent; then texts per second."""
    columns = results.get("columns") or {name: name for name in metric_names(results)}  # the others are for the page
    lines = [["model", *columns.values(), "texts/s"]]
    for name, result in results["models"].items():
        figures = [cell(result["metrics"].get(metric), is_share(results, metric)) for metric in columns]
        speed = result.get("timing", {}).get("texts_per_second")
        lines.append([name, *figures, "" if speed is None else f"{speed:,.0f}"])
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    body = ["  ".join(field.ljust(width) for field, width in zip(line, widths, strict=True)).rstrip() for line in lines]
    comparisons = [comparison_as_text(one, is_share(results, one["metric"])) for one in results["comparisons"]]
    calibrations = [
        calibration_as_text(name, one["calibration"]) for name, one in results["models"].items() if "calibration" in one
    ]
    return "\n".join([f"\nOn {texts(results):,} texts, per cent with 95 % interval:", *body, *comparisons, *calibrations])


def texts(results: dict) -> int:
    """The number of texts behind the figures."""
    first = next(iter(results["models"].values()))
    return max([read(found)["n"] or 0 for found in first["metrics"].values()], default=0)


def metric_names(results: dict) -> list[str]:
    """All metrics that any model has: those of the task's table first, the others in their order."""
    there = dict.fromkeys(name for result in results["models"].values() for name in result["metrics"])
    first = [name for name in results.get("columns", {}) if name in there]
    return first + [name for name in there if name not in first]


def is_share(results: dict, metric: str) -> bool:
    """Whether a metric is shown in per cent: the task says which ones are no shares; else all values that lie in 0..1."""
    if "numbers" in results:
        return metric not in results["numbers"]
    figures = [read(result["metrics"].get(metric)) for result in results["models"].values()]
    return all(0 <= figure["value"] <= 1 for figure in figures if figure["value"] is not None)


def comparison_as_text(comparison: dict, share: bool = True) -> str:
    difference = read(comparison["difference"])
    value, low, high = (number(difference[key], share, "+") for key in ("value", "low", "high"))
    name, control, metric = comparison["model"], comparison["control"], comparison["metric"]
    text = f"{name} - {control}, {metric}: {value}{' points' if share else ''} ({low} to {high}), n = {difference['n']}"
    return text + (f", McNemar p = {comparison['mcnemar']['p']:.2g}" if comparison.get("mcnemar") else "")


def calibration_as_text(name: str, found: dict) -> str:
    """How far a model's probabilities can be believed, and how many emoji it takes to be nearly certain."""
    before, after, sets = found["before"], found["after"], found["prediction_sets"]
    return (
        f"{name}: calibration error {100 * before['ece']:.1f} %, {100 * after['ece']:.1f} % at temperature "
        f"{found['temperature']:.2f}; sets of {sets['mean_size']:.1f} emoji hold an accepted one in {cell(sets['coverage'])} % "
        f"of the texts ({100 * sets['wanted']:.0f} % wanted)"
    )


def examples_as_text(results: dict) -> str:
    """A few texts with what each model answers and what is accepted."""
    names = list(results["models"])
    lines = ["", "  ".join(names) + "  accepted  text"]
    for example in results["examples"]:
        answers = "  ".join(given(example.get(name))[0] for name in names)
        text = " / ".join(example["text"].split("\n"))
        lines.append(f"{answers}  ({' '.join(gold(example))})  {text if len(text) <= 100 else text[:99] + '…'}")
    return "\n".join(lines) + "\n"


def given(answer) -> tuple[str, float | None]:
    """A model's answer to a text, a pair or the answer alone, as (answer, probability or None).

    >>> given(["🍔", 0.6]), given("Once upon a time"), given(None)
    (('🍔', 0.6), ('Once upon a time', None), ('', None))
    """
    if isinstance(answer, list | tuple):
        return str(answer[0]), answer[1] if len(answer) > 1 else None
    return "" if answer is None else str(answer), None


def gold(answer: dict) -> list[str]:
    """The accepted answers of an answered text: none, one, or a list of them."""
    accepted = answer.get("answers") or []
    return [accepted] if isinstance(accepted, str) else [str(one) for one in accepted]
