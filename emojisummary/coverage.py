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


def read_shortfall(folder: Path, language: str, type: str, teacher: str) -> dict[str, int]:
    """How many rows more than planned each emoji needs for as many accepted ones as were planned; by what passed so far.

    Raises UserError where coverage.csv is missing.
    """
    lines = read_csv(folder / "coverage.csv", COLUMNS, made_by="python 4_combine.py")
    ours = [
        line for line in lines if (line["language"], line["type"], slug(line["teacher"])) == (language, type, slug(teacher))
    ]
    return {line["emoji"]: shortfall(int(line["rows"]), int(line["accepted"])) for line in ours}


def shortfall(rows: int, accepted: int) -> int:
    """Rows to add so that about `rows` are accepted, if they pass as often as those that were graded.

    >>> shortfall(12, 9), shortfall(12, 12), shortfall(12, 0)
    (4, 0, 48)
    """
    return ceil((rows - accepted) / max(accepted / rows, LEAST_PASS_RATE))
