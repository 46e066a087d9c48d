"""Emoji-compressed replies: conversations read and refused, rules, scores, and what is learned from them."""

import json
from types import SimpleNamespace

import pytest

from emojisummary.artifacts import write_csv
from emojisummary.combining import near_duplicates
from emojisummary.emojis import Lookup, read_tables
from emojisummary.evaluation import Measure
from emojisummary.models.meaning import Meaning
from emojisummary.models.written import Written
from emojisummary.own import own_rows
from emojisummary.sections import Amount
from emojisummary.settings import read_settings
from emojisummary.tasks import TASKS
from emojisummary.tasks.base import Unusable
from emojisummary.tasks.chat import conversations, is_held_out, rough_tokens, terms_of, usable
from emojisummary.training.labels import general_lessons, lessons_of
from emojisummary.training.rows import training_rows
from tests.conftest import ROOT

TABLE, _ = read_tables([str(ROOT / "data/16_all_emoji.tsv")], str(ROOT / "data/2021_ranked.tsv"))
EMOJI_OF = Lookup(TABLE)
TASK = TASKS["chat"]
SOURCE = str(ROOT / "data/chat/conversations.jsonl")
ASK = {"role": "user", "content": "How do I install Python?"}
ORIGINAL = (
    "Sure, happy to help you with that! First download Python 3.12 from python.org, then run `python --version` to check it."
)
SHORT = "Get Python 3.12 from python.org 💻, then check: `python --version` ✅"
ROW = {"id": "a", "text": json.dumps([ASK]), "original": ORIGINAL, "answer": SHORT}


def line(messages, **more):
    return json.dumps({"messages": messages, **more}) + "\n"


def test_the_layout_of_the_guide_is_read(tmp_path):
    reply = {"role": "assistant", "content": SHORT}
    (tmp_path / "mine.jsonl").write_text(
        line([ASK, reply], metadata={"tree_id": "t1", "augmented": True, "original_tokens": 150})
    )
    [found] = usable(str(tmp_path / "mine.jsonl"))
    assert (found["tree"], found["compressed"], found["original"]) == ("t1", SHORT, "")


def written(file):
    """The rows that the teacher `written` makes of a file."""
    topics = TASK.topics({}, "english", "reply", "written", Amount(min=1, max=1, exponent=1), 7, None, file)
    return [TASK.read(topic, reply, EMOJI_OF) for topic, reply in Written(TASK, file, TABLE).answer(topics) if reply]


