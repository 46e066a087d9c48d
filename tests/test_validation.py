from pathlib import Path

import pytest

from emojisummary.artifacts import write_yaml
from emojisummary.emojis import Lookup, read_tables
from emojisummary.stage import UserError
from emojisummary.tasks.base import topic_id
from emojisummary.validation import read_validation_set, split, validation_rows

DATA = Path(__file__).parent.parent / "data"
EMOJI_OF = Lookup(["😀", "❤️", "👋", "🍔"])
FOUND, MISSING, TWICE = "answers that are not in the emoji table", "texts without any answer in the table", "texts listed twice"


def file(folder, content):
    path = folder / "validation.yaml"
    path.write_text(content, encoding="utf-8")
    return str(path)


def entry(text="some text", answers="😀", **facts):
    return {"text": text, "answers": answers, **facts}


# --- reading ---


@pytest.mark.parametrize(
    "content",
    [
        '- {"text": "a", "answers": "😀 ❤️"}\n- {"text": "b", "answers": "👋"}\n',
        "# mine\n- text: a\n  answers: 😀 ❤️\n- text: b\n  answers: 👋\n",
    ],
)
def test_entries_are_read_in_order(content, tmp_path):
    assert read_validation_set(file(tmp_path, content)) == [entry("a", "😀 ❤️"), entry("b", "👋")]


@pytest.mark.parametrize(
    "second",
    [
        "{text: b}",
        "{answers: 😀}",
        "{text: '', answers: 😀}",
        "{text: ' ', answers: 😀}",
        "{text: b, answers: []}",
        "words",
        "null",
    ],
)
def test_the_first_entry_that_is_not_whole_is_named(second, tmp_path):
    name = file(tmp_path, f"- {{text: a, answers: 😀}}\n- {second}\n- {{}}\n")
    with pytest.raises(UserError) as error:
        read_validation_set(name)
    assert f"{name}: entry 2 " in str(error.value)


@pytest.mark.parametrize(
    "facts", ["text: 2024, answers: 😀", "text: yes, answers: 😀", "text: [a], answers: 😀", "text: a, answers: 5"]
)
def test_an_entry_of_another_type_is_read_as_text_or_named(facts, tmp_path):
    name = file(tmp_path, f"- {{{facts}}}\n")
    try:
        rows, _ = validation_rows(read_validation_set(name), EMOJI_OF)
    except UserError as error:
        assert "entry 1" in str(error)
    else:
        assert all(isinstance(row["text"], str) for row in rows)


@pytest.mark.parametrize("content", ["text: a\n", "words\n", "5\n", "# nothing\n"])
def test_a_file_that_is_no_sequence_is_named(content, tmp_path):
    name = file(tmp_path, content)
    with pytest.raises(UserError, match=name):
        read_validation_set(name)


@pytest.mark.parametrize("content", ["", "- {text: a: b}\n"])
def test_an_empty_or_broken_file_is_named(content, tmp_path):
    name = file(tmp_path, content)
    with pytest.raises(UserError, match=name):
        read_validation_set(name)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(UserError, match="nowhere.yaml"):
        read_validation_set(str(tmp_path / "nowhere.yaml"))


# --- rows ---


def test_an_entry_becomes_a_row_with_defaults():
    rows, problems = validation_rows([entry()], EMOJI_OF)
    facts = {"language": "english", "form": "", "category": "", "split": ""}
    assert rows == [{"id": topic_id("validation", "some text"), "text": "some text", "answers": "😀"} | facts]
    assert not problems


def test_a_row_keeps_what_is_known():
    facts = {"language": "german", "form": "tweet", "category": "flags", "split": "dev"}
    (row,), _ = validation_rows([entry(**facts, other="x")], EMOJI_OF)
    assert {key: row[key] for key in facts} == facts
    assert "other" not in row


@pytest.mark.parametrize("empty", ["", " ", None])
def test_an_empty_cell_is_as_good_as_none(empty):
    (row,), _ = validation_rows([entry(language=empty, form=empty, category=empty, split=empty)], EMOJI_OF)
    assert [row] == validation_rows([entry()], EMOJI_OF)[0]


