"""What models' answers are worth, and how sure a figure is: intervals, and comparisons of two models on the same texts.

A figure is {"value", "low", "high", "n"}: a share in 0..1, its 95 % interval, and the number of texts behind it.
"""

import re
from collections import Counter
from collections.abc import Callable
from functools import lru_cache
from math import comb, erfc, sqrt
from statistics import mean

from emojisummary.emojis import SKIN_TONES, Lookup, Table, plain

WORD = re.compile(r"\w+(?:['’]\w+)*")
AT_ONCE = 20  # resamples of the macro-F1 drawn together: more take longer, since their arrays no longer fit the cache
TAIL = 0.025  # of a 95 % interval, on either side
EXACT_BELOW = 25  # discordant pairs up to which McNemar's chi-squared is too rough


def with_interval(values: list[float], resamples: int, seed: int, least: float | None = 0) -> dict[str, float]:
    """The mean of per-text scores with its 95 % interval, by the percentile bootstrap (Efron, 1979), and their number.

    Scores that are all as good or as bad as can be, 1 or `least`, have nothing to resample; other texts could still have had
    other scores: there it's the exact interval of a share (Clopper and Pearson, 1934), 0 or 1 of n. `least` is None for what
    has no such ends: a number of words, say.
    Returns {"value": ..., "low": ..., "high": ..., "n": ...}, rounded to 4 digits.

    >>> with_interval([1.0] * 5, 1000, seed=7)
    {'value': 1.0, 'low': 0.4782, 'high': 1.0, 'n': 5}
    """
    low, high = _interval(tuple(sorted(Counter(values).items())), resamples, seed)
    if least is not None and low == high:
        unseen = (1 - least) * (1 - TAIL ** (1 / len(values)))
        low, high = {1: (1 - unseen, 1.0), least: (least, least + unseen)}.get(low, (low, high))
    return {"value": round(mean(values), 4), "low": round(low, 4), "high": round(high, 4), "n": len(values)}


def paired(ours: list[float], theirs: list[float], resamples: int, seed: int) -> dict[str, float]:
    """The mean difference of two models' scores of the same texts, with its 95 % interval by the paired bootstrap.

    Where the interval leaves out 0, the difference is significant at 5 %.
    """
    return with_interval([a - b for a, b in zip(ours, theirs, strict=True)], resamples, seed, least=-1)


@lru_cache(maxsize=1000)
def _interval(tally: tuple[tuple[float, int], ...], resamples: int, seed: int) -> tuple[float, float]:
    """The 2.5th and 97.5th percentile of the means of resampled values; `tally` holds each distinct value with its count.

    Scores take few distinct values, so a resample is drawn as their counts: one multinomial draw instead of n choices.
    Small groups of texts often have the same tally, and so the same interval.
    """
    import numpy as np

    distinct, counts = np.array(tally).T
    n = counts.sum()
    draws = np.random.default_rng(seed).multinomial(int(n), counts / n, size=resamples)
    low, high = np.percentile(draws @ distinct / n, [2.5, 97.5])
    return round(float(low), 4), round(float(high), 4)


def mcnemar(ours: list[float], theirs: list[float]) -> dict[str, float | str]:
    """Whether two models' rates of right answers (1) and wrong ones (0) to the same texts differ (McNemar, 1947).

    Only the texts that one of the two answers rightly tell: `only_ours` and `only_theirs`, b and c. Below 25 of them p is that
    of the two-sided binomial test of b in b + c with 1/2; else that of chi-squared with one degree of freedom and continuity
    correction, (|b - c| - 1)² / (b + c) (Edwards, 1948). Where b = c there is nothing to correct, and p is 1, as in R.
    p has 4 significant digits; n is the number of all texts. Raises ValueError for scores other than 0 and 1.

    >>> mcnemar([1, 1, 1, 0, 1], [0, 0, 0, 0, 1])
    {'test': 'exact binomial', 'only_ours': 3, 'only_theirs': 0, 'p': 0.25, 'n': 5}
    """
    pairs = Counter(zip(ours, theirs, strict=True))
    if not set(pairs) <= {(0, 0), (0, 1), (1, 0), (1, 1)}:
        raise ValueError("McNemar's test needs scores of 0 and 1.")
    b, c = pairs[1, 0], pairs[0, 1]
    is_exact = b + c < EXACT_BELOW
    return {
        "test": "exact binomial" if is_exact else "chi-squared",
        "only_ours": b,
        "only_theirs": c,
        "p": float(f"{_exact_p(b, c) if is_exact else _chi_squared_p(b, c):.4g}"),
        "n": len(ours),
    }


