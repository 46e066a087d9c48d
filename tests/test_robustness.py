"""The pairs themselves, and what toy models with known answers score on them."""

from collections import Counter
from pathlib import Path

import pytest

from emojisummary.emojis import Lookup, read_tables
from emojisummary.models.frequent import MostFrequent
from emojisummary.robustness import as_text, by_kind, read_cases, robustness, score
from emojisummary.stage import UserError
from tests.conftest import ROOT

PATH = ROOT / "data" / "robustness.tsv"
CASES = read_cases(PATH)
KINDS = ["negation", "typos", "case", "punctuation", "emoji", "names", "language", "short", "long", "injection"]
SAME = {"kind": "case", "text": "a", "changed": "A", "expect": "same", "accepted": "❤️ 💕"}
DIFFERENT = {"kind": "negation", "text": "yes", "changed": "no", "expect": "different", "accepted": "💔"}


class ByHeart:
    def __init__(self, **answers):
        self.answers = answers

    def rank(self, texts, top=5):
        return [[(self.answers[text], 1.0)] if self.answers.get(text) else [] for text in texts]


# --- the pairs ---


def test_every_kind_has_at_least_ten_pairs():
    counts = Counter(case["kind"] for case in CASES)
    assert list(counts) == KINDS
    assert min(counts.values()) >= 10


def test_all_pairs_differ_and_none_is_there_twice():
    assert all(case["text"] != case["changed"] for case in CASES)
    assert len({case["changed"] for case in CASES}) == len({case["text"] for case in CASES}) == len(CASES)


def test_all_accepted_emoji_are_in_the_table_as_it_spells_them():
    emoji_of = Lookup(read_tables([str(ROOT / "data/16_all_emoji.tsv")], str(ROOT / "data/2021_ranked.tsv"))[0])
    for case in CASES:
        accepted = case["accepted"].split()
        assert [emoji_of.get(emoji) for emoji in accepted] == accepted
        assert len(set(accepted)) == len(accepted)


def test_lengths_and_case_are_what_their_kinds_say():
    for case in CASES:
        before, after = (len(case[side].split()) for side in ("text", "changed"))
        assert case["kind"] != "short" or (after <= 2 and before > 10)
        assert case["kind"] != "long" or (before <= 7 and after > 60)
        assert case["kind"] != "case" or case["text"].lower() == case["changed"].lower()


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ("case\ta\tA\tequal\t❤️", "line 2.*'equal', not one of same, different"),
        ("case\ta\tA\tsame\t", "line 2.*a field is empty"),
        ("", "no rows"),
    ],
)
def test_a_broken_file_is_refused(tmp_path, row, problem):
    path: Path = tmp_path / "cases.tsv"
    path.write_text(f"kind\ttext\tchanged\texpect\taccepted\n{row}\n", encoding="utf-8")
    with pytest.raises(UserError, match=problem):
        read_cases(path)


# --- scores ---


@pytest.mark.parametrize(
    ("case", "before", "after", "expected"),
    [
        (SAME, "❤️", "❤", (True, True)),
        (SAME, "😂", "😂", (True, False)),
        (SAME, "💕", "❤️", (False, True)),
        (SAME, "", "", (False, False)),  # no answer is no steady answer
        (DIFFERENT, "🎉", "💔", (True, True)),
        (DIFFERENT, "💔", "💔", (False, True)),
        (DIFFERENT, "🎉", "🍔", (False, False)),
        (DIFFERENT, "🎉", "", (False, False)),
    ],
)
def test_scores_of_one_pair(case, before, after, expected):
    assert score(case, before, after) == expected


def test_shares_by_kind_and_of_all():
    shares = by_kind([SAME, SAME, DIFFERENT], [("❤️", "❤️"), ("😂", "❤️"), ("😂", "💔")], 50, 7)
    values = {kind: (found["as_expected"]["value"], found["accepted"]["value"]) for kind, found in shares.items()}
    assert values == {"all": (0.6667, 1), "case": (0.5, 1), "negation": (1, 1)}
    assert shares["case"]["as_expected"]["n"] == 2


def test_a_kind_called_all_counts_each_pair_once():
    shares = by_kind([SAME | {"kind": "all"}, DIFFERENT], [("❤️", "❤️"), ("😂", "😂")], 50, 7)
    assert {kind: found["as_expected"]["n"] for kind, found in shares.items()} == {"all": 2, "negation": 1}


def test_models_side_by_side():
    models = {"good": ByHeart(a="❤️", A="❤️", yes="🎉", no="💔"), "mute": ByHeart(a="❤️", yes="🎉")}
    results = robustness(models, [SAME, DIFFERENT], 50, 7)
    assert results["models"]["good"]["all"]["as_expected"]["value"] == 1
    assert results["models"]["mute"]["all"]["as_expected"]["value"] == 0
    assert results["cases"][1]["good"] == ["🎉", "💔"] and results["cases"][1]["mute"] == ["🎉", ""]
    lines = as_text(results).strip().splitlines()
    assert lines[1].split() == ["change", "pairs", "good", "mute"]
    assert lines[-1].split() == ["all", "2", "100.0", "/", "100.0", "0.0", "/", "0.0"]


def test_whoever_says_the_same_to_all_is_steady_and_wrong():
    frequent = MostFrequent({"😂": {"rank": 1}, "❤️": {"rank": 2}})
    shares = robustness({"frequent": frequent}, CASES, 50, 7)["models"]["frequent"]
    assert shares["typos"]["as_expected"]["value"] == 1
    assert shares["negation"]["as_expected"]["value"] < 0.3
    assert shares["all"]["accepted"]["value"] < 0.1
