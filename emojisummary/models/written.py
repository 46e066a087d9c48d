"""The offline teacher of the tasks beside `summary`: it answers a topic with an example that was written by hand."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator

from emojisummary.artifacts import Row
from emojisummary.emojis import Lookup


class Written:
    name = "written"
    polished = True
    reproducible = True
    depends_on = ""

    def __init__(self, task, source: str | None, table: dict[str, dict]):
        self.task, self.problems = task, Counter()
        self.examples = defaultdict(list)
        for key, reply in task.written(source, Lookup(table)):
            if key is None:
                self.problems[reply] += 1
            else:
                self.examples[key].append(reply)

    def answer(self, requests: Iterable[Row]) -> Iterator[tuple[Row, Row | None]]:
        """For each request the example of that number for its key; None behind the last one, or in another language."""
        for request in requests:
            examples = self.examples.get(self.task.key(request), ()) if request["language"] == "english" else ()
            yield request, examples[request["number"]] if request["number"] < len(examples) else None
