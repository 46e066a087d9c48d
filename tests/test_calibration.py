from itertools import pairwise

import numpy as np
import pytest

from emojisummary.calibration import (
    accepted_matrix,
    brier,
    calibrate,
    conformal_threshold,
    ece,
    fit_temperature,
    nll,
    prediction_sets,
    risk_coverage,
    tempered,
    top_label,
)


def softmax(logits):
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def world(n, seed, emoji=12, temperature=1.0, more=0.05):
    """Probabilities of a model that is as sure as if its true ones had been tempered, and the accepted answers.

    The first accepted answer is drawn from the true probabilities, others are there by chance.
    """
    chance = np.random.default_rng(seed)
    logits = chance.normal(size=(n, emoji)) * 2
    true = softmax(logits)
    drawn = (true.cumsum(axis=1) > chance.random((n, 1))).argmax(axis=1)
    accepted = chance.random((n, emoji)) < more
    accepted[np.arange(n), drawn] = True
    return softmax(logits / temperature), accepted


# --- accepted answers ---


def test_accepted_answers_are_found_with_or_without_vs16():
    matrix = accepted_matrix(["❤", "🍔", "🍟"], [["❤️", "🍟"], ["🍔"], ["🦄"]])
    assert matrix.tolist() == [[True, False, True], [False, True, False], [False, False, False]]


# --- temperature ---


def test_hand_worked_tempering():
    squared = [[0.36 / 0.46, 0.09 / 0.46, 0.01 / 0.46]]
    assert tempered([[0.6, 0.3, 0.1]], 0.5) == pytest.approx(np.array(squared))
    assert tempered([[0.64, 0.36]], 2) == pytest.approx(np.array([[0.8 / 1.4, 0.6 / 1.4]]))
    assert tempered([[0.9, 0.1, 0.0]], 2)[0, 2] == 0


@pytest.mark.parametrize("temperature", [0.05, 0.3, 1, 3, 20])
def test_tempering_keeps_sums_and_order_and_can_be_undone(temperature):
    probabilities, _ = world(50, seed=1)
    result = tempered(probabilities, temperature)
    assert result.sum(axis=1) == pytest.approx(np.ones(50))
    assert (result.argmax(axis=1) == probabilities.argmax(axis=1)).all()
    if temperature >= 0.3:  # below, the small ones are too small to come back
        assert tempered(result, 1 / temperature) == pytest.approx(probabilities)


def test_a_hot_row_is_flat_and_a_cold_one_is_sure():
    sureness = [tempered([[0.5, 0.3, 0.2]], temperature).max() for temperature in (0.05, 0.5, 1, 2, 20)]
    assert all(a > b for a, b in pairwise(sureness))
    assert sureness[0] == pytest.approx(1, abs=1e-4)
    assert sureness[-1] == pytest.approx(1 / 3, abs=0.02)


def test_very_small_probabilities_survive_the_cold():
    assert tempered(np.array([[1e-200, 1e-201]]), 0.05)[0].sum() == pytest.approx(1)


@pytest.mark.parametrize("temperature", [0, -1, float("nan")])
def test_a_temperature_is_positive(temperature):
    with pytest.raises(ValueError, match="above 0"):
        tempered([[0.5, 0.5]], temperature)


def test_hand_worked_nll():
    probabilities = np.array([[0.5, 0.25, 0.25], [0.1, 0.2, 0.7], [0.3, 0.3, 0.4]])
    accepted = np.array([[1, 1, 0], [0, 1, 0], [0, 0, 0]], dtype=bool)  # the third text has no answer that is known
    assert nll(probabilities, accepted) == pytest.approx(-(np.log(0.75) + np.log(0.2)) / 2)
    assert np.isfinite(nll(np.array([[1.0, 0.0]]), np.array([[False, True]])))


def test_the_temperature_of_two_emoji_is_the_one_on_paper():
    """3 of 4 texts get their first emoji, said to have 90 %: 9^(1/t) = 3, so that t = 2."""
    probabilities = np.array([[0.9, 0.1]] * 4)
    accepted = np.array([[True, False]] * 3 + [[False, True]])
    assert fit_temperature(probabilities, accepted) == pytest.approx(2, rel=1e-3)
    assert tempered(probabilities, 2)[0, 0] == pytest.approx(0.75)


@pytest.mark.parametrize("temperature", [0.2, 0.5, 1, 2, 5])
def test_the_temperature_that_a_model_was_spoilt_with_is_found(temperature):
    probabilities, accepted = world(4000, seed=3, temperature=temperature, more=0)
    assert fit_temperature(probabilities, accepted) == pytest.approx(1 / temperature, rel=0.08)


