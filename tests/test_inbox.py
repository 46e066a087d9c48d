"""Answers that have arrived, and wait in a file until their caller has them."""

import pytest

from emojisummary.models.inbox import Inbox


@pytest.fixture
def path(tmp_path):
    return tmp_path / "run" / "model.arrived.jsonl"


def requests(n):
    return [{"id": str(number), "text": "a\u2028b 😀"} for number in range(n)]


def asking(inbox, asked):
    """A server for an inbox: two answers are always there before the first of them is taken."""

    def ask(requests):
        waiting = []
        for request in requests:
            asked.append(request["id"])
            waiting.append((request, {"text": f"reply to {request['id']}"}))
            inbox.put(*waiting[-1])
            if len(waiting) == 2:
                yield waiting.pop(0)
        yield from waiting

    return ask


def ask(path, n=10, stop=None):
    """The ids asked for, and the answers taken; after `stop` of them the caller goes away."""
    inbox, asked, taken = Inbox(path), [], {}
    answers = inbox.answers(requests(n), asking(inbox, asked))
    for request, reply in answers:
        if len(taken) == stop:
            answers.close()
            break
        taken[request["id"]] = reply["text"]
    return asked, taken


def test_all_that_was_taken_leaves_nothing_behind(path):
    asked, taken = ask(path)
    assert asked == list(taken) == [str(number) for number in range(10)]
    assert not path.exists()


def test_a_line_that_was_cut_within_a_sign_is_passed_over(path):
    ask(path, stop=4)
    whole = path.read_bytes()
    path.write_bytes(whole + "😀".encode()[:2])
    asked, _ = ask(path)
    assert len(asked) < 10


def test_what_a_killed_run_left_is_not_asked_for_again(path):
    before, taken = ask(path, stop=4)
    left = len(path.read_text().splitlines())
    assert set(before) - set(taken) == {"4", "5"}
    assert 2 <= left <= len(before)
    after, others = ask(path)
    assert not set(before[-2:]) & set(after)
    assert others | taken == {str(number): f"reply to {number}" for number in range(10)}
    assert not path.exists()


def test_a_half_written_answer_has_not_arrived(path):
    ask(path, stop=4)
    whole = path.read_text()
    path.write_text(whole + whole[:20])
    after, others = ask(path)
    assert "5" not in after
    assert len(others) == 10


def test_another_question_gets_no_old_answer(path):
    ask(path, stop=4)
    inbox, asked = Inbox(path), []
    changed = [request | {"text": "another prompt"} for request in requests(10)]
    assert len(list(inbox.answers(changed, asking(inbox, asked)))) == len(asked) == 10


def test_the_file_stays_short(path):
    inbox, lengths = Inbox(path), []
    for _ in inbox.answers(requests(500), asking(inbox, [])):
        lengths.append(path.read_bytes().count(b"\n"))
    assert len(lengths) == 500
    assert 50 < max(lengths) < Inbox.SPARE + 10
