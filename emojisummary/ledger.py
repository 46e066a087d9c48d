"""What the work costs: a plan before it, a bar during it, and ledger.csv after it, by stage, model and host.

The ledger is only appended to, a line every few seconds with what came since the last one. Its sums hold over resumed runs.
"""

import csv
import time
from collections import defaultdict
from pathlib import Path

from emojisummary.artifacts import Row, read_csv

COLUMNS = ("stage", "model", "host", "rows", "unusable", "tokens_in", "tokens_out", "seconds")
COUNTS = COLUMNS[3:]
EVERY = 5.0  # seconds between two lines of the ledger
PROBE = 5  # rows that are asked for to make a plan


class Ledger:
    """Counts the replies of one model in one stage. `seconds` are the model's: hosts and requests side by side add up.

    with Ledger(folder, "generate", "ollama/gemma3", total=600) as ledger:
        ledger.count(reply, usable=True)
    """

    def __init__(self, folder: Path, stage: str, model: str, total: int):
        self.path, self.stage, self.model = folder / "ledger.csv", stage, model
        self.since, self.started = defaultdict(lambda: dict.fromkeys(COUNTS, 0)), time.monotonic()
        self.written, self.tokens, self.unusable, self.total, self.bar = self.started, 0, 0, total, None

    def __enter__(self) -> "Ledger":
        from tqdm import tqdm

        self.bar = tqdm(total=self.total, desc=f"{self.model}", unit=" rows", mininterval=0.5, leave=False, disable=None)
        return self

    def __exit__(self, *_) -> None:
        self.bar.close()
        self._write()

    def count(self, reply: Row, usable: bool) -> None:
        one = self.since[reply.get("host", "")]
        one["rows"] += usable
        one["unusable"] += not usable
        for key in ("tokens_in", "tokens_out", "seconds"):
            one[key] += reply.get(key, 0)
        self.tokens += reply.get("tokens_out", 0)
        self.unusable += not usable
        now = time.monotonic()
        if now - self.written > EVERY:
            self._write()
            rate = self.tokens / (now - self.started)
            self.bar.set_postfix_str(f"{rate:,.0f} tokens/s, {self.unusable:,} unusable", refresh=False)
        self.bar.update()

    def _write(self) -> None:
        """Appends what came since the last time. What cost nothing, such as an offline model's replies, isn't written."""
        self.written = time.monotonic()
        lines = [(self.stage, self.model, host, *counts.values()) for host, counts in self.since.items() if host]
        self.since.clear()
        if lines:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            is_new = not self.path.exists()
            with self.path.open("a", encoding="utf-8", newline="") as file:
                writer = csv.writer(file, lineterminator="\n")
                writer.writerows([COLUMNS, *lines] if is_new else lines)


def sums(path: Path) -> list[Row]:
    """The ledger's sums by stage, model and host; [] where there's none."""
    total = defaultdict(lambda: dict.fromkeys(COUNTS, 0))
    for row in read_csv(path, COLUMNS) if path.exists() else ():
        for key in COUNTS:
            total[row["stage"], row["model"], row["host"]][key] += float(row[key])
    return [{"stage": stage, "model": model, "host": host, **counts} for (stage, model, host), counts in total.items()]


def as_text(path: Path) -> str:
    """The sums as a table to print."""
    rows = sums(path)
    if not rows:
        return ""
    lines = [f"{'stage':10} {'model':28} {'rows':>8} {'unusable':>8} {'tokens in':>11} {'tokens out':>11} {'hours':>7}  host"]
    for row in rows:
        lines.append(
            f"{row['stage']:10} {row['model']:28} {row['rows']:8,.0f} {row['unusable']:8,.0f} {row['tokens_in']:11,.0f} "
            f"{row['tokens_out']:11,.0f} {row['seconds'] / 3600:7.2f}  {row['host']}"
        )
    return "\n".join(lines)


def forecast(replies: list[Row], elapsed: float, rows: int) -> str:
    """What the rest will take, from the replies of a probe and the seconds they took together, a few side by side.

    >>> forecast([{"tokens_in": 90, "tokens_out": 40}] * 5, elapsed=10, rows=1805)
    '1,800 rows to go; some 162,000 tokens in, 72,000 out; 1.0 hours at 0.5 rows/s'
    """
    left = rows - len(replies)
    if not replies:
        return f"{left:,} rows to go"
    rate = len(replies) / max(elapsed, 1e-9)
    tokens_in, tokens_out = (
        left * sum(reply.get(key, 0) for reply in replies) / len(replies) for key in ("tokens_in", "tokens_out")
    )
    hours = left / rate / 3600
    tokens = f"{tokens_in:,.0f} tokens in, {tokens_out:,.0f} out"
    return f"{left:,} rows to go; some {tokens}; {hours:.1f} hours at {rate:.1f} rows/s"
