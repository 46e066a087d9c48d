"""Combinations: what is accepted as one, how it is scored, and that a teacher's answer is read."""

from types import SimpleNamespace

import pytest

from emojisummary.assignment import TITLES, assignment
from emojisummary.emojis import Lookup, clusters, read_tables
from emojisummary.models.written import Written
from emojisummary.sections import Amount
from emojisummary.tasks import TASKS
from emojisummary.tasks.base import Unusable
from tests.conftest import ROOT

TABLE, _ = read_tables([str(ROOT / "data/16_all_emoji.tsv")], str(ROOT / "data/2021_ranked.tsv"))
EMOJI_OF = Lookup(TABLE)
TASK = TASKS["combination"]
TOPIC = {
    "id": "a",
    "emoji": "💃",
    "name": "woman dancing",
    "language": "english",
    "type": "sentence",
    "style": "dry",
    "number": 0,
}


def test_every_emoji_of_the_table_is_one_cluster_and_all_together_as_many():
    assert [clusters(emoji) for emoji in TABLE] == [[emoji] for emoji in TABLE]
    assert clusters("".join(TABLE)) == list(TABLE)


@pytest.mark.parametrize(
    ("answer", "spelled"),
    [
        ("💃🕺🎶", "💃🕺🎶"),
        ("💃 🕺\n🎶", "💃🕺🎶"),
        ("❤ 🏳️‍🌈", "❤️🏳️‍🌈"),
        ("👍🏽🎉", "👍🎉"),
        ("💃", None),
        ("💃💃", None),
        ("🍎🍏🍐🍊🍋", None),
        ("💃 and 🕺", None),
        ("", None),
    ],
)
def test_a_combination_is_two_to_four_different_emoji_and_nothing_else(answer, spelled):
    assert TASK.spelled(answer, EMOJI_OF) == spelled


@pytest.mark.parametrize(
    ("accepted", "given", "expected"),
    [
        (["💃🕺🎶"], ["💃", "🕺", "🎶"], (1, 1, 1)),
        (["💃🕺🎶"], ["🕺", "💃", "🎶"], (1, 0, 0)),
        (["💃🕺🎶", "🎶🪩"], ["🎶", "🪩"], (1, 1, 1)),
        (["💃🕺🎶"], ["💃", "🍔"], (0.4, 0, 1)),  # one of 3 + 2: 2 * 1 / 5
        (["❤️🔥"], ["❤", "🔥"], (1, 1, 1)),
        (["💃🕺"], ["🍔", "🍟", "🥤"], (0, 0, 0)),
    ],
)
def test_scores_worked_by_hand(accepted, given, expected):
    scores = TASK.score(accepted, given)
    assert (scores["set_f1"], scores["exact"], scores["first"]) == pytest.approx(expected)
    assert scores["valid"] == 1
    assert scores["length"] == len(given)


def test_what_breaks_the_rule_is_not_valid():
    assert [TASK.score(["💃🕺"], given)["valid"] for given in (["💃"], ["💃", "💃"], list("🍎🍏🍐🍊🍋"))] == [0, 0, 0]


def test_all_answers_together_say_how_diverse_they_are():
    assert TASK.whole([], [["💃", "🕺"], ["💃", "🕺"]]) == {"distinct-1": 0.5, "distinct-2": 0.5}


def test_a_teachers_two_lines_become_a_row():
    row = TASK.read(TOPIC, {"text": "Let's go dancing tonight.\n\n💃 🕺 🎶"}, EMOJI_OF)
    assert (row["text"], row["answer"]) == ("Let's go dancing tonight.", "💃🕺🎶")


@pytest.mark.parametrize("text", ["Let's go dancing.", "💃🕺", "Let's go 💃\n💃🕺", "Let's go\n💃"])
def test_an_answer_without_text_or_combination_is_unusable(text):
    with pytest.raises(Unusable):
        TASK.read(TOPIC, {"text": text}, EMOJI_OF)


def test_the_written_pairs_answer_the_topics_of_their_first_emoji(tmp_path):
    (tmp_path / "pairs.tsv").write_text("answer\talso\ttext\n💃 🕺\t💃 🎶 | 🕺 💃\tDancing!\n💃\t\tToo few.\n💃 🎶\t\tAgain!\n")
    teacher = Written(TASK, str(tmp_path / "pairs.tsv"), TABLE)
    topics = TASK.topics({"💃": TABLE["💃"]}, "english", "sentence", "written", Amount(min=3, max=3, exponent=1), 7)
    replies = [reply for _, reply in teacher.answer(topics)]
    assert [reply and reply["text"] for reply in replies] == ["Dancing!", "Again!", None]
    assert replies[0]["also"] == "💃🎶 🕺💃"
    assert sum(teacher.problems.values()) == 1


def test_shipped_pairs_are_whole_and_kept_apart_from_validation():
    pairs = [reply for key, reply in TASK.written(str(ROOT / "data/combination/pairs.tsv"), EMOJI_OF) if key]
    validation, problems = TASK.validation(str(ROOT / "data/combination/validation.tsv"), EMOJI_OF)
    assert len(pairs) >= 300
    assert not problems
    assert not {TASK.same(pair) for pair in pairs} & {TASK.same(row) for row in validation}
    assert not any(EMOJI_OF.split(row["text"]) for row in [*pairs, *validation])


def test_a_limited_assignment_asks_the_first_prompts_of_each_part(tmp_path):
    (tmp_path / "training_data.csv").write_text("text,answer\nLet's go dancing tonight.,💃🕺\n")
    settings = SimpleNamespace(assignment=str(ROOT / "data/combination"), folder=tmp_path, limit=2)
    model = SimpleNamespace(combine=lambda texts, least, most: [["💃", "🕺"]] * len(texts))
    result = assignment({"ours": model, "other": model}, TASK, settings)
    assert [len(result[part]) for part in TITLES] == [2, 2, 2]
