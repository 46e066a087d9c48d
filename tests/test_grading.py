from types import SimpleNamespace

import pytest

from emojisummary.artifacts import GRADED, read_csv
from emojisummary.grading import GradedFile, verdict

YES = [
    ("yes", ""),
    ("Yes", ""),
    ("YES!!", ""),
    (" \n yes.\n", ""),
    pytest.param("**Yes**", ""),
    pytest.param('"Yes."', ""),
    ("- yes", ""),
    ("✅ Yes", ""),
    ("Yes. A burger fits.", "A burger fits."),
    ("Yes, the tone\n\nmatches.", "the tone matches."),
    ("Yes: it fits", "it fits"),
    ("Yes - it fits", "it fits"),
    ("yes because it fits", "because it fits"),
    pytest.param("Yes. No other emoji fits better.", "No other emoji fits better."),
    ("Yes, and it's funny.", "and it's funny."),
]
NO = [
    ("no", ""),
    ("No.", ""),
    ("NO!", ""),
    pytest.param("**No**, it's a dog.", "it's a dog."),
    pytest.param("No. Yes would be too kind.", "Yes would be too kind."),
    ("No way", "way"),
]
UNCLEAR = [
    "I kNOw this one, yes",
    "yes and no",
    "Yes and no.",
    "yes or no",
    "Yes or no?",
    "yes, or no",
    "no and yes",
    "Yesterday was better",
    "Yess",
    "Nope",
    "None of them",
    "not sure",
    "nobody",
    "yes_no",
    "Answer: yes",
    "The answer is yes",
    "I'd say yes.",
    "1. yes",
    "Is it yes?",
    "As an AI model I can't judge.",
    "😀",
    "?",
    "ja",
    "oui",
    "true",
    "1",
]
NEVER_YES = [
    *UNCLEAR,
    "no",
    "**No**, it's a dog.",
    "No way",
    "",
    None,
    " ",
    "\n\n",
    "No/Yes",
    "Yes/No",
    "yes/no",
    "Yes / No",
    "(yes/no)",
    "yes|no",
    "Yes & no",
    "yes, no",
    "yes no",
]


@pytest.mark.parametrize(("reply", "reason"), YES)
def test_yes(reply, reason):
    assert verdict(reply) == ("yes", reason)


@pytest.mark.parametrize(("reply", "reason"), NO)
def test_no(reply, reason):
    assert verdict(reply) == ("no", reason)


@pytest.mark.parametrize("reply", UNCLEAR)
def test_unclear_gives_the_whole_reply_as_reason(reply):
    assert verdict(reply) == ("unclear", reply)


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        ('{"verdict": "yes", "reason": "A burger."}', ("yes", "A burger.")),
        ('```json\n{"verdict": "No", "reason": ""}\n```', ("no", "")),
        ("<think>yes? yes!</think>\nNo, it's a dog.", ("no", "it's a dog.")),
        ('<think>Hm.</think>{"verdict": "yes", "reason": "ok"}', ("yes", "ok")),
        ('{"verdict": "yes", "reason": "half an emoji: \\ud83d"}', ("yes", "half an emoji:")),
    ],
)
def test_forms_are_read_and_thoughts_are_not(reply, expected):
    assert verdict(reply) == expected


@pytest.mark.parametrize("reply", ['{"verdict": "maybe"}', '{"yes": true}', '{"verdict": "yes', "{}", "<think>yes"])
def test_a_form_that_does_not_say_yes_or_no_is_unclear(reply):
    assert verdict(reply)[0] == "unclear"


@pytest.mark.parametrize("reply", NEVER_YES)
def test_what_is_not_a_plain_yes_is_never_yes(reply):
    assert verdict(reply)[0] != "yes"


@pytest.mark.parametrize("reply", [None, ""])
def test_no_reply_is_unclear(reply):
    assert verdict(reply) == ("unclear", "no answer")


def test_a_reply_of_nothing_but_spaces_is_unclear():
    assert verdict(" \n ")[0] == "unclear"


@pytest.mark.parametrize("reply", ["yes " * 20_000, "\n" * 100_000 + "yes", "!" * 100_000, "a" * 100_000])
def test_a_very_long_reply_gets_a_verdict(reply):
    assert verdict(reply)[0] in ("yes", "no", "unclear")


# --- the file of verdicts ---

PAID = SimpleNamespace(name="ollama/x", depends_on="ollama-x", batch=None, reproducible=False)
OFFLINE = SimpleNamespace(name="rules", depends_on="rules", batch=1, reproducible=True)


def rows(n, **changes):
    """Rows about the same conversation."""
    same = {"emoji": "", "text": "How are you?", "answer": "Fine 🙂", "language": "english", "type": "reply", "teacher": "me"}
    return [same | changes | {"id": f"a{number}"} for number in range(n)]


def graded(path, rows, grader=PAID, **options):
    """A run of stage 3 for one file, with a grader that says yes: the ids that it's asked about, and the file's answers."""
    file = GradedFile(path / "graded.csv", GRADED, rows, grader, **options)
    asked = [row for batch in file.batches() for row in batch]
    for row in asked:
        file.take(row, {"text": "yes"})
    file.finish()
    return [row["id"] for row in asked], [row["answer"] for row in read_csv(file.path, GRADED)]


@pytest.mark.parametrize("changes", [{"answer": "Well 😀"}, {"text": "How do you do?"}, {"emoji": "🙂"}])
def test_a_row_whose_pair_has_changed_is_judged_again(changes, tmp_path):
    assert graded(tmp_path, rows(2)) == (["a0", "a1"], ["Fine 🙂"] * 2)
    assert graded(tmp_path, rows(2))[0] == []
    asked, answers = graded(tmp_path, rows(2, **changes))
    assert set(asked) == {"a0", "a1"}
    assert answers == [changes.get("answer", "Fine 🙂")] * 2


def test_a_smaller_run_keeps_what_a_grader_was_paid_for(tmp_path):
    whole = rows(5)
    graded(tmp_path, whole)
    assert graded(tmp_path, whole[:1], all_rows=whole) == ([], ["Fine 🙂"] * 5)
    assert graded(tmp_path, whole, all_rows=whole)[0] == []


def test_a_verdict_on_what_is_no_longer_there_goes(tmp_path):
    whole = rows(5)
    graded(tmp_path, whole)
    changed = [*whole[:3], whole[3] | {"answer": "Well 😀"}]
    assert len(graded(tmp_path, whole[:1], all_rows=changed)[1]) == 3


def test_a_smaller_run_of_an_offline_grader_is_the_beginning_of_a_whole_one(tmp_path):
    whole = rows(5)
    graded(tmp_path, whole, OFFLINE)
    assert len(graded(tmp_path, whole[:2], OFFLINE, all_rows=whole)[1]) == 2


def test_after_a_kill_the_batch_that_it_broke_is_judged_again_as_a_whole(tmp_path):
    grader, eight = SimpleNamespace(name="retriever", depends_on="x", batch=3, reproducible=True), rows(8)
    killed = GradedFile(tmp_path / "graded.csv", GRADED, eight, grader)
    for row in eight[:4]:
        killed.take(row, {"text": "yes"})
    again = GradedFile(tmp_path / "graded.csv", GRADED, eight, grader)
    assert [[row["id"] for row in batch] for batch in again.batches()] == [["a3", "a4", "a5"], ["a6", "a7"]]
