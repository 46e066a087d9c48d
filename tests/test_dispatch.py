"""Requests spread over hosts: toy hosts with every kind of trouble, and a clock that is ours."""

import asyncio
import threading
import time
from collections import Counter

import pytest

from emojisummary.models.dispatch import (
    BACKLOG,
    LONGEST_BUSY,
    LONGEST_PAUSE,
    Busy,
    Dispatcher,
    Failed,
    Gone,
    Patience,
    Refused,
    Seat,
    Throttle,
)
from emojisummary.stage import UserError

QUICK = Patience(concurrency=4, most=16, attempts=3, give_up_after=0.05)


class Host:
    """Answers with its name; `trouble(number, request)` may give an exception to raise instead."""

    def __init__(self, name="a", trouble=lambda number, request: None, wait=0.0):
        self.name, self.trouble, self.wait = name, trouble, wait
        self.asked, self.running, self.highest, self.closed = [], 0, 0, False

    async def ask(self, request, attempt):
        self.asked.append(request["id"])
        number = len(self.asked)
        self.running += 1
        self.highest = max(self.highest, self.running)
        try:
            await asyncio.sleep(self.wait)
            if error := self.trouble(number, request):
                raise error
            return {"text": self.name}
        finally:
            self.running -= 1

    async def close(self):
        self.closed = True


def requests(n):
    return [{"id": str(number)} for number in range(n)]


def ask(*hosts, n=40, patience=QUICK, proven=False):
    dispatcher = Dispatcher(list(hosts), patience, proven=proven)
    return {request["id"]: reply for request, reply in dispatcher.answers(requests(n))}


def failing_on(ids, error):
    return Host(trouble=lambda number, request: error if request["id"] in ids else None)


def test_every_request_gets_its_answer_once():
    host = Host()
    assert ask(host) == {str(number): {"text": "a"} for number in range(40)}
    assert sorted(host.asked, key=int) == [str(number) for number in range(40)]
    assert host.closed


def test_no_requests_no_answers():
    assert ask(Host(), n=0) == {}


def test_a_host_never_gets_more_at_once_than_it_may():
    host = Host(wait=0.002)
    ask(host, n=200, patience=Patience(concurrency=2, most=5))
    assert 2 <= host.highest <= 5


def test_hosts_share_the_work():
    one, two = Host("one", wait=0.001), Host("two", wait=0.001)
    ask(one, two, n=60)
    assert len(one.asked) + len(two.asked) == 60
    assert min(len(one.asked), len(two.asked)) > 5


@pytest.mark.parametrize("error", [Failed("reset"), Failed("500", reached=True), Busy(0.001)])
def test_what_may_pass_is_tried_again(error):
    host = Host(trouble=lambda number, request: error if number % 4 == 0 else None)
    assert {reply["text"] for reply in ask(host).values()} == {"a"}


def test_a_refused_request_gets_the_reason_and_the_others_their_answers():
    host = Host(trouble=lambda number, request: Refused("400 too long") if request["id"] == "17" else None)
    replies = ask(host)
    assert replies.pop("17") == {"text": None, "error": "400 too long"}
    assert len(replies) == 39


def test_a_first_request_that_is_refused_does_not_stop_the_others():
    host = Host(trouble=lambda number, request: Refused("400 too long") if request["id"] == "0" else None, wait=0.001)
    replies = ask(host)
    assert replies.pop("0") == {"text": None, "error": "400 too long"}
    assert {reply["text"] for reply in replies.values()} == {"a"}


def test_a_host_that_refuses_everything_is_dropped_and_nothing_given_up():
    replies = []
    with pytest.raises(UserError, match="refuses what it's asked: 400 no such option"):
        refusing = Host(trouble=lambda number, request: Refused("400 no such option"))
        replies += Dispatcher([refusing], QUICK).answers(requests(40))
    assert replies == []


def test_with_one_request_at_once_a_first_one_that_is_refused_does_not_stop_the_others():
    replies = ask(failing_on({"0"}, Refused("400 too long")), patience=Patience(concurrency=1))
    assert replies.pop("0") == {"text": None, "error": "400 too long"}
    assert {reply["text"] for reply in replies.values()} == {"a"}


def test_many_refused_at_once_while_others_take_their_time_are_no_fault_of_the_host():
    class Strict(Host):
        async def ask(self, request, attempt):
            if int(request["id"]) % 10 < 8:
                raise Refused("400 against the rules")
            await asyncio.sleep(0.02)
            return {"text": "a"}

    replies = ask(Strict(), n=200)
    assert sum(reply["text"] == "a" for reply in replies.values()) == 40


