"""An offline grader that goes by rules alone: what a task can say of a row without understanding it."""

from collections import Counter
from collections.abc import Iterable, Iterator

from emojisummary.artifacts import Row, fingerprint


class Rules:
    name = "rules"
    reproducible = True
    batch = 1

    def __init__(self, task):
        self.task, self.problems = task, Counter()
        self.depends_on = fingerprint(task.rule_files, {"task": task.name})

    def answer(self, requests: Iterable[Row]) -> Iterator[tuple[Row, Row]]:
        """Yes, or no with the rule that the row breaks."""
        for request in requests:
            fault = self.task.fault(request)
            yield request, {"text": f"no: {fault}" if fault else "yes"}
