"""What all models that answer with emoji share: from texts to answers, one for one, whatever the texts are."""

from collections.abc import Iterable, Iterator

from emojisummary.tasks.base import tidy

BATCH = 256  # texts answered together


class Ranker:
    """A model that knows a probability for every emoji of its list."""

    name: str
    emoji: list[str]

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

    def predict(self, texts: str | list[str], top: int = 1) -> dict | list[dict]:
        """The answer to a text, or the list of answers to a list of texts.

        An answer is {"text", "emoji", "probability", "ranked"}: the best emoji, its probability (0..1), and the `top` best
        ones as [emoji, probability] pairs, best first. A text that can't be answered gives {"text", "error"} instead.
        """
        if isinstance(texts, str):
            return next(self.answers([{"text": texts}], top))
        return list(self.answers(({"text": text} for text in texts), top))

    def answers(self, items: Iterable[dict], top: int = 1) -> Iterator[dict]:
        """Each item, a dict with `text`, with its answer added; in order, a batch at a time. An `error` is passed on."""
        batch = []
        for item in items:
            batch.append(item)
            if len(batch) == BATCH:
                yield from self._answer_batch(batch, top)
                batch = []
        yield from self._answer_batch(batch, top)

    def _answer_batch(self, items: list[dict], top: int) -> Iterator[dict]:
        texts = [tidy(item["text"]) if isinstance(item.get("text"), str) else "" for item in items]
        ranked = iter(self.rank([text for text in texts if text], top))
        for item, text in zip(items, texts, strict=True):
            if not text:
                yield {"text": None, "error": "the text is empty"} | item
                continue
            best = next(ranked)
            emoji, probability = best[0]
            pairs = [[emoji, round(probability, 6)] for emoji, probability in best]
            yield item | {"emoji": emoji, "probability": round(probability, 6), "ranked": pairs}