@pytest.mark.parametrize("seed", range(5))
def test_no_temperature_of_a_fine_grid_is_better(seed):
    probabilities, accepted = world(100, seed, temperature=0.4, more=0.2)
    accepted[:10] = False
    losses = [nll(tempered(probabilities, temperature), accepted) for temperature in np.geomspace(0.05, 20, 600)]
    assert nll(tempered(probabilities, fit_temperature(probabilities, accepted)), accepted) <= min(losses) + 1e-7


def test_the_temperature_is_never_worse_than_1():
    assert fit_temperature(np.full((20, 4), 0.25), np.eye(4, dtype=bool)[[0, 1, 2, 3] * 5]) == 1  # all are as good


def test_always_right_is_as_cold_and_always_wrong_as_hot_as_may_be():
    probabilities = np.array([[0.6, 0.3, 0.1]] * 9)
    assert fit_temperature(probabilities, np.array([[True, False, False]] * 9)) < 0.1
    assert fit_temperature(probabilities, np.array([[False, False, True]] * 9)) == pytest.approx(20, rel=0.01)


@pytest.mark.parametrize(
    ("probabilities", "accepted", "problem"),
    [
        ([[0.5, 0.5]], [[True]], "Shapes"),
        ([0.5, 0.5], [True, False], "Shapes"),
        ([[0.5, 0.1]], [[True, False]], "sum to 1"),
        ([[0.5, 0.5]], [[False, False]], "No text"),
        (np.empty((0, 3)), np.empty((0, 3), dtype=bool), "No text"),
    ],
)
def test_what_is_no_calibration_data_is_refused(probabilities, accepted, problem):
    with pytest.raises(ValueError, match=problem):
        fit_temperature(np.array(probabilities), np.array(accepted))


# --- measures ---


def test_the_top_label_is_right_where_it_is_accepted():
    probabilities = np.array([[0.5, 0.3, 0.2], [0.1, 0.2, 0.7]])
    confidence, correct = top_label(probabilities, np.array([[True, True, False], [True, True, False]]))
    assert confidence.tolist() == [0.5, 0.7]
    assert correct.tolist() == [True, False]


def test_hand_worked_ece():
    """Bins of a fifth: two texts at 0.7 and 0.8, one right: |0.5 - 0.75|; two at 0.9 and 1.0, both right: |1 - 0.95|."""
    assert ece([0.7, 0.8, 0.9, 1.0], [True, False, True, True], bins=5) == pytest.approx((2 * 0.25 + 2 * 0.05) / 4)
    assert ece([0.7, 0.8, 0.9, 1.0], [True, False, True, True], bins=1) == pytest.approx(abs(0.75 - 0.85))


def test_hand_worked_brier():
    assert brier([0.7, 0.8, 1.0], [True, False, True]) == pytest.approx((0.09 + 0.64 + 0) / 3)


@pytest.mark.parametrize(
    ("confidence", "correct", "expected"), [(1.0, True, 0), (1.0, False, 1), (0.0, False, 0), (0.0, True, 1)]
)
def test_the_ends_of_ece_and_brier(confidence, correct, expected):
    assert ece([confidence] * 3, [correct] * 3) == brier([confidence] * 3, [correct] * 3) == expected


def test_an_honest_model_has_a_small_ece_and_an_overconfident_one_a_large_one():
    honest = ece(*top_label(*world(5000, seed=4, more=0)))
    overconfident = ece(*top_label(*world(5000, seed=4, more=0, temperature=0.3)))
    assert honest < 0.03
    assert overconfident > 0.2


# --- prediction sets ---


@pytest.mark.parametrize(
    ("n", "alpha", "k"),
    [(9, 0.1, 9), (10, 0.1, 10), (19, 0.1, 18), (20, 0.1, 19), (99, 0.1, 90), (3, 0.5, 2), (19, 0.05, 19), (999, 0.3, 700)],
)
def test_the_threshold_is_the_kth_smallest_score(n, alpha, k):
    best = np.random.default_rng(1).permutation(np.linspace(0.01, 0.99, n))  # probability of the accepted answer
    probabilities, accepted = np.stack([best, 1 - best], axis=1), np.array([[True, False]] * n)
    assert conformal_threshold(probabilities, accepted, alpha) == np.sort(1 - best)[k - 1]


def test_too_few_texts_let_every_emoji_in():
    probabilities, accepted = world(8, seed=1)  # 9 · 0.9 = 8.1: the 9th smallest of 8
    assert conformal_threshold(probabilities, accepted) == 1
    assert prediction_sets(probabilities, 1.0).all()


def test_the_best_accepted_answer_counts():
    probabilities = np.array([[0.6, 0.3, 0.1]] * 20)
    assert conformal_threshold(probabilities, np.array([[False, True, True]] * 20)) == 1 - 0.3
    assert prediction_sets(probabilities, 1 - 0.3)[0].tolist() == [True, True, False]
    assert not prediction_sets(probabilities, 0.3).any()


