"""Toy models that know their answers by heart, on a dozen texts."""

from types import SimpleNamespace

import pytest
import torch
import yaml

from emojisummary.evaluation import binned, bins, evaluate, parts, words
from emojisummary.models.frequent import MostFrequent
from emojisummary.models.ranker import Ranker
from emojisummary.tasks.summary import Summary

SETTINGS = SimpleNamespace(resamples=200, seed=7, examples=2, own=lambda: {"resamples": 200, "examples": 2})
FACTS = {
    "😂": {"subcategory": "face-smiling", "parent": None, "rank": 1},
    "😭": {"subcategory": "face-concerned", "parent": None, "rank": 3},
    "❤️": {"subcategory": "heart", "parent": None, "rank": 2},
    "💔": {"subcategory": "heart", "parent": None, "rank": 60},
    "🤦": {"subcategory": "person-gesture", "parent": None, "rank": 40},
    "🤦‍♀️": {"subcategory": "person-gesture", "parent": "🤦", "rank": 700},
    "🍔": {"subcategory": "food-prepared", "parent": None, "rank": 200},
    "🫩": {"subcategory": "face-sleepy", "parent": None, "rank": None},
}
EMOJI = list(FACTS)
TEST = [
    ("haha", "😂", "😂", "english", "chat", "smileys-emotion"),
    ("I could not stop crying all night", "😭 💔", "💔", "english", "diary", "smileys-emotion"),
    ("She left me", "💔 😭", "❤️", "english", "chat", "smileys-emotion"),
    ("I did it again, I forgot my own keys", "🤦‍♀️", "🤦", "english", "chat", "people-body"),
    ("Lecker, mit Käse und ohne Zwiebeln bitte", "🍔", "😂", "german", "chat", "food-drink"),
    ("müde", "🫩", "😭", "german", "", "smileys-emotion"),
]
GIVEN = {text: given for text, _, given, *_ in TEST}
ROWS = [
    {"text": text, "answers": answers, "language": language, "form": form, "category": category, "split": "test"}
    for text, answers, _, language, form, category in TEST
]
DEV = [{"text": f"dev {number}", "answers": EMOJI[number % 8]} for number in range(40)]


class ByHeart(Ranker):
    """Gives each text that it knows its answer, and others the emoji of their number, with a probability of 0.3."""

    def __init__(self, answers):
        self.emoji, self.known = EMOJI, answers

    def probabilities(self, texts):
        best = [self.known.get(text) or EMOJI[int(text.split()[1]) % 8] for text in texts]
        return torch.tensor([[0.3 if emoji == one else 0.1 for emoji in EMOJI] for one in best])


def evaluated(models=None, **more):
    models = models or {"ours": ByHeart(GIVEN), "most-frequent": MostFrequent(FACTS)}
    return evaluate(models, ROWS, Summary(), SETTINGS, [], **more)


RESULTS, ANSWERS = evaluated(table=FACTS, dev=DEV)
OURS, FREQUENT = RESULTS["models"]["ours"], RESULTS["models"]["most-frequent"]


def test_without_table_and_dev_it_measures_what_needs_neither():
    results, answers = evaluated()
    assert list(results) == ["task", "columns", "numbers", "models", "comparisons", "examples", "made"]
    assert list(results["models"]) == ["ours", "most-frequent"]
    for model in results["models"].values():
        assert list(model) == ["metrics", "timing", "groups", "confusions", "never_predicted"]
        assert list(model["metrics"]) == ["accuracy@1", "accuracy@5", "mrr", "strict", "valid", "macro_f1"]
        assert all(list(figure) == ["value", "low", "high", "n"] for figure in model["metrics"].values())
        assert list(model["timing"]) == ["texts", "seconds", "texts_per_second"]
        assert list(model["groups"]) == ["language", "form", "category", "length"]
    assert results["examples"] == answers[:2] == ANSWERS[:2]
    assert list(results["made"]) == ["date", "machine", "settings", "versions", "files"]


def test_a_table_and_dev_texts_only_add():
    results, _ = evaluated()
    for name, model in results["models"].items():
        for metric, figure in model["metrics"].items():
            assert RESULTS["models"][name]["metrics"][metric] == figure
        assert model["groups"].items() <= RESULTS["models"][name]["groups"].items()
    assert results["comparisons"] == RESULTS["comparisons"]


def test_answers_hold_the_best_emoji_of_every_model():
    assert [answer["ours"][0] for answer in ANSWERS] == list(GIVEN.values())
    assert {answer["most-frequent"][0] for answer in ANSWERS} == {"😂"}
    assert ANSWERS[1]["answers"] == ["😭", "💔"]


def test_hand_worked_metrics():
    values = {metric: figure["value"] for metric, figure in OURS["metrics"].items()}
    assert values["accuracy@1"] == 0.3333  # 😂, and 💔 as second best
    assert values["strict"] == 0.1667
    assert values["neutral@1"] == 0.5  # and 🤦
    assert values["subcategory@1"] == 0.6667  # and ❤️ for 💔
    assert values["macro_f1"] == round((2 / 3 + 2 / 3) / 6, 4)  # 😂 and 😭: right once, and given once more for others


def test_everything_is_plain_data():
    results = {key: value for key, value in RESULTS.items() if key != "examples"}
    assert yaml.safe_load(yaml.safe_dump(results, allow_unicode=True)) == results


def test_the_same_seed_gives_the_same_figures():
    again, _ = evaluated(table=FACTS, dev=DEV)
    assert again["comparisons"] == RESULTS["comparisons"]
    for name, model in again["models"].items():
        assert model | {"timing": None} == RESULTS["models"][name] | {"timing": None}