@pytest.mark.parametrize("error", [Refused("400 too long"), Failed("500", reached=True)])
def test_the_last_bad_requests_are_given_up_by_a_host_that_is_known_to_answer(error):
    for replies in (ask(failing_on({"38", "39"}, error)), ask(failing_on({"0", "1"}, error), n=2, proven=True)):
        assert [reply["text"] for reply in replies.values()].count(None) == 2


@pytest.mark.parametrize("error", [Refused("400 too long"), Failed("500", reached=True)])
def test_nothing_is_given_up_by_a_host_that_has_never_answered(error):
    with pytest.raises(UserError, match=str(error)):
        ask(failing_on({"0", "1"}, error), n=2)


def test_a_broken_host_beside_a_good_one_makes_no_request_a_bad_one():
    bad, good = Host("bad", lambda number, request: Failed("500", reached=True)), Host("good", wait=0.1)
    replies = ask(bad, good, n=20, patience=Patience(concurrency=2, most=4, attempts=2, give_up_after=5))
    assert {reply["text"] for reply in replies.values()} == {"good"}


@pytest.mark.parametrize("reason", [Refused("400 no such option"), Failed("500", reached=True)])
def test_what_a_host_that_answers_nothing_fails_on_is_left_to_a_good_one(reason, monkeypatch):
    monkeypatch.setattr("emojisummary.models.dispatch.LONGEST_PAUSE", 0.001)
    bad, good = Host("bad", lambda number, request: reason), Host("good", wait=0.02)
    patience = Patience(concurrency=4, most=4, attempts=2, give_up_after=0.01)
    replies = ask(bad, good, n=14, patience=patience, proven=True)
    assert {reply["text"] for reply in replies.values()} == {"good"}


def test_a_refusal_from_a_host_that_is_dropped_already_is_left_to_the_others():
    class Leaving(Host):
        async def ask(self, request, attempt):
            self.asked.append(request["id"])
            if len(self.asked) == 1:
                await asyncio.sleep(0.005)
                raise Gone("has no model x.")
            await asyncio.sleep(0.02)
            raise Refused("400 no")

    replies = ask(Leaving("bad"), Host("good", wait=0.002), n=20)
    assert {reply["text"] for reply in replies.values()} == {"good"}
    assert len(replies) == 20


def test_what_was_on_its_way_proves_nothing_about_requests_that_fail_later(monkeypatch):
    """A server that is being stopped finishes what it has, and answers nothing new."""
    monkeypatch.setattr("emojisummary.models.dispatch.LONGEST_PAUSE", 0.001)

    class Draining(Host):
        async def ask(self, request, attempt):
            self.asked.append(request["id"])
            if len(self.asked) <= 3:
                await asyncio.sleep(0.02 * len(self.asked))
            elif len(self.asked) < 40:
                raise Failed("502", reached=True)
            return {"text": "a"}

    assert {reply["text"] for reply in ask(Draining(), n=8).values()} == {"a"}


def test_a_request_that_breaks_the_server_each_time_is_given_up():
    host = Host(trouble=lambda number, request: Failed("500", reached=True) if request["id"] == "17" else None)
    replies = ask(host)
    assert replies["17"]["text"] is None
    assert "500" in replies["17"]["error"]
    assert sum(reply["text"] == "a" for reply in replies.values()) == 39
    assert host.asked.count("17") >= QUICK.attempts


def test_the_last_request_is_given_up_too():
    host = Host(trouble=lambda number, request: Failed("500", reached=True) if request["id"] == "39" else None)
    assert ask(host)["39"]["text"] is None


def test_a_server_that_fails_on_everything_is_no_reason_to_give_up_requests():
    """It answered the first ten, then broke: nothing may be marked unusable for that."""
    host = Host(trouble=lambda number, request: Failed("500", reached=True) if number > 10 else None)
    replies = {}
    with pytest.raises(UserError, match="500"):
        for request, reply in Dispatcher([host], QUICK).answers(requests(40)):
            replies[request["id"]] = reply
    assert len(replies) == 10
    assert all(reply["text"] for reply in replies.values())
    assert host.closed


@pytest.mark.parametrize("error", [Gone("has no model x. Get it with: ollama pull x"), Failed("refused"), Refused("400 no")])
def test_a_dropped_host_leaves_its_work_to_the_others(error, capsys):
    bad, good = Host("bad", trouble=lambda number, request: error), Host("good", wait=0.01)
    replies = ask(bad, good)
    assert {reply["text"] for reply in replies.values()} == {"good"}
    assert len(replies) == 40
    if not isinstance(error, Failed):  # that one may be done before the bad host's patience is over
        assert "warning: bad" in capsys.readouterr().err


