"""Data of one's own: texts with labels from a CSV, and a closed set of labels.

text,answer
"Last day at the office, thank you all",❤️
"""

from collections.abc import Callable, Iterable
from pathlib import Path

from emojisummary.artifacts import Row, read_csv
from emojisummary.emojis import Lookup, Table
from emojisummary.stage import UserError
from emojisummary.tasks.base import tidy, topic_id


def only(table: Table, wanted: list[str]) -> Table:
    """The wanted emoji of a table, or all where none is named. Raises UserError for one that the table lacks.

    A gendered emoji whose `parent` isn't wanted has none.
    """
    if not wanted:
        return table
    emoji_of = Lookup(table)
    unknown = [emoji for emoji in wanted if emoji_of.get(emoji) is None]
    if unknown:
        raise UserError(f"`emoji.only` names {' '.join(unknown)}: not in the emoji tables.")
    kept = {emoji_of.get(emoji) for emoji in wanted}
    parents = {emoji: facts["parent"] if facts["parent"] in kept else None for emoji, facts in table.items()}
    return {emoji: facts | {"parent": parents[emoji]} for emoji, facts in table.items() if emoji in kept}


def own_rows(paths: Iterable[str], tidied: Callable[[str], str] = tidy) -> list[Row]:
    """The rows of CSV files with `text` and `answer`, and perhaps `also` and `language`, as accepted training rows, their texts
    `tidied`.

    Empty texts and unknown answers are still among them. Raises UserError where a file is missing or broken.
    """
    return [_as_row(row, Path(path).stem, tidied) for path in paths for row in read_csv(Path(path), ("text", "answer"))]


def _as_row(row: Row, source: str, tidied: Callable[[str], str]) -> Row:
    text, answer = tidied(row["text"]), row["answer"].strip()
    return {
        "id": topic_id("own", text, answer),
        "text": text,
        "answer": answer,
        "language": row.get("language") or "english",
        "type": "paragraph",
        "teacher": source,
        "votes": 1,
        "also": row.get("also", ""),
    }
