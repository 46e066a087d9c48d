"""One generated file while it's being written: what it has, what it lacks, and what of a teacher's replies goes into it."""

from collections import Counter
from pathlib import Path

from emojisummary.artifacts import Journal, Row, json_line, read_generated, read_rows, write_text, yaml_line
from emojisummary.emojis import Lookup
from emojisummary.stage import UserError
from emojisummary.tasks.base import Task, Unusable


class GeneratedFile:
    """`topics` are all that the file should hold a row of, in order. Replies that can't be used go to a file beside it."""

    def __init__(self, path: Path, topics: list[Row], teacher, task: Task, emoji_of: Lookup, retry_unusable: bool = False):
        self.path, self.topics, self.teacher, self.task, self.emoji_of = path, topics, teacher, task, emoji_of
        self.refused = path.with_suffix(".unusable.jsonl")
        self.rows = Journal(path, read_generated(path) if path.exists() else ())
        is_filled = self.refused.exists() and self.refused.stat().st_size > 0
        self.unusable = Journal(self.refused, read_rows(self.refused) if is_filled else ())
        self.retry_unusable = retry_unusable
        self.replied: set[str] = set()  # ids of the topics with a reply in this run

    def lacking(self) -> list[Row]:
        """The topics to ask the teacher about. One that says the same at once is asked about all of them."""
        if self.teacher.reproducible:
            return self.topics
        done = self.rows.rows.keys() if self.retry_unusable else self.answered()
        return [topic for topic in self.topics if topic["id"] not in done]

    def answered(self) -> set[str]:
        """The ids of all topics that the teacher has said something about, usable or not."""
        return self.rows.rows.keys() | self.unusable.rows.keys()

    def take(self, topic: Row, reply: Row) -> bool:
        """Keeps a reply as a row, or the reason why it can't be one. Tells which."""
        self.replied.add(topic["id"])
        try:
            if reply["text"] is None:
                raise Unusable(reply["error"])
            if not self.teacher.polished:
                reply = {"text": self.task.clean(topic, reply["text"], self.emoji_of, reply.get("cut", False))}
            row = self.task.read(topic, reply, self.emoji_of)
        except Unusable as reason:
            self.rows.rows.pop(topic["id"], None)
            self.unusable.append({"id": topic["id"], "reason": str(reason), "reply": reply["text"] or ""})
            return False
        if self.rows.rows.get(row["id"]) != row:
            self.rows.append(row)
        return True

    def finish(self) -> str:
        """Writes the file, in the order of its topics, and says in a line what it holds."""
        rows, refused = self.rows.rows, self.unusable.rows
        if self.teacher.reproducible:  # what it no longer says goes; what another one was paid for in a larger run stays
            rows, refused = ({id: row for id, row in some.items() if id in self.replied} for some in (rows, refused))
        ids = dict.fromkeys([*(topic["id"] for topic in self.topics), *rows])
        kept = [rows[id] for id in ids if id in rows]
        if kept:
            self.rows.finish(lambda: write_text(self.path, "".join(map(yaml_line, kept))))
        else:
            self.rows.drop()
        left = [row for id, row in refused.items() if id not in rows]
        if left:
            self.unusable.finish(lambda: write_text(self.refused, "".join(map(json_line, left))))
        else:
            self.unusable.drop()
        reasons = Counter(row["reason"] for row in left)
        return f"{self.path}: {len(kept):,} rows" + "".join(
            f"; unusable, {reason}: {n:,}" for reason, n in reasons.most_common()
        )


def check_languages(teachers: dict[str, list[str]], supports: dict[str, list[str]], force: bool) -> None:
    """Raises UserError where a teacher is to write in a language that its model doesn't know: it would, but badly.

    `supports` names languages by model, without provider and size: `ollama/llama3.1:8b` is `llama3.1`.
    """
    if force:
        return
    for name, languages in teachers.items():
        model = name.partition("/")[2].partition(":")[0]
        unknown = [language for language in languages if model in supports and language not in supports[model]]
        if unknown:
            raise UserError(
                f"generate.teachers: {name} is not made for {', '.join(unknown)}; it knows {', '.join(supports[model])}. "
                "Take them out, add them to `generate.supports`, or give --force_languages."
            )
