"""What every ranker can do beside ranking, on one whose probabilities are written down."""

import pytest
import torch

from emojisummary.emojis import plain, read_tables, skin_tones
from emojisummary.models.frequent import MostFrequent
from emojisummary.models.ranker import Ranker
from emojisummary.stage import UserError

TABLE, _ = read_tables(["data/16_all_emoji.tsv", "data/17_new_emoji.tsv"], "data/2021_ranked.tsv")
TONES = ("light", "medium-light", "medium", "medium-dark", "dark")


class Fixed(Ranker):
    name = "fixed"
    emoji = ["🍕", "🍺", "👍", "❤️", "🏳️‍🌈"]  # noqa: RUF012

    def probabilities(self, texts):
        return torch.tensor([[0.4, 0.3, 0.15, 0.1, 0.05]] * len(texts))


def test_at_least_one_emoji_has_to_be_asked_for():
    with pytest.raises(ValueError, match="top is 0"):
        Fixed().predict("x", top=0)


def test_a_restriction_shares_out_what_is_left():
    few = Fixed().restrict(["❤", "🍺"])
    assert few.emoji == ["🍺", "❤️"]
    assert few.rank(["x"], 5)[0] == [("🍺", pytest.approx(0.75)), ("❤️", pytest.approx(0.25))]
    assert few.restrict(["❤️"]).predict("x") == {"text": "x", "emoji": "❤️", "probability": 1, "ranked": [["❤️", 1]]}


def test_a_restriction_to_nearly_impossible_emoji_still_sums_to_one():
    class Sure(Fixed):
        def probabilities(self, texts):
            return torch.tensor([[1.0, 0, 0, 0, 0]] * len(texts))

    ranked = Sure().restrict(["🍺", "👍"]).rank(["x"])[0]
    assert sum(p for _, p in ranked) == pytest.approx(1)


@pytest.mark.parametrize("emoji", [["🍟"], ["x"], []])
def test_a_restriction_to_unknown_emoji_or_none_is_refused(emoji):
    with pytest.raises(UserError, match="doesn't have|no emoji is left"):
        Fixed().restrict(emoji)


def test_the_most_frequent_emoji_can_be_restricted():
    model = MostFrequent(TABLE)
    few = model.restrict(["👍", "🍕"])
    assert few.rank(["x"], 5)[0][0][0] == "👍"
    assert sum(p for _, p in few.rank(["x"], 5)[0]) == pytest.approx(1)
    assert len(model.emoji) == len(TABLE)


@pytest.mark.parametrize(("least", "most", "expected"), [(1, 4, "🍕🍺"), (3, 4, "🍕🍺👍"), (1, 1, "🍕")])
def test_a_combination_has_half_of_the_probability(least, most, expected):
    assert Fixed().combine(["a", "b"], least, most) == [list(expected)] * 2


def test_below_the_least_probability_there_is_no_fitting_emoji():
    assert Fixed().predict("x", min_probability=0.4)["emoji"] == "🍕"
    answer = Fixed().predict("x", top=2, min_probability=0.41)
    assert answer == {"text": "x", "emoji": None, "probability": 0.4, "ranked": [["🍕", 0.4], ["🍺", 0.3]]}


def test_answers_in_a_skin_tone():
    toned = Fixed().restrict(["👍", "❤️"]).in_skin_tone("medium-dark")
    assert toned.predict("x", top=2)["ranked"] == [["👍🏾", 0.6], ["❤️", 0.4]]
    assert toned.predict("x")["emoji"] == "👍🏾"


def test_toned_emoji_are_those_of_the_table_with_the_modifier_of_the_tone():
    for number, tone in enumerate(TONES):
        table = skin_tones(tone)
        assert len(table) > 300
        assert table.keys() <= TABLE.keys()
        modifier = chr(0x1F3FB + number)
        for emoji, toned in table.items():
            assert modifier in toned
            assert plain(toned).replace(modifier, "") == plain(emoji)
    assert skin_tones("dark")["👩‍❤️‍👨"] == "👩🏿‍❤️‍👨🏿"
    assert "👨‍👩‍👧" not in skin_tones("dark")
