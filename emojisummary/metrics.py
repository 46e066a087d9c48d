"""How sure a figure is: means with bootstrap intervals, and paired comparisons of two models on the same texts."""

from statistics import mean


def with_interval(values: list[float], resamples: int, seed: int) -> dict[str, float]:
    """The mean of per-text scores with its 95 % interval, by the percentile bootstrap (Efron, 1979), and their number.

    Returns {"value": ..., "low": ..., "high": ..., "n": ...}, rounded to 4 digits.
    """
    low, high = _interval(values, resamples, seed)
    return {"value": round(mean(values), 4), "low": low, "high": high, "n": len(values)}


def paired(ours: list[float], theirs: list[float], resamples: int, seed: int) -> dict[str, float]:
    """The mean difference of two models' scores of the same texts, with its 95 % interval by the paired bootstrap.

    Where the interval leaves out 0, the difference is significant at 5 %.
    """
    return with_interval([a - b for a, b in zip(ours, theirs, strict=True)], resamples, seed)


def _interval(values: list[float], resamples: int, seed: int) -> tuple[float, float]:
    """The 2.5th and 97.5th percentile of the means of resampled values.

    Scores take few distinct values, so a resample is drawn as their counts: one multinomial draw instead of n choices.
    """
    import numpy as np

    distinct, counts = np.unique(values, return_counts=True)
    draws = np.random.default_rng(seed).multinomial(len(values), counts / len(values), size=resamples)
    low, high = np.percentile(draws @ distinct / len(values), [2.5, 97.5])
    return round(float(low), 4), round(float(high), 4)
