import random
from collections import Counter

import pytest
from scipy.stats import binomtest

from emojisummary.agreement import canaries, canary_rates, dawid_skene, krippendorff_alpha, raw_agreement, trusted, wilson
from emojisummary.combining import normalise
from emojisummary.emojis import plain
from emojisummary.stage import UserError
from emojisummary.tasks.base import topic_id

KINDS = {  # category -> subcategory -> emoji
    "smileys-emotion": {"face-smiling": "😂 😀 🤣", "heart": "❤️ 💔 💗", "face-negative": "😡 💀"},
    "food-drink": {"food-prepared": "🍔 🍕 🌮", "drink": "🍺 ☕", "food-fruit": "🍇 🍎"},
    "travel-places": {"transport-air": "✈️ 🚀", "sky-weather": "🌧️ 🔥 ☀️"},
}
TABLE = {
    emoji: {"category": category, "subcategory": subcategory}
    for category, inner in KINDS.items()
    for subcategory, emoji_of in inner.items()
    for emoji in emoji_of.split()
}


def row(number, emoji, also="", text=None, form="tweet"):
    return {
        "id": topic_id("summary", number),
        "emoji": emoji,
        "text": text or f"text number {number}",
        "answer": emoji,
        "also": also,
        "language": "english",
        "type": "paragraph",
        "form": form,
        "teacher": "phrasebook",
    }


def generated(n, seed=0):
    """Rows of three forms, some texts several times with another answer, `also` with and without VS16."""
    chance = random.Random(seed)
    emoji = sorted(TABLE)
    return [
        row(
            number,
            chance.choice(emoji),
            also=" ".join(chance.choice((str, plain))(e) for e in chance.sample(emoji, chance.randint(0, 3))),
            text=f"Text number {chance.randrange(n)}!",
            form=chance.choice(["tweet", "diary", "review"]),
        )
        for number in range(n)
    ]


def judged(n, language="english"):
    answers = ["🍔 🍕", "☕", "❤ 💗", "✈️ 🚀", "🦄 😀"]  # ❤ isn't the table's spelling, 🦄 isn't in the table
    return [{"text": f"{language} {i}", "answers": answers[i % 5], "language": language} for i in range(n)]


def vote(id, grader, verdict, truth="", language="english"):
    return {"id": str(id), "grader": grader, "verdict": verdict, "truth": truth, "language": language}


def simulated(n, graders, frequent=0.7, unclear=0.0, known=0, seed=0):
    """Votes of graders with (sensitivity, specificity) on n rows, the first `known` of them canaries; and the truth."""
    chance = random.Random(seed)
    truth = {str(i): chance.random() < (0.5 if i < known else frequent) for i in range(n)}
    rows = []
    for id, right in truth.items():
        for grader, (sensitivity, specificity) in graders.items():
            yes = chance.random() < (sensitivity if right else 1 - specificity)
            verdict = "unclear" if chance.random() < unclear else ("yes" if yes else "no")
            rows.append(vote(id, grader, verdict, truth=("yes" if right else "no") if int(id) < known else ""))
    return rows, truth


def shuffled(rows, seed):
    return random.Random(seed).sample(rows, len(rows))


def wrong(rows):
    return [r for r in rows if r["truth"] == "no"]


def source(canary, rows):
    """The row that a known-wrong pair was made from, found by what the canary's id is made from."""
    (found,) = [r for r in rows if canary["id"] == topic_id("canary", r["id"], plain(canary["emoji"]))]
    return found


# --- canaries ---


@pytest.mark.parametrize(("n", "number"), [(10, 3), (150, 3), (200, 4), (1000, 20)])
def test_a_share_of_known_wrong_and_as_many_known_right(n, number):
    made = canaries(generated(n), judged(50), 0.02, 1, TABLE)
    assert Counter(r["truth"] for r in made) == {"yes": number, "no": number}


def test_no_more_than_there_is_material():
    only_food = [row(1, "🍔"), row(2, "🍔"), row(3, "🍕")]
    assert canaries(only_food, judged(50, "german"), 0.02, 1, TABLE) == []
    assert len(canaries([row(1, "🍔"), row(2, "☕")], judged(2), 0.02, 1, TABLE)) == 4
    assert canaries([], judged(50), 0.02, 1, TABLE) == []
    assert canaries(generated(500), judged(50), 0, 1, TABLE) == []


