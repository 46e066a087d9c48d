"""Data of one's own: the recipe's example from its CSV files to its results, with a closed set of labels."""

import csv
import json
import shutil
import subprocess
import sys
from importlib import import_module
from types import SimpleNamespace

import pytest
import yaml

from emojisummary.artifacts import VALIDATION, read_yaml, write_csv, write_text
from emojisummary.emojis import Lookup, read_tables
from emojisummary.own import only, own_rows
from emojisummary.settings import read_settings
from emojisummary.stage import UserError
from emojisummary.tasks import TASKS
from emojisummary.validation import read_validation_set
from tests.conftest import ROOT

LABELS = ["❤️", "😂", "🔥", "☀️", "🎄", "📸"]
TABLE = {"🤦": {"parent": None}, "🤦‍♀️": {"parent": "🤦"}, "❤️": {"parent": None}}


def test_a_closed_set_of_labels():
    assert only(TABLE, []) == TABLE
    assert only(TABLE, ["❤", "🤦‍♀️"]) == {"🤦‍♀️": {"parent": None}, "❤️": {"parent": None}}
    assert only(TABLE, ["🤦‍♀️", "🤦"]) == {"🤦": {"parent": None}, "🤦‍♀️": {"parent": "🤦"}}
    with pytest.raises(UserError, match="names 🦄 🍔: not in the emoji tables"):
        only(TABLE, ["❤️", "🦄", "🍔"])


def test_rows_of_ones_own(tmp_path):
    (tmp_path / "mine.csv").write_text('text,answer,also\n" a\tb ",❤️,💕\n"two, three",😂 ,\n', encoding="utf-8")
    first, second = own_rows([str(tmp_path / "mine.csv")])
    assert (first["text"], first["answer"], first["also"], first["teacher"], first["votes"]) == ("a b", "❤️", "💕", "mine", 1)
    assert second["text"] == "two, three" and second["answer"] == "😂" and second["id"] != first["id"]
    with pytest.raises(UserError, match="column `answer` is missing"):
        own_rows([str(ROOT / "tests" / "own" / "validation.csv")])


def test_the_validation_set_may_be_a_csv():
    entries = read_validation_set(str(ROOT / "tests" / "own" / "validation.csv"))
    assert len(entries) == 24
    assert {entry["answers"] for entry in entries} == set(LABELS)


def test_the_example_has_its_labels_and_no_leak():
    rows = own_rows([str(ROOT / "tests" / "own" / "train.csv")])
    assert [row["answer"] for row in rows] == LABELS * 8
    texts = {row["text"] for row in rows} | {row["text"] for row in read_validation_set("tests/own/validation.csv")}
    assert len(texts) == 48 + 24


def run(folder, stage, *flags, code=0):
    command = [sys.executable, f"{stage}.py", "--config", "recipes/own-data.yaml", "--runs_folder", str(folder), *flags]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """The folder of runs in which the recipe's stages have run."""
    folder = tmp_path_factory.mktemp("own")
    for stage in ("1_emoji", "4_combine", "4_combine_eval", "5_train"):
        run(folder, stage, *(("--num_train_epochs", "2") if stage == "5_train" else ()))
    return folder


def test_only_the_labels_are_candidates_from_training_to_results(trained):
    printed = run(trained, "7_evaluate", "--resamples", "50")
    folder = trained / "own-data"
    assert list(read_yaml(folder / "emoji_data.yaml")) == sorted(LABELS, key=list(read_yaml(folder / "emoji_data.yaml")).index)
    with (folder / "training_data.csv").open(encoding="utf-8", newline="") as file:
        assert len(list(csv.DictReader(file))) == 48
    results = read_yaml(folder / "results.yaml")
    assert [model.partition("/own-data")[0] for model in results["models"]][1:] == ["retriever", "most-frequent", "linear"]
    for model in results["models"].values():
        assert model["metrics"]["accuracy@5"]["n"] == 12
    assert results["models"]["retriever"]["tokens"]["answer"]["total"] == 0
    assert "saving" not in results["models"]["retriever"]["tokens"]  # an encoder says nothing: there is nothing to save
    assert "tokens read and 0.0 said a text" in printed
    assert all(example["linear"][0] in LABELS for example in results["examples"])


def test_labelled_texts_of_ones_own_have_results_of_their_own(trained, tmp_path):
    text = 'text,answers\n"Merry Christmas, all of you",🎄 ❤\n"what a tune",🔥\n"no label here",🦄\n'
    (tmp_path / "my.csv").write_text(text, encoding="utf-8")
    printed = run(trained, "7_evaluate", "--data", str(tmp_path / "my.csv"), "--resamples", "50", "--models", "linear")
    folder = trained / "own-data"
    results = read_yaml(folder / "results-my.yaml")
    assert "2 texts; answers that are not in the emoji table: 1; texts without any answer in the table: 1" in printed
    assert results["examples"][0]["answers"] == ["🎄", "❤️"]
    assert "calibration" not in results["models"]["linear"]  # without a part of their own to calibrate on
    (folder / "report-my.html").unlink()
    run(trained, "7_evaluate", "--data", str(tmp_path / "my.csv"), "--resamples", "50", "--models", "linear")
    assert (folder / "report-my.html").exists()
    (tmp_path / "my.csv").write_text("text,answer\na,🔥\n", encoding="utf-8")
    assert "column `answers` is missing" in run(trained, "7_evaluate", "--data", str(tmp_path / "my.csv"), code=1)