# --- groups ---


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("language", {"english": (0.5, 4), "german": (0, 2)}),
        ("form", {"chat": (0.25, 4), "diary": (1, 1)}),  # one text has none
        ("category", {"smileys-emotion": (0.5, 4), "people-body": (0, 1), "food-drink": (0, 1)}),
        ("length", {"1-3": (0.3333, 3), "4-10": (0.3333, 3)}),
        ("rank", {"1-50": (1, 2), "51-150": (0, 1), "151-600": (0, 1), "over 600": (0, 1), "unranked": (0, 1)}),
    ],
)
def test_accuracy_by_group(kind, expected):
    groups = OURS["groups"][kind]
    assert {name: (group["accuracy@1"]["value"], group["accuracy@1"]["n"]) for name, group in groups.items()} == expected
    assert list(groups) == list(expected)
    assert all(group["accuracy@5"]["n"] == group["accuracy@1"]["n"] for group in groups.values())


@pytest.mark.parametrize("kind", ["language", "category", "length", "rank"])
def test_groups_part_the_texts(kind):
    whole = OURS["metrics"]["accuracy@5"]
    figures = [group["accuracy@5"] for group in OURS["groups"][kind].values()]
    assert sum(figure["n"] for figure in figures) == whole["n"] == 6
    assert sum(figure["n"] * figure["value"] for figure in figures) == pytest.approx(6 * whole["value"], abs=0.01)


def test_facts_that_no_row_has_make_no_groups():
    assert list(parts([{"text": "a", "answers": "😂"}], None)) == ["length"]
    assert list(parts([{"text": "a", "answers": "🦄", "form": ""}], FACTS)) == ["length", "rank"]
    assert parts([{"text": "a", "answers": "🦄"}], FACTS)["rank"] == {"unranked": [0]}


def test_groups_of_facts_are_the_largest_first():
    rows = [{"text": "a", "answers": "😂", "form": form} for form in "abbcccb"]
    assert parts(rows, None)["form"] == {"b": [1, 2, 6], "c": [3, 4, 5], "a": [0]}


@pytest.mark.parametrize(
    ("value", "name"),
    [(1, "1-3"), (3, "1-3"), (4, "4-10"), (10, "4-10"), (11, "11-25"), (26, "26-60"), (60, "26-60"), (61, "over 60")],
)
def test_bins_hold_their_upper_end(value, name):
    assert binned(value, (3, 10, 25, 60)) == name
    assert name in bins((3, 10, 25, 60))


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("one", 1),
        ("two\nlines, 5 words", 4),
        ("🍔🍔", 1),
        ("今天下雨了", 3),
        ("ピザを食べたい", 4),
        ("วันนี้ฝนตก", 3),
        ("오늘 비가 와요", 3),
        ("आज बारिश है", 3),
        ("AI は sugoi", 3),
    ],
)
def test_words(text, count):
    assert words(text) == count


# --- errors that models make ---


def test_confusions_and_emoji_never_predicted():
    assert {(pair["gold"], pair["given"]) for pair in OURS["confusions"]} == {
        ("💔", "❤️"), ("🤦‍♀️", "🤦"), ("🍔", "😂"), ("🫩", "😭"),
    }  # fmt: skip
    assert OURS["never_predicted"] == {"n": 6, "emoji": ["🤦‍♀️", "🍔", "🫩"]}
    assert FREQUENT["never_predicted"]["emoji"] == ["😭", "💔", "🤦‍♀️", "🍔", "🫩"]


def test_comparisons_have_the_bootstrap_and_mcnemar():
    first, second = RESULTS["comparisons"]
    assert list(first) == ["model", "control", "metric", "difference", "mcnemar"]
    assert (first["model"], first["control"], first["metric"]) == ("ours", "most-frequent", "accuracy@1")
    assert first["difference"]["value"] == 0.1667
    assert first["mcnemar"] == {"test": "exact binomial", "only_ours": 1, "only_theirs": 0, "p": 1, "n": 6}
    assert second["metric"] == "accuracy@5"


def test_the_first_model_is_compared_with_each_other():
    models = {name: ByHeart(GIVEN) for name in "abc"}
    results, _ = evaluated(models)
    assert [(one["model"], one["control"]) for one in results["comparisons"]] == [("a", "b")] * 2 + [("a", "c")] * 2
    assert results["comparisons"][0]["mcnemar"]["p"] == 1


# --- calibration ---


def test_a_model_with_probabilities_is_calibrated_on_dev():
    assert OURS["calibration"]["n"] == {"dev": 40, "test": 6}
    assert OURS["calibration"]["temperature"] < 0.1  # always right on dev
    assert OURS["calibration"]["prediction_sets"]["mean_size"] == 1
    assert OURS["calibration"]["prediction_sets"]["coverage"]["value"] == 0.3333
    assert "calibration" not in FREQUENT


def test_texts_that_are_measured_on_are_not_calibrated_on():
    results, _ = evaluated(table=FACTS, dev=[*DEV, *ROWS])
    assert results["models"]["ours"]["calibration"] == OURS["calibration"]
    results, _ = evaluated(table=FACTS, dev=ROWS)
    assert "calibration" not in results["models"]["ours"]


def test_a_model_that_knows_no_accepted_answer_is_not_calibrated():
    results, _ = evaluated(dev=[{"text": "dev 1", "answers": "🦄"}])
    assert "calibration" not in results["models"]["ours"]


def test_any_object_that_ranks_can_be_measured():
    frequent = MostFrequent(FACTS)
    results, _ = evaluated({"any": SimpleNamespace(rank=frequent.rank)}, table=FACTS, dev=DEV)
    assert results["models"]["any"]["metrics"] == FREQUENT["metrics"]
    assert results["comparisons"] == []
