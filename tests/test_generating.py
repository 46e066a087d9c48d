"""What becomes of a teacher's replies: rows of each task, and the file that holds them."""

from types import SimpleNamespace

import pytest

from emojisummary.artifacts import read_rows
from emojisummary.emojis import Lookup, read_tables
from emojisummary.generating import GeneratedFile
from emojisummary.sections import Amount
from emojisummary.tasks import TASKS
from emojisummary.tasks.chat import usable
from tests.conftest import ROOT

TABLE, _ = read_tables([str(ROOT / "data/16_all_emoji.tsv")], str(ROOT / "data/2021_ranked.tsv"))
EMOJI_OF = Lookup(TABLE)
SERVED = SimpleNamespace(name="ollama/x", reproducible=False, polished=False)
OFFLINE = SimpleNamespace(name="phrasebook", reproducible=True, polished=True)
CONVERSATIONS = str(ROOT / "data/chat/conversations.jsonl")
LUNCH = "Lunch was great, with extra cheese and a lot of fries for all of us."
DANCE = "Let's go dancing tonight with all of our friends."
INSTALL = "Download it from python.org 💻, then run it. 🎉"
STEPS = "1. Get it from **python.org** 💻\n2. Run it:\n```\npython --version\n```\nNote: 3.12 is the newest. ✅"
STORY = "Hanna, a hedgehog, found a book in the castle. She read until the moon came. Then she slept."


GOOD = [  # task, type, reply, and 0 with the row's text or 1 with its answer
    ("summary", "paragraph", f'Sure! Here is a tweet:\n\n"{LUNCH}" 🍔', 0, LUNCH),
    ("summary", "keywords", "1. bun\n2. cheese\n3. fries", 0, "bun, cheese, fries"),
    ("combination", "sentence", f"{DANCE}\n💃🕺🎶", 0, DANCE),
    ("combination", "sentence", f"{DANCE}\n💃🕺🎶", 1, "💃🕺🎶"),
    ("combination", "sentence", f'<think>Dance?</think>First line: "{DANCE}" 🎉\n\n💃 🕺 🎶\n', 0, DANCE),
    ("chat", "reply", INSTALL, 1, INSTALL),
    ("chat", "reply", "💻 Download it from python.org.", 1, "💻 Download it from python.org."),
    ("chat", "reply", STEPS, 1, STEPS),
    ("chat", "reply", f'<think>Shorter!</think>Sure! Here is the rewritten reply:\n\n"{INSTALL}"', 1, INSTALL),
    ("chat", "reply", f"```\n{INSTALL}\nThat's all.\n```", 1, f"{INSTALL}\nThat's all."),
    ("story", "story", STORY, 1, STORY),
    ("story", "story", f"Sure! Here's a bedtime story:\n\n{STORY} 🌙\n\nLet me know if you'd like another one!", 1, STORY),
]


def topics(task, type, n=3):
    """The first topics of a task about a burger, or the first conversations."""
    table = {"🍔": TABLE["🍔"]} if task != "story" else {"🦔": TABLE["🦔"]}
    amount = Amount(min=n, max=n, exponent=1)
    source = CONVERSATIONS if task == "chat" else None
    return list(TASKS[task].topics(table, "english", type, "ollama/x", amount, 7, None, source))[:n]


def taken(folder, task, type, text, **reply):
    """What a served teacher's reply becomes: the row's text and answer, or the reason why there's none."""
    topic = topics(task, type)[0]
    file = GeneratedFile(folder / "english_x_y.yaml", [topic], SERVED, TASKS[task], EMOJI_OF)
    if file.take(topic, {"text": text, **reply}):
        row = file.rows.rows[topic["id"]]
        return row["text"], row["answer"]
    return file.unusable.rows[topic["id"]]["reason"]


@pytest.mark.parametrize(("task", "type", "reply", "column", "kept"), GOOD)
def test_a_served_teachers_reply_becomes_a_row(task, type, reply, column, kept, tmp_path):
    assert taken(tmp_path, task, type, reply)[column] == kept


def test_every_task_has_a_good_reply_above():
    assert {task for task, *_ in GOOD} == set(TASKS)


