"""The strong simple control: character n-grams and naive Bayes, trained in seconds on the rows that the student learned from.

It knows nothing of the world, no synonyms and no grammar; what a student is better than that, its language model has brought.

The rule is that of scikit-learn's MultinomialNB on its TfidfVectorizer's features, with equal priors (Manning, Raghavan and
Schütze, 2008, chapter 13), but kept sparse: dense, 1,900 emoji times 100,000 n-grams would take gigabytes.
"""

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
NGRAMS = {"analyzer": "char_wb", "ngram_range": (1, 5), "min_df": 2, "sublinear_tf": True}


class Linear(Ranker):
    """`rows` have a `text`, an `answer` in the table's spelling, and in `also` other accepted emoji, if any."""

    name = "linear"

    def __init__(self, rows: list[Row], emoji: list[str]):
        import numpy as np
        from sklearn.feature_extraction.text import TfidfVectorizer

        self.emoji = emoji
        self.vectorizer = TfidfVectorizer(**NGRAMS, dtype=np.float32)
        counts = (targets(rows, emoji).T @ self.vectorizer.fit_transform([row["text"] for row in rows])).tocsr()
        totals = np.asarray(counts.sum(axis=1)).ravel() + SMOOTHING * counts.shape[1]
        self.unseen = np.log(SMOOTHING / totals)  # log-probability of an n-gram that an emoji was never seen with
        counts.data = np.log1p(counts.data / SMOOTHING)
        self.seen = counts.T.tocsr()  # what it's more for one that was: shape (n-grams, emoji)

    @classmethod
    def trained_on(cls, path: Path, table: Table) -> "Linear":
        """Trained on a CSV with `text` and `answer`. Raises UserError where there's none."""
        rows, _ = training_rows(read_csv(path, ("text", "answer"), "python 4_combine.py"), TASKS["summary"], Lookup(table))
        return cls(rows, list(table))

    def probabilities(self, texts: list[str]):
        import numpy as np
        import torch

        grams = self.vectorizer.transform(texts)
        scores = (grams @ self.seen).toarray() + np.outer(np.asarray(grams.sum(axis=1)), self.unseen)
        return torch.from_numpy(scores).double().softmax(dim=-1)


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