def compressed(question, answer, tree):
    messages = [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
    return line(messages, metadata={"tree_id": tree, "augmented": True})


def test_branches_of_a_tree_are_conversations_of_their_own_on_one_side(tmp_path):
    file, trees = str(tmp_path / "mine.jsonl"), [f"tree {number}" for number in range(20)]
    branches = [
        (f"{part} of {tree}?", f"{reply} {part} of {tree} 🚀", tree) for tree in trees for part in "AB" for reply in "CD"
    ]
    (tmp_path / "mine.jsonl").write_text("".join(compressed(*branch) for branch in branches))
    learned = {(TASK.readable(row["text"]), row["answer"]) for row in written(file)}
    validation, problems = TASK.validation(file, EMOJI_OF)
    judged = {(TASK.readable(row["text"]), TASK.accepted(row)[0]) for row in validation}
    assert learned == {branch[:2] for branch in branches if not is_held_out(branch[2])}
    assert judged == {branch[:2] for branch in branches if is_held_out(branch[2])} != set()
    assert not problems


def test_of_conversations_with_one_id_the_first_counts_and_the_others_are_named(tmp_path):
    replies = [{"role": "assistant", "content": content} for content in ("One.", "Two.", "Two.")]
    ids = [{"id": "a"}, {"id": "a", "metadata": None}, {}]
    lines = [line([ASK, reply], **more) for reply, more in zip(replies, ids, strict=True)]
    (tmp_path / "mine.jsonl").write_text("".join([*lines, lines[-1]]))
    file = str(tmp_path / "mine.jsonl")
    assert [one["original"] for one in usable(file)] == ["One.", "Two."]
    found = [problem.removeprefix(f"unusable conversation, {file}, ") for problem in TASK.problems(file)]
    assert found == ["number 2: it has the id of number 1", "number 4: it has the id of number 3"]


def test_a_reply_whose_original_is_not_known_is_judged_alone(tmp_path):
    (tmp_path / "mine.jsonl").write_text(
        compressed(ASK["content"], SHORT, "t1") + compressed("Hi", "Hello there, you.👋" * 6, "t1")
    )
    rows = written(str(tmp_path / "mine.jsonl"))
    assert [TASK.fault(row) for row in rows] == [None, "6 emoji instead of one to 5"]
    meaning = Meaning("all-MiniLM-L6-v2", 0.6)
    replies = [reply["text"] for _, reply in meaning.answer([*rows, ROW])]
    assert [reply[:9] for reply in replies] == ["yes: ther", "yes: ther", "yes: cosi"]
    [asked] = TASK.grading(rows[0])
    assert ASK["content"] in asked["content"] and "long" not in asked["content"]
    ask = Amount(min=1, max=1, exponent=1)
    assert not list(TASK.topics({}, "english", "reply", "ollama/x", ask, 7, None, str(tmp_path / "mine.jsonl")))


def test_conversations_that_cannot_be_used_are_named_and_the_rest_goes_on(tmp_path):
    reply = {"role": "assistant", "content": "Yes."}
    robot, silent = {"role": "robot", "content": "x"}, {"role": "assistant", "content": " "}
    messages = [[ASK], [ASK, robot], "text", [ASK, reply], [ASK, silent]]
    lines = ["{ broken\n", *map(line, messages[:4]), "[]\n", line(messages[4])]
    (tmp_path / "mine.jsonl").write_text("".join(lines))
    found = list(conversations(str(tmp_path / "mine.jsonl")))
    assert [bool(conversation) for conversation, _ in found] == [False, False, False, False, True, False, False]
    reasons = " ".join(problem for _, problem in found)
    for reason in ("line 1: not JSON", "assistant's turn", "unknown role 'robot'", "no list of messages", "without content"):
        assert reason in reasons
    assert sum(TASK.problems(str(tmp_path / "mine.jsonl")).values()) == 6


@pytest.mark.parametrize("nothing", [{}, {"metadata": None}, {"metadata": [1]}, {"compressed": None, "terse": None}])
def test_what_a_conversation_may_lack_may_be_null(tmp_path, nothing):
    (tmp_path / "mine.jsonl").write_text(line([ASK, {"role": "assistant", "content": ORIGINAL}], **nothing))
    [(found, problem)] = conversations(str(tmp_path / "mine.jsonl"))
    assert (found["original"], found["compressed"], found["terse"], problem) == (ORIGINAL, "", "", "")


@pytest.mark.parametrize("key", ["compressed", "terse"])
def test_a_shorter_reply_that_is_no_text_makes_a_conversation_unusable(tmp_path, key):
    (tmp_path / "mine.jsonl").write_text(line([ASK, {"role": "assistant", "content": ORIGINAL}], **{key: ["Yes."]}))
    [(found, problem)] = conversations(str(tmp_path / "mine.jsonl"))
    assert found is None
    assert problem.endswith(f"`{key}` is no text")


def test_shipped_conversations_pass_the_rules():
    shipped = usable(SOURCE)
    faults = {one["id"]: TASK.fault({"original": one["original"], "answer": one["compressed"]}) for one in shipped}
    assert len(shipped) >= 60
    assert {id: fault for id, fault in faults.items() if fault} == {}
    assert not TASK.problems(SOURCE)


def test_a_tenth_is_held_out_by_conversation_and_nothing_of_it_is_learned():
    topics = list(TASK.topics({}, "english", "reply", "written", Amount(min=1, max=1, exponent=1), 7, None, SOURCE))
    validation, _ = TASK.validation(SOURCE, EMOJI_OF)
    held_out = {one["id"] for one in usable(SOURCE) if is_held_out(one["id"])}
    assert not {topic["conversation"] for topic in topics} & held_out
    assert len(topics) + len(validation) == len(usable(SOURCE))
    assert 0.04 <= len(validation) / len(usable(SOURCE)) <= 0.2
    texts, judged = ([TASK.readable(row["text"]) for row in rows] for rows in (topics, validation))
    assert near_duplicates(texts, judged, 0.9) == set()


@pytest.mark.parametrize(
    ("answer", "fault"),
    [
        (SHORT, None),
        (SHORT.replace("3.12", "3"), "loses 3.12"),
        (SHORT.replace("3.12", "13.125"), "loses 3.12"),
        (SHORT.replace("3.12", "3.12.").replace(", then", " →→→ ≥ √"), None),
        (SHORT.replace("💻", "1️⃣").replace("✅", "ℹ️"), None),
        (SHORT.replace("python --version", "it"), "loses `python --version`"),
        (SHORT.replace("💻", "").replace("✅", ""), "0 emoji"),
        (SHORT + "🎉🎈🥳🙌", "6 emoji"),
        (ORIGINAL + " 💻", "of the original's tokens"),
    ],
)
def test_rules(answer, fault):
    found = TASK.fault(ROW | {"answer": answer})
    assert found is None if fault is None else fault in found


CODE = '```python\ndef greet(name):\n    if name:\n\n        print("Hello\\n")\n```'
WITH_CODE = f"Here you go 🚀:\n\n{CODE}\n\nThen run it ✅"


def test_code_in_a_reply_is_kept_and_learned_as_it_is():
    wordy = f"Of course, happy to help! Here is a function that does what you have asked for:\n\n{CODE}\n\nThen run it."
    topic = ROW | {"original": wordy, "type": "reply", "language": "english"}
    said = TASK.clean(topic, f"<think>Short!</think>Sure! Here is the rewritten reply:\n\n{WITH_CODE}\n", EMOJI_OF)
    row = TASK.read(topic, {"text": said}, EMOJI_OF)
    [learned], _ = training_rows([row], TASK, EMOJI_OF)
    assert said == row["answer"] == learned["answer"] == WITH_CODE
    assert TASK.fault(row) is None
    assert TASK.fault(row | {"answer": WITH_CODE.replace("    if", "if")}) is not None


def test_a_mended_conversation_is_another_topic(tmp_path):
    ids = []
    for reply in ("Use Python 3.11, please.", "Use Python 3.12, please."):
        file = tmp_path / "chats.jsonl"
        turns = [{"role": "user", "content": "Which Python?"}, {"role": "assistant", "content": reply}]
        file.write_text(json.dumps({"id": "a", "messages": turns, "compressed": "🐍 3.12"}))
        amount = Amount(min=1, max=1, exponent=1)
        ids += [topic["id"] for topic in TASK.topics({}, "english", "reply", "written", amount, 7, None, str(file))]
    assert len(set(ids)) == len(ids) == 2


def test_the_length_of_a_conversation_is_that_of_its_words():
    rows = [{"text": json.dumps([{"role": "user", "content": "Install Python how?"}]), "answers": '["🐍 pip", "Use pip.", ""]'}]
    assert Measure(TASK, rows, SimpleNamespace(resamples=10, seed=1)).parts["length"] == {"1-3": [0]}


def test_words_between_blocks_of_code_are_no_terms():
    reply = "Run `a`:\n```\nls `x`\n```\nand then, if all went well,\n```sh\ncd\n```\nor `b\nc`."
    assert terms_of(reply) == ["`a`", "```\nls `x`\n```", "```sh\ncd\n```"]


def test_a_conversation_is_learned_as_it_is_answered(tmp_path):
    turns = [{"role": "user", "content": "def f():\n    return 1\u2028\x85?"}, {"role": "assistant", "content": WITH_CODE}, ASK]
    text = json.dumps(turns, ensure_ascii=False)
    write_csv(tmp_path / "mine.csv", ("text", "answer"), [{"text": text, "answer": SHORT}])
    [row], _ = training_rows(own_rows([str(tmp_path / "mine.csv")], TASK.tidied), TASK, EMOJI_OF)
    assert row["text"] == text
    assert [answer for _, answer in TASK.lessons(row)] == [WITH_CODE, SHORT]
    assert TASK.lessons(row)[-1][0] == TASK.chat(text)


def test_a_reply_without_emoji_is_no_row():
    with pytest.raises(Unusable, match="without any emoji"):
        TASK.read(ROW | {"number": 0}, {"text": "Get it from python.org."}, EMOJI_OF)


def test_every_turn_of_the_assistant_is_learned():
    turns = [
        {"role": "system", "content": "Be kind."},
        ASK,
        {"role": "assistant", "content": "Which system? 💻"},
        {**ASK, "content": "Mac"},
    ]
    lessons = TASK.lessons({"text": json.dumps(turns), "answer": SHORT})
    assert [answer for _, answer in lessons] == ["Which system? 💻", SHORT]
    assert [[turn["role"] for turn in prompt] for prompt, _ in lessons] == [
        ["system", "user"],
        ["system", "user", "assistant", "user"],
    ]
    assert "Be kind." in lessons[0][0][0]["content"]


def test_general_lessons_are_a_share_of_all_lessons():
    turns = [ASK, {"role": "assistant", "content": "Which system? 💻"}, {**ASK, "content": "Mac"}]
    own = lessons_of([{"text": json.dumps(turns), "answer": SHORT}] * 10, TASK)
    assert len(own) == 20
    general = general_lessons(read_settings("train", ["--general_share", "0.5"]), own)
    assert len(general) == 20


def test_a_plain_text_is_a_users_first_turn():
    assert TASK.chat("Hello")[1:] == [{"role": "user", "content": "Hello"}]


CONTENTS = ({}, {"content": None}, {"content": [{"type": "text", "text": "hi"}]})


@pytest.mark.parametrize("content", CONTENTS, ids=["missing", "null", "list"])
def test_a_message_without_a_text_is_an_error_in_the_place_of_its_answer_and_the_rest_goes_on(content):
    from emojisummary.models.llm import LanguageModel

    class Echo(LanguageModel):
        def write(self, chats, max_new_tokens=256, **options):
            return [chat[-1]["content"] for chat in chats]

    bad = json.dumps([ASK, {"role": "user", **content}])
    model = Echo("m", None, None, TASK, ["💻"], 100)
    good, wrong, plain, deep = model.predict([json.dumps([ASK]), bad, "Hello", "[" * 100_000])
    assert good["answer"] == ASK["content"]
    assert wrong == {"text": bad, "error": "a message of the conversation has no text as its content"}
    assert (plain["answer"], deep["answer"]) == ("Hello", "[" * 100_000)
    assert TASK.readable(bad) == bad


def test_rough_tokens_worked_by_hand():
    assert rough_tokens("install Python 💻!") == 2 + 2 + 3 + 1


SPEED = {"texts": 1, "seconds": 1, "texts_per_second": 1}


class Settings:
    resamples, seed, encoder = 100, 7, "all-MiniLM-L6-v2"


class Counting:
    def count_tokens(self, text):
        return len(text.split())


def test_reductions_are_counted_with_the_models_own_tokens():
    accepted = json.dumps(["one two 💻", "one two three four five six", "one two"])
    rows = [{"id": "a", "text": "x", "answers": accepted, "language": "english", "form": "reply"}]
    from emojisummary.chat_measure import ChatMeasure

    metrics = ChatMeasure(TASK, rows, Settings())("m", Counting(), ["one two three"], SPEED)["metrics"]
    assert metrics["reduction"]["value"] == 0.5
    assert metrics["against_terse"]["value"] == -0.5
    assert metrics["reference_reduction"]["value"] == 0.5
    assert metrics["emoji"]["value"] == 0
    assert 0 < metrics["meaning"]["value"] < 1


def test_what_compares_with_an_original_or_a_terse_text_is_not_measured_where_there_is_none():
    from emojisummary.chat_measure import ChatMeasure

    facts = {"id": "a", "text": "x", "language": "english", "form": "reply"}
    metrics = {}
    for original, terse in (("", "one two"), ("one two 3", ""), ("", "")):
        rows = [facts | {"answers": json.dumps(["one two 💻", original, terse])}]
        measure = ChatMeasure(TASK, rows, Settings())
        metrics[bool(original), bool(terse)] = set(measure("m", Counting(), ["one 💻"], SPEED)["metrics"])
        measure("control", Counting(), ["one two"], SPEED)
        assert {one["metric"] for one in measure.comparisons()} == ({"reduction", "terms"} if original else set())
    of_original = {"reduction", "reference_reduction", "terms", "rules", "meaning"}
    assert metrics[True, False] == metrics[False, False] | of_original
    assert metrics[False, True] == metrics[False, False] | {"against_terse"}
    assert {"emoji", "fitting_emoji"} < metrics[False, False]
