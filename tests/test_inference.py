"""7_evaluate_inference.py: arguments, files, pipes and the prompt."""

import io
import json
import shutil
import subprocess
import sys

import pytest
import torch

from emojisummary import load
from emojisummary.models import connect
from emojisummary.stage import speak_utf8
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


def test_without_arguments_all_lines_of_a_pipe_are_answered(finished):
    done = finished("7_evaluate_inference", text="pizza\n\nbeer\n")
    assert done.stdout == "🍕\nerror: the text is empty\n🍺\n"


def test_a_limit_holds_for_a_file(finished):
    done = finished("7_evaluate_inference", "--input", "-", "--limit", "1", text="pizza\nbeer\n")
    assert [answer["emoji"] for answer in lines(done.stdout)] == ["🍕"]


def test_a_table_whose_first_quote_never_ends_is_explained(finished, tmp_path):
    (tmp_path / "in.csv").write_text('"text\n' + "some text\n" * 20_000)
    done = finished("7_evaluate_inference", "--input", str(tmp_path / "in.csv"), code=1)
    assert "column `text` is missing" in done.stderr
    assert len(done.stderr) < 1000


def test_json_is_the_same_as_for_a_file(finished):
    first, second = lines(finished("7_evaluate_inference", "--json", "--top", "2", "pizza", " ").stdout)
    assert sorted(first) == ["emoji", "probability", "ranked", "text"]
    assert len(first["ranked"]) == 2
    assert second == {"text": " ", "error": "the text is empty"}
    piped = lines(finished("7_evaluate_inference", "--json", "--top", "2", text="pizza\n\n").stdout)
    assert piped == [first, {"text": "", "error": "the text is empty"}]


def test_no_emoji_where_none_is_likely_enough(finished, tmp_path):
    torn = "a pizza, a dog and a cake"
    assert finished("7_evaluate_inference", "--min_probability", "1", torn).stdout == "no fitting emoji\n"
    (tmp_path / "in.txt").write_text(f"{torn}\n\n")
    done = finished("7_evaluate_inference", "--min_probability", "1", "--input", str(tmp_path / "in.txt"))
    answer, error = lines(done.stdout)
    assert answer["emoji"] is None
    assert answer["ranked"][0][1] == answer["probability"] < 1
    assert "error" in error
    assert "0 texts answered, 1 without a fitting emoji, 1 errors" in done.stderr


def test_answers_can_be_limited(finished, tmp_path):
    (tmp_path / "few.txt").write_text("🍺\n\n⚽\n")
    few = ["--only", str(tmp_path / "few.txt"), "--top", "9"]
    ranked = lines(finished("7_evaluate_inference", *few, "--json", "pizza").stdout)[0]["ranked"]
    assert {emoji for emoji, _ in ranked} == {"🍺", "⚽"}
    assert sum(p for _, p in ranked) == pytest.approx(1, abs=1e-4)
    without = ["--exclude_category", "food-drink", "--top", "99"]
    ranked = lines(finished("7_evaluate_inference", *without, "--json", "pizza").stdout)[0]["ranked"]
    assert "🍕" not in {emoji for emoji, _ in ranked}


@pytest.mark.parametrize(("flags", "said"), [
    (["--only", "nothing.txt"], "No such file"),
    (["--only", "LICENSE"], "is not an emoji"),
    (["--exclude_category", "flag"], "There are smileys-emotion"),
    (["--skin_tone", "green"], "medium-light"),
    (["--min_probability", "2"], "min_probability"),
    (["--input", "nothing.txt"], "No such file"),
    (["--input", "README.md"], "unknown kind"),
    (["--input", "README.md", "hi"], "not both"),
    (["--output", "answers.jsonl", "hi"], "--output goes with --input"),
    (["--model", "runs/nothing", "hi"], "no such run"),
    (["--model", "linear", "hi"], "no such run"),
    (["--model", "ollama/gemma3", "hi"], "no such run"),
    (["--top", "0", "hi"], "top"),
    (["--tops", "3", "hi"], "--help"),
])  # fmt: skip
def test_mistakes_are_explained(finished, flags, said):
    done = finished("7_evaluate_inference", *flags, code=1)
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_emoji_come_in_and_go_out_whatever_encoding_the_system_prefers(monkeypatch):
    source, target = io.BytesIO("pizza 🍕 ".encode() + b"\xff"), io.BytesIO()
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(source, encoding="ascii"))
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(target, encoding="latin-1", write_through=True))
    speak_utf8()
    assert sys.stdin.read() == "pizza 🍕 \ufffd"
    sys.stdout.write("🍕\ud800")
    assert target.getvalue() == "🍕\\ud800".encode()


