"""From a grader's reply to a verdict, yes, no or unclear; and one graded file while it's being written. Only yes counts."""

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from emojisummary.artifacts import Journal, Row, is_stamped, read_csv, write_csv
from emojisummary.replies import spoken
from emojisummary.stage import UserError
from emojisummary.tasks.base import tidy

VERDICT = re.compile(r"\W*(yes|no)\b(.*)", re.IGNORECASE | re.DOTALL)
BOTH = re.compile(r"\s*[/|&,-]?\s*((and|or)\s+)?(yes|no)\b", re.IGNORECASE)
JUDGED = ("text", "emoji", "answer")
FORM = {  # what a grader on a server fills in, as a JSON schema
    "type": "object",
    "properties": {"verdict": {"type": "string", "enum": ["yes", "no"]}, "reason": {"type": "string"}},
    "required": ["verdict", "reason"],
    "additionalProperties": False,
}


def verdict(reply: str | None) -> tuple[str, str]:
    """The verdict and its reason: of a filled-in form, or of a reply that opens with yes or no; thoughts don't count.
    Whatever else is unclear.

    >>> verdict('{"verdict": "no", "reason": "It is a hot dog."}'), verdict("Yes. A burger fits.")
    (('no', 'It is a hot dog.'), ('yes', 'A burger fits.'))
    >>> verdict("I kNOw this one, yes")
    ('unclear', 'I kNOw this one, yes')
    """
    reply = in_a_line(reply)
    form = filled_form(reply)
    if form is not None:
        answer = str(form.get("verdict", "")).strip().lower()
        return (answer, tidy(str(form.get("reason", "")))) if answer in ("yes", "no") else ("unclear", reply)
    match = VERDICT.fullmatch(reply)
    if match is None or BOTH.match(match[2]):
        return "unclear", reply or "no answer"
    return match[1].lower(), match[2].lstrip(" .,:;!*\"'-)")


def in_a_line(reply: str | None) -> str:
    """What is said aloud, in one line: a line break inside a form's reason would be no JSON."""
    return " ".join(tidy(spoken(reply or "")).split())


def filled_form(reply: str) -> dict | None:
    """The object that a reply consists of, in a code fence or not; None where it's no such thing."""
    try:
        form = json.loads(reply.removeprefix("```json").removeprefix("```").removesuffix("```"))
    except (ValueError, RecursionError):
        return None
    return form if isinstance(form, dict) else None


def is_about(judged: Row, row: Row) -> bool:
    """Whether a verdict is on just this: in some tasks it's the answer that is judged, and the text is its prompt."""
    return all(judged.get(key, "") == row.get(key, "") for key in JUDGED)


def check_ids(files: Iterable[tuple[Path, list[Row]]]) -> None:
    """Raises UserError where two rows have the same id: a verdict on it would be one on either."""
    home = {}
    for path, rows in files:
        for id in (row["id"] for row in rows):
            if id in home:
                where = f"twice in {path}" if home[id] == path else f"in both {home[id]} and {path}"
                raise UserError(f"Row {id} is {where}: take one away, or give it an id of its own.")
            home[id] = path


class GradedFile:
    """A verdict for each of the rows. What was judged before, by the same grader, is kept.

    `all_rows` are those of a run without a limit: what a grader was paid for, a smaller run doesn't throw away.
    """

    def __init__(self, path: Path, columns: tuple[str, ...], rows: list[Row], grader, all_rows: Sequence[Row] = ()):
        self.path, self.columns, self.rows, self.grader, self.all_rows = path, columns, rows, grader, all_rows
        judged = read_csv(path, columns) if is_stamped(path, grader.depends_on) else ()
        self.journal = Journal(path, judged, made_from=grader.depends_on)

    def batches(self) -> Iterator[list[Row]]:
        """The rows to judge. A grader with a `batch` gets whole batches, the same ones always: side by side with the same
        texts, a text gets the same bits."""
        size = self.grader.batch or 1
        for start in range(0, len(self.rows), size):
            batch = self.rows[start : start + size]
            if not all(map(self.is_judged, batch)):
                yield batch

    def is_judged(self, row: Row) -> bool:
        judged = self.journal.rows.get(row["id"])
        return judged is not None and is_about(judged, row)

    def take(self, row: Row, reply: Row) -> str:
        """Keeps a verdict, and returns it. A grader that gave no answer is unclear, with the reason."""
        answer, reason = verdict(reply["text"])
        facts = {key: row[key] for key in self.columns if key in row}
        self.journal.append(facts | {"grader": self.grader.name, "verdict": answer, "reason": reply.get("error", reason)})
        return answer

    def finish(self) -> str:
        """Writes the file, in the order of the rows, and says in a line what it holds."""
        paid_for = () if self.grader.reproducible else filter(self.is_judged, self.all_rows)
        ids = dict.fromkeys(row["id"] for row in (*self.rows, *paid_for))
        verdicts = [self.journal.rows[id] for id in ids]
        self.journal.finish(lambda: write_csv(self.path, self.columns, verdicts))
        counts = Counter(row["verdict"] for row in verdicts)
        return f"{self.path}: {len(verdicts):,} rows; " + ", ".join(f"{counts[v]:,} {v}" for v in ("yes", "no", "unclear"))
