"""Character n-grams and naive Bayes, learned in seconds from the rows that a student is trained with.

It knows the words, all of them, and no meaning. Alone it's the strong simple control, `linear`; beside the encoder, which knows
meanings and blurs rare words, it's half of the embedded student (retriever.py).

The rule is that of scikit-learn's MultinomialNB on its TfidfVectorizer's features, with equal priors (Manning, Raghavan and
Schütze, 2008, chapter 13), but kept sparse: dense, 1,900 emoji times 100,000 n-grams would take gigabytes.
"""

import json
from functools import cached_property
from pathlib import Path

from emojisummary.artifacts import Row, read_csv
from emojisummary.emojis import Lookup, Table
from emojisummary.models.ranker import Ranker
from emojisummary.tasks import TASKS
from emojisummary.training.rows import training_rows

# Chosen on the validation set's part `dev`: smoothing from 0.0003 to 0.03, also_weight 0 or 0.3. Priors don't help,
# centroids and nearest neighbours alone are worse; centroids mixed in bring a point, which isn't worth a second rule.
SMOOTHING = 0.003  # of an n-gram in texts of an emoji, in tf-idf: what was never seen has this weight
ALSO_WEIGHT = 0.3  # share of a row that goes to its other accepted emoji
NGRAMS = {"analyzer": "char_wb", "ngram_range": (1, 5), "sublinear_tf": True}


class Linear(Ranker):
    """`counts`: how much each n-gram of the vectorizer occurs in each emoji's texts, in tf-idf: sparse (emoji, n-grams)."""

    name = "linear"

    def __init__(self, emoji: list[str], vectorizer, counts):
        self.emoji, self.vectorizer, self.counts = emoji, vectorizer, counts

    @classmethod
    def learned(cls, rows: list[Row], emoji: list[str]) -> "Linear":
        """From rows with a `text`, an `answer` in the table's spelling, and in `also` other accepted emoji, if any."""
        import numpy as np
        from sklearn.feature_extraction.text import TfidfVectorizer

        vectorizer = TfidfVectorizer(**NGRAMS, min_df=min(2, len(rows)), dtype=np.float32)
        features = vectorizer.fit_transform([row["text"] for row in rows])
        return cls(emoji, vectorizer, (targets(rows, emoji).T @ features).tocsr())

    @classmethod
    def trained_on(cls, path: Path, table: Table) -> "Linear":
        """Learned from a CSV with `text` and `answer`. Raises UserError where there's none."""
        rows, _ = training_rows(read_csv(path, ("text", "answer"), "python 4_combine.py"), TASKS["summary"], Lookup(table))
        return cls.learned(rows, list(table))

    @classmethod
    def load(cls, path: Path, cards: dict[str, str]) -> "Linear":
        """What `save` wrote. Emoji of `cards` that have come since are known by what their cards say."""
        import numpy as np
        from safetensors import safe_open
        from scipy.sparse import csr_matrix, vstack
        from sklearn.feature_extraction.text import TfidfVectorizer

        with safe_open(path, "np") as file:
            saved = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - it's no dict
            ngrams = json.loads(file.metadata()["ngrams"])
        vectorizer = TfidfVectorizer(**NGRAMS, vocabulary=ngrams, dtype=np.float32)
        vectorizer.idf_ = saved["idf"]
        known = len(saved["indptr"]) - 1
        counts = csr_matrix((saved["data"], saved["indices"], saved["indptr"]), shape=(known, len(ngrams)))
        if len(cards) > known:
            counts = vstack([counts, vectorizer.transform(list(cards.values())[known:])]).tocsr()
        return cls(list(cards), vectorizer, counts)

    def save(self, path: Path) -> None:
        """A safetensors file: the counts (compressed sparse rows), the idf, and the n-grams as its metadata."""
        from safetensors.numpy import save_file

        counts = {"data": self.counts.data, "indices": self.counts.indices, "indptr": self.counts.indptr}
        ngrams = self.vectorizer.get_feature_names_out().tolist()
        save_file(counts | {"idf": self.vectorizer.idf_}, path, {"ngrams": json.dumps(ngrams, ensure_ascii=False)})

    @cached_property
    def weights(self) -> tuple:
        """For each emoji the log-probability of an n-gram that it was never seen with, of shape (emoji,), and what that of a
        seen one is above it, sparse of shape (n-grams, emoji)."""
        import numpy as np

        totals = np.asarray(self.counts.sum(axis=1)).ravel() + SMOOTHING * self.counts.shape[1]
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
