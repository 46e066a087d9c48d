"""Spreads requests over the hosts that serve a model: as many at once as help, and none is lost to a host that fails.

    for request, reply in Dispatcher(hosts, patience).answers(requests): ...

A host is anything with a `name` and `async ask(request, attempt) -> reply`, which raises one of four exceptions: what went
wrong decides what becomes of the request.

    Busy      the host has too much to do    -> fewer at once, the request again after a pause
    Failed    what may pass: no connection,
              a broken answer, an error 500  -> the request again, on whatever host is free; a host that only fails is dropped
    Refused   it's the request's own fault   -> no answer, with the reason; a host that only refuses is dropped
    Gone      the host can't serve at all    -> dropped; the message says what to do

The event loop has a thread of its own. The caller works on an answer while the next ones are on their way; `keep` is called
with each as soon as it arrives.
"""

import asyncio
import queue
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from emojisummary.stage import UserError

LONGEST_PAUSE = 10.0  # seconds, of a host that fails
LONGEST_BUSY = 60.0  # and of one that is busy, whatever it asks for
BUSY_PATIENCE = 10  # times as long as with failures is waited for a host that is busy
MANY = 16  # different requests in a row that a host refuses: then it isn't their own fault
FEW = 4  # requests left that may be all bad, while a host that has answered others isn't
BACKLOG = 8  # answers that may wait for the caller


class Busy(Exception):
    def __init__(self, pause: float | None = None):
        super().__init__("busy")
        self.pause = pause  # seconds, as the host asked for, if it did


class Failed(Exception):
    def __init__(self, problem: str, reached: bool = False):
        super().__init__(problem)
        self.reached = reached  # the server was there and said something, if only nonsense


class Refused(Exception):
    pass


class Gone(Exception):
    pass


@dataclass
class Patience:
    """How many requests at once, and how long to bear with a host."""

    concurrency: int = 4
    """requests at once on one host, to begin with"""
    most: int = 64
    """and at most"""
    attempts: int = 5
    """a request that failed so often, while others were answered, is given up"""
    give_up_after: float = 60
    """seconds of nothing but failures after which a host is dropped"""


