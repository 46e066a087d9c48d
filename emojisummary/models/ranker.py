"""What all models that answer with emoji share: from texts to answers, one for one, whatever the texts are."""

from collections.abc import Iterable, Iterator
from copy import copy
from itertools import accumulate

from emojisummary.emojis import Lookup, skin_tones
from emojisummary.stage import UserError
from emojisummary.tasks.base import tidy

BATCH = 256  # texts answered together
HALF = 0.5  # of the probability: with so much, a combination needs no more emoji


class Ranker:
    """A model that knows a probability for every emoji of its list."""

    name: str
    emoji: list[str]
    tones: dict[str, str] = {}  # noqa: RUF012 - never changed: how emoji are written in the skin tone that was asked for

    def probabilities(self, texts: list[str]):
        """A tensor of shape (texts, emoji); each row sums to 1."""
        raise NotImplementedError

    def rank(self, texts: list[str], top: int = 5) -> list[list[tuple[str, float]]]:
        """For each text the `top` best emoji with their probabilities, best first."""
        if not texts:
            return []
        best, index = self.probabilities(texts).topk(min(top, len(self.emoji)))
        return [
            [(self.emoji[i], p) for i, p in zip(row, ps, strict=True)]
            for row, ps in zip(index.tolist(), best.tolist(), strict=True)
        ]

    def combine(self, texts: list[str], least: int = 2, most: int = 4) -> list[list[str]]:
        """For each text a combination of `least` to `most` different emoji, best first.

        Here the likeliest ones, as many as have half of the probability together; a language model has learned better.
        """
        return [_enough(best, least) for best in self.rank(texts, most)]

    def restrict(self, emoji: Iterable[str]) -> "Ranker":
        """The same model, limited to some of its emoji: the others' probability is shared among these in proportion.

        Raises UserError for an emoji that the model doesn't know, and where none is left.
        """
        return Restricted(self, self.known(emoji))

    def known(self, emoji: Iterable[str]) -> list[str]:
        """The model's own spelling of these emoji, in its order, each once."""
        lookup, wanted = Lookup(self.emoji), set()
        for one in emoji:
            if lookup.get(one) is None:
                raise UserError(f"{self.name} doesn't have {one!r} among its {len(self.emoji):,} emoji.")
            wanted.add(lookup.get(one))
        if not wanted:
            raise UserError("no emoji is left to answer with; leave fewer out.")
        return [one for one in self.emoji if one in wanted]

    def in_skin_tone(self, tone: str) -> "Ranker":
        """The same model, whose answers have a skin tone where the emoji comes in several: `light`, `medium-light`, `medium`,
        `medium-dark` or `dark`."""
        toned = copy(self)
        toned.tones = skin_tones(tone)
        return toned

    def predict(self, texts: str | list[str], top: int = 1, min_probability: float = 0) -> dict | list[dict]:
        """The answer to a text, or the list of answers to a list of texts.

        An answer is {"text", "emoji", "probability", "ranked"}: the best emoji, its probability (0..1), and the `top` best
        ones as [emoji, probability] pairs, best first. Where the best one has less than `min_probability`, no emoji fits:
        "emoji" is None. A text that can't be answered gives {"text", "error"} instead. Raises ValueError for a `top` below 1.
        """
        if top < 1:
            raise ValueError(f"top is {top}: at least one emoji has to be asked for.")
        if isinstance(texts, str):
            return next(self.answers([{"text": texts}], top, min_probability))
        return list(self.answers(({"text": text} for text in texts), top, min_probability))

    def answers(self, items: Iterable[dict], top: int = 1, min_probability: float = 0) -> Iterator[dict]:
        """Each item, a dict with `text`, with its answer added; in order, a batch at a time. An `error` is passed on."""
        batch = []
        for item in items:
            batch.append(item)
            if len(batch) == BATCH:
                yield from self._answer_batch(batch, top, min_probability)
                batch = []
        yield from self._answer_batch(batch, top, min_probability)

    def _answer_batch(self, items: list[dict], top: int, min_probability: float) -> Iterator[dict]:
        texts = [tidy(item["text"]) if isinstance(item.get("text"), str) else "" for item in items]
        ranked = iter(self.rank([text for text in texts if text], top))
        for item, text in zip(items, texts, strict=True):
            if not text:
                yield unanswered(item, "the text is empty", ("emoji", "probability", "ranked"))
                continue
            pairs = [[self.tones.get(emoji, emoji), round(probability, 6)] for emoji, probability in next(ranked)]
            emoji, probability = pairs[0]
            fits = probability >= min_probability
            yield item | {"emoji": emoji if fits else None, "probability": probability, "ranked": pairs}


class Restricted(Ranker):
    """A model that may only answer with some of its emoji."""

    def __init__(self, model: Ranker, emoji: list[str]):
        self.model, self.name, self.emoji, self.tones = model, model.name, emoji, model.tones
        self.columns = [model.emoji.index(one) for one in emoji]

    def probabilities(self, texts: list[str]):
        left = self.model.probabilities(texts)[:, self.columns].clamp(min=1e-37)  # a little, so that the sum is never 0
        return left / left.sum(dim=-1, keepdim=True)


def unanswered(item: dict, fault: str, added: Iterable[str]) -> dict:
    """An item that can't be answered, without what an answer would have added; an `error` that it came with is passed on."""
    kept = {key: value for key, value in item.items() if key not in added}
    return {"text": None} | kept | {"error": item.get("error") or fault}


def _enough(best: list[tuple[str, float]], least: int) -> list[str]:
    """The first emoji that together have half of the probability, `least` at the least.

    >>> _enough([("🍔", 0.3), ("🍟", 0.2), ("🥤", 0.1), ("🍕", 0.1)], 1)
    ['🍔', '🍟']
    """
    together = accumulate(probability for _, probability in best)
    needed = next((count for count, share in enumerate(together, start=1) if share >= HALF), len(best))
    return [emoji for emoji, _ in best[: max(needed, least)]]
