"""The retriever: compares a text's vector with the vector of every emoji's card, and ranks.

Untuned it is the control, and its encoder the offline grader (retriever_grader.py). Tuned by 5_train.py it is the embedded
student: milliseconds on a CPU, and a new emoji costs one line at the end of its cards.tsv, no training. The student has a
second opinion, n-grams (linear.py): an encoder knows what a text means and blurs its rare words, the n-grams know the words
alone, and both together are better than either. Their probabilities are multiplied, those of the n-grams to the power of
`ngram_weight`: a product of experts (Hinton, 2002). Emoji in a text, which neither of them can read, are read by their names;
a text of nothing else gets them as its answer.
"""

import re
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from unicodedata import normalize

from emojisummary.artifacts import read_tsv, read_yaml, write_text, write_yaml
from emojisummary.emojis import Lookup, Table, plain
from emojisummary.models.encoder import Encoder, encoder_folder
from emojisummary.models.linear import Linear
from emojisummary.models.ranker import Ranker

SIGNS = "©®™"
EMOTICONS = {
    ":)": "🙂", ":-)": "🙂", "(:": "🙂", "=)": "🙂", ":D": "😀", ":-D": "😀", "=D": "😀", "xD": "😆", "XD": "😆", ";)": "😉",
    ";-)": "😉", ":P": "😛", ":p": "😛", ":-P": "😛", ":(": "🙁", ":-(": "🙁", "=(": "🙁", ":'(": "😢", ":,(": "😢", ":/": "😕",
    ":-/": "😕", ":|": "😐", ":-|": "😐", "-_-": "😑", ":o": "😮", ":O": "😮", ":-O": "😮", ":*": "😘", ":-*": "😘", "B)": "😎",
    "B-)": "😎", ">:(": "😠", "^^": "😊", "^_^": "😊", "<3": "❤️", "</3": "💔", "¯\\_(ツ)_/¯": "🤷",
}  # fmt: skip
GIVEN = 30.0  # added to the logits of emoji that a text consists of: more than what an encoder has against them
STYLED = re.compile("[\U0001d400-\U0001d7ff\uff01-\uff5e]+")  # letters as in 𝗛𝗲𝗹𝗹𝗼 and Ｈｅｌｌｏ
UNTUNED_SCALE = 20.0  # factor on cosines before the softmax, as in the encoder's own training


def card(facts: dict) -> str:
    """What the encoder reads about an emoji: `hot beverage: beverage, coffee, drink, steaming, tea`."""
    return f"{facts['name']}: {', '.join(facts['keywords'])}"


def pictures(cards: dict[str, str]) -> dict[str, str]:
    """The cards but those of signs that are hardly meant as an emoji: Apple™."""
    return {emoji: text for emoji, text in cards.items() if plain(emoji) not in SIGNS}


def speller(cards: dict[str, str]) -> Callable[[str], str]:
    """A function that puts names in the place of a text's emoji, and plain letters in the place of styled ones.

    >>> speller({"☕": "hot beverage: beverage, coffee, drink, steaming, tea"})("I 𝗻𝗲𝗲𝗱 ☕, now")
    'I need hot beverage , now'
    """
    known = pictures(cards)
    lookup, names = Lookup(known), {emoji: f" {text.rpartition(': ')[0] or text} " for emoji, text in known.items()}

    def spelled(text: str) -> str:
        text = normalize("NFC", STYLED.sub(lambda letters: normalize("NFKC", letters[0]), text))
        replaced = lookup.replace(text, names)
        return text if replaced == text else " ".join(replaced.split())

    return spelled


class Retriever(Ranker):
    """`cards` maps each emoji to its card's text, `vectors` are the trained ones of the first cards (the rest are encoded)."""

    ngrams: Linear | None = None
    ngram_weight = 0.0

    def __init__(self, name: str, folder: Path, cards: dict[str, str], scale: float, max_length=128, vectors=None, bias=None):
        self.name, self.cards, self.scale, self.max_length = name, cards, scale, max_length
        self.folder, self.trained, self.trained_bias = folder, vectors, bias
        self.emoji = list(cards)

    @classmethod
    def untuned(cls, table: Table, encoder: str) -> "Retriever":
        return cls("retriever", encoder_folder(encoder), {emoji: card(facts) for emoji, facts in table.items()}, UNTUNED_SCALE)

    @classmethod
    def load(cls, folder: Path, name: str) -> "Retriever":
        """The student that `save` left in a folder."""
        from safetensors.torch import load_file

        about = read_yaml(folder / "student.yaml")
        cards = {row["emoji"]: row["card"] for _, row in read_tsv(folder / "cards.tsv", ("emoji", "card"))}
        learned = load_file(folder / "cards.safetensors")
        student = cls(name, folder / "encoder", cards, about["scale"], about["max_length"], **learned)
        if about.get("ngram_weight"):
            student.ngram_weight, student.ngrams = about["ngram_weight"], Linear.load(folder / "ngrams.safetensors", cards)
        return student

    def save(self, folder: Path) -> None:
        """Writes all but the encoder's own files; student.yaml, which makes it a student, comes last."""
        from safetensors.torch import save_file

        save_file({"vectors": self.trained, "bias": self.trained_bias}, folder / "cards.safetensors")
        lines = [f"{emoji}\t{text}" for emoji, text in self.cards.items()]
        write_text(folder / "cards.tsv", "\n".join(["emoji\tcard", *lines]) + "\n")
        if self.ngrams:
            self.ngrams.save(folder / "ngrams.safetensors")
        about = {"student": "retriever", "scale": self.scale, "max_length": self.max_length, "ngram_weight": self.ngram_weight}
        write_yaml(folder / "student.yaml", about)

    @cached_property
    def spelled(self) -> Callable[[str], str]:
        return speller(self.cards)

    @cached_property
    def picture_of(self) -> Lookup:
        return Lookup(pictures(self.cards))

    @cached_property
    def encoder(self) -> Encoder:
        return Encoder(self.folder, self.max_length)

    @cached_property
    def vectors(self):
        """Unit vectors of all cards: shape (emoji, size)."""
        import torch

        known = 0 if self.trained is None else len(self.trained)
        new = self.encoder(list(self.cards.values())[known:])
        return new if self.trained is None else torch.cat([self.trained, new])

    @cached_property
    def bias(self):
        """How readily each emoji is given whatever the text: shape (emoji,). 0 untuned; a new card gets the median."""
        import torch

        if self.trained_bias is None:
            return torch.zeros(len(self.emoji))
        new = self.trained_bias.median().repeat(len(self.emoji) - len(self.trained_bias))
        return torch.cat([self.trained_bias, new])

    def scores(self, texts: list[str]):
        """The logit of each emoji for each text, the higher the better: shape (texts, emoji)."""
        spelled = list(map(self.spelled, texts))
        scores = self.encoder(spelled) @ self.vectors.T * self.scale + self.bias
        if self.ngrams:
            scores += self.ngram_weight * self.ngrams.log_probabilities(spelled).float()
        for row, text in zip(scores, texts, strict=True):
            row[[self.emoji.index(emoji) for emoji in self.given(text)]] += GIVEN
        return scores

    def given(self, text: str) -> list[str]:
        """The emoji that a text consists of, an emoticon counting as one; none where there is anything else."""
        text = "".join(EMOTICONS.get(word, word) for word in text.split())
        found = self.picture_of.split(text)
        return [] if self.picture_of.replace(text, dict.fromkeys(found, "")) else list(dict.fromkeys(found))

    def probabilities(self, texts: list[str]):
        return self.scores(texts).softmax(dim=-1)
