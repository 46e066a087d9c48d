"""Models that answer in free text, asked for an emoji: what they say is read strictly, and leniently.

Strictly, the whole answer is one emoji of the table; leniently, it's the first one that occurs in it. `rank` goes by the
lenient reading, which flatters whoever chats: both are reported. An answer without any emoji is a wrong one.
"""

from collections.abc import Iterable, Iterator
from functools import cached_property

from emojisummary.artifacts import Row
from emojisummary.emojis import Lookup, Table, plain
from emojisummary.metrics import with_interval
from emojisummary.replies import spoken
from emojisummary.tasks.base import Messages

READINGS = ("strict", "lenient")


class Asked:
    """A model that has `answer(requests)` gets a `rank` by it. `table` is the emoji's, `prompt` what is asked about each text.

    `said` holds the last replies, one for each text: those of `answer`, after `rank` each with its `strict` and its `lenient`
    reading, an emoji or None.
    """

    name: str
    prompt: str
    table: Table | None
    said: list[Row] | None = None

    def answer(self, requests: Iterable[Row]) -> Iterator[tuple[Row, Row]]:
        """Each request with its reply, {"text", "tokens_in", "tokens_out", ...}, in any order."""
        raise NotImplementedError

    @cached_property
    def emoji_of(self) -> Lookup:
        return Lookup(self.table or ())

    def write(self, chats: list[Messages], **options) -> list[str]:
        """The replies to chats, for tasks whose answer is a text."""
        return [spoken(reply["text"] or "").strip() for reply in self._replies(chats)]

    def combine(self, texts: list[str], least: int = 2, most: int = 4) -> list[list[str]]:
        """For each text the first `most` different emoji of the reply; where there are fewer than `least`, those."""
        said = self.write([question(self.prompt, text) for text in texts])
        return [list(dict.fromkeys(self.emoji_of.split(reply)))[:most] for reply in said]

    def _replies(self, chats: list[Messages]) -> list[Row]:
        requests = [{"id": f"{n:012x}", "messages": chat} for n, chat in enumerate(chats)]
        replies = {request["id"]: reply for request, reply in self.answer(requests)}
        self.said = [reply for _, reply in sorted(replies.items())]
        return self.said

    def rank(self, texts: list[str], top: int = 5) -> list[list[tuple[str, float]]]:
        """For each text the one emoji that the model gives, with the probability 1; nothing where it gives none."""
        replies = self._replies([question(self.prompt, text) for text in texts])
        self.said = [reply | readings(reply["text"] or "", self.emoji_of) for reply in replies]
        return [[(reply["lenient"], 1.0)] if reply["lenient"] else [] for reply in self.said]


def question(prompt: str, text: str) -> Messages:
    """One turn of the user alone: not all models know a system prompt."""
    return [{"role": "user", "content": f"{prompt}\n\n{text}"}]


def readings(reply: str, emoji_of: Lookup) -> dict[str, str | None]:
    """The emoji that a reply means, without what a model only thought.

    >>> readings("Sure! 🍔 or 🍟", Lookup(["🍔", "🍟"]))
    {'strict': None, 'lenient': '🍔'}
    """
    aloud = spoken(reply)
    return {"strict": emoji_of.get(aloud.strip()), "lenient": next(iter(emoji_of.split(aloud)), None)}


def parsing(said: list[Row], accepted: list[list[str]], resamples: int, seed: int) -> dict:
    """By reading: the share of replies in which it finds an emoji, and its accuracy@1, with what it doesn't find as wrong."""
    golds = [set(map(plain, answers)) for answers in accepted]
    result = {}
    for reading in READINGS:
        found = [reply[reading] for reply in said]
        right = [float(emoji is not None and plain(emoji) in gold) for emoji, gold in zip(found, golds, strict=True)]
        result[reading] = {
            "parsed": with_interval([float(emoji is not None) for emoji in found], resamples, seed),
            "accuracy@1": with_interval(right, resamples, seed),
        }
    return result


def parsing_as_text(results: dict) -> str:
    """A line for each model that was asked, of results.yaml's content; "" where none was."""
    lines = []
    for name, result in results["models"].items():
        shares = [
            f"{reading} parse {100 * found['parsed']['value']:.1f} %, accuracy@1 {100 * found['accuracy@1']['value']:.1f} %"
            for reading, found in result.get("parsing", {}).items()
        ]
        lines += [f"{name}: {'; '.join(shares)}"] if shares else []
    return "\n".join(lines)
