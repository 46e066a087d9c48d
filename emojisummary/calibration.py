"""Whether a model's probabilities mean what they say, and what can be promised with them.

Throughout, `probabilities` has the shape (texts, emoji), each row sums to 1; `accepted` has the same shape and is true where
the emoji is an accepted answer to the text. What is fitted is fitted on the texts of `dev`, and measured on those of `test`.
"""

from math import ceil

from emojisummary.emojis import plain
from emojisummary.metrics import with_interval

COOLEST, HOTTEST = 0.05, 20.0
LEAST = 1e-300  # a smaller probability counts as this one in a logarithm
BINS = 15
ALPHA = 0.1  # how often a prediction set may hold no accepted answer
POINTS = 10  # of the risk-coverage curve in the results


def calibrate(dev: tuple, test: tuple, resamples: int, seed: int) -> dict:
    """What results.yaml says of one model; `dev` and `test` are pairs of (probabilities, accepted).

    `before` and `after` are measures on `test` at temperature 1 and at the fitted one. Prediction sets and the risk-coverage
    curve are those of the untempered probabilities, which is what a model gives; and the promise of the sets wants that
    nothing else was fitted on the texts that the threshold is from.
    Raises ValueError as `fit_temperature` does.
    """
    temperature = fit_temperature(*dev)
    probabilities, accepted = test
    threshold = conformal_threshold(*dev)
    sets = prediction_sets(probabilities, threshold)
    covered = (sets & accepted).any(axis=1).astype(float).tolist()
    return {
        "temperature": round(temperature, 4),
        "n": {"dev": len(dev[0]), "test": len(probabilities)},
        "before": measures(probabilities, accepted),
        "after": measures(tempered(probabilities, temperature), accepted),
        "prediction_sets": {
            "wanted": 1 - ALPHA,
            "least_probability": float(f"{1 - threshold:.6g}"),
            "coverage": with_interval(covered, resamples, seed),
            "mean_size": round(float(sets.sum(axis=1).mean()), 2),
        },
        "risk_coverage": _curve(*top_label(probabilities, accepted)),
    }


def accepted_matrix(emoji: list[str], answers: list[list[str]]):
    """True where an emoji, compared without VS16, is among a text's accepted answers: shape (texts, emoji).

    Answers that the model doesn't have are left out: a text that has no other has no true value.
    """
    import numpy as np

    position = {plain(one): index for index, one in enumerate(emoji)}
    matrix = np.zeros((len(answers), len(emoji)), dtype=bool)
    for row, accepted in zip(matrix, answers, strict=True):
        row[[position[plain(one)] for one in accepted if plain(one) in position]] = True
    return matrix


# --- temperature ---


def tempered(probabilities, temperature: float):
    """p^(1/t), renormalised: above 1 less sure, below 1 more (Guo et al., 2017, there as a division of logits).

    The order of a row's emoji stays. Raises ValueError for a temperature that isn't positive.

    >>> tempered([[0.8, 0.2]], 0.5).round(3).tolist()
    [[0.941, 0.059]]
    """
    import numpy as np

    if not temperature > 0:
        raise ValueError(f"A temperature is above 0, not {temperature}.")
    probabilities = np.asarray(probabilities, dtype=float)
    # divided by the largest one first, lest a whole row becomes 0
    powers = (probabilities / probabilities.max(axis=1, keepdims=True)) ** (1 / temperature)
    return powers / powers.sum(axis=1, keepdims=True)


def nll(probabilities, accepted) -> float:
    """The mean negative log-likelihood of the accepted answers, -ln of the sum of their probabilities, in nats.

    Texts with no accepted answer among the emoji tell nothing and are left out; a sum of 0 counts as 1e-300.
    """
    import numpy as np

    sums = np.where(accepted, probabilities, 0).sum(axis=1)[np.any(accepted, axis=1)]
    return float(-np.log(np.maximum(sums, LEAST)).mean())


def fit_temperature(probabilities, accepted) -> float:
    """The temperature in 0.05..20 with the least `nll`, to about 4 digits; never worse than 1.

    A grid finds the valley (with several answers accepted there may be two), golden sections its lowest place.
    Raises ValueError where the shapes differ, rows don't sum to 1, or no text has an accepted answer among the emoji.
    """
    import numpy as np

    _check(probabilities, accepted)
    loss = _loss(probabilities, accepted)
    grid = np.linspace(np.log(COOLEST), np.log(HOTTEST), 15)
    best = int(np.argmin([loss(point) for point in grid]))
    low, high = grid[max(best - 1, 0)], grid[min(best + 1, len(grid) - 1)]
    for _ in range(20):
        step = (high - low) * 0.618
        low, high = (low, low + step) if loss(high - step) < loss(low + step) else (high - step, high)
    return float(np.exp(min(0.0, (low + high) / 2, key=loss)))


