"""7_evaluate_inference.py: arguments, files, pipes and the prompt."""

import json

import pytest

from tests.conftest import ROOT


def lines(text):
    return [json.loads(line) for line in text.splitlines()]


def test_one_text_prints_one_emoji(finished):
    assert finished("7_evaluate_inference", "My puppy is asleep on my shoes").stdout.strip() in "🐶😴🥰"


def test_top_prints_rivals_with_probabilities(finished):
    rows = finished("7_evaluate_inference", "--top", "3", "Pizza tonight").stdout.splitlines()
    assert len(rows) == 3
    assert rows[0].startswith("🍕")
    assert rows[0].endswith("%")


def test_several_texts_are_answered_in_order(finished):
    assert finished("7_evaluate_inference", "pizza", "football goal").stdout.split() == ["🍕", "⚽"]


def test_an_empty_text_is_an_error_and_the_others_are_answered(finished):
    done = finished("7_evaluate_inference", "pizza", " ", code=1)
    assert done.stdout.strip() == "🍕"
    assert "the text is empty" in done.stderr


def test_a_jsonl_file_is_answered_line_by_line(finished, tmp_path):
    (tmp_path / "in.jsonl").write_text(
        '{"id": 7, "text": "pizza"}\nnot json\n{"text": ""}\n{"no": 1}\n{"id": 8, "text": "a cat"}\n'
    )
    out = tmp_path / "out.jsonl"
    finished("7_evaluate_inference", "--input", str(tmp_path / "in.jsonl"), "--output", str(out), "--top", "2")
    answers = lines(out.read_text())
    assert [sorted(answer) for answer in answers] == [
        ["emoji", "id", "probability", "ranked", "text"], ["error", "text"], ["error", "text"], ["error", "no", "text"],
        ["emoji", "id", "probability", "ranked", "text"],
    ]  # fmt: skip
    assert answers[0]["id"] == 7
    assert answers[0]["emoji"] == answers[0]["ranked"][0][0] == "🍕"
    assert len(answers[0]["ranked"]) == 2
    assert "line 2" in answers[1]["error"]


@pytest.mark.parametrize(("ending", "content"), [("txt", "pizza\n\na cat"), ("csv", 'id,text\n1,pizza\n2,\n3,"a cat"\n')])
def test_text_and_csv_files_keep_their_order(finished, tmp_path, ending, content):
    (tmp_path / f"in.{ending}").write_text(content)
    answers = lines(finished("7_evaluate_inference", "--input", str(tmp_path / f"in.{ending}")).stdout)
    assert [answer.get("emoji") for answer in answers] == ["🍕", None, "🐱"]


def test_a_pipe_is_answered(finished):
    assert [a["emoji"] for a in lines(finished("7_evaluate_inference", "--input", "-", text="pizza\nbeer\n").stdout)] == [
        "🍕",
        "🍺",
    ]


def test_without_arguments_there_is_a_prompt(finished):
    done = finished("7_evaluate_inference", text="pizza\n\n")
    assert "🍕" in done.stdout


@pytest.mark.parametrize(("flags", "said"), [
    (["--input", "nothing.txt"], "No such file"),
    (["--input", "README.md"], "unknown kind"),
    (["--model", "runs/nothing", "hi"], "no such model"),
    (["--top", "0", "hi"], "top"),
    (["--tops", "3", "hi"], "--help"),
])  # fmt: skip
def test_mistakes_are_explained(finished, flags, said):
    done = finished("7_evaluate_inference", *flags, code=1)
    assert said in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("name", ["retriever", "most-frequent"])
def test_the_controls_answer_too(finished, name):
    assert finished("7_evaluate_inference", "--model", name, "pizza").stdout.strip() in ("🍕", "😂")


@pytest.mark.parametrize("script", sorted(path.name for path in ROOT.glob("[0-9]_*.py")))
def test_help_names_every_flag(finished, script):
    text = finished(script.removesuffix(".py"), "--help").stdout
    assert "--run" in text
    assert f"python {script}" in text
