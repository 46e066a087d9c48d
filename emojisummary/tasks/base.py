"""What every task has: three strings and a few short pure methods. summary.py is the example to read."""

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

from emojisummary.artifacts import Row
from emojisummary.combining import normalise
from emojisummary.emojis import Lookup, Table, by_rank
from emojisummary.stage import UserError

# control characters, marks of direction, lone surrogates; not the joiners and tags that emoji and scripts need
INVISIBLE = re.compile(
    "[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\xad\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ufffe\uffff\ud800-\udfff]"
)
Messages = list[dict[str, str]]  # a chat: {"role": "system" | "user" | "assistant", "content": ...}


class Unusable(ValueError):
    """A reply that can't become a row. The message is the reason, and the end-of-run table counts it."""


class Task:
    """One thing to learn. What is here is right for a task whose answer is one emoji; the others say what is different."""

    name: str
    system: str  # the system prompt of the student
    question: str  # what a grader is asked about a row
    columns: ClassVar[dict[str, str]]  # the metrics of the printed table and their headings
    numbers: ClassVar[tuple[str, ...]] = ()  # the metrics that are no shares: lengths, say
    compared: ClassVar[tuple[str, ...]]  # the metrics in which models are compared with each other
    aspects: ClassVar[dict[str, str]] = {}  # what a judge is asked about two models' answers, by name
    checklist: ClassVar[tuple[tuple[str, str, float], ...]] = ()  # what is wanted, the metric or aspect that tells, its least
    rule_files: ClassVar[tuple[Path, ...]] = ()  # what `fault` reads
    ranks: ClassVar[bool] = False  # whether the answer is a ranking of all emoji
    only_emoji: ClassVar[tuple[int, int] | None] = None  # least and most emoji of an answer, where it's nothing but emoji
    least_answers: ClassVar[int] = 1  # how many accepted answers a validation text needs, where they are texts
    max_new_tokens: ClassVar[int] = 256  # most tokens of an answer that is a text
    needs: ClassVar[str] = "write"  # what a model must be able to do to be asked: `rank`, `combine` or `write`
    in_training: str | None = None  # the metric that chooses the best checkpoint; None: the validation loss

    # --- what is written ---

    def topics(
        self, table: Table, language: str, type: str, teacher: str, amount, seed: int, more=None, source: str | None = None
    ) -> Iterator[Row]:
        """What to write about, in a fixed order; each with an `id` that names it for good.

        `more`: extra texts by emoji. `source`: the file of the task's own material.
        """
        raise NotImplementedError

    def request(self, topic: Row) -> Messages:
        """What a teacher is asked for one topic."""
        raise NotImplementedError

    def clean(self, topic: Row, said: str, emoji_of: Lookup, cut: bool = False) -> str:
        """What a teacher meant by a reply: here a text, in which emoji are decoration. `cut`: it was stopped at its limit.

        Raises Unusable with the reason.
        """
        from emojisummary.replies import clean

        return clean(said, type=topic["type"], language=topic["language"], emoji=emoji_of.split, cut=cut)

    def read(self, topic: Row, reply: Row, emoji_of: Lookup) -> Row:
        """The topic and the reply as a row with the columns `text` and `answer`. Raises Unusable with the reason."""
        raise NotImplementedError

    def written(self, file: str | None, emoji_of: Lookup) -> Iterator[tuple[str | None, Row | str]]:
        """The examples in a file of texts written by hand: the key of the topics that each one answers, and the reply.

        A key of None comes with what is wrong with an example that can't be used. Raises UserError where there's no file.
        """
        raise UserError(f"The teacher `written` has nothing for the task {self.name}: take `phrasebook`.")

    def key(self, topic: Row) -> str:
        """What a written example must share with a topic to answer it."""
        return topic["emoji"]

    def problems(self, source: str | None) -> Counter:
        """What can't be used of the task's own material, counted."""
        return Counter()

    # --- what is checked ---

    def grading(self, row: Row) -> Messages:
        """What a grader is asked about one row."""
        raise NotImplementedError

    def fault(self, row: Row) -> str | None:
        """What the grader `rules` finds wrong with a row; None where nothing is."""
        return None

    def readable(self, text: str) -> str:
        """The words of a row's text as a reader sees them: by them, duplicates are found."""
        return text

    def same(self, row: Row) -> str:
        """What two rows share of which only one is to be learned: here, the text."""
        return normalise(self.readable(row["text"]))

    # --- what is learned, and how well ---

    def chat(self, text: str) -> Messages:
        """The prompt for the student: the same in training and in use."""
        return [{"role": "system", "content": self.system}, {"role": "user", "content": text}]

    def tidied(self, text: str) -> str:
        """A text as the student learns from it and is asked it; "" where nothing is left of it."""
        return tidy(text)

    def lessons(self, row: Row) -> list[tuple[Messages, str]]:
        """What the language model learns from a row: prompts and the answers to them."""
        return [(self.chat(row["text"]), row["answer"])]

    def labels(self, row: Row) -> list[str]:
        """The emoji that the retriever learns from a row, best first."""
        return [row["answer"], *row["also"].split()]

    def refuses(self, text: str, emoji_of: Lookup) -> str | None:
        """Why the student can't answer a text; None where it can."""
        return None

    def spelled(self, answer: str, emoji_of: Lookup) -> str | None:
        """An answer of somebody's own training data as it is learned; None where it can't be one."""
        return emoji_of.get(answer.strip())

    def validation(self, file: str, emoji_of: Lookup) -> tuple[list[Row], Counter]:
        """The validation texts, with every accepted answer in `answers`, and a count of what was left out."""
        raise NotImplementedError

    def labelled(self, rows: list[Row], emoji_of: Lookup) -> tuple[list[Row], Counter]:
        """The usable rows of a CSV of one's own, laid out as validation_data.csv, and a count of what was left out.

        Here `answers` is a JSON list of texts.
        """
        usable = [row for row in rows if row["text"].strip() and are_texts(row["answers"], self.least_answers)]
        return usable, +Counter({"rows without a text or a JSON list of texts as answers": len(rows) - len(usable)})

    def accepted(self, row: Row) -> list[str]:
        """The accepted answers of a validation row, best first."""
        return row["answers"].split()

    def ask(self, model, texts: list[str]) -> list:
        """A model's answers to texts."""
        raise NotImplementedError

    def score(self, accepted: list[str], given, text: str = "") -> dict[str, float]:
        """Named scores of an answer to a text against the accepted ones."""
        raise NotImplementedError

    def bare(self, given):
        """An answer as `score` takes it."""
        return given

    def shown(self, given) -> tuple[str, float | None]:
        """An answer as people read it, and its probability where the model has one."""
        return given, None

    def whole(self, rows: list[Row], given: list) -> dict:
        """What can only be said of all answers together: diversity, say."""
        return {}

    def measure(self, rows: list[Row], settings, table: Table | None, dev: list[Row]):
        """What measures models on validation rows: an evaluation.Measure."""
        from emojisummary.evaluation import Measure

        return Measure(self, rows, settings)  # without the table: its ranks are of single emoji


