"""Text -> a fitting combination of two to four emoji, in the order in which one would type them.

{"id": "0d41c7be22aa", "emoji": "💃", "text": "Let's go dancing tonight.", "answer": "💃🕺🎶", "also": "🕺💃🎵",
 "language": "english", "type": "sentence", "form": "sentence", "style": "plain", "teacher": "written"}
"""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

from emojisummary import validation
from emojisummary.artifacts import Row, read_tsv
from emojisummary.emojis import Lookup, clusters, plain
from emojisummary.metrics import distinct
from emojisummary.tasks.base import Messages, Task, Unusable, material, tidy, topic_id
from emojisummary.tasks.summary import LONGEST, Summary

LEAST, MOST = 2, 4  # emoji


class Combination(Summary):
    name = "combination"
    system = "Describe this text with a combination of two to four emoji. Answer with the emoji and nothing else."
    question = "Would a reasonable reader accept this combination of emoji as a good description of this text?"
    aspects: ClassVar = {
        "quality": "Which combination of emoji is the better description of the text, all in all?",
        "relevance": "Which combination of emoji has more to do with what the text says?",
        "creativity": "Which combination of emoji is the more inventive one, while it still fits the text?",
        "generalisation": "Which combination of emoji shows a better understanding of this text, which neither model has seen?",
    }
    columns: ClassVar = {"set_f1": "set-F1", "exact": "exact", "first": "first", "valid": "valid", "length": "emoji"}
    numbers = ("length",)
    compared = ("set_f1", "first")
    ranks = False
    needs = "combine"
    only_emoji = (LEAST, MOST)
    in_training = "set_f1"

    def request(self, topic: Row) -> Messages:
        ask = (
            f"Think of a situation that takes a combination of {LEAST} to {MOST} different emoji to describe, the first of "
            f"them {topic['emoji']} ({topic['name']}). Answer with two lines. First line: one sentence or short message in "
            f"{topic['language'].capitalize()} about it, without any emoji. Style: {topic['style']}. Second line: the emoji, "
            "nothing else."
        )
        return [{"role": "user", "content": ask}]

    def clean(self, topic: Row, said: str, emoji_of: Lookup, cut: bool = False) -> str:
        """The text above the last line, cleaned, and the last line as it is."""
        from emojisummary.replies import spoken

        text, combination = last_line_apart(spoken(said))
        return f"{super().clean(topic, text, emoji_of, cut)}\n{combination}"

    def read(self, topic: Row, reply: Row, emoji_of: Lookup) -> Row:
        text, answer = (reply["text"], reply["answer"]) if "answer" in reply else last_line_apart(reply["text"])
        text, combination = tidy(text), self.spelled(answer, emoji_of)
        if not text:
            raise Unusable("empty")
        if combination is None:
            raise Unusable(f"no combination of {LEAST} to {MOST} different emoji")
        if len(text) > LONGEST:
            raise Unusable(f"longer than {LONGEST} characters")
        if emoji_of.split(text):
            raise Unusable("contains an emoji itself")
        facts = {key: value for key, value in topic.items() if key not in ("messages", "name", "number")}
        return {**facts, "also": reply.get("also", ""), "text": text, "answer": combination}

    def written(self, file: str | None, emoji_of: Lookup) -> Iterator[tuple[str | None, Row | str]]:
        """`answer` and `also` have spaces between emoji, and ` | ` stands between combinations."""
        for _, row in read_tsv(material(file), ("answer", "also", "text")):
            answer, *also = (self.spelled(one, emoji_of) for one in [row["answer"], *filter(None, row["also"].split(" | "))])
            if answer is None:
                yield None, "texts whose combination is not of two to four emoji of the table"
                continue
            reply = {"text": row["text"], "answer": answer, "also": " ".join(filter(None, also))}
            yield plain(clusters(answer)[0]), reply

    def key(self, topic: Row) -> str:
        return plain(topic["emoji"])

    def grading(self, row: Row) -> Messages:
        return super().grading(row | {"emoji": row["answer"]})

    def spelled(self, answer: str, emoji_of: Lookup) -> str | None:
        """Two to four different emoji of the table, and nothing else, put together; None for anything else.

        >>> Combination().spelled("💃 🕺 🎶", Lookup("💃🕺🎶"))
        '💃🕺🎶'
        """
        known = [emoji_of.get(one) for one in clusters("".join(answer.split()))]
        fits = None not in known and LEAST <= len(known) <= MOST and len(set(known)) == len(known)
        return "".join(known) if fits else None

    def labels(self, row: Row) -> list[str]:
        return clusters(row["answer"])

    def validation(self, file: str, emoji_of: Lookup) -> tuple[list[Row], Counter]:
        rows, problems = [], Counter()
        for _, row in read_tsv(Path(file), ("answers", "text", "form")):
            answers = [self.spelled(one, emoji_of) for one in row["answers"].split(" | ")]
            problems["combinations that are not of two to four emoji of the table"] += answers.count(None)
            if not any(answers):
                problems["texts without any combination left"] += 1
                continue
            text, accepted = tidy(row["text"]), " ".join(filter(None, answers))
            facts = {"language": "english", "form": row["form"], "category": "", "split": ""}
            rows.append({"id": topic_id("validation", text), "text": text, "answers": accepted, **facts})
        unique = validation.united(rows)
        problems["texts listed twice"] = len(rows) - len(unique)
        return unique, +problems

    def ask(self, model, texts: list[str]) -> list[list[str]]:
        return model.combine(texts, LEAST, MOST)

    def bare(self, given: list[str]) -> list[str]:
        return given

    def shown(self, given: list[str]) -> tuple[str, None]:
        return "".join(given), None

    def measure(self, rows: list[Row], settings, table, dev: list[Row]):
        return Task.measure(self, rows, settings, table, dev)

    def score(self, accepted: list[str], given: list[str], text: str = "") -> dict[str, float]:
        """set_f1: F1 of the emoji given and those of the accepted combination that they fit best; exact: it is one of them,
        order included; first: the first emoji is the first one of an accepted combination.

        >>> Combination().score(["💃🕺🎶"], ["💃", "🎶"])
        {'set_f1': 0.8, 'exact': 0.0, 'first': 1.0, 'valid': 1.0, 'length': 2}
        """
        ours = list(map(plain, given))
        golds = [list(map(plain, clusters(one))) for one in accepted]
        return {
            "set_f1": max(2 * len({*ours} & {*gold}) / (len({*ours}) + len({*gold})) for gold in golds),
            "exact": float(ours in golds),
            "first": float(bool(ours) and ours[0] in [gold[0] for gold in golds]),
            "valid": float(LEAST <= len(ours) <= MOST and len({*ours}) == len(ours)),
            "length": len(ours),
        }

    def whole(self, rows: list[Row], given: list[list[str]]) -> dict[str, float]:
        return {"distinct-1": distinct(given, 1), "distinct-2": distinct(given, 2)}


def last_line_apart(text: str) -> tuple[str, str]:
    """What a teacher wrote above its last line, and the last line."""
    above, _, last = text.strip().rpartition("\n")
    return above, last
