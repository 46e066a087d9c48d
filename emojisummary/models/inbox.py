"""Answers on their way from a server to the caller, in a file: a kill loses none that has arrived."""

import json
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from pathlib import Path

from emojisummary.artifacts import Row, json_line, write_text

Answers = Iterator[tuple[Row, Row]]


class Inbox:
    """The file holds the answers that the caller doesn't have in its own files yet, a line of JSON each, mostly one or two; and
    up to SPARE or so that it has. It belongs to one command: another one, with other settings, would ask for something else.

    for request, reply in inbox.answers(requests, ask): ...    # `ask` answers requests, and calls inbox.put with each answer
    """

    SPARE = 100

    def __init__(self, path: Path):
        self.path, self._file, self._lines = path, None, 0
        self._waiting: deque[str] = deque()

    def answers(self, requests: Iterable[Row], ask: Callable[[Iterable[Row]], Answers]) -> Answers:
        """Each request with its reply: those that a killed run left here of these, then the others as `ask` yields them.

        A caller that comes back for the next answer has the one before in its own files.
        """
        left = self._left()
        if left:
            by_line = {json_line(request): request for request in requests}
            yield from ((request, left[line]) for line, request in by_line.items() if line in left)
            requests = [request for line, request in by_line.items() if line not in left]
        try:
            with closing(ask(requests)) as answers:
                for answer in answers:
                    yield answer
                    self._waiting.popleft()
        finally:
            self._close()

    def _left(self) -> dict[str, Row]:
        whole_lines = self.path.read_bytes().split(b"\n")[:-1] if self.path.exists() else []
        return {json_line(request): reply for request, reply in map(json.loads, whole_lines)}

    def put(self, request: Row, reply: Row) -> None:
        """Keeps an answer, as quickly as an event loop needs it: once this returns, no kill of the process can lose it."""
        if self._file is None or self._lines > self.SPARE + 2 * len(self._waiting):
            self._start_anew()
        elif not self._waiting:
            self._file.truncate(0)
            self._lines = 0
        line = json_line([request, reply])
        self._waiting.append(line)
        self._file.write(line)
        self._file.flush()
        self._lines += 1

    def _start_anew(self) -> None:
        """A file without what the caller has by now."""
        if self._file is not None:
            self._file.close()
        waiting = list(self._waiting)
        write_text(self.path, "".join(waiting))
        self._file, self._lines = self.path.open("a", encoding="utf-8"), len(waiting)

    def _close(self) -> None:
        """Leaves the file only if answers were never taken, with these."""
        if self._waiting:
            self._start_anew()
        else:
            self.path.unlink(missing_ok=True)
        if self._file is not None:
            self._file.close()