@pytest.mark.parametrize("seed", range(30))
def test_a_known_wrong_pair_never_has_an_accepted_emoji(seed):
    rows = generated(60, seed)
    right = [{"text": "text NUMBER 7", "answers": "🍔 🍎 ☀", "language": "english"}, *judged(9)]
    accepted = {}
    for r in [*rows, *right]:
        emoji = f"{r.get('emoji', '')} {r.get('also', '')} {r.get('answers', '')}"
        accepted.setdefault(normalise(r["text"]), set()).update(plain(emoji).split())
    for r in wrong(canaries(rows, right, 0.5, seed, TABLE)):
        assert plain(r["emoji"]) not in accepted[normalise(r["text"])]
        assert r["answer"] == r["emoji"] and r["also"] == ""


@pytest.mark.parametrize("seed", range(10))
def test_half_are_from_another_category_and_half_from_another_subcategory_of_the_same(seed):
    rows = [r | {"text": f"{r['id']}", "also": ""} for r in generated(300, seed)]
    counts = Counter()
    for r in wrong(canaries(rows, [], 0.1, seed, TABLE)):
        old, new = TABLE[source(r, rows)["emoji"]], TABLE[r["emoji"]]
        assert old["subcategory"] != new["subcategory"]
        counts["hard" if old["category"] == new["category"] else "easy"] += 1
    assert counts == {"hard": 15, "easy": 15}


def test_also_protects_its_whole_category():
    rows = [row(1, "🍔", also="☕ 😀"), row(2, "🍎"), row(3, "❤️"), row(4, "✈️")]
    pairs = {(source(r, rows)["emoji"], r["emoji"]) for s in range(50) for r in wrong(canaries(rows, [], 1, s, TABLE))}
    assert {new for old, new in pairs if old == "🍔"} == {"✈️", "🍎"}  # easy, hard


def test_rows_whose_emoji_is_not_in_the_table_are_passed_over():
    rows = [row(1, "🦄"), row(2, "🍔", also="🦄"), row(3, "😀")]
    made = canaries(rows, [], 1, 0, TABLE)
    assert {source(r, rows)["emoji"] for r in made} == {r["emoji"] for r in made} == {"🍔", "😀"}


def test_the_emoji_is_of_a_row_of_the_same_form_where_there_is_one():
    rows = [row(1, "🍔"), row(2, "😀"), row(3, "☕"), row(4, "💔"), row(5, "🍺", form="diary"), row(6, "✈️", form="diary")]
    for seed in range(20):
        for r in wrong(canaries(rows, [], 1, seed, TABLE)):
            old = source(r, rows)
            if old["form"] == "tweet":
                assert r["emoji"] in "🍔😀☕💔"
            elif old["emoji"] == "🍺":  # hard: no other food in a diary
                assert r["emoji"] in "✈️🍔"


def test_known_right_pairs_have_the_best_answer_and_the_facts_of_the_file():
    right = judged(50) + judged(50, "german")
    made = [r for r in canaries(generated(400), right, 0.05, 3, TABLE) if r["truth"] == "yes"]
    best = {r["text"]: r["answers"].split()[0] for r in right}
    assert len(made) == 20
    for r in made:
        assert r["emoji"] == r["answer"] == best[r["text"]] and r["emoji"] in TABLE
        assert (r["language"], r["type"], r["teacher"]) == ("english", "paragraph", "phrasebook")


def test_the_same_canaries_whatever_the_order_and_others_for_another_seed():
    rows, right = generated(300), judged(50)
    made = canaries(rows, right, 0.1, 5, TABLE)
    assert made == canaries(shuffled(rows, 1), shuffled(right, 2), 0.1, 5, dict(reversed(TABLE.items())))
    assert made != canaries(rows, right, 0.1, 6, TABLE)


def test_canaries_have_ids_of_their_own_and_their_order_gives_nothing_away():
    rows = generated(1000)
    ids = [r["id"] for r in canaries(rows, judged(200), 0.1, 5, TABLE)]
    assert len({*ids, *(r["id"] for r in rows)}) == len(ids) + len(rows)
    assert ids == sorted(ids)