@pytest.mark.parametrize(("unknown", "threshold"), [(0, 1 - 0.6), (2, 1 - 0.6), (3, 1)])
def test_a_text_whose_answers_are_unknown_has_the_worst_score(unknown, threshold):
    probabilities = np.array([[0.6, 0.4]] * 29)  # the 27th smallest of 29 scores decides
    accepted = np.array([[False, False]] * unknown + [[True, False]] * (29 - unknown))
    assert conformal_threshold(probabilities, accepted) == threshold


@pytest.mark.parametrize("temperature", [0.3, 1, 3])
@pytest.mark.parametrize("alpha", [0.1, 0.3])
def test_the_promise_is_kept_on_average_however_wrong_the_probabilities(temperature, alpha):
    """Coverage over draws of 60 texts has the mean ceil(61 (1 - alpha)) / 61 where scores are continuous."""
    coverage = []
    for seed in range(200):
        probabilities, accepted = world(160, seed, temperature=temperature)
        sets = prediction_sets(probabilities[60:], conformal_threshold(probabilities[:60], accepted[:60], alpha))
        coverage.append((sets & accepted[60:]).any(axis=1).mean())
    expected = np.ceil(61 * (1 - alpha)) / 61
    assert np.mean(coverage) == pytest.approx(expected, abs=4 * np.std(coverage) / 200**0.5)


def test_a_stricter_promise_takes_larger_sets():
    probabilities, accepted = world(300, seed=2)
    sizes = [prediction_sets(probabilities, conformal_threshold(probabilities, accepted, a)).sum() for a in (0.5, 0.2, 0.05)]
    assert sizes[0] < sizes[1] < sizes[2]


# --- withheld answers ---


def test_hand_worked_risk_coverage():
    """From the surest on: right, wrong, right, wrong."""
    risks = risk_coverage([0.4, 0.9, 0.7, 0.8], [False, True, True, False])
    assert risks == pytest.approx([0, 1 / 2, 1 / 3, 2 / 4])


def test_answers_that_are_equally_sure_count_as_their_mean_in_any_order():
    assert risk_coverage([0.9, 0.5, 0.5], [True, False, True]) == pytest.approx([0, 0.25, 1 / 3])
    assert risk_coverage([0.5, 0.5, 0.9], [True, False, True]) == pytest.approx([0, 0.25, 1 / 3])
    assert risk_coverage([0.2] * 4, [True, False, False, False]) == pytest.approx([0.75] * 4)


def test_sureness_that_knows_what_is_right_makes_the_least_area():
    correct = np.random.default_rng(5).random(200) < 0.4
    confidence = np.random.default_rng(6).random(200)
    knowing, ignorant, mistaken = (risk_coverage(c, correct) for c in (correct + confidence, confidence, confidence - correct))
    assert knowing.mean() < ignorant.mean() < mistaken.mean()
    assert knowing[-1] == pytest.approx(1 - correct.mean())
    assert knowing[: correct.sum()].max() == 0


# --- all of it ---


def test_what_results_say():
    dev, test = world(800, seed=8, temperature=0.4, more=0), world(500, seed=9, temperature=0.4, more=0)
    result = calibrate(dev, test, 200, seed=7)
    assert list(result) == ["temperature", "n", "before", "after", "prediction_sets", "risk_coverage"]
    assert result["temperature"] == pytest.approx(2.5, rel=0.1)
    assert result["n"] == {"dev": 800, "test": 500}
    assert all(result["after"][name] < result["before"][name] for name in ("nll", "ece", "brier"))
    sets = result["prediction_sets"]
    assert sets["wanted"] == 0.9
    assert sets["coverage"]["n"] == 500
    assert sets["coverage"]["low"] < 0.9 < sets["coverage"]["high"] + 0.02
    assert 1 < sets["mean_size"] < 12
    assert [point["coverage"] for point in result["risk_coverage"]["curve"]] == pytest.approx([k / 10 for k in range(1, 11)])
    last = result["risk_coverage"]["curve"][-1]
    assert last["error"] == pytest.approx(1 - top_label(*test)[1].mean(), abs=1e-4)
    assert last["confidence"] == pytest.approx(test[0].max(axis=1).min(), abs=1e-4)


def test_only_dev_decides_what_is_fitted():
    dev = world(300, seed=1)
    first, second = (calibrate(dev, world(n, seed=n), 50, seed=7) for n in (100, 200))
    assert first["temperature"] == second["temperature"]
    assert first["prediction_sets"]["least_probability"] == second["prediction_sets"]["least_probability"]


def test_three_texts_will_do():
    result = calibrate(world(3, seed=1), world(3, seed=2), 50, seed=7)
    assert [point["coverage"] for point in result["risk_coverage"]["curve"]] == pytest.approx([1 / 3, 2 / 3, 1], abs=1e-4)
    assert result["prediction_sets"]["least_probability"] == 0
    assert result["prediction_sets"]["mean_size"] == 12
