"""Test prompts and checklists: what is ticked, what isn't, and that both stand in the report."""

import json
import re

import pytest

from emojisummary.checklist import answered, checklist_as_text, prompts_as_text, read_prompts, ticked
from emojisummary.page import html
from emojisummary.stage import UserError
from emojisummary.tasks import TASKS
from emojisummary.tasks.chat import usable
from tests.conftest import ROOT

GUIDE = [
    "How do I install Python on my computer?",
    "Can you explain what machine learning is in simple terms?",
    "What's the best way to learn programming?",
    "I'm really happy with your help, thank you so much!",
]
CHECKLIST = (
    ("It's short", "reduction", 0.2),
    ("It's right", "terms", 0.9),
    ("It's kind", "reply", 0.5),
    ("It's new", "new", 0),
)
METRICS = {
    "ours": {"reduction": {"value": 0.2, "low": 0.1, "high": 0.3, "n": 4}, "terms": {"value": 0.89, "low": 0.8, "high": 0.95}},
    "untuned": {"reduction": {"value": -1.5, "low": -2, "high": -1}, "terms": {"value": 1}},
}
DUELS = [
    {"model": "ours", "control": control, "aspect": "reply", "win_rate": rate, "n": 4}
    for control, rate in (("untuned", 0.75), ("large", 0.25))
]


def results(**more):
    models = {name: {"metrics": metrics} for name, metrics in METRICS.items()}
    return {"models": models, "comparisons": [], "examples": [], **more}


def met(name, **more):
    return [line["met"][name] for line in ticked(results(**more), CHECKLIST)]


def test_a_line_is_met_from_the_least_on_and_what_is_not_measured_is_neither():
    assert met("ours") == [True, False, None, None]
    assert met("untuned") == [False, True, None, None]


def test_a_judge_ticks_by_the_control_that_the_first_model_does_worst_against():
    assert met("ours", judged=DUELS[:1])[2] is True
    assert met("ours", judged=DUELS)[2] is False
    assert met("untuned", judged=DUELS)[2] is None


class Echo:
    def __init__(self, answer):
        self.answer = answer

    def write(self, chats, **options):
        return [f"{self.answer} {chat[-1]['content']}" for chat in chats]


def test_every_model_answers_every_prompt():
    answers = answered({"ours": Echo("Yes:"), "untuned": Echo("<b>")}, TASKS["chat"], ["How?", "Why?"])
    assert answers[1] == {"text": "Why?", "ours": "Yes: Why?", "untuned": "<b> Why?"}
    assert answered({"ours": Echo("")}, TASKS["chat"], []) == []


def test_the_report_shows_prompts_and_checklist():
    answers = answered({"ours": Echo("Yes:\n"), "untuned": Echo("<b>")}, TASKS["chat"], ["How?"])
    checklist = ticked(results(judged=DUELS[:1]), CHECKLIST)
    text = prompts_as_text(answers) + checklist_as_text(checklist)
    for line in ("> How?", "  ours: Yes: /  How?", "  untuned: <b> How?", "- It's short", "  untuned: not measured",
                 "  ours: met: 20.0 (10.0-30.0) %, at least 20 % wanted", "  ours: not met: 89.0 (80.0-95.0) %"):  # fmt: skip
        assert line in text
    page = html(results(prompts=answers, checklist=checklist), [])
    sections = dict(re.findall(r'<section id="(\w+)".*?>(.*?)</section>', page, re.DOTALL))
    assert {"models", "checklist", "prompts"} == set(sections)
    assert "&lt;b&gt; How?" in sections["prompts"]
    assert re.findall(r"<td>(\w[\w ]*)", sections["checklist"]) == [
        "met", "not met", "not met", "met", "met", "not measured", "not measured", "not measured",
    ]  # fmt: skip
    assert "proves the path, not the quality" in text and "proves the path, not the quality" in sections["checklist"]


def test_without_prompts_and_checklist_the_report_says_nothing_of_them():
    assert prompts_as_text([]) == checklist_as_text([]) == ""
    assert re.findall(r'<section id="(\w+)"', html(results(prompts=[], checklist=[]), [])) == ["models"]


def test_prompts_are_read_line_by_line(tmp_path):
    (tmp_path / "mine.txt").write_text("How?\n\nWhy? \n")
    assert read_prompts(str(tmp_path / "mine.txt")) == ["How?", "Why? "]
    assert read_prompts(None) == []
    with pytest.raises(UserError, match=r"nothing\.txt"):
        read_prompts(str(tmp_path / "nothing.txt"))


def test_the_shipped_prompts_begin_with_the_guides_and_are_in_no_conversation():
    prompts = read_prompts(str(ROOT / "data/chat/test_prompts.txt"))
    assert prompts[:4] == GUIDE
    said = {turn["content"] for one in usable(str(ROOT / "data/chat/conversations.jsonl")) for turn in json.loads(one["text"])}
    assert not said & set(prompts)


@pytest.mark.parametrize(("reply", "terms", "emoji", "spam", "fitting", "rules"), [
    ("Get 3.12 from python.org 💻", 1, 1, 0, 1, 1),
    ("Get 3.12 from python.org", 1, 0, 0, 0, 0),
    ("Get it from python.org 💻", 0.5, 1, 0, 1, 0),
    ("Get it 💻", 0, 1, 0, 1, 0),
    ("Get 3.12 from python.org 💻💻💻💻💻💻", 1, 6, 1, 0, 0),
    ("Do get, if you can, 3.12 from python.org, as soon as you can, please 💻", 1, 1, 0, 1, 0),
])  # fmt: skip
def test_scores_behind_the_chats_checklist(reply, terms, emoji, spam, fitting, rules):
    scores = TASKS["chat"].score(["", "Please go to python.org, and there get 3.12."], reply)
    names = ("terms", "emoji", "spam", "fitting_emoji", "rules")
    assert [scores[name] for name in names] == [terms, emoji, spam, fitting, rules]


def test_every_line_of_the_chats_checklist_has_something_that_measures_it():
    task = TASKS["chat"]
    measured = {*task.score(["a", "b"], "c"), "reduction", *task.aspects}
    assert len(task.checklist) == 5
    assert {measure for _, measure, _ in task.checklist} <= measured
