"""What stage 4 makes of verdicts: enough votes, graders that fell for canaries, votes weighed by reliability."""

import random
from types import SimpleNamespace

import yaml

from emojisummary.agreement import canary_rates, trusted
from emojisummary.combining import merge
from emojisummary.graders import accept, as_text, report


def settings(**changes):
    return SimpleNamespace(**{"quorum": 1, "weighting": "votes", "least_probability": 0.5} | changes)


def vote(id, grader, verdict, truth=None):
    facts = {"id": id, "text": f"text {id}", "answer": "🍔", "language": "english", "grader": grader, "verdict": verdict}
    return facts | ({"truth": truth} if truth else {})


def accepted(votes, canaries=(), left_out=(), **changes):
    rows = merge([one for one in votes if one["grader"] not in left_out], {})
    return [row["id"] for row in accept(rows, [*votes, *canaries], left_out, settings(**changes))]


def test_a_row_needs_enough_yes():
    votes = [vote("a", "x", "yes"), vote("a", "y", "yes"), vote("b", "x", "yes"), vote("b", "y", "no"), vote("c", "x", "no")]
    assert accepted(votes) == ["a", "b"]
    assert accepted(votes, quorum=2) == ["a"]


def test_unclear_is_never_a_yes():
    votes = [vote("a", "x", "unclear"), vote("a", "y", "unclear")]
    assert accepted(votes) == []
    assert accepted(votes, weighting="dawid-skene") == []


def test_graders_who_accept_what_is_wrong_do_not_count():
    """`lax` says yes to everything, the pairs known to be wrong included."""
    canaries = [vote(f"w{n}", grader, verdict, "no") for n in range(20) for grader, verdict in (("lax", "yes"), ("fair", "no"))]
    votes = [vote("a", "lax", "yes"), vote("a", "fair", "no"), vote("b", "lax", "yes"), vote("b", "fair", "yes")]
    kept, left_out = trusted(canary_rates(canaries), 0.3)
    assert (kept, left_out) == (["fair"], {"lax": 1.0})
    assert accepted(votes, canaries, left_out) == ["b"]


def simulated(rows=400):
    """Two good graders and a coin; (votes, canaries, ids that deserve a yes)."""
    chance = random.Random(1)
    right = {"good": 0.95, "better": 0.97, "coin": 0.5}
    truth = {str(n): chance.random() < 0.6 for n in range(rows)}
    votes = [
        vote(id, grader, "yes" if deserved == (chance.random() < share) else "no")
        for id, deserved in truth.items()
        for grader, share in right.items()
    ]
    canaries = [
        vote(f"c{n}", grader, "yes" if (n % 2 == 0) == (chance.random() < share) else "no", "no" if n % 2 else "yes")
        for n in range(40)
        for grader, share in right.items()
    ]
    return votes, canaries, {id for id, deserved in truth.items() if deserved}


def test_weighing_votes_by_reliability_lets_fewer_wrong_rows_through():
    votes, canaries, deserved = simulated()
    counted = set(accepted(votes, canaries))
    weighed = set(accepted(votes, canaries, weighting="dawid-skene"))
    assert len(weighed - deserved) < len(counted - deserved)
    assert len(weighed & deserved) > 0.9 * len(deserved)


def test_the_report_is_yaml_and_a_table():
    votes, canaries, _ = simulated()
    found = report(votes, canaries)
    assert yaml.safe_load(yaml.safe_dump(found)) == found
    rates = {one["grader"]: one["false_accept"]["value"] for one in found["canaries"]}
    assert rates["coin"] > max(rates["good"], rates["better"])
    assert 0 < found["agreement"]["krippendorff_alpha"] < 0.8
    text = as_text(found)
    assert all(grader in text for grader in ("good", "better", "coin"))
    assert "alpha" in text
