"""What stage 3 reports of the graders, and stage 4 goes by: who fell for pairs known to be wrong, and who agrees with whom."""

from collections.abc import Iterable
from pathlib import Path

from emojisummary.agreement import canary_rates, dawid_skene, krippendorff_alpha, raw_agreement
from emojisummary.artifacts import CANARIES, GRADED, Row, chosen, read_csv


def read_graded(folder: Path, settings) -> list[Row]:
    """All graded rows of a run that the filters let through."""
    paths = [path for path, _ in chosen(folder / "graded", "csv", settings, made_by="python 3_validate.py")]
    return [row for path in paths for row in read_csv(path, GRADED, made_by="python 3_validate.py")]


def read_canaries(folder: Path) -> list[Row]:
    """All verdicts of a run on pairs whose right one is known; [] where graders weren't tested."""
    paths = sorted((folder / "graded" / "canaries").glob("*.csv"))
    return [row for path in paths for row in read_csv(path, CANARIES)]


def accept(rows: list[Row], verdicts: list[Row], left_out: Iterable[str], settings) -> list[Row]:
    """The rows with enough yes votes; with `weighting: dawid-skene` those that probably deserve a yes.

    `verdicts` are all graded rows, with the canaries, by which it's learned how reliable each grader is.
    """
    enough = [row for row in rows if row["votes"] >= settings.quorum]
    if settings.weighting == "votes":
        return enough
    probability, _ = dawid_skene([verdict for verdict in verdicts if verdict["grader"] not in left_out])
    return [row for row in enough if probability[row["id"]] >= settings.least_probability]


def report(graded: list[Row], canaries: list[Row]) -> dict:
    """The content of graders.yaml. Shares are 0..1, with their 95 % intervals and n."""
    rates = canary_rates(canaries)
    agreement = raw_agreement(graded)
    return {
        "canaries": [{"grader": grader, "language": language, **rate} for (grader, language), rate in rates.items()],
        "agreement": {
            "krippendorff_alpha": krippendorff_alpha(graded),
            "raw": agreement["overall"],
            "pairs": [{"graders": list(pair), **share} for pair, share in agreement["pairs"].items()],
        },
    }


def as_text(found: dict) -> str:
    """The report as lines to print: a table of graders, and how far they agree."""
    lines = [f"{'grader':28} {'language':12} {'wrong pairs':>11} {'accepted':>9} {'right pairs':>11} {'rejected':>9}"]
    for one in found["canaries"]:
        accepted, rejected = percent(one["false_accept"]["value"]), percent(one["false_reject"]["value"])
        lines.append(
            f"{one['grader']:28} {one['language']:12} {one['n_wrong']:11,} {accepted:>9} {one['n_right']:11,} {rejected:>9}"
        )
    agreement = found["agreement"]
    if agreement["raw"]["n"]:
        alpha = agreement["krippendorff_alpha"]
        alpha = "undefined" if alpha is None else f"{alpha:.2f}"
        lines.append(
            f"verdicts on the same row agree in {percent(agreement['raw']['value'])} of {agreement['raw']['n']:,} pairs; "
            f"Krippendorff's alpha {alpha}"
        )
    return "\n".join(lines)


def percent(share: float | None) -> str:
    return "-" if share is None else f"{share:.1%}"
