"""The simplest control: whatever the text, the most used emoji."""

from collections.abc import Iterable
from copy import copy

from emojisummary.emojis import Table, by_rank
from emojisummary.models.ranker import Ranker


class MostFrequent(Ranker):
    name = "most-frequent"

    def __init__(self, table: Table):
        self.emoji = by_rank(table)
        total = sum(1 / rank for rank in range(1, len(self.emoji) + 1))
        self.shares = {emoji: 1 / rank / total for rank, emoji in enumerate(self.emoji, start=1)}

    def rank(self, texts: list[str], top: int = 5) -> list[list[tuple[str, float]]]:
        """The same ranking for every text. The probabilities follow Zipf's law: rank r gets a share of 1 / r."""
        total = sum(self.shares[emoji] for emoji in self.emoji)
        best = [(emoji, self.shares[emoji] / total) for emoji in self.emoji[:top]]
        return [best for _ in texts]

    def restrict(self, emoji: Iterable[str]) -> "MostFrequent":
        fewer = copy(self)
        fewer.emoji = self.known(emoji)
        return fewer
