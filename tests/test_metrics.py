import random
from statistics import mean, stdev

import numpy as np
import pytest
from scipy.stats import binom, bootstrap

from emojisummary.metrics import paired, with_interval


def scores(kind, n, seed):
    chance = random.Random(seed)
    draw = {
        "accuracy": lambda: float(chance.random() < 0.3),
        "mrr": lambda: 1 / chance.randint(1, 10),
        "difference": lambda: float(chance.choice([-1, 0, 0, 0, 1])),
        "continuous": chance.random,
    }[kind]
    return [draw() for _ in range(n)]


@pytest.mark.parametrize("kind", ["accuracy", "mrr", "difference", "continuous"])
@pytest.mark.parametrize("n", [20, 300])
def test_the_interval_is_that_of_scipy_within_sampling_error(kind, n):
    values = scores(kind, n, seed=n)
    ours = with_interval(values, 10_000, seed=1)
    known = bootstrap((values,), np.mean, n_resamples=10_000, method="percentile", rng=np.random.default_rng(2))
    # The standard error of a 2.5 % quantile of 10,000 draws is 0.027 standard errors of the mean; binary scores move in 1 / n.
    tolerance = 0.2 * stdev(values) / n**0.5 + (1 / n if kind in ("accuracy", "difference") else 0)
    assert ours["low"] == pytest.approx(known.confidence_interval.low, abs=tolerance)
    assert ours["high"] == pytest.approx(known.confidence_interval.high, abs=tolerance)


@pytest.mark.parametrize(("right", "n"), [(1, 10), (5, 10), (9, 10), (3, 50), (40, 80), (199, 200)])
def test_the_interval_of_right_and_wrong_is_that_of_the_binomial(right, n):
    result = with_interval([1.0] * right + [0.0] * (n - right), 50_000, seed=3)
    assert result["low"] == pytest.approx(binom.ppf(0.025, n, right / n) / n, abs=1 / n + 1e-4)
    assert result["high"] == pytest.approx(binom.ppf(0.975, n, right / n) / n, abs=1 / n + 1e-4)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([1.0], (1, 1, 1, 1)),
        ([0.0, 0.0, 0.0], (0, 0, 0, 3)),
        ([0.25] * 8, (0.25, 0.25, 0.25, 8)),
        ([0.0, 1.0], (0.5, 0, 1, 2)),  # resamples: 0 in a quarter, 1 in a quarter
        ([0.0] * 9 + [1.0], (0.1, 0, 0.3, 10)),  # P(no 1) = 35 %, P(at most two) = 93 %, P(at most three) = 98.7 %
        ([1, 0], (0.5, 0, 1, 2)),
        ([1 / 3] * 3, (0.3333, 0.3333, 0.3333, 3)),
    ],
)
def test_hand_worked_intervals(values, expected):
    assert with_interval(values, 10_000, seed=7) == dict(zip(("value", "low", "high", "n"), expected, strict=True))


@pytest.mark.parametrize("kind", ["accuracy", "mrr", "difference"])
def test_the_mean_lies_in_its_interval(kind):
    values = scores(kind, 100, seed=5)
    result = with_interval(values, 1000, seed=7)
    assert result["low"] < result["value"] < result["high"]
    assert result["value"] == round(mean(values), 4)


def test_the_same_seed_gives_the_same_interval_whatever_the_order():
    values = scores("mrr", 100, seed=5)
    assert with_interval(values, 1000, seed=7) == with_interval(sorted(values), 1000, seed=7)
    assert with_interval(values, 1000, seed=7) != with_interval(values, 1000, seed=8)


def test_more_texts_give_a_narrower_interval():
    narrow, wide = (with_interval(scores("accuracy", n, seed=1), 2000, seed=7) for n in (2000, 50))
    assert narrow["high"] - narrow["low"] < (wide["high"] - wide["low"]) / 3


@pytest.mark.parametrize("resamples", [1, 2, 10_000])
def test_any_number_of_resamples_will_do(resamples):
    assert with_interval([0.0, 1.0, 1.0], resamples, seed=7)["n"] == 3


def test_a_model_against_itself_differs_by_nothing():
    values = scores("mrr", 50, seed=5)
    assert paired(values, values, 1000, seed=7) == {"value": 0, "low": 0, "high": 0, "n": 50}


def test_a_constant_lead_has_no_spread():
    theirs = [0.0, 0.5, 0.25, 0.125]
    assert paired([x + 0.5 for x in theirs], theirs, 1000, seed=7) == {"value": 0.5, "low": 0.5, "high": 0.5, "n": 4}


def test_paired_is_the_interval_of_the_differences():
    ours, theirs = scores("accuracy", 100, seed=1), scores("accuracy", 100, seed=2)
    assert paired(ours, theirs, 1000, 7) == with_interval([a - b for a, b in zip(ours, theirs, strict=True)], 1000, 7)


def test_pairing_makes_a_small_but_steady_lead_significant():
    theirs = [0.0, 1.0] * 100
    ours = theirs[:]
    ours[0:40:2] = [1.0] * 20  # right on 20 texts more, and wrong on none
    alone = [with_interval(values, 5000, seed=7) for values in (ours, theirs)]
    assert alone[0]["low"] < alone[1]["high"]
    assert paired(ours, theirs, 5000, seed=7)["low"] > 0


def test_pairs_need_the_same_number():
    with pytest.raises(ValueError, match="shorter"):
        paired([1.0, 0.0], [1.0], 10, seed=7)
