"""Stories: rules and scores, with BLEU as sacreBLEU's own command gives it."""

import json
import subprocess
import sys
from collections import Counter

import pytest

from emojisummary.emojis import Lookup, plain, read_tables
from emojisummary.metrics import repetition
from emojisummary.models.written import Written
from emojisummary.own import only
from emojisummary.sections import Amount
from emojisummary.tasks import TASKS
from emojisummary.tasks.story import PLACES, PURPOSES, concepts, names
from tests.conftest import ROOT

TABLE, _ = read_tables([str(ROOT / "data/16_all_emoji.tsv")], str(ROOT / "data/2021_ranked.tsv"))
EMOJI_OF = Lookup(TABLE)
TASK = TASKS["story"]
SOURCE = str(ROOT / "data/story/stories.jsonl")
STORIES = [reply | {"emoji": key} for key, reply in TASK.written(SOURCE, EMOJI_OF) if key]
REFERENCES, PROBLEMS = TASK.validation(str(ROOT / "data/story/references.jsonl"), EMOJI_OF)


def as_row(story):
    return {"text": f"{story['emoji']} {story['place']} {story['purpose']}", "answer": story["text"]}


def test_a_hundred_stories_ship_and_pass_the_rules():
    faults = {row["answer"][:40]: TASK.fault(row) for row in map(as_row, STORIES)}
    assert len(STORIES) >= 100
    assert {story: fault for story, fault in faults.items() if fault} == {}


def test_twelve_combinations_have_five_references_each_and_none_is_trained_on():
    assert [len(TASK.accepted(row)) for row in REFERENCES] == [5] * 12
    assert not PROBLEMS
    assert not {row["text"] for row in REFERENCES} & {as_row(story)["text"] for story in STORIES}


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (lambda story: story[:200] + ".", "words instead of"),
        (lambda story: " ".join(word for word in story.split() if not names(word, "🐘")), "says nothing of 🐘"),
        (lambda story: story[:-20] + " and then the gun was gone.", "not for children: gun"),
        (lambda story: story[:-1] + " and so they sat and so they sat and so they sat" * 6 + ".", "repeats itself"),
        (lambda story: story.rstrip('."') + " and then", "has no end"),
    ],
)
def test_a_broken_rule_is_named(change, fault):
    row = next(row for row in map(as_row, STORIES) if row["text"].startswith("🐘") and "elephant" in row["answer"])
    assert fault in TASK.fault(row | {"answer": change(row["answer"])})


def test_emoji_without_words_of_their_own_break_no_rule():
    row = as_row(STORIES[0])
    assert TASK.fault(row | {"text": "🐅 🪤 " + row["text"].split()[-1]}) is None


def test_places_and_themes_that_teachers_are_given_have_words():
    assert {plain(emoji) for emoji in (*PLACES, *PURPOSES)} <= concepts().keys()


def test_every_story_is_asked_for_by_its_hero():
    teacher = Written(TASK, SOURCE, TABLE)
    amount = Amount(min=4, max=40, exponent=2)
    topics = list(TASK.topics(TABLE, "english", "story", "written", amount, 7, None, SOURCE))
    rows = [TASK.read(topic, reply, EMOJI_OF) for topic, reply in teacher.answer(topics) if reply]
    assert len(rows) == len(STORIES)
    assert {plain(row["text"]) for row in rows} == {plain(as_row(story)["text"]) for story in STORIES}
    assert not teacher.problems


def test_two_stories_for_the_same_emoji_are_both_kept():
    one, other = {"text": "🦔 🏰 📚", "answer": "A story."}, {"text": "🦔 🏰 📚", "answer": "Another story."}
    assert TASK.same(one) != TASK.same(other)
    assert TASK.same(one) == TASK.same(one | {"answer": "a story"})


@pytest.mark.parametrize(
    ("text", "refused"), [("🦔🏰📚", False), ("🦔 🏰 📚", False), ("🦔 🏰", True), ("🦔 castle 📚", True), ("", True)]
)
def test_a_request_that_is_not_three_emoji_is_refused(text, refused):
    assert bool(TASK.refuses(text, EMOJI_OF)) == refused


