import random
from statistics import mean, stdev

import numpy as np
import pytest
from scipy.stats import binom, binomtest, bootstrap, chi2
from sklearn.metrics import f1_score

from emojisummary.metrics import (
    as_classes,
    confusions,
    macro_f1,
    mcnemar,
    neutral,
    never_predicted,
    paired,
    same,
    subcategory,
    with_interval,
)


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
        ([1.0], (1, 0.025, 1, 1)),
        ([0.0, 0.0, 0.0], (0, 0, 0.7076, 3)),  # 0.2924 ** 3 = 0.025
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


@pytest.mark.parametrize("n", [1, 2, 20, 576])
def test_the_interval_of_all_right_and_of_all_wrong_is_the_exact_one(n):
    for value in (0.0, 1.0):
        exact = binomtest(int(value * n), n).proportion_ci(0.95, method="exact")
        assert with_interval([value] * n, 10, 7) == {
            "value": value,
            "low": round(exact.low, 4),
            "high": round(exact.high, 4),
            "n": n,
        }


@pytest.mark.parametrize(("n", "significant"), [(1, False), (5, False), (6, True), (30, True)])
def test_a_lead_on_every_text_is_as_significant_as_by_mcnemar(n, significant):
    ours, theirs = [1.0] * n, [0.0] * n
    assert (mcnemar(ours, theirs)["p"] < 0.05) == significant
    assert (paired(ours, theirs, 10, 7)["low"] > 0) == significant
    assert (paired(theirs, ours, 10, 7)["high"] < 0) == significant


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


# --- McNemar's test ---


def pairs(both, only_ours, only_theirs, neither):
    """Scores of two models, by how many texts both, one or none of them answers rightly."""
    ours = [1.0] * (both + only_ours) + [0.0] * (only_theirs + neither)
    return ours, [1.0] * both + [0.0] * only_ours + [1.0] * only_theirs + [0.0] * neither


@pytest.mark.parametrize(
    ("b", "c", "p"),
    [
        (0, 0, 1),
        (1, 0, 1),
        (3, 0, 0.25),  # 2 / 2^3
        (8, 2, 0.1094),  # 2 (1 + 10 + 45) / 2^10 = 0.109375
        (5, 5, 1),  # twice the lower half is more than 1
        (24, 0, 1.192e-07),  # 2 / 2^24
    ],
)
def test_few_discordant_pairs_get_the_binomial_test(b, c, p):
    expected = {"test": "exact binomial", "only_ours": b, "only_theirs": c, "p": p, "n": b + c + 10}
    assert mcnemar(*pairs(7, b, c, 3)) == expected


@pytest.mark.parametrize(
    ("b", "c", "p"),
    [
        (25, 0, 1.587e-06),  # 24² / 25 = 23.04, and 4.8 standard deviations on two sides are 1.587e-6
        (59, 121, 5.45e-06),  # 61² / 180 = 20.67: 4.547 standard deviations
        (30, 30, 1),
        (30, 31, 1),  # the correction takes the difference away
    ],
)
def test_many_discordant_pairs_get_chi_squared_with_continuity_correction(b, c, p):
    result = mcnemar(*pairs(5, b, c, 4))
    assert result == {"test": "chi-squared", "only_ours": b, "only_theirs": c, "p": pytest.approx(p, rel=1e-3), "n": b + c + 9}


@pytest.mark.parametrize(("b", "c"), [(0, 1), (3, 0), (10, 14), (24, 0), (25, 0), (12, 13), (20, 40), (59, 121), (300, 200)])
def test_mcnemar_agrees_with_statsmodels(b, c):
    known = pytest.importorskip("statsmodels.stats.contingency_tables")
    expected = known.mcnemar([[40, b], [c, 30]], exact=b + c < 25, correction=True)
    assert mcnemar(*pairs(40, b, c, 30))["p"] == pytest.approx(expected.pvalue, rel=1e-3)