@pytest.mark.parametrize(
    ("task", "type", "reply", "reason"),
    [
        ("summary", "paragraph", "The 🍔 was great, with extra cheese.", "contains the emoji"),
        ("combination", "sentence", DANCE, "empty"),
        ("combination", "sentence", "💃🕺🎶", "empty"),
        ("combination", "sentence", f"{DANCE}\nSo much fun", "no combination of 2 to 4 different emoji"),
        ("combination", "sentence", "Let's go 💃 tonight.\n💃🕺", "contains the emoji"),
        ("combination", "sentence", "I can't help with that.\n💃🕺", "refusal"),
        ("combination", "sentence", "今夜は友達みんなと踊りに行きましょう。\n💃🕺", "wrong language"),
        ("chat", "reply", "Download it from python.org.", "without any emoji"),
        ("chat", "reply", "💻🎉", "empty"),
        ("chat", "reply", "I'm sorry, but I can't help with that. 💻", "refusal"),
        ("story", "story", "A 🦔 found a book and slept.", "contains the emoji"),
        ("story", "story", "As an AI language model, I can't tell stories.", "refusal"),
    ]
    + [(task, type, "", "empty") for task, type in (("combination", "sentence"), ("chat", "reply"), ("story", "story"))],
)
def test_a_reply_that_is_no_answer_is_refused(task, type, reply, reason, tmp_path):
    assert taken(tmp_path, task, type, reply) == reason


@pytest.mark.parametrize(
    ("task", "type", "reply"),
    [
        ("summary", "paragraph", LUNCH),
        ("combination", "sentence", f"{DANCE}\n💃🕺"),
        ("chat", "reply", INSTALL),
        ("story", "story", STORY),
    ],
)
def test_a_reply_that_was_cut_off_is_refused(task, type, reply, tmp_path):
    assert taken(tmp_path, task, type, reply, cut=True) == "cut off"


def test_compressed_replies_written_by_hand_come_through_unchanged():
    task = TASKS["chat"]
    replies = [one["compressed"] for one in usable(CONVERSATIONS) if one["compressed"]]
    topic = topics("chat", "reply")[0]
    assert [task.clean(topic, reply, EMOJI_OF) for reply in replies] == replies


def written(folder, teacher, replies, topics, **options):
    """Stage 2 for one file: the ids of the topics that the teacher was asked about, and the texts that the file then holds.

    `replies` are a teacher's by the number of the topic; None where it says nothing.
    """
    file = GeneratedFile(folder / "english_paragraph_x.yaml", topics, teacher, TASKS["summary"], EMOJI_OF, **options)
    asked = file.lacking()
    for topic in asked:
        if (text := replies.get(topic["number"])) is not None:
            file.take(topic, {"text": text})
    file.finish()
    return [topic["number"] for topic in asked], [row["text"] for row in read_rows(file.path)] if file.path.exists() else []


def test_a_file_whose_last_unusable_reply_was_replaced_is_as_if_there_never_was_one(tmp_path):
    some = topics("summary", "paragraph")
    texts = {0: f"{LUNCH} One.", 2: f"{LUNCH} Three."}
    assert written(tmp_path, SERVED, texts | {1: ""}, some) == ([0, 1, 2], list(texts.values()))
    assert (tmp_path / "english_paragraph_x.unusable.jsonl").exists()
    assert written(tmp_path, SERVED, texts, some)[0] == []
    three = [f"{LUNCH} One.", LUNCH, f"{LUNCH} Three."]
    assert written(tmp_path, SERVED, {1: LUNCH}, some, retry_unusable=True) == ([1], three)
    assert written(tmp_path, SERVED, {}, some) == ([], three)
    names = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file())
    assert names == [".made/english_paragraph_x.yaml", "english_paragraph_x.yaml"]


def test_an_empty_file_of_unusable_replies_holds_none(tmp_path):
    (tmp_path / "english_paragraph_x.unusable.jsonl").touch()
    assert written(tmp_path, SERVED, {0: LUNCH}, topics("summary", "paragraph", 1)) == ([0], [LUNCH])


def test_what_an_offline_teacher_no_longer_says_is_gone(tmp_path):
    some = topics("summary", "paragraph")
    assert written(tmp_path, OFFLINE, {0: "One.", 1: "Two.", 2: "Bad."}, some)[1] == ["One.", "Two.", "Bad."]
    assert written(tmp_path, OFFLINE, {0: "One.", 1: "Two!"}, some)[1] == ["One.", "Two!"]
    assert written(tmp_path, OFFLINE, {0: "One.", 1: "A 🍔."}, some)[1] == ["One."]
    assert (tmp_path / "english_paragraph_x.unusable.jsonl").exists()
    assert written(tmp_path, OFFLINE, {}, some)[1] == []
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_what_a_served_teacher_was_paid_for_stays_after_a_smaller_run(tmp_path):
    texts = {n: f"{LUNCH} Number {n}." for n in range(3)}
    some = topics("summary", "paragraph")
    assert written(tmp_path, SERVED, texts, some)[1] == list(texts.values())
    assert written(tmp_path, SERVED, {}, some[:1]) == ([], list(texts.values()))