class Throttle:
    """How many requests one host gets at once: twice as many while that brings more answers a second, then a few to spare.

    Each step leaves out the first answers after a change, then counts the answers of a while. Where doubling brought less than
    a tenth, the host is full: it keeps what it had and a quarter more, so that it never waits for us, and after a while more is
    tried again.
    """

    GAIN = 1.1
    STEADY = 30  # steps until more is tried again

    def __init__(self, start: int, most: int, clock=time.monotonic):
        self.limit = self.enough = min(start, most)
        self.most, self.clock = most, clock
        self.best_rate, self.rest = 0.0, 0
        self._start_step()

    def _start_step(self) -> None:
        self.answers, self.since = -self.limit, self.clock()

    def answered(self) -> None:
        self.answers += 1
        if self.answers == 0:
            self.since = self.clock()
        elif self.answers >= max(2 * self.limit, 8):
            self._judge(self.answers / max(self.clock() - self.since, 1e-9))
            self._start_step()

    def _judge(self, rate: float) -> None:
        if self.rest:
            self.rest -= 1
            if self.rest == 0:
                self._try_more(rate)
        elif rate > self.GAIN * self.best_rate:
            self.enough = self.limit
            self._try_more(rate)
        else:
            self.limit = min(self.enough + max(self.enough // 4, 2), self.most)
            self.rest = self.STEADY

    def _try_more(self, rate: float) -> None:
        """Than what now brings `rate` answers a second."""
        self.best_rate, self.limit = rate, min(2 * self.limit, self.most)

    def busy(self) -> None:
        """The host had too much to do: half as many."""
        self.limit = self.enough = max(self.limit // 2, 1)
        self.rest = self.STEADY
        self._start_step()


@dataclass(eq=False)
class Job:
    request: dict
    failures: int = 0
    failed_at: dict = field(default_factory=dict)  # by seat: how many requests it had got when this one first failed there


class Seat:
    """A host with what is known of it on the way. Its requests are numbered from 1 on."""

    def __init__(self, host, patience: Patience):
        self.host, self.patience = host, patience
        self.throttle = Throttle(patience.concurrency, patience.most)
        self.running = self.sent = self.answered = self.halved = 0  # the last three: numbers of the latest such request
        self.failures = self.busies = 0  # since the latest answer
        self.trouble_since = self.paused_until = 0.0  # seconds of time.monotonic
        self.refused: list[tuple[int, Job, str]] = []  # whose fault it is, the answers to others will show

    def is_free(self) -> bool:
        is_resting = time.monotonic() < self.paused_until or len(self.refused) >= MANY
        return self.running < self.throttle.limit and not is_resting

    def send(self) -> int:
        """The number of the next request."""
        self.running += 1
        self.sent += 1
        return self.sent

    def succeeded(self, number: int) -> None:
        self.answered = max(self.answered, number)
        self.failures = self.busies = 0
        self.throttle.answered()

    def failed(self) -> None:
        self._note_trouble()
        self.failures += 1

    def was_busy(self, number: int) -> None:
        """Halves what the host gets, once for all requests that were on their way together."""
        self._note_trouble()
        if number > self.halved:
            self.throttle.busy()
            self.halved = self.sent
            self.busies += 1

    def _note_trouble(self) -> None:
        if not (self.failures or self.busies):
            self.trouble_since = time.monotonic()

    def pause(self) -> float:
        """Seconds to leave a failing host alone: none after one failure, then longer with each that follows."""
        return min(2 ** min(self.failures / 2 - 2, 10), LONGEST_PAUSE) if self.failures > 1 else 0.0

    def busy_pause(self) -> float:
        return min(0.5 * 2 ** min(self.busies - 1, 10), LONGEST_BUSY)

    def troubled_for(self) -> float:
        """Seconds without an answer since a request failed, or the host was busy."""
        return time.monotonic() - self.trouble_since

    def is_hopeless(self) -> bool:
        return self.failures >= self.patience.attempts and self.troubled_for() >= self.patience.give_up_after

    def is_always_busy(self) -> bool:
        """While it isn't at work on something that may just take its time."""
        return self.running == 1 and self.troubled_for() >= BUSY_PATIENCE * self.patience.give_up_after


class Dispatcher:
    """`answers` may be called once. `keep(request, reply)` is called in the event loop's thread: it must be quick.

    proven: whether the model has answered such requests before. If so, the last few that its last host refuses or fails on are
    to blame themselves.
    """

    def __init__(self, hosts: list, patience: Patience, keep: Callable[[dict, dict], None] | None = None, proven: bool = False):
        self.keep, self.patience, self.seats = keep, patience, [Seat(host, patience) for host in hosts]
        self.hosts, self.proven = hosts, proven
        self.loop, self.arrived = asyncio.new_event_loop(), queue.SimpleQueue()
        self.again: deque[Job] = deque()
        self.running: set[asyncio.Task] = set()
        self.open: set[Job] = set()  # without an answer so far
        self.exhausted = self.is_turn_of_again = False
        self.mistake: BaseException | None = None  # of ours, in `ask`

    def answers(self, requests: Iterable[dict]) -> Iterator[tuple[dict, dict]]:
        """Each request with its reply, as they come in; {"text": None, "error": reason} where there is none to be had.

        Raises UserError when no host is left. What was answered by then has been yielded.
        """
        self.requests = iter(requests)
        serving = self.loop.create_task(self._serve_all())
        thread = threading.Thread(target=self._in_thread, args=(serving,), daemon=True)
        thread.start()
        try:
            while (item := self.arrived.get()) is not None:
                if isinstance(item, BaseException):
                    raise item
                yield item
                if self.arrived.qsize() == BACKLOG - 1:  # there is room again
                    self.loop.call_soon_threadsafe(self.news.set)
        finally:
            if thread.is_alive():
                self.loop.call_soon_threadsafe(serving.cancel)
                thread.join()
            self.loop.close()

    def _in_thread(self, serving: asyncio.Task) -> None:
        try:
            self.loop.run_until_complete(serving)
            self.arrived.put(None)
        except BaseException as error:  # noqa: BLE001 - it's raised again in the caller's thread
            self.arrived.put(error)

    async def _serve_all(self) -> None:
        self.news = asyncio.Event()
        try:
            while True:
                self._fill()
                if self.mistake:
                    raise self.mistake
                if self.exhausted and not self.open and not self.running:
                    return
                if not self.seats:
                    raise UserError(self.last_words)
                if self.exhausted and not self.running and not self.again:  # what's left was refused
                    for seat in list(self.seats):
                        self._settle_refusals(seat, at_the_end=True)
                else:
                    await self.news.wait()
                    self.news.clear()
        finally:
            for task in self.running:
                task.cancel()
            await asyncio.gather(*self.running, return_exceptions=True)
            await asyncio.gather(*(host.close() for host in self.hosts), return_exceptions=True)

    def _fill(self) -> None:
        """Gives free hosts their next requests, the emptiest host first."""
        while self.arrived.qsize() < BACKLOG and (free := [seat for seat in self.seats if seat.is_free()]):
            job = self._next_job()
            if job is None:
                return
            seat = min(free, key=lambda seat: seat.running / seat.throttle.limit)
            task = self.loop.create_task(self._serve(seat, job, seat.send()))
            self.running.add(task)
            task.add_done_callback(self._served)

    def _served(self, task: asyncio.Task) -> None:
        self.running.discard(task)
        self.news.set()
        if not task.cancelled() and task.exception():
            self.mistake = task.exception()

    def _next_job(self) -> Job | None:
        """A new request, and every other time one that has to be asked again."""
        self.is_turn_of_again = not self.is_turn_of_again
        if self.again and self.is_turn_of_again:
            return self.again.popleft()
        request = next(self.requests, None)
        if request is None:
            self.exhausted = True
            return self.again.popleft() if self.again else None
        job = Job(request)
        self.open.add(job)
        return job

    async def _serve(self, seat: Seat, job: Job, number: int) -> None:
        try:
            reply = await seat.host.ask(job.request, job.failures)
        except Busy as busy:
            self._busy(seat, job, number, busy.pause)
        except Failed as problem:
            self._failed(seat, job, problem)
        except Refused as reason:
            if seat in self.seats:
                seat.refused.append((number, job, str(reason)))
            else:
                self.again.append(job)
        except Gone as problem:
            self.again.append(job)
            self._drop(seat, str(problem))
        else:
            seat.succeeded(number)
            self._deliver(job, reply)
        finally:
            seat.running -= 1
            self._settle_refusals(seat)

    def _busy(self, seat: Seat, job: Job, number: int, pause: float | None) -> None:
        seat.was_busy(number)
        self.again.append(job)
        if seat.is_always_busy():
            self._drop(seat, f"has been too busy for {seat.troubled_for():.0f} s.")
        else:
            self._rest(seat, min(pause or seat.busy_pause(), LONGEST_BUSY))

    def _failed(self, seat: Seat, job: Job, problem: Failed) -> None:
        seat.failed()
        job.failures += 1
        job.failed_at.setdefault(seat, seat.sent)
        if problem.reached and job.failures >= self.patience.attempts and self._is_its_own_fault(job, seat):
            self._give_up(job, f"the server fails on it: {problem}")
            return
        self.again.append(job)
        if seat.is_hopeless() and not (problem.reached and self._only_few_are_left_to(seat)):
            self._drop(seat, f"gives no answers: {problem}.")
        else:
            self._rest(seat, seat.pause())

    def _is_its_own_fault(self, job: Job, seat: Seat) -> bool:
        """The host has answered what it was sent after it had failed on this; or all that is left to it is a few like this."""
        return seat.answered > job.failed_at[seat] or (seat.is_hopeless() and self._only_few_are_left_to(seat))

    def _only_few_are_left_to(self, seat: Seat) -> bool:
        return self._is_known_to_answer(seat) and self.exhausted and len(self.open) <= FEW and self.seats == [seat]

    def _is_known_to_answer(self, seat: Seat) -> bool:
        """By itself, or by what was answered earlier, where no other host is left that could be meant."""
        return seat.answered > 0 or (self.proven and self.seats == [seat])

    def _settle_refusals(self, seat: Seat, at_the_end: bool = False) -> None:
        """A host that answers others refuses a request for what it is; one that refuses all has a wrong setting."""
        theirs = [one for one in seat.refused if one[0] < seat.answered or (at_the_end and self._is_known_to_answer(seat))]
        for one in theirs:
            seat.refused.remove(one)
            _, job, reason = one
            self._give_up(job, reason)
        if not seat.running and (len(seat.refused) >= MANY or (at_the_end and seat.refused)):
            self._drop(seat, f"refuses what it's asked: {seat.refused[0][2]}")

    def _give_up(self, job: Job, reason: str) -> None:
        self._deliver(job, {"text": None, "error": reason})

    def _deliver(self, job: Job, reply: dict) -> None:
        self.open.discard(job)
        if self.keep:
            self.keep(job.request, reply)
        self.arrived.put((job.request, reply))

    def _rest(self, seat: Seat, seconds: float) -> None:
        if seconds > 0:
            seat.paused_until = max(seat.paused_until, time.monotonic() + seconds)
            self.loop.call_later(seconds + 0.001, self.news.set)

    def _drop(self, seat: Seat, problem: str) -> None:
        if seat not in self.seats:
            return
        self.seats.remove(seat)
        self.again.extend(job for _, job, _ in seat.refused)
        seat.refused.clear()
        self.last_words = f"{seat.host.name} {problem}"
        if self.seats:
            print(f"warning: {self.last_words} Its work goes to the others.", file=sys.stderr)
