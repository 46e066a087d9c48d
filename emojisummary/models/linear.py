"""N-grams and naive Bayes, learned in seconds from the rows that a student is trained with.

The n-grams are of words, and of characters, for which a typo or another ending is no new word. So it knows the words, all of
them, and no meaning. Alone it's the strong simple control, `linear`; beside the encoder, which knows meanings and blurs rare
words, it's half of the embedded student (retriever.py).

The rule is that of scikit-learn's MultinomialNB on its TfidfVectorizer's features, with equal priors (Manning, Raghavan and
Schütze, 2008, chapter 13), but kept sparse: dense, 1,900 emoji times 100,000 n-grams would take gigabytes.
"""

import json
from functools import cached_property
from pathlib import Path

from emojisummary.artifacts import Row, read_csv
from emojisummary.emojis import Lookup, Table
from emojisummary.models.ranker import Ranker
from emojisummary.stage import UserError
from emojisummary.tasks import TASKS
from emojisummary.training.rows import training_rows

# Chosen on the validation set's part `dev`: smoothing from 0.0003 to 0.03, also_weight 0 or 0.3; words beside characters, and
# how much they weigh, from 0.5 to 5. Priors don't help, centroids and nearest neighbours alone are worse; centroids mixed in
# bring a point, which isn't worth a second rule.
SMOOTHING = 0.003  # of an n-gram in texts of an emoji, in tf-idf: what was never seen has this weight
ALSO_WEIGHT = 0.3  # share of a row that goes to its other accepted emoji
NGRAMS = {
    "characters": {"analyzer": "char_wb", "ngram_range": (1, 5)},
    "words": {"token_pattern": r"\w+", "ngram_range": (1, 2)},
}
WEIGHTS = {"words": 3}  # of a text's tf-idf, whose length is 1 for each kind


class Linear(Ranker):
    """`counts`: how much each of the vectorizer's n-grams occurs in each emoji's texts, in tf-idf: sparse (emoji, n-grams)."""

    name = "linear"

    def __init__(self, emoji: list[str], vectorizer, counts):
        self.emoji, self.vectorizer, self.counts = emoji, vectorizer, counts

    @classmethod
    def learned(cls, rows: list[Row], emoji: list[str]) -> "Linear":
        """From rows with a `text`, an `answer` in the table's spelling, and in `also` other accepted emoji, if any.

        Raises UserError where no text has a word.
        """
        vectorizer = new_vectorizer(characters={"min_df": min(2, len(rows))})
        try:
            features = vectorizer.fit_transform([row["text"] for row in rows])
        except ValueError:
            raise UserError("No training text has a word: there is nothing to learn emoji by.") from None
        return cls(emoji, vectorizer, (targets(rows, emoji).T @ features).tocsr())

    @classmethod
    def trained_on(cls, path: Path, table: Table) -> "Linear":
        """Learned from a CSV with `text` and `answer`. Raises UserError where there's none."""
        rows, _ = training_rows(read_csv(path, ("text", "answer"), "python 4_combine.py"), TASKS["summary"], Lookup(table))
        return cls.learned(rows, list(table))

    @classmethod
    def load(cls, path: Path, cards: dict[str, str]) -> "Linear":
        """What `save` wrote. Emoji of `cards` that have come since are known by what their cards say."""
        from safetensors import safe_open
        from scipy.sparse import csr_matrix, vstack

        with safe_open(path, "np") as file:
            saved = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - it's no dict
            ngrams = {kind: json.loads(file.metadata()[kind]) for kind in NGRAMS}
        vectorizer = new_vectorizer(**{kind: {"vocabulary": vocabulary} for kind, vocabulary in ngrams.items()})
        for kind, part in vectorizer.transformer_list:
            part.idf_ = saved[f"idf_{kind}"]
        known, size = len(saved["indptr"]) - 1, sum(map(len, ngrams.values()))
        counts = csr_matrix((saved["data"], saved["indices"], saved["indptr"]), shape=(known, size))
        if len(cards) > known:
            counts = vstack([counts, vectorizer.transform(list(cards.values())[known:])]).tocsr()
        return cls(list(cards), vectorizer, counts)

    def save(self, path: Path) -> None:
        """A safetensors file: the counts (compressed sparse rows), the idf by kind, and the n-grams as its metadata."""
        from safetensors.numpy import save_file

        counts = {"data": self.counts.data, "indices": self.counts.indices, "indptr": self.counts.indptr}
        parts = dict(self.vectorizer.transformer_list)
        idf = {f"idf_{kind}": part.idf_ for kind, part in parts.items()}
        ngrams = {kind: part.get_feature_names_out().tolist() for kind, part in parts.items()}
        save_file(counts | idf, path, {kind: json.dumps(found, ensure_ascii=False) for kind, found in ngrams.items()})

    @cached_property
    def weights(self) -> tuple:
        """For each emoji the log-probability of an n-gram that it was never seen with, of shape (emoji,), and what that of a
        seen one is above it, sparse of shape (n-grams, emoji)."""
        import numpy as np

        totals = np.asarray(self.counts.sum(axis=1)).ravel()
        totals[totals == 0] = totals.max()  # or smoothing would favour an emoji without any text over one that lacks a word
        totals += SMOOTHING * self.counts.shape[1]
        seen = self.counts.T.tocsr()
        seen.data = np.log1p(seen.data / SMOOTHING)
        return np.log(SMOOTHING / totals), seen

    def log_probabilities(self, texts: list[str]):
        """A tensor of shape (texts, emoji)."""
        import numpy as np
        import torch

        unseen, seen = self.weights
        grams = self.vectorizer.transform(texts)
        scores = (grams @ seen).toarray() + np.outer(np.asarray(grams.sum(axis=1)), unseen)
        return torch.from_numpy(scores).double().log_softmax(dim=-1)

    def probabilities(self, texts: list[str]):
        return self.log_probabilities(texts).exp()


def new_vectorizer(**options: dict):
    """A scikit-learn FeatureUnion that makes tf-idf of texts: of each kind of n-grams in turn, with options of its own."""
    import numpy as np
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.pipeline import FeatureUnion

    kinds = {kind: ngrams | options.get(kind, {}) for kind, ngrams in NGRAMS.items()}
    parts = [(kind, TfidfVectorizer(**kinds[kind], sublinear_tf=True, dtype=np.float32)) for kind in kinds]
    return FeatureUnion(parts, transformer_weights=WEIGHTS)


def targets(rows: list[Row], emoji: list[str]):
    """How much each row counts for each emoji, in all 1: a sparse matrix of shape (rows, emoji)."""
    import numpy as np
    from scipy.sparse import csr_matrix

    emoji_of, index = Lookup(emoji), {one: number for number, one in enumerate(emoji)}
    cells = []
    for number, row in enumerate(rows):
        also = [index[found] for found in map(emoji_of.get, row.get("also", "").split()) if found]
        cells.append((1 - ALSO_WEIGHT if also else 1, number, index[row["answer"]]))
        cells += [(ALSO_WEIGHT / len(also), number, other) for other in also]
    weights, numbers, columns = zip(*cells, strict=True)
    return csr_matrix((weights, (numbers, columns)), shape=(len(rows), len(emoji)), dtype=np.float32)
