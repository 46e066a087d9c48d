"""Measures chat replies: how much shorter they are, by the model's own tokens, and whether they still mean the same."""

from emojisummary.artifacts import Row
from emojisummary.evaluation import Measure
from emojisummary.models.encoder import Encoder, encoder_folder
from emojisummary.tasks.chat import rough_tokens


class ChatMeasure(Measure):
    """reduction: 1 - tokens of the reply / tokens of the original one; against_terse: the same against a terse text without
    emoji, the honest control, since an emoji often costs more tokens than the word for it. Both below 0 where it's longer.
    meaning: cosine of the sentence encoder's vectors of the reply and the original. What compares with the original, or with
    a terse text, is left out where any of the texts has none.
    """

    def __init__(self, task, rows: list[Row], settings):
        super().__init__(task, rows, settings)
        self.encoder = Encoder(encoder_folder(settings.encoder), max_length=256)
        self.originals = [accepted[1] for accepted in self.accepted]

    def scored(self, given: list[str], model) -> dict[str, list[float]]:
        scores = super().scored(given, model)
        count = getattr(model, "count_tokens", rough_tokens)
        compressed, original, terse = ([count((one[n:] or [""])[0]) for one in self.accepted] for n in range(3))
        ours = list(map(count, given))
        lengths = {"reduction": (ours, original), "against_terse": (ours, terse), "reference_reduction": (compressed, original)}
        shorter = {name: [1 - n / of for n, of in zip(*both, strict=True)] for name, both in lengths.items() if all(both[1])}
        if not all(self.originals):
            return shorter | {name: values for name, values in scores.items() if name not in ("terms", "rules")}
        cosines = (self.encoder(given) * self.encoder(self.originals)).sum(dim=1).tolist()
        return {**shorter, **scores, "meaning": [round(cosine, 4) for cosine in cosines]}

    def whole(self, model, given: list[str]) -> dict:
        """With perplexity and token accuracy on the compressed replies, for a model whose probabilities can be seen."""
        found = super().whole(model, given)
        if not hasattr(model, "likelihood"):
            return found
        pairs = [(self.task.chat(text), accepted[0]) for text, accepted in zip(self.texts, self.accepted, strict=True)]
        return found | model.likelihood(pairs)