@pytest.mark.parametrize(("b", "c"), [(3, 11), (0, 24), (100, 140)])
def test_mcnemar_agrees_with_scipy(b, c):
    expected = binomtest(b, b + c).pvalue if b + c < 25 else chi2.sf((abs(b - c) - 1) ** 2 / (b + c), 1)
    assert mcnemar(*pairs(0, b, c, 0))["p"] == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize("seed", range(30))
def test_mcnemar_is_symmetric_and_looks_at_discordant_texts_alone(seed):
    both, b, c, neither = random.Random(seed).choices(range(1, 40), k=4)
    result, turned = mcnemar(*pairs(both, b, c, neither)), mcnemar(*pairs(neither, c, b, both))
    assert result["p"] == turned["p"]
    assert 0 < result["p"] <= 1
    assert result["n"] == turned["n"] == both + b + c + neither


def test_mcnemar_needs_right_and_wrong():
    with pytest.raises(ValueError, match="0 and 1"):
        mcnemar([0.5, 1.0], [1.0, 1.0])


# --- classes ---


ACCEPTED = [["🍔", "🍟"], ["🍔"], ["🍟", "🍔"], ["❤️"], ["🍕"]]
GIVEN = ["🍟", "🍕", "🍟", "❤", "😂"]


def test_hand_worked_macro_f1():
    """🍔: 1 right of 2 texts, given once: 2 / 3. 🍟: 1 of 1, given once: 1. ❤️: 1, VS16 or not. 🍕: given once, wrongly: 0."""
    result = macro_f1(ACCEPTED, GIVEN, 1000, seed=7)
    assert result["value"] == round((2 / 3 + 1 + 1 + 0) / 4, 4)
    assert result["n"] == 5


def random_answers(n, seed, hit=0.4):
    """Gold answers of skewed frequency, one to three a text, and an answer to each, some outside the gold classes."""
    chance = random.Random(seed)
    emoji = [chr(0x1F600 + i) for i in range(40)]
    accepted = [
        list(dict.fromkeys(emoji[int(chance.triangular(0, 30, 0))] for _ in range(3)))[: chance.randint(1, 3)] for _ in range(n)
    ]
    return accepted, [chance.choice(answers) if chance.random() < hit else chance.choice(emoji) for answers in accepted]


@pytest.mark.parametrize("n", [1, 5, 60, 400])
@pytest.mark.parametrize("hit", [0, 0.4, 1])
def test_macro_f1_agrees_with_scikit_learn(n, hit):
    accepted, given = random_answers(n, seed=n, hit=hit)
    gold, counted = as_classes(accepted, given)
    known = f1_score(gold, counted, average="macro", labels=sorted(set(gold)), zero_division=0)
    assert macro_f1(accepted, given, 10, seed=7)["value"] == pytest.approx(known, abs=5e-5)


def test_the_interval_of_macro_f1_is_that_of_scikit_learn_on_the_same_resamples():
    accepted, given = random_answers(120, seed=1)
    gold, counted = (np.array(part) for part in as_classes(accepted, given))
    f1 = [
        f1_score(gold[texts], counted[texts], average="macro", labels=np.unique(gold[texts]), zero_division=0)
        for texts in np.random.default_rng(7).integers(120, size=(20, 120))
    ]
    ours = macro_f1(accepted, given, 20, seed=7)
    assert [ours["low"], ours["high"]] == pytest.approx(np.percentile(f1, [2.5, 97.5]), abs=5e-5)


@pytest.mark.parametrize("hit", [0.2, 0.5, 0.8])
def test_macro_f1_lies_in_its_interval(hit):
    accepted, given = random_answers(300, seed=5, hit=hit)
    result = macro_f1(accepted, given, 1000, seed=7)
    assert result["low"] < result["value"] < result["high"]


