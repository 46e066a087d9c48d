"""The validation set: texts with every accepted emoji, best first; a YAML file, or a CSV of one's own with the same columns.

data/validation_set.yaml holds one mapping a text: `text`, `answers`, and if known `language`, `form`, `category` and
`split`: `dev` to tune on, `test` only to report; without it a text serves for both.
"""

from collections import Counter
from collections.abc import Callable
from pathlib import Path

from emojisummary.artifacts import Row, read_csv, read_yaml
from emojisummary.emojis import Lookup
from emojisummary.stage import UserError
from emojisummary.tasks.base import tidy, topic_id

PARTS = ("dev", "test", "")


def read_validation_set(file: str) -> list[Row]:
    """The entries as they stand in the file. Raises UserError naming the first one that lacks a text or answers, or whose
    `split` is no part."""
    entries = read_csv(Path(file), ("text", "answers")) if file.endswith(".csv") else read_yaml(Path(file))
    if not isinstance(entries, list):
        raise UserError(f"{file}: expected a sequence of texts with their answers.")
    for number, entry in enumerate(entries, start=1):
        if not _is_whole(entry):
            raise UserError(f"{file}: entry {number} needs a `text` and `answers`, both in words: {entry!r}.")
        if _fact(entry, "split") not in PARTS:
            raise UserError(f"{file}: entry {number}: `split` is {entry['split']!r}; it's `dev`, `test` or left empty.")
    return entries


def _fact(entry: Row, key: str, default: str = "") -> str:
    """What an entry says of itself; the default where it doesn't, or its cell is empty. A `split` is in lower case."""
    fact = str(entry.get(key) or "").strip() or default
    return fact.lower() if key == "split" else fact


def _is_whole(entry: object) -> bool:
    if not isinstance(entry, dict) or not isinstance(entry.get("text"), str) or not entry["text"].strip():
        return False
    answers = entry.get("answers")
    return bool(answers) and (
        isinstance(answers, str) or (isinstance(answers, list) and all(isinstance(a, str) for a in answers))
    )


def validation_rows(
    entries: list[Row], emoji_of: Lookup, spelled: Callable[[str], str | None] | None = None
) -> tuple[list[Row], Counter]:
    """One row a text, answers in the table's spelling, and a count of what was left out.

    `spelled` gives the spelling of an answer that is more than one emoji, None where it can't be one.
    """
    rows, problems, spelled = [], Counter(), spelled or emoji_of.get
    for entry in entries:
        given = entry["answers"].split() if isinstance(entry["answers"], str) else entry["answers"]
        answers = list(dict.fromkeys(found for found in map(spelled, given) if found))
        problems["answers that are not in the emoji table"] += sum(spelled(answer) is None for answer in given)
        text = tidy(entry["text"])
        if not text:
            problems["texts of nothing that can be seen"] += 1
            continue
        if not answers:
            problems["texts without any answer in the table"] += 1
            continue
        defaults = {"language": "english", "form": "", "category": "", "split": ""}
        facts = {key: _fact(entry, key, default) for key, default in defaults.items()}
        rows.append({"id": topic_id("validation", text), "text": text, "answers": " ".join(answers), **facts})
    unique = united(rows)
    problems["texts listed twice"] = len(rows) - len(unique)
    return unique, +problems


def united(rows: list[Row]) -> list[Row]:
    """Each text once, with the answers of all its rows, the first row's first."""
    unique = {}
    for row in rows:
        answers = [*unique.setdefault(row["id"], row)["answers"].split(), *row["answers"].split()]
        unique[row["id"]]["answers"] = " ".join(dict.fromkeys(answers))
    return list(unique.values())


def split(rows: list[Row], part: str) -> list[Row]:
    """The rows of `dev` or `test`; rows that belong to no part belong to both."""
    return [row for row in rows if row.get("split", "") in ("", part)]