SETS = {
    "combination": "data/combination/validation.tsv",
    "chat": "data/chat/conversations.jsonl",
    "story": "data/story/references.jsonl",
}


def read_own(folder, task, rows):
    """Rows of validation data as `--data` reads them from a CSV."""
    table, _ = read_tables([str(ROOT / "data/16_all_emoji.tsv")], str(ROOT / "data/2021_ranked.tsv"))
    write_text(folder / "emoji_data.yaml", json.dumps(table, ensure_ascii=False))
    write_csv(folder / "my.csv", VALIDATION, rows)
    settings = SimpleNamespace(data=str(folder / "my.csv"), folder=folder, task=task)
    return import_module("7_evaluate").texts(settings)[1]


@pytest.mark.parametrize("task", SETS)
def test_a_copy_of_the_validation_data_reads_the_same_in_every_task(tmp_path, capsys, task):
    table, _ = read_tables([str(ROOT / "data/16_all_emoji.tsv")], str(ROOT / "data/2021_ranked.tsv"))
    rows, _ = TASKS[task].validation(str(ROOT / SETS[task]), Lookup(table))
    assert read_own(tmp_path, task, rows) == rows
    assert capsys.readouterr().out == f"{tmp_path / 'my.csv'}: {len(rows)} texts\n"


@pytest.mark.parametrize(
    ("task", "good", "bad"),
    [
        ("combination", "💃🕺 💃🎶", ["💃", "dance"]),
        ("chat", '["Yes 👍", "Yes, of course.", ""]', ["👍", "{}", '["Yes 👍"]', '["Yes 👍", ""]', '["Yes 👍", "Yes.", 1]']),
        ("story", '["Once upon a time."]', ["Once upon a time.", "[]", "[1]", '[""]', '"Once"']),
    ],
)
def test_answers_of_ones_own_that_cannot_be_used_are_left_out_and_counted(tmp_path, capsys, task, good, bad):
    rows = [{"text": f"text {number}", "answers": answers} for number, answers in enumerate([*bad, good])]
    assert [row["answers"] for row in read_own(tmp_path, task, rows)] == [good]
    assert ": 1 texts; " in (printed := capsys.readouterr().out)
    assert printed.endswith(f": {len(bad)}\n")


def test_a_language_is_all_that_is_measured_and_is_recorded(trained, tmp_path):
    evaluate, file = import_module("7_evaluate"), tmp_path / "two.csv"
    file.write_text("text,answers,language\nwhat a tune,🔥,english\nFrohe Weihnachten,🎄,german\n", encoding="utf-8")
    own = ["--config", "recipes/own-data.yaml", "--runs_folder", str(trained), "--data", str(file)]
    for language, text in (("english", "what a tune"), ("german", "Frohe Weihnachten")):
        evaluate.main(read_settings("evaluate", [*own, "--models", "linear", "--language", language]))
        results = read_yaml(trained / "own-data" / "results-two.yaml")
        assert [example["text"] for example in results["examples"]] == [text]
        assert results["made"]["settings"]["language"] == [language]
    with pytest.raises(UserError, match=r"two.csv has no text of the part `test` in french"):
        evaluate.main(read_settings("evaluate", [*own, "--language", "french"]))


def test_results_depend_on_the_other_runs_and_bases_that_they_are_compared_with(tmp_path):
    others = import_module("7_evaluate").others
    made, config = tmp_path / "other" / "model" / "made.yaml", tmp_path / "base" / "config.json"
    cards = made.with_name("cards.tsv")
    for path in (made, cards, config):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("{}")
    models = ["retriever", str(tmp_path / "other"), f"base-short:{tmp_path / 'base'}", "ollama/gemma3"]
    assert others(SimpleNamespace(models=models)) == [made, cards, config]


def test_the_robustness_suite_writes_and_prints_its_shares(trained):
    printed = run(trained, "7_evaluate", "--suite", "robustness", "--resamples", "50", "--models", "linear")
    results = yaml.safe_load((trained / "own-data" / "robustness.yaml").read_text(encoding="utf-8"))
    assert list(results["models"]) == [str(trained / "own-data"), "linear"]
    assert results["models"]["linear"]["negation"]["as_expected"]["n"] == 13
    assert "injection" in printed and "robustness.yaml" in printed
    shutil.rmtree(trained / "own-data" / "model")
    flags = ("--suite", "robustness", "--models", "linear")
    assert "student.yaml" in run(trained, "7_evaluate", *flags, code=1)