def test_when_no_host_is_left_the_error_says_what_to_do():
    with pytest.raises(UserError, match="ollama pull gemma3"):
        ask(Host(trouble=lambda number, request: Gone("has no model gemma3. Get it with: ollama pull gemma3")))


def test_a_stuck_request_keeps_none_waiting():
    stuck = threading.Event()

    class Stuck(Host):
        async def ask(self, request, attempt):
            if request["id"] == "0":
                while not stuck.is_set():
                    await asyncio.sleep(0.001)
            return await super().ask(request, attempt)

    answered = []
    for request, _ in Dispatcher([Stuck()], QUICK).answers(requests(40)):
        answered.append(request["id"])
        if len(answered) == 39:
            assert "0" not in answered
            stuck.set()
    assert answered[-1] == "0"


def test_requests_are_taken_as_they_are_needed():
    taken = []

    def endless():
        for number in range(10**9):
            taken.append(number)
            yield {"id": str(number)}

    answers = Dispatcher([Host(wait=0.001)], QUICK).answers(endless())
    for _ in range(5):
        next(answers)
    answers.close()
    assert len(taken) < 5_000


def test_answers_do_not_pile_up_before_a_slow_caller():
    host = Host()
    answers = Dispatcher([host], QUICK).answers(requests(200))
    for written in range(1, 201):
        next(answers)
        time.sleep(0.001)
        assert len(host.asked) <= written + BACKLOG + QUICK.most


def test_an_abandoned_dispatcher_ends_its_thread():
    before = threading.active_count()
    answers = Dispatcher([Host(wait=0.001)], QUICK).answers(requests(1000))
    next(answers)
    answers.close()
    assert threading.active_count() == before


@pytest.mark.parametrize("where", [0, 17, 39])
def test_a_mistake_of_ours_is_not_swallowed(where):
    with pytest.raises(ZeroDivisionError):
        ask(Host(trouble=lambda number, request: 1 / 0 if request["id"] == str(where) else None))


def test_a_host_that_is_always_busy_is_dropped_in_the_end():
    with pytest.raises(UserError, match="too busy"):
        ask(Host(trouble=lambda number, request: Busy(0.001)), patience=Patience(give_up_after=0.01))


def test_requests_that_a_busy_host_sends_back_together_count_once():
    class Full(Host):
        async def ask(self, request, attempt):
            if self.running >= 20:
                raise Busy(0.001)
            return await super().ask(request, attempt)

    dispatcher = Dispatcher([Full(wait=0.002)], Patience(concurrency=32))
    assert len(list(dispatcher.answers(requests(200)))) == 200
    assert dispatcher.seats[0].throttle.limit == 16


def test_pauses_have_an_end():
    seat = Seat(Host(), QUICK)
    seat.failures = seat.busies = 5000
    assert seat.pause() == LONGEST_PAUSE
    assert seat.busy_pause() == LONGEST_BUSY


class Clock:
    """Time that passes only when told to."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


def serve(throttle, slots, answers=3000):
    """The limit that the throttle keeps for most answers of a server with so many slots, each answer taking a second."""
    limits = Counter()
    for _ in range(answers):
        throttle.clock.now += 1 / min(throttle.limit, slots)
        throttle.answered()
        limits[throttle.limit] += 1
    return limits.most_common(1)[0][0]


@pytest.mark.parametrize(("slots", "least", "highest"), [(1, 2, 8), (4, 4, 8), (8, 8, 16), (32, 32, 48), (500, 64, 64)])
def test_the_throttle_finds_what_the_server_can_take(slots, least, highest):
    assert least <= serve(Throttle(4, 64, Clock()), slots) <= highest


def test_the_throttle_notices_when_a_server_can_take_more():
    throttle = Throttle(4, 64, Clock())
    assert 2 <= serve(throttle, slots=2) <= 8
    assert 32 <= serve(throttle, slots=32) <= 64


@pytest.mark.parametrize("answers_before", [0, 5, 100, 1000])
def test_the_throttle_goes_on_after_a_server_was_busy(answers_before):
    throttle = Throttle(4, 64, Clock())
    serve(throttle, 8, answers_before + 1)
    throttle.busy()
    assert 4 <= serve(throttle, slots=8) <= 16


def test_a_busy_server_gets_half_as_much():
    throttle = Throttle(16, 64, time.monotonic)
    throttle.busy()
    assert throttle.limit == 8
    for _ in range(10):
        throttle.busy()
    assert throttle.limit == 1
