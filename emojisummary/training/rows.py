"""Training rows: the usable ones of training_data.csv, or of any CSV of one's own with `text` and `answer`."""

from collections import Counter

from emojisummary.artifacts import Row
from emojisummary.emojis import Lookup
from emojisummary.stage import UserError
from emojisummary.tasks.base import Task, tidy


def training_rows(rows: list[Row], task: Task, emoji_of: Lookup) -> tuple[list[Row], Counter]:
    """The rows with tidy texts and answers as the task spells them, and a count of what was left out."""
    usable, problems = [], Counter()
    for row in rows:
        text, answer = tidy(row["text"]), task.spelled(row["answer"], emoji_of)
        if not text:
            problems["without text"] += 1
        elif answer is None:
            problems["whose answer is not in the emoji table"] += 1
        else:
            usable.append(row | {"text": text, "answer": answer, "also": row.get("also", "")})
    if not usable:
        raise UserError(f"None of {len(rows):,} training rows has a text and an answer of the emoji table.")
    return usable, problems
