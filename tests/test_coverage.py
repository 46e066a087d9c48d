"""How many rows of each emoji were written and accepted, and how many more are wanted."""

from collections import Counter

import pytest

from emojisummary.coverage import coverage, most_beyond, read_shortfall, shortfall, write_coverage
from emojisummary.stage import UserError


def row(id, emoji, language="english", teacher="ollama/gemma3"):
    return {"id": id, "emoji": emoji, "language": language, "type": "paragraph", "teacher": teacher}


ROWS = [row("a", "🍔"), row("b", "🍔"), row("c", "🍔", "german"), row("d", "🐶"), row("e", "🐶", teacher="ollama/qwen2.5")]


def test_rows_are_counted_by_emoji_language_type_and_teacher():
    lines = coverage(ROWS, accepted={"a", "c", "e"})
    assert [(line["emoji"], line["language"], line["rows"], line["accepted"], line["pass_rate"]) for line in lines] == [
        ("🍔", "english", 2, 1, 0.5),
        ("🍔", "german", 1, 1, 1.0),
        ("🐶", "english", 1, 0, 0.0),
        ("🐶", "english", 1, 1, 1.0),
    ]


@pytest.mark.parametrize(
    ("rows", "accepted", "more"), [(12, 12, 0), (12, 9, 4), (12, 6, 12), (12, 0, 48), (1, 0, 4), (4, 1, 12)]
)
def test_more_are_asked_for_as_they_pass(rows, accepted, more):
    assert shortfall(rows, rows, accepted) == more


@pytest.mark.parametrize(("percent", "fills"), [(100, 0), (75, 1), (50, 1), (30, 1), (25, 1), (10, 2), (0, 1)])
def test_filling_again_comes_to_an_end(percent, fills):
    """Rows that always pass at the same rate: they are asked for until enough are accepted, and then no more."""
    asked, times = 12, 0
    while (more := shortfall(12, asked, asked * percent // 100)) > asked - 12:
        asked, times = 12 + more, times + 1
    assert times == fills
    assert asked <= 12 + most_beyond(12)
    assert percent < 25 or asked * percent // 100 >= 12
    assert shortfall(12, asked, asked * percent // 100) == asked - 12


def test_with_as_many_accepted_as_planned_no_more_are_asked_for_and_none_is_given_up():
    assert [shortfall(12, asked, 12) for asked in (12, 24, 60)] == [0, 12, 48]


def test_the_shortfall_is_read_for_one_file_whatever_the_spelling_of_its_teacher(tmp_path):
    write_coverage(tmp_path, coverage(ROWS, accepted={"a", "c"}))
    planned, asked = Counter({"🍔": 2, "🐶": 1, "🍕": 1}), Counter({"🍔": 2, "🐶": 1})
    assert read_shortfall(tmp_path, "english", "paragraph", "ollama-gemma3", planned, asked, asked) == {"🍔": 2, "🐶": 4}
    german = Counter({"🍔": 1})
    assert read_shortfall(tmp_path, "german", "paragraph", "ollama/gemma3", german, asked, german) == {"🍔": 1}
    assert read_shortfall(tmp_path, "french", "paragraph", "ollama/gemma3", planned, Counter(), Counter()) == {}


def test_rows_that_came_after_coverage_are_neither_accepted_nor_rejected(tmp_path):
    write_coverage(tmp_path, coverage(ROWS, accepted={"a"}))
    planned, asked = Counter({"🍔": 2, "🍕": 3}), Counter({"🍔": 3, "🍕": 2})
    assert read_shortfall(tmp_path, "english", "paragraph", "ollama/gemma3", planned, asked, asked) == {"🍔": 2, "🍕": 0}
    written = Counter({"🍔": 1})
    assert read_shortfall(tmp_path, "french", "paragraph", "ollama/gemma3", planned, asked, written) == {}


@pytest.mark.parametrize("written", range(5))
def test_a_fill_that_was_killed_asks_for_what_it_asked_for_before(written):
    assert shortfall(12, 12 + written, 9, pending=written) == 4


def test_unjudged_rows_of_the_planned_topics_may_pass():
    assert shortfall(12, 12, 6, pending=6) == 0
    assert shortfall(12, 12, 3, pending=6) == 12


def test_without_coverage_the_error_names_what_makes_it(tmp_path):
    with pytest.raises(UserError, match=r"4_combine\.py"):
        read_shortfall(tmp_path, "english", "paragraph", "phrasebook", Counter(), Counter(), Counter())