def material(file: str | None) -> Path:
    """The file of a task's own material. Raises UserError where the settings name none."""
    if file is None:
        raise UserError("`generate.source` names no file of the task's own material; recipes/ has an example for each task.")
    return Path(file)


def are_texts(answers: str, least: int) -> bool:
    """Whether answers are a JSON list of texts, of which the first `least` say something."""
    try:
        found = json.loads(answers)
    except (ValueError, RecursionError):
        return False
    if not isinstance(found, list) or not all(isinstance(one, str) for one in found):
        return False
    return len(found) >= least and all(one.strip() for one in found[:least])


def topic_id(*fields: object) -> str:
    """12 hex digits that name a topic: the same fields, the same id, on every machine."""
    return hashlib.sha256("|".join(map(str, fields)).encode()).hexdigest()[:12]


def texts_each(table: Table, amount, more: dict[str, int] | None = None) -> dict[str, int]:
    """How many texts each emoji gets, by its place among the table's ranked emoji: a closed set has a first and a last one too.

    `more`: extra texts by emoji.
    """
    places = {emoji: place for place, emoji in enumerate((e for e in by_rank(table) if table[e]["rank"]), start=1)}
    return {emoji: texts_for(places.get(emoji), len(places), amount) + (more or {}).get(emoji, 0) for emoji in table}


def texts_for(rank: int | None, ranked: int, amount) -> int:
    """How many texts an emoji of this rank gets: amount.max for rank 1, amount.min for the last and the unranked.

    >>> from emojisummary.sections import Amount
    >>> [texts_for(rank, 1000, Amount(min=2, max=10, exponent=1)) for rank in (1, 500, 1000, None)]
    [10, 6, 2, 2]
    """
    share_below = max(ranked - rank, 0) / max(ranked - 1, 1) if rank else 0
    return round(amount.min + (amount.max - amount.min) * share_below**amount.exponent)


def tidy(text: str) -> str:
    """The text without control characters and lone surrogates, with single spaces; line breaks stay.

    >>> tidy("  Two\\tspaces,\\r\\n\\n a bell\\x07. ")
    'Two spaces,\\na bell.'
    """
    lines = (" ".join(INVISIBLE.sub("", line).split()) for line in text.splitlines())
    return "\n".join(line for line in lines if line)


def visible(text: str) -> str:
    """The text without control characters and lone surrogates, and no white space at its ends; what is inside stays:
    there may be code.

    >>> visible("Run this:\\n\\n    print(1)\\x07\\n")
    'Run this:\\n\\n    print(1)'
    """
    return INVISIBLE.sub("", text).strip()


def draw(choices: tuple[str, ...], *seed: object) -> str:
    """One of the choices, by the hash of the seed: the same seed, the same choice, whatever was drawn before."""
    return draw_each((choices,), *seed)[0]


def draw_each(lists: tuple[tuple[str, ...], ...], *seed: object) -> list[str]:
    """One choice of each list, independent of each other, by a single hash of the seed."""
    number, drawn = int(topic_id(*seed), 16), []
    for choices in lists:
        number, place = divmod(number, len(choices))
        drawn.append(choices[place])
    return drawn