def _loss(probabilities, accepted):
    """A function from the logarithm of a temperature to nll(tempered(...)), some ten times as fast."""
    import numpy as np

    known = np.any(accepted, axis=1)
    with np.errstate(divide="ignore"):  # a probability of 0 stays 0 at any temperature
        logs = np.log(np.asarray(probabilities, dtype=float)[known])
    logs -= logs.max(axis=1, keepdims=True)
    texts, emoji = np.nonzero(np.asarray(accepted)[known])
    powers = np.empty_like(logs)  # used again and again: to allocate it takes longer than to fill it

    def loss(log_temperature: float) -> float:
        np.exp(np.multiply(logs, np.exp(-log_temperature), out=powers), out=powers)
        sums = np.bincount(texts, powers[texts, emoji]) / powers.sum(axis=1)
        return float(-np.log(np.maximum(sums, LEAST)).mean())

    return loss


def _check(probabilities, accepted) -> None:
    import numpy as np

    if np.ndim(probabilities) != 2 or np.shape(probabilities) != np.shape(accepted):
        raise ValueError(f"Shapes (texts, emoji) expected, found {np.shape(probabilities)} and {np.shape(accepted)}.")
    if not np.any(accepted):
        raise ValueError("No text has an accepted answer among the model's emoji.")
    if not np.allclose(np.sum(probabilities, axis=1), 1, atol=0.01):
        raise ValueError("The probabilities of a text sum to 1.")


# --- how well sureness and rightness agree ---


def measures(probabilities, accepted) -> dict[str, float]:
    """`nll`, `ece` and `brier`, rounded to 4 digits."""
    confidence, correct = top_label(probabilities, accepted)
    found = {"nll": nll(probabilities, accepted), "ece": ece(confidence, correct), "brier": brier(confidence, correct)}
    return {name: round(value, 4) for name, value in found.items()}


def top_label(probabilities, accepted):
    """For each text the probability of the most probable emoji, and whether it's an accepted one: two arrays, (texts,)."""
    import numpy as np

    best = np.argmax(probabilities, axis=1)[:, None]
    return np.take_along_axis(np.asarray(probabilities), best, 1)[:, 0], np.take_along_axis(accepted, best, 1)[:, 0]


def ece(confidence, correct, bins: int = BINS) -> float:
    """Expected calibration error, 0..1: bins of equal width, |share correct - mean confidence|, weighted by their texts.

    (Naeini et al., 2015; Guo et al., 2017.) A bin holds what lies above its lower edge, up to its upper edge.
    """
    import numpy as np

    numbers = np.ceil(np.asarray(confidence) * bins).astype(int)
    gaps = np.bincount(numbers, np.asarray(correct, dtype=float) - confidence)  # a bin's weight times its gap is a sum
    return float(np.abs(gaps).sum() / len(numbers))


def brier(confidence, correct) -> float:
    """The mean of (confidence - correct)², 0..1, of the top label (Brier, 1950)."""
    import numpy as np

    return float(np.mean((np.asarray(confidence) - correct) ** 2))


# --- what can be promised ---


def conformal_threshold(probabilities, accepted, alpha: float = ALPHA) -> float:
    """The threshold with which a new text's prediction set holds an accepted answer with a probability of 1 - alpha or more.

    Split conformal prediction (Vovk et al., 2005; Angelopoulos & Bates, 2021): a text's score is 1 - the highest probability
    of an accepted answer, 1 if the model has none; the threshold is the ceil((n + 1)(1 - alpha))-th smallest score of n texts,
    and 1, which lets all emoji in, where n is too small for that. The promise holds on average over draws of texts, if the new
    text is drawn like these, and is empty for texts whose answers the model doesn't have.
    """
    import numpy as np

    scores = np.sort(1 - np.where(accepted, probabilities, 0).max(axis=1))
    k = ceil(round((len(scores) + 1) * (1 - alpha), 9))  # rounded, lest 18.000000000000004 becomes 19
    return float(scores[k - 1]) if k <= len(scores) else 1.0


def prediction_sets(probabilities, threshold: float):
    """True for each emoji with 1 - probability <= threshold: shape (texts, emoji). A set may be empty."""
    import numpy as np

    return 1 - np.asarray(probabilities) <= threshold


def risk_coverage(confidence, correct):
    """The share of wrong answers among the k surest ones, for k = 1..n: shape (n,). Its mean is the area under the curve.

    Coverage is k / n (El-Yaniv & Wiener, 2010; area: Geifman et al., 2019). Answers that are equally sure, which no
    threshold can part, each count as their mean.
    """
    import numpy as np

    levels, level_of, texts = np.unique(-np.asarray(confidence), return_inverse=True, return_counts=True)
    wrong = np.bincount(level_of, 1 - np.asarray(correct, dtype=float), minlength=len(levels)) / texts
    return np.cumsum(np.repeat(wrong, texts)) / np.arange(1, len(level_of) + 1)


def _curve(confidence, correct) -> dict:
    """The curve at tenths of coverage, with the least confidence that is answered there, and its area; 4 digits."""
    import numpy as np

    risks, surest, n = risk_coverage(confidence, correct), -np.sort(-confidence), len(confidence)
    kept = sorted({ceil(n * point / POINTS) for point in range(1, POINTS + 1)})
    points = [(k / n, surest[k - 1], risks[k - 1]) for k in kept]
    names = ("coverage", "confidence", "error")
    curve = [dict(zip(names, (round(float(value), 4) for value in point), strict=True)) for point in points]
    return {"area": round(float(risks.mean()), 4), "curve": curve}
