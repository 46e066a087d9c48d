"""What every task has: three strings and a few short pure methods. summary.py is the example to read."""

import hashlib
import re
from collections.abc import Iterator

from emojisummary.artifacts import Row
from emojisummary.emojis import Lookup, Table

# control characters, marks of direction, lone surrogates; not the joiners and tags that emoji and scripts need
INVISIBLE = re.compile(
    "[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\xad\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ufffe\uffff\ud800-\udfff]"
)
Messages = list[dict[str, str]]  # a chat: {"role": "system" | "user" | "assistant", "content": ...}


class Unusable(ValueError):
    """A reply that can't become a row. The message is the reason, and the end-of-run table counts it."""


class Task:
    name: str
    system: str  # the system prompt of the student
    question: str  # what a grader is asked about a row

    def topics(
        self, table: Table, language: str, type: str, teacher: str, amount, seed: int, more: dict[str, int] | None = None
    ) -> Iterator[Row]:
        """What to write about, in a fixed order; each with an `id` that names it for good. `more`: extra texts by emoji."""
        raise NotImplementedError

    def request(self, topic: Row) -> Messages:
        """What a teacher is asked for one topic."""
        raise NotImplementedError

    def read(self, topic: Row, reply: Row, emoji_of: Lookup) -> Row:
        """The topic and the reply as a row with the columns `text` and `answer`. Raises Unusable with the reason."""
        raise NotImplementedError

    def grading(self, row: Row) -> Messages:
        """What a grader is asked about one row."""
        raise NotImplementedError

    def chat(self, text: str) -> Messages:
        """The prompt for the student: the same in training and in use."""
        return [{"role": "system", "content": self.system}, {"role": "user", "content": text}]

    def score(self, accepted: list[str], ranked: list[str]) -> dict[str, float]:
        """Named scores in 0..1 of a ranking, best first, against the accepted answers, best first."""
        raise NotImplementedError


def topic_id(*fields: object) -> str:
    """12 hex digits that name a topic: the same fields, the same id, on every machine."""
    return hashlib.sha256("|".join(map(str, fields)).encode()).hexdigest()[:12]


def texts_for(rank: int | None, ranked: int, amount) -> int:
    """How many texts an emoji of this rank gets: amount.max for rank 1, amount.min for the last and the unranked.

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
