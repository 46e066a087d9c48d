"""Training rows: the usable ones of training_data.csv, or of any CSV of one's own with `text` and `answer`; and which settings
decide what is learned from them."""

from collections import Counter

from emojisummary.artifacts import Row
from emojisummary.emojis import Lookup
from emojisummary.stage import UserError
from emojisummary.tasks.base import Task


def training_rows(rows: list[Row], task: Task, emoji_of: Lookup) -> tuple[list[Row], Counter]:
    """The usable rows, of which there must be one, and a count of what was left out."""
    usable, problems = usable_rows(rows, task, emoji_of)
    if not usable:
        raise UserError(f"None of {len(rows):,} training rows has a text and an answer of the emoji table.")
    return usable, problems


def usable_rows(rows: list[Row], task: Task, emoji_of: Lookup) -> tuple[list[Row], Counter]:
    """The rows with texts and answers as the task writes them, and a count of what was left out."""
    usable, problems = [], Counter()
    for row in rows:
        text, answer = task.tidied(row["text"]), task.spelled(row["answer"], emoji_of)
        if not text:
            problems["without text"] += 1
        elif answer is None:
            problems["whose answer is not in the emoji table"] += 1
        else:
            usable.append(row | {"text": text, "answer": answer, "also": row.get("also", "")})
    return usable, problems


def decisive(settings) -> dict:
    """The settings that decide what is learned. For a language model it's the rows in an update, not how many of them are in
    memory at once: with fewer, the same training goes on."""
    own = settings.own()
    if settings.student == "llm":
        in_update = settings.per_device_train_batch_size * settings.gradient_accumulation_steps
        own |= {"per_device_train_batch_size": in_update, "gradient_accumulation_steps": 1}
    return own