def test_the_rows_given_stay_as_they_are():
    rows, right = generated(100), judged(20)
    canaries(rows, right, 0.1, 5, TABLE)
    assert rows == generated(100) and right == judged(20)


# --- rates ---


def test_rates_by_hand():
    verdicts = {"no": ["yes", "no", "no", "unclear"], "yes": ["yes", "no", "unclear", "yes", "yes"]}
    rows = [vote(f"{truth}{i}", "one", v, truth) for truth, given in verdicts.items() for i, v in enumerate(given)]
    (rate,) = canary_rates([*rows, vote("real", "one", "yes")]).values()
    assert (rate["n_wrong"], rate["n_right"]) == (4, 5)
    assert [rate[key]["value"] for key in ("false_accept", "false_reject", "unclear")] == [1 / 4, 2 / 5, 2 / 9]


def test_rates_without_canaries_of_a_kind_are_none():
    rate = canary_rates([vote(1, "one", "unclear", "yes", "german")])["one", "german"]
    assert rate["n_wrong"] == 0 and set(rate["false_accept"].values()) == {None}
    assert rate["false_reject"]["value"] == rate["unclear"]["value"] == 1.0
    assert canary_rates([vote(1, "one", "yes")]) == {}


@pytest.mark.parametrize("n", [1, 2, 10, 57, 1000])
def test_wilson_is_that_of_scipy(n):
    for count in {0, 1, n // 3, n // 2, n - 1, n}:
        known = binomtest(count, n).proportion_ci(0.95, method="wilson")
        ours = wilson(count, n)
        assert (ours["low"], ours["value"], ours["high"]) == pytest.approx((known.low, count / n, known.high), abs=1e-12)
        assert 0 <= ours["low"] <= ours["high"] <= 1


def test_known_error_rates_are_recovered():
    graders = {"good": (0.9, 0.95), "lenient": (0.98, 0.6)}
    rows, _ = simulated(4000, graders, known=4000, seed=1)
    rates = canary_rates(rows)
    for grader, (sensitivity, specificity) in graders.items():
        assert rates[grader, "english"]["false_reject"]["value"] == pytest.approx(1 - sensitivity, abs=0.03)
        assert rates[grader, "english"]["false_accept"]["value"] == pytest.approx(1 - specificity, abs=0.04)  # 3.7 errors


def test_trusted_leaves_out_who_is_above_the_limit_over_all_languages():
    rows = [vote(i, "a", "yes" if i < 3 else "no", "no", "english") for i in range(10)]
    rows += [vote(i, "a", "no", "no", "german") for i in range(10, 30)]  # together 3 of 30
    rows += [vote(i, "b", "yes" if i % 2 else "no", "no") for i in range(10)]
    rows += [vote(99, "c", "no", "yes")]
    rates = canary_rates(rows)
    assert trusted(rates, None) == (["a", "b", "c"], {})
    assert trusted(rates, 0.2) == (["a", "c"], {"b": 0.5})
    assert trusted(rates, 0.1) == (["a", "c"], {"b": 0.5})  # at the limit, not above
    assert trusted(rates, 0.09) == (["c"], {"a": 0.1, "b": 0.5})
    assert trusted({}, 0.1) == ([], {})


# --- agreement ---

KRIPPENDORFF = {  # Computing Krippendorff's Alpha-Reliability, 2011: a line for each observer, . is missing; alpha as printed
    "A, binary": (["0100000010", "1110010000"], 0.095),
    "B, nominal": (["aabbdcccedda", "babbbccceddd"], 0.692),
    "C, four observers": (["123321412...", "1233224125.3", ".3332342251.", "12332441251."], 0.743),
}


def observed(lines):
    cells = [(str(unit), f"observer {n}", c) for n, line in enumerate(lines) for unit, c in enumerate(line)]
    return [vote(unit, grader, c) for unit, grader, c in cells if c != "."]


@pytest.mark.parametrize("name", KRIPPENDORFF)
def test_alpha_of_published_examples(name):
    lines, alpha = KRIPPENDORFF[name]
    assert len({len(line) for line in lines}) == 1
    assert krippendorff_alpha(observed(lines)) == pytest.approx(alpha, abs=0.0006)


def test_unclear_is_missing_unless_asked_for():
    rows = observed(["yyn", "ynn"])
    rows = [r | {"verdict": {"y": "yes", "n": "no"}[r["verdict"]]} for r in rows]
    more = [*rows, vote(9, "observer 0", "unclear"), vote(9, "observer 1", "unclear")]
    assert krippendorff_alpha(more) == krippendorff_alpha(rows)
    assert raw_agreement(more) == raw_agreement(rows)
    assert krippendorff_alpha(more, unclear=True) > krippendorff_alpha(rows)
    assert raw_agreement(more, unclear=True)["overall"] == {"value": 3 / 4, "n": 4}


def test_alpha_is_none_without_pairs_or_variation():
    assert krippendorff_alpha([]) is None
    assert krippendorff_alpha([vote(1, "a", "yes"), vote(2, "b", "no")]) is None
    assert krippendorff_alpha([vote(1, "a", "yes"), vote(1, "b", "yes")]) is None
    assert krippendorff_alpha([vote(1, "a", "unclear"), vote(1, "b", "unclear")]) is None


def test_alpha_of_coins_is_zero():
    rows, _ = simulated(5000, {"a": (0.5, 0.5), "b": (0.5, 0.5), "c": (0.5, 0.5)})
    assert krippendorff_alpha(rows) == pytest.approx(0, abs=0.03)


def test_raw_agreement_by_hand():
    rows = [
        vote(1, "a", "yes"),
        vote(1, "b", "yes"),
        vote(1, "c", "no"),
        vote(2, "a", "no"),
        vote(2, "b", "yes"),
        vote(3, "d", "no"),
    ]
    result = raw_agreement(rows)
    assert result["overall"] == {"value": 1 / 4, "n": 4}
    assert result["pairs"]["a", "b"] == {"value": 1 / 2, "n": 2}
    assert result["pairs"]["b", "c"] == {"value": 0.0, "n": 1}
    assert result["pairs"]["a", "d"] == {"value": None, "n": 0}
    assert raw_agreement([]) == {"overall": {"value": None, "n": 0}, "pairs": {}}


@pytest.mark.parametrize("function", [raw_agreement, krippendorff_alpha, dawid_skene])
def test_two_verdicts_of_one_grader_on_one_row_are_refused(function):
    with pytest.raises(UserError, match="one gave row 1 two different verdicts"):
        function([vote(1, "one", "yes"), vote(1, "one", "no")])
    function([vote(1, "one", "yes"), vote(1, "one", "yes")])


# --- Dawid and Skene ---

GRADERS = {"good": (0.95, 0.9), "strict": (0.7, 0.97), "lenient": (0.97, 0.6)}


@pytest.mark.parametrize("known", [0, 200])
def test_dawid_skene_recovers_known_skills(known):
    rows, _ = simulated(6000, GRADERS, unclear=0.05, known=known, seed=2)
    _, skills = dawid_skene(rows)
    for grader, expected in GRADERS.items():
        assert skills[grader] == pytest.approx(expected, abs=0.05)


def test_the_posterior_is_right_more_often_than_the_majority_and_calibrated():
    rows, truth = simulated(6000, GRADERS | {"coin": (0.5, 0.5), "dice": (0.5, 0.5)}, seed=3)
    posterior, _ = dawid_skene(rows)
    yes = Counter(r["id"] for r in rows if r["verdict"] == "yes")
    ours = sum((posterior[id] > 0.5) == right for id, right in truth.items())
    assert ours > sum((yes[id] > 2) == right for id, right in truth.items()) + 100
    likely = [truth[id] for id, p in posterior.items() if 0.6 < p < 0.9]
    assert 0.6 < sum(likely) / len(likely) < 0.9


def test_anchors_tell_who_is_right_where_the_majority_is_wrong():
    graders = {"expert": (0.95, 0.95), "contrary": (0.1, 0.1), "contrary too": (0.1, 0.1)}
    rows, truth = simulated(1000, graders, known=150, seed=4)
    posterior, skills = dawid_skene(rows)
    assert skills["expert"] == pytest.approx((0.95, 0.95), abs=0.06)
    assert skills["contrary"] == pytest.approx((0.1, 0.1), abs=0.06)
    assert all(posterior[id] == float(truth[id]) for id in map(str, range(150)))
    assert sum((posterior[id] > 0.5) == right for id, right in truth.items()) > 950


def test_few_votes_do_not_make_a_grader_perfect_or_hopeless():
    rows, _ = simulated(500, {"good": (0.95, 0.95), "other": (0.9, 0.9)}, seed=5)
    id = next(r["id"] for r in rows if r["verdict"] == "yes")
    _, skills = dawid_skene([*rows, vote(id, "new", "no"), vote(id, "silent", "unclear")])
    assert skills["silent"] == (0.75, 0.75)
    assert all(0.5 < skill < 0.8 for skill in skills["new"])
    _, skills = dawid_skene([vote(i, g, "yes") for i in range(50) for g in "ab"])
    assert all(0 < skill < 1 for both in skills.values() for skill in both)


def test_how_frequent_yes_is_does_not_depend_on_canaries():
    rows, _ = simulated(3000, GRADERS, frequent=0.9, seed=6)
    blank = vote("blank", "good", "unclear")
    alone, _ = dawid_skene([*rows, blank])
    no = [vote(f"canary {i}", g, "no", "no") for i in range(1000) for g in GRADERS]
    mixed, _ = dawid_skene([*rows, blank, *no])
    assert alone["blank"] == pytest.approx(0.9, abs=0.03)
    assert mixed["blank"] == pytest.approx(0.9, abs=0.05)


def test_dawid_skene_of_little():
    assert dawid_skene([]) == ({}, {})
    posterior, _ = dawid_skene([vote(1, "a", "unclear")])
    assert posterior == {"1": pytest.approx(0.5)}
    posterior, _ = dawid_skene([vote(1, "a", "yes"), vote(2, "a", "no")])
    assert posterior["1"] > 0.5 > posterior["2"]
    posterior, _ = dawid_skene([vote(1, "a", "yes", truth="no")])
    assert posterior == {"1": 0.0}


# --- what holds of all ---


@pytest.mark.parametrize("function", [canary_rates, raw_agreement, krippendorff_alpha, dawid_skene])
@pytest.mark.parametrize("seed", range(10))
def test_the_order_of_rows_does_not_matter(function, seed):
    rows, _ = simulated(200, GRADERS, unclear=0.2, known=60, seed=seed)
    assert function(rows) == function(shuffled(rows, seed)) == function(rows)


@pytest.mark.parametrize("seed", range(10))
def test_unclear_never_counts_as_yes(seed):
    rows, _ = simulated(100, GRADERS, known=50, seed=seed)
    dimmed = [r | {"verdict": "unclear"} if random.Random(f"{seed}{i}").random() < 0.3 else r for i, r in enumerate(rows)]
    before, after = canary_rates(rows), canary_rates(dimmed)
    for key in before:
        assert after[key]["false_accept"]["value"] <= before[key]["false_accept"]["value"]
        assert after[key]["false_reject"]["value"] >= before[key]["false_reject"]["value"]
    voted = [r for r in dimmed if r["verdict"] != "unclear"]
    heard, alone = dawid_skene(dimmed), dawid_skene(voted)
    assert all(heard[0][id] == pytest.approx(p, abs=0.02) for id, p in alone[0].items())
    assert krippendorff_alpha(dimmed) == krippendorff_alpha(voted)


@pytest.mark.parametrize("seed", range(20))
def test_all_shares_and_probabilities_are_within_0_and_1(seed):
    chance = random.Random(seed)
    rows = [
        vote(
            i,
            g,
            chance.choice(["yes", "no", "unclear"]),
            chance.choice(["", "yes", "no"]),
            chance.choice(["english", "german"]),
        )
        for i in range(chance.randint(1, 20))
        for g in "abcd"[: chance.randint(1, 4)]
    ]
    posterior, skills = dawid_skene(rows)
    assert posterior.keys() == {r["id"] for r in rows} and all(0 <= p <= 1 for p in posterior.values())
    assert skills.keys() == {r["grader"] for r in rows} and all(0 < s < 1 for both in skills.values() for s in both)
    alpha = krippendorff_alpha(rows)
    assert alpha is None or -1 <= alpha <= 1
    shares = [raw_agreement(rows)["overall"], *raw_agreement(rows)["pairs"].values()]
    assert all(share["value"] is None or 0 <= share["value"] <= 1 for share in shares)
