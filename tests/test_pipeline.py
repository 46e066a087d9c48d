"""The scripts in order, as a user runs them; killed, repeated, and given bad input."""

import csv
import json
import os
import random
import re
import shlex
import signal
import subprocess
import time
from collections import Counter

import pytest
import yaml

from tests.conftest import ROOT, STAGES, make_world

EARLY = ["1_emoji", "2_generate", "3_validate", "4_combine", "4_combine_eval"]
MADE = ("emoji_data.yaml", "generated/*.yaml", "graded/*.csv", "*_data.csv")

ROW = (
    '- {"id": "a", "emoji": "🐶", "text": "woof", "answer": "🐶", "language": "english", "type": "keywords", "teacher": "me"}\n'
)


def read(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_every_stage_leaves_what_the_next_one_reads(finished):
    emoji = yaml.safe_load(finished.path("emoji_data.yaml").read_text())
    assert set(emoji["❤️"]) == {"hex", "name", "category", "subcategory", "keywords", "rank", "parent", "version"}

    generated = finished.path("generated/english_paragraph_phrasebook.yaml")
    rows = yaml.safe_load(generated.read_text())
    assert {"id", "emoji", "text", "answer", "language", "type", "form", "style", "teacher"} <= set(rows[0])

    graded = read(finished.path("graded/english_paragraph_phrasebook_retriever.csv"))
    assert list(graded[0]) == ["id", "emoji", "text", "answer", "language", "type", "teacher", "grader", "verdict", "reason"]
    assert [row["id"] for row in graded] == [row["id"] for row in rows]
    assert {row["verdict"] for row in graded} == {"yes", "no"}

    training = read(finished.path("training_data.csv"))
    assert list(training[0])[:7] == ["id", "text", "answer", "language", "type", "teacher", "votes"]
    validation = read(finished.path("validation_data.csv"))
    assert list(validation[0])[:5] == ["id", "text", "answers", "language", "form"]
    assert len(validation) == len({row["text"] for row in validation}) == 12


def test_only_rows_with_a_yes_are_learned(finished):
    graded = {}
    for path in finished.path("graded").glob("*.csv"):
        graded |= {row["id"]: row["verdict"] for row in read(path)}
    assert "no" in graded.values()
    assert {graded[row["id"]] for row in read(finished.path("training_data.csv"))} == {"yes"}


def test_a_second_run_redoes_nothing(finished):
    def state():
        return {path: (path.stat().st_mtime_ns) for path in finished.path().rglob("*") if path.is_file()}

    finished("6_plot")  # now that stage 7 has been here, there is one more figure to draw
    before = state()
    for stage in STAGES:
        finished(stage)
    assert state() == before


def test_same_inputs_and_seed_give_the_same_bytes(finished, world):
    for stage in EARLY:
        world(stage)
    assert world.bytes(*MADE) == finished.bytes(*MADE)


def test_another_seed_gives_another_order(finished, world):
    for stage in EARLY:
        world(stage, "--seed", "8")
    assert world.bytes("training_data.csv") != finished.bytes("training_data.csv")


def kill_and_repeat(world, stage, chance, until_killed=3):
    """Runs a stage again and again, killed after a random time, until it has been killed often enough; then to its end."""
    kills = 0
    for _ in range(20):
        process = subprocess.Popen(world.command(stage), cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            process.wait(chance.uniform(0.1, 0.6) if stage != "3_validate" else chance.uniform(2, 7))
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.wait()
            kills += 1
        if kills == until_killed:
            break
    world(stage)


def test_killed_stages_end_with_the_bytes_of_an_unbroken_run(finished, world):
    chance = random.Random(os.getpid())
    for stage in EARLY:
        kill_and_repeat(world, stage, chance)
    assert world.bytes(*MADE) == finished.bytes(*MADE)
    assert not list(world.path().rglob("*.part"))


def test_a_journal_cut_anywhere_is_finished_to_the_same_bytes(finished, world):
    """The state that a kill leaves, at many places of the journal: whole lines and a torn one."""
    world("1_emoji")
    world("2_generate")
    name = "graded/english_paragraph_phrasebook_retriever.csv"
    whole = read(finished.path(name))
    lines = b"".join(b"- " + json.dumps(row, ensure_ascii=False).encode() + b"\n" for row in whole)
    world("3_validate", "--type", "paragraph")
    made_from = (world.path("graded/.made") / (world.path(name).name)).read_text()
    for cut in (1, len(lines) // 2 + 7, len(lines) - 1):
        world.path(name).unlink()
        world.path(f"{name}.part").write_bytes(lines[:cut])
        (world.path("graded/.made") / f"{world.path(name).name}.part").write_text(made_from)
        world("3_validate", "--type", "paragraph")
        assert world.path(name).read_bytes() == finished.path(name).read_bytes()


def test_a_limited_run_is_the_beginning_of_a_whole_one(finished, world):
    world("1_emoji")
    world("2_generate", "--limit", "7")
    name = "generated/english_paragraph_phrasebook.yaml"
    limited, whole = world.path(name).read_text(), finished.path(name).read_text()
    assert limited.count("\n") == 7
    assert whole.startswith(limited)
    world("2_generate")
    assert world.path(name).read_text() == whole


def test_a_limited_stage_4_counts_what_it_has_written(world):
    world("1_emoji")
    world("2_generate", "--type", "keywords")
    world("3_validate", "--graders", "rules")
    for stage, name, rows in (
        ("4_combine", "training_data.csv", "3 rows of"),
        ("4_combine_eval", "validation_data.csv", "3 texts"),
    ):
        assert f"{name}: {rows}" in world(stage, "--limit", "3").stdout
        assert len(read(world.path(name))) == 3


def test_filters_choose_files(world):
    world("1_emoji")
    world("2_generate", "--type", "keywords", "--type", "conversation", "--language", "english")
    names = sorted(path.name for path in world.path("generated").glob("*.yaml"))
    assert names == ["english_conversation_phrasebook.yaml", "english_keywords_phrasebook.yaml"]
    world("3_validate", "--type", "keywords")
    assert [path.name for path in world.path("graded").glob("*.csv")] == ["english_keywords_phrasebook_retriever.csv"]


@pytest.mark.parametrize("language", ["german", "japanese", "arabic"])
def test_other_languages_come_from_their_keywords(world, language):
    world("1_emoji")
    world("2_generate", "--teachers", json.dumps({"phrasebook": [language]}), "--type", "keywords")
    rows = yaml.safe_load(world.path(f"generated/{language}_keywords_phrasebook.yaml").read_text())
    assert len({row["emoji"] for row in rows}) == 25
    assert {row["language"] for row in rows} == {language}


def test_a_grader_does_not_judge_itself(world):
    world("1_emoji")
    world("2_generate", "--type", "keywords")
    path = world.path("generated/english_keywords_phrasebook.yaml")
    path.rename(path.with_name("english_keywords_retriever.yaml"))
    assert "--grade_own" in world("3_validate", code=1).stderr
    assert not world.path("graded").exists()
    assert "Nothing to judge" in world("3_validate", "--grader", "retreiver", code=1).stderr


def test_a_row_edited_by_hand_may_leave_also_empty(finished, world):
    for name, content in finished.bytes("emoji_data.yaml", "generated/*", "graded/*").items():
        world.path(name).parent.mkdir(parents=True, exist_ok=True)
        world.path(name).write_bytes(content)
    path = world.path("generated/english_paragraph_phrasebook.yaml")
    first, *others = yaml.safe_load(path.read_text())
    path.write_text(yaml.safe_dump([first | {"also": None}, *others], allow_unicode=True))
    world("4_combine")
    path.write_text(yaml.safe_dump([first | {"also": ["😂"]}, *others], allow_unicode=True))
    assert "line 1: `also` is ['😂']" in world("4_combine", code=1).stderr


def test_the_grid_has_each_category_once(finished):
    printed = finished("1_print").stdout
    headings = re.findall(r"^([\w-]+) \((\d+)\)$", printed, re.MULTILINE)
    assert len({category for category, _ in headings}) == len(headings)
    table = yaml.safe_load(finished.path("emoji_data.yaml").read_text())
    assert dict(headings) == {c: str(n) for c, n in Counter(facts["category"] for facts in table.values()).items()}


def test_training_goes_on_from_its_last_checkpoint_and_ends_the_same(finished, world):
    for stage in EARLY:
        world(stage)
    process = subprocess.Popen(world.command("5_train"), cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while process.poll() is None and not list(world.path("model/checkpoints").glob("checkpoint-*/trainer_state.json")):
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not world.path("model/student.yaml").exists(), "killed too late to show anything"
    torn = world.path("model/checkpoints/checkpoint-999")
    torn.mkdir()
    (torn / "model.safetensors").write_bytes(b"half")

    assert "going on from" in world("5_train").stdout
    for name in ("model/cards.safetensors", "model/encoder/model.safetensors", "model/student.yaml"):
        assert world.path(name).read_bytes() == finished.path(name).read_bytes(), name


@pytest.mark.parametrize(
    ("stage", "maker"),
    [
        ("1_print", "1_emoji.py"),
        ("2_generate", "1_emoji.py"),
        ("3_validate", "1_emoji.py"),
        ("4_combine", "3_validate.py"),
        ("4_combine_eval", "1_emoji.py"),
        ("5_train", "1_emoji.py"),
        ("6_plot", "5_train.py"),
        ("7_evaluate", "4_combine_eval.py"),
        ("7_evaluate_inference", "5_train.py"),
    ],
)
def test_a_missing_input_names_the_command_that_makes_it(world, stage, maker):
    world.path().mkdir(parents=True)
    done = world(stage, code=1)
    assert maker in done.stderr
    assert done.stderr.startswith("error: ")
    assert "Traceback" not in done.stderr
    assert "Traceback" in world(stage, "--debug", code=1).stderr


def test_a_command_that_an_error_names_is_one_for_the_same_run(world):
    world.path().mkdir(parents=True)
    which = world.command("1_emoji")[2:]
    assert shlex.join(["python", "1_emoji.py", *which]) in world("2_generate", "--limit", "5", code=1).stderr
    world("1_emoji")
    world("2_generate", "--type", "keywords", "--limit", "3")
    world("3_validate")
    for early in ("4_combine", "4_combine_eval"):
        world(early)
    for stage in ("6_plot", "7_evaluate"):
        assert shlex.join(["python", "5_train.py", *which]) in world(stage, code=1).stderr


@pytest.mark.parametrize(
    ("artifact", "content", "stage", "said"),
    [
        ("emoji_data.yaml", "", "2_generate", "1_emoji.py"),
        ("emoji_data.yaml", "😀: {name: [", "2_generate", "line 2"),
        ("generated/english_keywords_phrasebook.yaml", "", "3_validate", "2_generate.py"),
        ("generated/english_keywords_phrasebook.yaml", "- {id: 1, text: [}\n- x\n", "3_validate", "line 1"),
        ("generated/english_keywords_phrasebook.yaml", ROW + "- {text: bark}\n", "3_validate", "line 2: a row needs `id`"),
        (
            "generated/english_keywords_phrasebook.yaml",
            ROW.replace('"a"', "12"),
            "3_validate",
            "line 1: a row needs `id`: found 12",
        ),
        (
            "generated/english_keywords_phrasebook.yaml",
            ROW.replace("answer", "x"),
            "3_validate",
            "line 1: a row needs `answer`",
        ),
        ("generated/english_keywords_phrasebook.yaml", "- {text: bark}\n", "2_generate", "line 1: a row needs `id`"),
        ("graded/english_keywords_phrasebook_retriever.csv", "id,text\n1,hello\n", "4_combine", "line 1"),
        ("training_data.csv", "text,answer\n", "5_train", "no rows"),
        ("training_data.csv", "text,answer\nhello,🐶,🐱\n", "5_train", "line 2"),
        ("training_data.csv", "text,answer\nhello,nothing\n", "5_train", "emoji table"),
        ("validation_data.csv", "id,text\n1,hello\n", "5_train", "answers"),
        ("validation_data.csv", "id,text,answers\n1,hello,🐶\n2,bye, \n", "5_train", "line 3: `answers` is empty"),
        ("validation_data.csv", "id,text,answers\n1,hello,🐶\n2,bye,\n", "7_evaluate", "line 3: `answers` is empty"),
    ],
)
def test_a_broken_artifact_is_named_with_its_line(world, artifact, content, stage, said):
    for early in EARLY[: EARLY.index("3_validate")] if artifact != "emoji_data.yaml" else []:
        world(early)
    if stage == "5_train" and artifact != "validation_data.csv":
        world("4_combine_eval")
    if artifact == "validation_data.csv":
        world.path("training_data.csv").write_text("text,answer\nhello,🐶\n")
    world.path(artifact).parent.mkdir(parents=True, exist_ok=True)
    world.path(artifact).write_text(content)
    done = world(stage, code=1)
    assert said in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("copy", "said"),
    [
        ("english_keywords_phrasebook copy.yaml", "Row a is in both {folder}/{copy} and {folder}/{name}: take one away"),
        ("english_keywords_phrasebook.yaml", "Row a is twice in {folder}/{name}: take one away"),
    ],
)
def test_an_id_that_two_rows_have_is_named_before_anything_is_judged(world, copy, said):
    world("1_emoji")
    folder, name = world.path("generated"), "english_keywords_phrasebook.yaml"
    folder.mkdir()
    (folder / name).write_text(ROW)
    with (folder / copy).open("a") as file:
        file.write(ROW.replace("woof", "bark"))
    done = world("3_validate", "--graders", "rules", code=1)
    assert said.format(folder=folder, copy=copy, name=name) in done.stderr
    assert not world.path("graded").exists()


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--task", "chat"], "generate.source"),
        (["--task", "story", "--teachers", '{"written": ["english"]}'], "generate.source"),
        (["--task", "combination", "--teachers", '{"written": ["english"]}'], "generate.source"),
        (["--teachers", '{"written": ["english"]}'], "nothing for the task summary"),
        *(
            (["--teachers", json.dumps({name: ["english"]})], f"{name} can't write texts")
            for name in ("retriever", "most-frequent", "rules", "meaning", "linear", "base:x", "runs/demo")
        ),
    ],
)
def test_a_teacher_that_cannot_write_is_refused_with_a_sentence(world, flags, said):
    world("1_emoji")
    done = world("2_generate", *flags, code=1)
    assert said in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("grader", "said"),
    [
        *((name, f"{name} can't judge texts") for name in ("most-frequent", "phrasebook", "written", "base:x", "runs/demo")),
        ("meaning", "only rows of the task `chat`"),
    ],
)
def test_a_grader_that_cannot_judge_is_refused_with_a_sentence(world, grader, said):
    world("1_emoji")
    world("2_generate", "--type", "keywords", "--limit", "3")
    done = world("3_validate", "--graders", grader, code=1)
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_own_data_with_text_and_answer_alone_can_be_trained_on(tmp_path):
    world = make_world(tmp_path)
    for stage in ("1_emoji", "4_combine_eval"):
        world(stage)
    rows = "".join(f"{text} {n},{emoji}\n" for n in range(5) for text, emoji in (("woof", "🐶"), ("goal", "⚽"), ("rain", "🌧")))
    world.path("training_data.csv").write_text("text,answer\n" + rows + ",🐶\nwhat,🛸\n")
    done = world("5_train", "--num_train_epochs", "1", "--evaluations", "1")
    assert "15 rows" in done.stdout
    assert "1 rows without text" in done.stdout
    assert "1 rows whose answer is not in the emoji table" in done.stdout


def test_a_training_that_gets_no_better_ends_early(tmp_path):
    world = make_world(tmp_path)
    for stage in ("1_emoji", "4_combine_eval"):
        world(stage)
    world.path("training_data.csv").write_text("text,answer\nwoof,🐶\ngoal,⚽\nrain,🌧\n")
    standstill = ["--learning_rate", "1e-12", "--cards_learning_rate", "1e-12"]
    world("5_train", "--num_train_epochs", "9", "--evaluations", "9", "--early_stopping_patience", "1", *standstill)
    state = json.loads(world.path("model/trainer_state.json").read_text())
    assert state["global_step"] < 4 < state["max_steps"] == 9