def test_all_right_is_a_macro_f1_of_1_and_all_wrong_of_0():
    accepted = [["🍔", "🍟"], ["🍟"], ["🍕"]]
    assert macro_f1(accepted, ["🍟", "🍟", "🍕"], 100, seed=7) == {"value": 1, "low": 1, "high": 1, "n": 3}
    assert macro_f1(accepted, ["🍕", "🍔", "🍔"], 100, seed=7) == {"value": 0, "low": 0, "high": 0, "n": 3}


@pytest.mark.parametrize("resamples", [1, 20, 33])
def test_macro_f1_takes_any_number_of_resamples_and_repeats_itself(resamples):
    accepted, given = random_answers(50, seed=1)
    assert macro_f1(accepted, given, resamples, seed=7) == macro_f1(accepted, given, resamples, seed=7)


def test_confusions_are_wrong_answers_by_frequency():
    accepted = [["🍔", "🍟"]] * 4 + [["❤️"]] * 3 + [["🍕"]]
    given = ["🍕", "🍟", "🍕", "🍔", "💔", "❤", "💔", "😂"]
    expected = [("❤️", "💔", 2), ("🍔", "🍕", 2), ("🍕", "😂", 1)]
    assert confusions(accepted, given) == [dict(zip(("gold", "given", "count"), row, strict=True)) for row in expected]
    assert len(confusions(accepted, given, most=1)) == 1
    assert confusions(accepted, [answers[-1] for answers in accepted]) == []


def test_confusions_add_up_to_the_wrong_answers():
    accepted, given = random_answers(200, seed=3)
    wrong = sum(emoji not in answers for answers, emoji in zip(accepted, given, strict=True))
    assert sum(pair["count"] for pair in confusions(accepted, given, most=10**6)) == wrong
    assert len(confusions(accepted, given)) == 20


def test_emoji_never_predicted_are_those_of_the_best_answers():
    accepted = [["🍕"], ["🍔", "🍟"], ["🍔"], ["❤️"], ["😂"]]
    assert never_predicted(accepted, ["❤", "🍟", "😭", "😭", "😭"]) == {"n": 4, "emoji": ["🍔", "🍕", "😂"]}
    assert never_predicted(accepted, ["🍕", "🍔", "🍔", "❤️", "😂"]) == {"n": 4, "emoji": []}


# --- looser measures ---


TABLE = {
    "🤦": {"parent": None, "subcategory": "person-gesture"},
    "🤦‍♀️": {"parent": "🤦", "subcategory": "person-gesture"},
    "🤦‍♂️": {"parent": "🤦", "subcategory": "person-gesture"},
    "🙅": {"parent": None, "subcategory": "person-gesture"},
    "👍": {"parent": None, "subcategory": "hand-fingers-closed"},
    "❤️": {"parent": None, "subcategory": "heart"},
    "💔": {"parent": None, "subcategory": "heart"},
}


@pytest.mark.parametrize(
    ("answers", "emoji", "is_neutral", "is_near"),
    [
        (["🤦"], "🤦", 1, 1),
        (["🤦"], "🤦‍♀️", 1, 1),
        (["🤦‍♂️"], "🤦🏽‍♀️", 1, 1),
        (["❤️", "🤦‍♂️"], "🤦🏿", 1, 1),
        (["👍"], "👍🏽", 1, 1),
        (["🤦"], "🙅", 0, 1),
        (["💔"], "❤", 0, 1),
        (["❤"], "❤️", 1, 1),
        (["👍"], "🤦", 0, 0),
        (["🦄"], "🦄", 1, 1),  # not in the table
        (["🦄", "🐴"], "❤️", 0, 0),
    ],
)
def test_skin_tone_and_gender_or_all_but_the_subcategory_may_be_ignored(answers, emoji, is_neutral, is_near):
    assert same([answers], [emoji], neutral(TABLE)) == [is_neutral]
    assert same([answers], [emoji], subcategory(TABLE)) == [is_near]
