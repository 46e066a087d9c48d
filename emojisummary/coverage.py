"""Which emoji have enough accepted rows, by language, type and teacher: coverage.csv, and what is to be written more."""

from collections import Counter
from math import ceil
from pathlib import Path

from emojisummary.artifacts import Row, read_csv, slug, write_csv

COLUMNS = ("emoji", "language", "type", "teacher", "rows", "accepted", "pass_rate")
LEAST_PASS_RATE = 0.25  # where fewer pass, more of the same is no way to more accepted rows


def coverage(rows: list[Row], accepted: set[str]) -> list[Row]:
    """One line for each emoji, language, type and teacher: rows that were graded, and how many of them were accepted.

    `accepted` are the ids of the rows that stage 4 let through. In the order of the rows.
    """
    written, kept = Counter(), Counter()
    for row in rows:
        key = row["emoji"], row["language"], row["type"], row["teacher"]
        written[key] += 1
        kept[key] += row["id"] in accepted
    return [dict(zip(COLUMNS, (*key, n, kept[key], round(kept[key] / n, 3)), strict=True)) for key, n in written.items()]


def write_coverage(folder: Path, lines: list[Row]) -> Path:
    path = folder / "coverage.csv"
    write_csv(path, COLUMNS, lines)
    return path


def read_shortfall(
    folder: Path, language: str, type: str, teacher: str, planned: Counter, asked: Counter, written: Counter
) -> dict[str, int]:
    """How many topics more than planned each emoji needs for as many accepted rows as are `planned`; by what passed so far of
    the topics that the teacher was `asked` about, its unusable replies included. Of the rows `written`, those that came after
    coverage.csv are neither accepted nor rejected yet.

    Raises UserError where coverage.csv is missing.
    """
    lines = read_csv(folder / "coverage.csv", COLUMNS, made_by="python 4_combine.py")
    graded, accepted = Counter(), Counter()
    for line in lines:
        if (line["language"], line["type"], slug(line["teacher"])) == (language, type, slug(teacher)):
            graded[line["emoji"]] += int(line["rows"])
            accepted[line["emoji"]] += int(line["accepted"])
    if not graded:  # all of it came after coverage.csv
        return {}
    pending = written - graded
    return {e: shortfall(n, asked[e], accepted[e], pending[e]) for e, n in planned.items() if asked[e]}


def shortfall(planned: int, asked: int, accepted: int, pending: int = 0) -> int:
    """Topics to ask about beyond the planned ones so that about as many rows as planned are accepted: those that were asked
    about already, and as many more as it takes if they pass as often as the judged ones did; but never more than
    `most_beyond`. Of the topics asked about, `pending` have a row that nobody has judged.

    >>> shortfall(12, asked=12, accepted=9), shortfall(12, asked=16, accepted=12), shortfall(12, asked=12, accepted=0)
    (4, 4, 48)
    >>> shortfall(12, asked=14, accepted=9, pending=2), shortfall(12, asked=12, accepted=0, pending=12)
    (4, 0)
    """
    judged = asked - pending
    pass_rate = max(accepted / judged, LEAST_PASS_RATE) if judged else 1
    in_all = judged + ceil(max(planned - accepted, 0) / pass_rate)
    return max(asked - planned, min(in_all - planned, most_beyond(planned)), 0)


def most_beyond(planned: int) -> int:
    """As many topics beyond the planned ones as the least pass rate allows."""
    return ceil(planned / LEAST_PASS_RATE)