def test_scores_worked_by_hand():
    story = "The hedgehog read a book. " * 2
    scores = TASK.score([], story, "🦔 🏰 📚")
    assert scores["concepts"] == pytest.approx(2 / 3)  # no castle
    assert TASK.score([], story, "🐅 🦔 🪤")["concepts"] == 1  # of the others it can't be told
    assert (scores["safe"], scores["ended"], scores["words"]) == (1, 1, 10)
    assert scores["repetition"] == pytest.approx(2 / 7, abs=1e-4)  # 7 four-grams, of which 5 are different


def test_repetition_of_what_is_short_is_none():
    assert repetition("three words only") == 0


def test_bleu_equals_sacrebleus_command(tmp_path):
    given = [TASK.accepted(row)[0][:300] + " And everybody slept." for row in REFERENCES]
    files = []
    for number in range(5):
        path = tmp_path / f"reference{number}.txt"
        path.write_text("\n".join(TASK.accepted(row)[number] for row in REFERENCES) + "\n")
        files.append(str(path))
    (tmp_path / "given.txt").write_text("\n".join(given) + "\n")
    command = [sys.executable, "-m", "sacrebleu", *files, "-i", str(tmp_path / "given.txt"), "-m", "bleu", "-w", "2"]
    theirs = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    ours = TASK.whole(REFERENCES, given)
    assert ours["bleu"] == theirs["score"]
    assert ours["bleu_signature"] == theirs["signature"]


def test_a_line_that_is_no_story_is_counted_with_its_number(tmp_path):
    good = json.dumps({"role": "🦔", "place": "🏰", "purpose": "📚", "story": "One."}, ensure_ascii=False)
    (tmp_path / "stories.jsonl").write_text(f'{good}\nnot JSON\n{{"role": "🦔"}}\n{good.replace("🏰", "castle")}\n')
    teacher = Written(TASK, str(tmp_path / "stories.jsonl"), TABLE)
    assert [len(stories) for stories in teacher.examples.values()] == [1]
    assert sum(teacher.problems.values()) == 3
    said = " ".join(teacher.problems)
    assert all(reason in said for reason in ("line 2: not JSON", "line 3: without place, purpose, story", "not in the table"))


def test_of_a_closed_set_the_most_used_hero_gets_the_most_stories():
    table = only(TABLE, ["😂", "🐶", "🔥", "🦔"])
    ranked = sorted(table, key=lambda emoji: table[emoji]["rank"])
    topics = TASK.topics(table, "english", "story", "written", Amount(min=2, max=11, exponent=1), 7)
    found = Counter(topic["emoji"] for topic in topics)
    assert found == {hero: {0: 11, 1: 8, 2: 5, 3: 2}[ranked.index(hero)] for hero in ("🐶", "🦔")}


def test_lines_with_wrong_types_are_counted_and_the_rest_goes_on(tmp_path):
    good = {"role": "🦔", "place": "🏰", "purpose": "📚", "story": "Once.", "stories": ["Once."]}
    wrong = [{"role": None, "stories": 1, "story": 1}, {"stories": "a text", "story": []}, {"stories": [], "story": None}]
    wrong += [{"stories": ["Once.", 1], "place": 3}, {"stories": [" "], "purpose": ["📚"]}]
    file = tmp_path / "mine.jsonl"
    file.write_text("\n".join(json.dumps(good | change) for change in [*wrong, {}]))
    rows, problems = TASK.validation(str(file), EMOJI_OF)
    assert [(row["text"], row["answers"]) for row in rows] == [("🦔 🏰 📚", '["Once."]')]
    assert sum(problems.values()) == 5
    assert all(problem.startswith("unusable line") for problem in problems)
    found = list(TASK.written(str(file), EMOJI_OF))
    assert [bool(key) for key, _ in found] == [False] * 5 + [True]
