"""The grader `retriever`: does an emoji fit a text at all? The untuned encoder compares the text with every emoji's card.

It looks twice. At a glance a text is the sum of its word vectors; only a text whose emoji ranks low by that is read. Most pairs
so cost next to nothing, and the two looks together tell right pairs from wrong ones no worse than reading alone does (the
figures stand beside `rank_at_most` in config.yaml).
"""

from collections.abc import Iterable, Iterator
from functools import cached_property

from emojisummary.artifacts import Row, fingerprint
from emojisummary.emojis import Table, plain
from emojisummary.models.encoder import Encoder, encoder_folder
from emojisummary.models.retriever import card, speller

TOKENS = 40  # it looks at so much of a text
LOOKS = {"at a glance": Encoder.glance, "when read": Encoder.__call__}


class RetrieverGrader:
    """Yes where the request's emoji is among the first `rank_at_most` of all for the request's text, by either look.

    No to an emoji that it doesn't have, as in a text that was written for a larger table.
    """

    name = "retriever"
    reproducible = True
    batch = 8192  # requests graded together: the same texts side by side give the same bits, also after a kill

    def __init__(self, table: Table, encoder: str, rank_at_most: int):
        self.folder, self.rank_at_most = encoder_folder(encoder), rank_at_most
        self.cards = {emoji: card(facts) for emoji, facts in table.items()}
        self.seen: dict = {}  # by look, the vectors of all cards
        self.position = {plain(emoji): index for index, emoji in enumerate(self.cards)}
        decides = {"rank_at_most": rank_at_most, "cards": self.cards, "looks": list(LOOKS), "tokens": TOKENS}
        self.depends_on = fingerprint([self.folder / "model.safetensors", self.folder / "tokenizer.json"], decides)

    @cached_property
    def encoder(self) -> Encoder:
        return Encoder(self.folder, TOKENS, in_bulk=True)

    def similarities(self, look: str, texts: list[str]):
        """How near each text is to each emoji's card: shape (texts, emoji)."""
        if look not in self.seen:
            self.seen[look] = LOOKS[look](self.encoder, list(self.cards.values()))
        return LOOKS[look](self.encoder, texts) @ self.seen[look].T

    def answer(self, requests: Iterable[Row]) -> Iterator[tuple[Row, Row]]:
        requests, spelled = list(requests), speller(self.cards)
        texts = [spelled(request["text"]) for request in requests]
        places = [self.position.get(plain(request["emoji"])) for request in requests]
        replies = [f"no: not among {len(self.cards)} emoji"] * len(requests)
        undecided = [i for i, place in enumerate(places) if place is not None]
        for look in LOOKS:
            if undecided:
                ranks = _ranks(self.similarities(look, [texts[i] for i in undecided]), [places[i] for i in undecided])
                for i, rank in zip(undecided, ranks, strict=True):
                    replies[i] = f"{'yes' if rank <= self.rank_at_most else 'no'}: rank {rank} of {len(self.cards)} {look}"
                undecided = [i for i, rank in zip(undecided, ranks, strict=True) if rank > self.rank_at_most]
        for request, reply in zip(requests, replies, strict=True):
            yield request, {"text": reply}


def _ranks(similarities, places: list[int]) -> list[int]:
    """The rank of each row's own place: 1 for the highest number of the row, the last one of equals. Last if it's no number."""
    import torch

    own = similarities.gather(1, torch.tensor(places)[:, None])
    return (similarities.shape[1] - (similarities < own).sum(dim=1)).tolist()