def test_a_closed_standard_input_is_an_empty_one(monkeypatch):
    monkeypatch.setattr(sys, "stdin", None)
    speak_utf8()
    assert sys.stdin.read() == ""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc is Linux's")
def test_freed_memory_is_kept():
    code = """
import resource, numpy
from emojisummary.stage import keep_freed_memory
keep_freed_memory()
def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(100):
        some = [numpy.ones(2**20, dtype="uint8") for _ in range(20)]
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
faults()
print(faults())
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert int(done.stdout) < 1000


def test_columns_of_the_user_s_own_are_no_answers_and_no_errors(finished, tmp_path):
    (tmp_path / "in.csv").write_text("text,answer,error,emoji\npizza,x,mine,\n,y,,🍺\n")
    done = finished("7_evaluate_inference", "--input", str(tmp_path / "in.csv"))
    assert "1 texts answered, 1 errors" in done.stderr
    assert lines(done.stdout)[0] | {"answer": "x", "error": "mine", "emoji": "🍕"} == lines(done.stdout)[0]


def test_an_input_that_is_none_leaves_no_half_file(finished, tmp_path):
    (tmp_path / "in.csv").write_text("words\npizza\n")
    finished("7_evaluate_inference", "--input", str(tmp_path / "in.csv"), "--output", str(tmp_path / "out.jsonl"), code=1)
    assert [path.name for path in tmp_path.iterdir()] == ["in.csv"]


def test_the_tone_of_a_combination_and_no_top(learned, tmp_path):
    world = learned("combination")
    (tmp_path / "only.txt").write_text("👍\n👋\n")
    flags = ["--only", str(tmp_path / "only.txt"), "thanks a lot"]
    assert set(world("7_evaluate_inference", "--skin_tone", "dark", *flags).stdout.strip()) == set("👍🏿👋🏿")
    assert "aren't ranked" in world("7_evaluate_inference", "--top", "3", *flags, code=1).stderr


def test_what_cannot_be_answered_has_no_answer_of_the_user_s_own(learned, finished, tmp_path):
    (tmp_path / "in.csv").write_text('text,answer,emoji,error\n,old,,\n"thanks a lot",old,,\n')
    done = learned("combination")("7_evaluate_inference", "--input", str(tmp_path / "in.csv"))
    assert "1 texts answered, 1 errors" in done.stderr
    failed, answered = lines(done.stdout)
    assert failed == {"text": "", "emoji": "", "error": "the text is empty"}
    assert answered["answer"] != "old"
    (tmp_path / "in.jsonl").write_text('{"text": "", "ranked": [["🍕", 1.0]]}\n')
    done = finished("7_evaluate_inference", "--input", str(tmp_path / "in.jsonl"))
    assert "0 texts answered, 1 errors" in done.stderr
    assert lines(done.stdout) == [{"text": "", "error": "the text is empty"}]


@pytest.mark.parametrize("flags", [["--exclude_category", "flags"], ["--only", "README.md"]])
def test_a_reply_cannot_be_limited_to_some_emoji(learned, flags):
    if flags[0] == "--only":
        path = learned("chat").folder / "only.txt"
        path.write_text("👍\n")
        flags = ["--only", str(path)]
    assert "writes what it likes" in learned("chat")("7_evaluate_inference", *flags, "hi", code=1).stderr


def test_a_checkpoint_of_a_retriever_answers_too(finished, tmp_path):
    shutil.copytree(finished.path("model"), tmp_path / "run" / "model")
    student = load(tmp_path / "run")
    for checkpoint in (tmp_path / "run" / "model" / "checkpoints").glob("checkpoint-*"):
        given = connect(str(checkpoint))
        assert given.name == f"run/{checkpoint.name}"
        assert given.ngram_weight == student.ngram_weight
        if torch.allclose(given.probabilities(["pizza", "rain"]), student.probabilities(["pizza", "rain"]), atol=1e-4):
            return
    pytest.fail("the student is none of the checkpoints")


@pytest.mark.parametrize("name", ["retriever", "most-frequent"])
def test_the_controls_answer_too(finished, name):
    assert finished("7_evaluate_inference", "--model", name, "pizza").stdout.strip() in ("🍕", "😂")


@pytest.mark.parametrize("script", sorted(path.name for path in ROOT.glob("[0-9]_*.py")))
def test_help_names_every_flag(finished, script):
    text = finished(script.removesuffix(".py"), "--help").stdout
    assert "--run" in text
    assert f"python {script}" in text