@pytest.mark.parametrize(
    ("given", "answers", "left_out"),
    [
        ("😀 ❤️", "😀 ❤️", 0),
        (["😀", "❤️"], "😀 ❤️", 0),
        ("❤ 😀", "❤️ 😀", 0),
        ("❤ ❤️ ❤", "❤️", 0),
        ("👋🏽 👋", "👋", 0),
        ("😀 🦄 x", "😀", 2),
        ("  😀   🍔 ", "😀 🍔", 0),
    ],
)
def test_answers_are_spelled_as_in_the_table(given, answers, left_out):
    (row,), problems = validation_rows([entry(answers=given)], EMOJI_OF)
    assert row["answers"] == answers
    assert problems[FOUND] == left_out


def test_a_text_without_any_answer_in_the_table_is_left_out_and_counted():
    rows, problems = validation_rows([entry("a", "🦄"), entry("b"), entry("c", "x y")], EMOJI_OF)
    assert [row["text"] for row in rows] == ["b"]
    assert problems == {FOUND: 3, MISSING: 2}


def test_a_text_listed_twice_is_counted():
    rows, problems = validation_rows([entry("a b"), entry("c"), entry(" a  b ")], EMOJI_OF)
    assert [row["text"] for row in rows] == ["a b", "c"]
    assert problems == {TWICE: 1}


def test_answers_of_a_text_listed_twice_are_united():
    rows, _ = validation_rows([entry("a b", "😀 ❤️", split="dev"), entry("c"), entry("a b", "❤️ 🍔", split="test")], EMOJI_OF)
    assert [(row["answers"], row["split"]) for row in rows] == [("😀 ❤️ 🍔", "dev"), ("😀", "")]


def test_a_text_that_is_empty_once_tidy_is_no_row():
    assert validation_rows([entry("\u200b")], EMOJI_OF)[0] == []


# --- split ---


@pytest.mark.parametrize(("part", "expected"), [("dev", "ac"), ("test", "bc")])
def test_rows_of_no_part_belong_to_both(part, expected):
    rows = [{"id": "a", "split": "dev"}, {"id": "b", "split": "test"}, {"id": "c", "split": ""}]
    assert "".join(row["id"] for row in split(rows, part)) == expected


@pytest.mark.parametrize(("given", "part"), [("Dev", "dev"), (" TEST ", "test"), ("", ""), ("~", "")])
def test_a_part_may_be_spelled_otherwise(given, part, tmp_path):
    name = file(tmp_path, f"- {{text: a, answers: 😀, split: {given}}}\n")
    assert [row["split"] for row in validation_rows(read_validation_set(name), EMOJI_OF)[0]] == [part]


@pytest.mark.parametrize("split", ["train", "devel", "2"])
def test_an_entry_of_no_part_is_named(split, tmp_path):
    name = file(tmp_path, f"- {{text: a, answers: 😀}}\n- {{text: b, answers: 😀, split: {split}}}\n")
    with pytest.raises(UserError, match=f"entry 2: `split` is .?{split}.?; it's `dev`, `test`"):
        read_validation_set(name)


def test_rows_without_a_column_split_belong_to_both():
    assert split([{"id": "a"}], "dev") == split([{"id": "a"}], "test") == [{"id": "a"}]


# --- stage 4 ---


def test_texts_that_the_languages_leave_out_are_counted(world):
    write_yaml(world.path("emoji_data.yaml"), {"😀": {}})
    (world.folder / "my.csv").write_text("text,answers,language\na,😀,\nb,😀,English\nc,😀,german\n", encoding="utf-8")
    printed = world("4_combine_eval", "--validation_set", str(world.folder / "my.csv")).stdout
    assert "validation_data.csv: 2 texts\n  texts in other languages: 1\n" in printed


# --- the shipped set ---


def test_the_shipped_set_has_no_problems_and_both_parts():
    table, _ = read_tables([str(DATA / "16_all_emoji.tsv"), str(DATA / "17_new_emoji.tsv")], str(DATA / "2021_ranked.tsv"))
    rows, problems = validation_rows(read_validation_set(str(DATA / "validation_set.yaml")), Lookup(table))
    assert not problems
    assert split(rows, "dev")
    assert split(rows, "test")
    assert {row["split"] for row in rows} <= {"dev", "test", ""}
