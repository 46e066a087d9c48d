"""The results for people: a table for the terminal, and one HTML page that needs nothing but itself."""

from pathlib import Path

from emojisummary.artifacts import Row

COLUMNS = {
    "accuracy@1": "acc@1", "accuracy@5": "acc@5", "mrr": "MRR", "macro_f1": "macro-F1", "strict": "strict", "valid": "valid",
}  # fmt: skip
KINDS_APART = {"neutral@1": "any gender", "subcategory@1": "subcategory"}  # acc@1 where more counts as right: for the page
TEMPLATE = Path(__file__).with_name("report.html.jinja")


def table_as_text(results: dict) -> str:
    """One line a model: each metric in per cent with its 95 % interval, then texts per second."""
    lines = [["model", *COLUMNS.values(), "texts/s"]]
    for name, result in results["models"].items():
        figures = [cell(result["metrics"][metric]) for metric in COLUMNS]
        lines.append([name, *figures, f"{result['timing']['texts_per_second']:,.0f}"])
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    body = ["  ".join(field.ljust(width) for field, width in zip(line, widths, strict=True)).rstrip() for line in lines]
    n = next(iter(results["models"].values()))["timing"]["texts"]
    calibrations = [
        calibration_as_text(name, one["calibration"]) for name, one in results["models"].items() if "calibration" in one
    ]
    return "\n".join(
        [
            f"\nOn {n:,} texts, per cent with 95 % interval:",
            *body,
            *map(comparison_as_text, results["comparisons"]),
            *calibrations,
        ]
    )


def cell(figure: dict) -> str:
    """`41.2 (36.1-46.3)`: a share in per cent with its interval; an interval without width is left out."""
    value, low, high = (f"{100 * figure[key]:.1f}" for key in ("value", "low", "high"))
    return value if low == high else f"{value} ({low}-{high})"


def comparison_as_text(comparison: dict) -> str:
    difference = comparison["difference"]
    value, low, high = (f"{100 * difference[key]:+.1f}" for key in ("value", "low", "high"))
    name, control = comparison["model"], comparison["control"]
    p = comparison["mcnemar"]["p"]
    metric, n = comparison["metric"], difference["n"]
    return f"{name} - {control}, {metric}: {value} points ({low} to {high}), n = {n}, McNemar p = {p:.2g}"


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
        given = "  ".join(example[name][0] for name in names)
        text = " / ".join(example["text"].split("\n"))
        lines.append(f"{given}  ({' '.join(example['answers'])})  {text if len(text) <= 100 else text[:99] + '…'}")
    return "\n".join(lines) + "\n"


def html(results: dict, answers: list[Row]) -> str:
    """The page: table, comparisons, and all answers, searchable. Texts are escaped."""
    from jinja2 import Environment

    environment = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    template = environment.from_string(TEMPLATE.read_text(encoding="utf-8"))
    return template.render(
        results=results,
        answers=answers,
        columns=COLUMNS | KINDS_APART,
        cell=cell,
        comparison=comparison_as_text,
        calibration=calibration_as_text,
    )
