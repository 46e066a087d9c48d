"""Reads the files that say which emoji there are: our TSV tables, and two layouts that others publish.

- `.tsv`: code_points, emoji, name, keywords, category, subcategory, version; made by data/make_tables.py
- `.csv`: emoji, name, group, sub_group, codepoints; as in the emoji dataset on Kaggle, `emoji_df.csv`
- `.txt`: Unicode's own `emoji-test.txt`
"""

import re
from collections.abc import Iterator
from pathlib import Path

from emojisummary.artifacts import broken, read_csv, read_text, read_tsv
from emojisummary.stage import UserError

COLUMNS = ("code_points", "emoji", "name", "keywords", "category", "subcategory", "version")
KAGGLE = ("emoji", "name", "group", "sub_group", "codepoints")
TEST_LINE = re.compile(r"([0-9A-F ]+?)\s*;\s*([a-z-]+)\s*#\s*(\S+)\s+E(\d+\.\d+)\s+(.+)")
VARIANT = re.compile("[\U0001f3fb-\U0001f3ff\U0001f9b0-\U0001f9b3]")  # a skin tone, or a kind of hair joined to a person
WITHOUT_VERSION = 1.0


def read_table(file: str) -> Iterator[tuple[str, dict]]:
    """Each emoji of a file with its facts. Raises UserError with file and line for a broken row."""
    readers = {".tsv": _read_tsv, ".csv": _read_kaggle, ".txt": _read_emoji_test}
    if Path(file).suffix not in readers:
        raise UserError(f"{file}: unknown kind of emoji table; give a {', '.join(readers)} file.")
    return readers[Path(file).suffix](file)


def _facts(code_points: str, name: str, keywords: list[str], category: str, subcategory: str, version: float) -> dict:
    return {
        "hex": code_points.replace(" ", "-"),
        "name": name,
        "category": category,
        "subcategory": subcategory,
        "keywords": keywords,
        "rank": None,
        "parent": None,
        "version": version,
    }


def _read_tsv(file: str) -> Iterator[tuple[str, dict]]:
    for line, row in read_tsv(Path(file), COLUMNS):
        emoji, version = row["emoji"], row["version"]
        if not emoji or _code_points(emoji) != row["code_points"]:
            raise UserError(f"{file}, line {line}: {emoji!r} does not have the code points {row['code_points']!r}.")
        if not re.fullmatch(r"\d+(\.\d+)?", version, re.ASCII):
            raise UserError(f"{file}, line {line}: version {version!r} is not a number.")
        keywords = [k for k in row["keywords"].split(" | ") if k]
        yield emoji, _facts(row["code_points"], row["name"], keywords, row["category"], row["subcategory"], float(version))


def _read_kaggle(file: str) -> Iterator[tuple[str, dict]]:
    """The description of an emoji stands in for keywords: it has none."""
    for line, row in enumerate(read_csv(Path(file), KAGGLE), start=2):
        emoji = row["emoji"].strip()
        if not emoji or _code_points(emoji) != " ".join(row["codepoints"].upper().split()):
            raise broken(Path(file), line, f"{emoji!r} does not have the code points {row['codepoints']!r}")
        if not VARIANT.search(emoji[1:]):
            category, subcategory = (row[key].lower().replace(" & ", "-").strip() for key in ("group", "sub_group"))
            yield emoji, _facts(_code_points(emoji), row["name"], [], category, subcategory, WITHOUT_VERSION)


def _read_emoji_test(file: str) -> Iterator[tuple[str, dict]]:
    """Of Unicode's list the fully qualified emoji, without the variants of skin and hair."""
    group = subgroup = ""
    for number, line in enumerate(read_text(Path(file)).splitlines(), start=1):
        if line.startswith("# group:"):
            group = line.partition(":")[2].strip().lower().replace(" & ", "-")
        elif line.startswith("# subgroup:"):
            subgroup = line.partition(":")[2].strip()
        elif line.strip() and not line.startswith("#"):
            entry = TEST_LINE.fullmatch(line.strip())
            if entry is None or _code_points(entry[3]) != entry[1]:
                raise broken(Path(file), number, f"not an entry of emoji-test.txt: {line.strip()!r}")
            if entry[2] == "fully-qualified" and not VARIANT.search(entry[3][1:]):
                yield entry[3], _facts(entry[1], entry[5], [], group, subgroup, float(entry[4]))


def _code_points(emoji: str) -> str:
    return " ".join(f"{ord(character):04X}" for character in emoji)