def _exact_p(b: int, c: int) -> float:
    tail = sum(comb(b + c, k) for k in range(min(b, c) + 1)) / 2 ** (b + c)
    return min(2 * tail, 1.0)


def _chi_squared_p(b: int, c: int) -> float:
    statistic = max(abs(b - c) - 1, 0) ** 2 / (b + c)
    return erfc(sqrt(statistic / 2))  # the upper tail of chi-squared with one degree of freedom


# --- classes of emoji: `accepted` is each text's accepted emoji, best first; `given` is each text's answer ---


def as_classes(accepted: list[list[str]], given: list[str]) -> tuple[list[str], list[str]]:
    """Each text's gold class, its best answer, and the class that the given answer counts as, both without VS16.

    An answer that is accepted, if only as second best, counts as the gold class: right is right. Any other counts as itself.

    >>> as_classes([["🍔", "🍟"], ["🍔", "🍟"], ["🍟"]], ["🍟", "🍕", "🍟"])
    (['🍔', '🍔', '🍟'], ['🍔', '🍕', '🍟'])
    """
    golds = [[plain(emoji) for emoji in answers] for answers in accepted]
    pairs = zip(golds, map(plain, given), strict=True)
    return [gold[0] for gold in golds], [gold[0] if emoji in gold else emoji for gold, emoji in pairs]


def macro_f1(accepted: list[list[str]], given: list[str], resamples: int, seed: int) -> dict[str, float]:
    """The mean F1 of the gold classes, each with the same weight however rare it is, with its interval by the bootstrap.

    As in SemEval-2018 task 2 and TweetEval (Barbieri et al., 2018 and 2020), but that they have one gold answer a text: here
    `as_classes` makes one of several. Classes are the emoji that are the best answer to a text. F1 = 2 · right / (texts of the
    class + texts answered with it). An answer of another class counts against its text's class, and against its own class
    where that is a gold one: sklearn's f1_score(*as_classes(...), average="macro", labels=<gold classes>). A resample's
    classes are those that it holds. Returns a figure, rounded to 4 digits.
    """
    import numpy as np

    gold, counted = as_classes(accepted, given)
    number = {emoji: i for i, emoji in enumerate(dict.fromkeys(gold))}
    true, found = (np.array([number.get(emoji, len(number)) for emoji in emojis]) for emojis in (gold, counted))
    draw, n, f1 = np.random.default_rng(seed), len(gold), []
    for start in range(0, resamples, AT_ONCE):
        texts = draw.integers(n, size=(min(AT_ONCE, resamples - start), n))
        f1.append(_macro_f1(true[texts], found[texts], len(number)))
    low, high = np.percentile(np.concatenate(f1), [2.5, 97.5]).round(4).tolist()
    return {"value": round(float(_macro_f1(true[None], found[None], len(number))[0]), 4), "low": low, "high": high, "n": n}


