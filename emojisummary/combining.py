"""From graded rows to training rows: votes, duplicates, near-duplicates, order."""

import random
import re
import unicodedata
from collections import defaultdict
from itertools import chain

from emojisummary.artifacts import Row
from emojisummary.emojis import plain

GRAM = 5  # characters
BLOCK = 2048  # texts compared with all others at once
ASCII_REST = re.compile(r"[^a-z0-9$+<=>^`|~]+")


def merge(graded: list[Row], also: dict[str, str]) -> list[Row]:
    """One row for each id, with `votes`, the number of graders that said yes, and `also`, its other accepted emoji.

    A grader has one vote, in however many files its verdict stands.
    """
    rows, agreed = {}, defaultdict(set)
    for vote in graded:
        rows.setdefault(vote["id"], vote)
        if vote["verdict"] == "yes":
            agreed[vote["id"]].add(vote["grader"])
    return [{**row, "votes": len(agreed[id]), "also": also.get(id, "")} for id, row in rows.items()]


def without_duplicates(rows: list[Row], same=None) -> list[Row]:
    """The first row of each text. Where later ones have another answer, it joins the first one's `also`.

    `same` says what two rows share of which only one is to be kept: without it, the text's words.

    One text with two answers in two rows would teach the model to contradict itself.
    """
    same, first = same or (lambda row: normalise(row["text"])), {}
    for row in rows:
        kept = first.setdefault(same(row), row)
        accepted = [kept["answer"], *kept["also"].split()]
        if plain(row["answer"]) not in map(plain, accepted):
            kept["also"] = " ".join([*kept["also"].split(), row["answer"]])
    return list(first.values())


def normalise(text: str) -> str:
    """The text's words and signs in lower case, without punctuation: what two copies of a text share."""
    if text.isascii():  # most texts are: the same, five times as fast
        return " ".join(ASCII_REST.sub(" ", text.lower()).split()) or text.strip()
    text = unicodedata.normalize("NFC", text)  # an é may be one character, or an e and an accent
    kept = (c if c.isalnum() or unicodedata.category(c)[0] in "MS" else " " for c in text.lower())
    return " ".join("".join(kept).split()) or text.strip()


def near_duplicates(texts: list[str], others: list[str], threshold: float) -> set[int]:
    """The indices of texts that are at least `threshold` similar to one of the others.

    Similarity is the Jaccard index of the sets of character 5-grams: shared / all.
    """
    import numpy as np

    if not texts or not others:
        return set()
    theirs = [_grams(text) for text in others]
    column = {gram: number for number, gram in enumerate(set().union(*theirs))}
    other_grams, other_sizes, near = _incidence(theirs, column).T, np.array(list(map(len, theirs))), set()
    for start in range(0, len(texts), BLOCK):
        ours = [_grams(text) for text in texts[start : start + BLOCK]]
        shared = (_incidence(ours, column) @ other_grams).tocoo()
        sizes = np.array(list(map(len, ours)))[shared.row]
        similarity = shared.data / (sizes + other_sizes[shared.col] - shared.data)
        near.update((start + shared.row[similarity >= threshold]).tolist())
    return near


def _incidence(sets: list[set[str]], column: dict[str, int]):
    """A sparse matrix of shape (sets, columns) with a 1 where a set has the column's string."""
    import numpy as np
    from scipy.sparse import csr_matrix

    found = [[column[one] for one in some if one in column] for some in sets]
    starts = np.cumsum([0, *map(len, found)])
    columns = np.fromiter(chain.from_iterable(found), dtype=np.int32, count=starts[-1])
    return csr_matrix((np.ones(len(columns), dtype=np.int32), columns, starts), shape=(len(sets), len(column)))


def _grams(text: str) -> set[str]:
    text = f" {normalise(text)} "
    return {text[start : start + GRAM] for start in range(max(len(text) - GRAM + 1, 1))}


def shuffled(rows: list[Row], seed: int) -> list[Row]:
    """The rows in an order that depends on nothing but their ids and the seed."""
    rows = sorted(rows, key=lambda row: row["id"])
    random.Random(seed).shuffle(rows)
    return rows
