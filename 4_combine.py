"""Stage 4: merges the graded rows into training data: enough yes votes, no duplicates, nothing of the validation set, shuffled.

    python 4_combine.py
    python 4_combine.py --quorum 2 --worst_false_accept 0.3
    python 4_combine.py --weighting dawid-skene

reads   runs/<run>/graded/*.csv, runs/<run>/generated/*.yaml, data/validation_set.yaml, and CSV files of your own (`rows`)
writes  runs/<run>/training_data.csv, and coverage.csv: how many rows of each emoji were graded and accepted
"""

import sys

from emojisummary.agreement import canary_rates, trusted
from emojisummary.artifacts import TRAINING, read_emoji, read_generated, write_csv
from emojisummary.combining import merge, near_duplicates, shuffled, without_duplicates
from emojisummary.coverage import coverage, write_coverage
from emojisummary.emojis import Lookup
from emojisummary.graders import accept, percent, read_canaries, read_graded
from emojisummary.grading import is_about
from emojisummary.own import own_rows
from emojisummary.stage import UserError, run
from emojisummary.tasks import TASKS
from emojisummary.training.rows import usable_rows


def main(settings):
    task = TASKS[settings.task]
    given, canaries = own_rows(settings.rows, task.tidied), read_canaries(settings.folder)
    is_graded = not given or (settings.folder / "graded").exists()
    verdicts = read_graded(settings.folder, settings) if is_graded else []
    _, left_out = trusted(canary_rates(canaries), settings.worst_false_accept)
    for grader, rate in left_out.items():
        print(f"warning: {grader} is left out: it accepts {percent(rate)} of the pairs known to be wrong.", file=sys.stderr)
    written = {}
    for path in sorted((settings.folder / "generated").glob("*.yaml")):
        written |= {row["id"]: row for row in read_generated(path, columns=("id",))}
    also = {id: row.get("also", "") for id, row in written.items()}
    graded = [verdict for verdict in verdicts if is_about(verdict, written.get(verdict["id"], {}))]

    rows = merge([vote for vote in graded if vote["grader"] not in left_out], also)
    emoji_of = Lookup(read_emoji(settings.folder))
    own, unusable = usable_rows(given, task, emoji_of)
    accepted = own + (accept(rows, graded + canaries, left_out, settings) if rows else [])
    single = without_duplicates(accepted, task.same)
    validation, _ = task.validation(settings.validation_set, emoji_of)
    texts, judged = ([task.readable(row["text"]) for row in some] for some in (single, validation))
    leaks = near_duplicates(texts, judged, settings.near_duplicate)
    kept = [row for index, row in enumerate(single) if index not in leaks]
    losses = {
        **unusable,
        "too few yes": len(own) + len(rows) - len(accepted),
        "duplicates": len(accepted) - len(single),
        "too near to a validation text": len(leaks),
    }
    if len(graded) < len(verdicts):
        losses["verdicts on texts that are no longer there (python 3_validate.py)"] = len(verdicts) - len(graded)
    if not kept:
        raise UserError(none_left(len(given), len(rows), losses, settings.quorum))

    path = settings.folder / "training_data.csv"
    learned = shuffled(kept, settings.seed)[: settings.limit]
    write_csv(path, TRAINING, learned)
    write_coverage(settings.folder, coverage(merge(graded, also), {row["id"] for row in kept}))
    print(f"{path}: {len(learned):,} rows of {len(given) + len(rows):,}")
    for loss, count in losses.items():
        print(f"  {loss}: {count:,}")
    if len(learned) < len(kept):
        print(f"  beyond the limit: {len(kept) - len(learned):,}")


def none_left(own, graded, losses, quorum):
    """What to say where no row is left: how many there were, what became of them, and what helps against too few yes."""
    became = "".join(f"; {loss}: {count:,}" for loss, count in losses.items() if count)
    few = losses["too few yes"] or not became
    advice = f" A row needs {quorum} yes: --quorum, or other graders." if few else ""
    return f"None of {own:,} rows of your own and {graded:,} graded ones is left{became}.{advice}"


if __name__ == "__main__":
    run(main, "combine")