def _macro_f1(true, found, classes: int):
    """Macro-F1 of each row: `true` and `found` have the shape (rows, texts) and number the classes; `classes` is none."""
    import numpy as np

    cells = np.arange(len(true))[:, None] * (classes + 1)

    def counts(numbers, where=...):
        flat = np.bincount((cells + numbers)[where].ravel(), minlength=len(true) * (classes + 1))
        return flat.reshape(len(true), classes + 1)[:, :classes]

    golds = counts(true)
    f1 = 2 * counts(true, true == found) / np.maximum(golds + counts(found), 1)
    return f1.sum(axis=1, where=golds > 0) / (golds > 0).sum(axis=1)


def confusions(accepted: list[list[str]], given: list[str], most: int = 20) -> list[dict[str, str | int]]:
    """The pairs of a best answer and a wrong one given for it, the most frequent first, at most `most` of them."""
    wrong = ((gold, emoji) for gold, emoji in zip(*as_classes(accepted, given), strict=True) if gold != emoji)
    spelled = {plain(emoji): emoji for emoji in [*given, *(answers[0] for answers in accepted)]}
    ordered = sorted(Counter(wrong).items(), key=lambda item: (-item[1], item[0]))
    return [{"gold": spelled[gold], "given": spelled[emoji], "count": count} for (gold, emoji), count in ordered[:most]]


def never_predicted(accepted: list[list[str]], given: list[str]) -> dict[str, int | list[str]]:
    """The gold classes that the model never gave: their emoji, the most frequent first, and `n`, how many classes there are."""
    spelled = {plain(answers[0]): answers[0] for answers in accepted}
    gold = Counter(plain(answers[0]) for answers in accepted).most_common()
    known = set(map(plain, given))
    return {"n": len(gold), "emoji": [spelled[emoji] for emoji, _ in gold if emoji not in known]}


# --- a looser measure: what counts as the same emoji ---


def neutral(table: Table) -> Callable[[str], str]:
    """A function from an emoji to the one without skin tone and gender: 🤦🏽‍♀️ -> 🤦, by the table's `parent`.

    👩, 👨 and the like have no parent there, and stay. Emoji that the table doesn't have lose their skin tone alone.
    """
    emoji_of = Lookup(table)

    def neutral_of(emoji: str) -> str:
        known = emoji_of.get(emoji)
        return plain(table[known]["parent"] or known) if known else SKIN_TONES.sub("", plain(emoji))

    return neutral_of


def subcategory(table: Table) -> Callable[[str], str]:
    """A function from an emoji to its Unicode subcategory: 🍔 -> food-prepared; one that the table lacks is its own."""
    emoji_of = Lookup(table)

    def subcategory_of(emoji: str) -> str:
        known = emoji_of.get(emoji)
        return table[known]["subcategory"] if known else plain(emoji)

    return subcategory_of


def distinct(sequences: list[list[str]], n: int) -> float:
    """distinct-n: different n-grams among all n-grams of all sequences, 0..1 (Li et al., 2016). 0 where there are none.

    >>> distinct([["a", "b", "a"], ["a", "b"]], 2)
    0.6667
    """
    grams = [tuple(one[start : start + n]) for one in sequences for start in range(len(one) - n + 1)]
    return round(len(set(grams)) / len(grams), 4) if grams else 0.0


def words(text: str) -> list[str]:
    """The words in lower case.

    >>> words("Don't wake the owl!")
    ["don't", 'wake', 'the', 'owl']
    """
    return [word.replace("’", "'") for word in WORD.findall(text.lower())]


def repetition(text: str) -> float:
    """The share of a text's 4-grams of words that have come before, 0..1.

    >>> repetition("so they slept and slept and slept and slept")
    0.3333
    """
    all_words = words(text)
    grams = [tuple(all_words[start : start + 4]) for start in range(len(all_words) - 3)]
    return round(1 - len(set(grams)) / len(grams), 4) if grams else 0.0


def same(accepted: list[list[str]], given: list[str], key: Callable[[str], str]) -> list[float]:
    """For each text 1 where the answer's key is that of an accepted answer, else 0."""
    return [float(key(emoji) in map(key, answers)) for answers, emoji in zip(accepted, given, strict=True)]
