"""Stage 3: graders judge every pair of text and emoji. None judges texts of its own.

    python 3_validate.py
    python 3_validate.py --language english --type paragraph --grader retriever
    python 3_validate.py --config recipes/ollama-8gb.yaml --plan        # what it will take, before it's done

reads   runs/<run>/emoji_data.yaml, runs/<run>/generated/*.yaml, data/validation_set.yaml
writes  runs/<run>/graded/<language>_<type>_<teacher>_<grader>.csv, one verdict a line: yes, no or unclear; in graded/canaries/
        the verdicts on pairs whose right one is known; graders.yaml, how far each grader can be trusted; and, for models on a
        server, ledger.csv

Stopped or killed, the same command goes on where it was. What had arrived from a server by then lies in
graded/<model>_<command>.arrived.jsonl.
"""

import time
from itertools import chain

from emojisummary.agreement import canaries
from emojisummary.artifacts import CANARIES, GRADED, artifact_name, chosen, passes, read_emoji, read_generated, slug, write_yaml
from emojisummary.emojis import Lookup
from emojisummary.graders import as_text as graders_as_text
from emojisummary.graders import read_canaries, read_graded, report
from emojisummary.grading import FORM, GradedFile, check_ids
from emojisummary.ledger import PROBE, Ledger, as_text, forecast
from emojisummary.models import connect_for
from emojisummary.stage import UserError, run
from emojisummary.tasks import TASKS
from emojisummary.validation import split


def main(settings):
    table, any_files = read_emoji(settings.folder), False
    judged = split(TASKS[settings.task].validation(settings.validation_set, Lookup(table))[0], "dev")
    made_by, written = "python 2_generate.py", []
    paths = dict(chosen(settings.folder / "generated", "yaml", settings, made_by))
    generated = {path: read_generated(path, made_by) for path in paths}
    check_ids(generated.items())
    for path, rows in generated.items():
        whole = rows, canaries(rows, judged, settings.canaries, settings.seed, table)
        some = rows[: settings.limit]
        limited = (some, canaries(some, judged, settings.canaries, settings.seed, table)) if settings.limit else whole
        written.append((paths[path], limited, whole))
    for name in (g for g in settings.graders if passes(g, settings.grader)):
        grader = connect_for("judge texts", name, table, settings)
        files = files_of(grader, written, settings)
        grade(grader, files, settings)
        any_files = any_files or bool(files)
    if not any_files:
        raise UserError(
            "Nothing to judge: the filters leave no grader, or none that would judge another one's texts. Take another grader, "
            "or let it judge its own with --grade_own."
        )
    if settings.plan:
        return
    if canaries_graded := read_canaries(settings.folder):
        found = report(read_graded(settings.folder, settings), canaries_graded)
        write_yaml(settings.folder / "graders.yaml", found)
        print(graders_as_text(found))
    if costs := as_text(settings.folder / "ledger.csv"):
        print(costs)


def files_of(grader, written, settings):
    """What the grader is to judge: for each file of texts that are not its own, one of verdicts and one of canaries."""
    files = []
    for fields, (rows, known), (all_rows, all_known) in written:
        if slug(grader.name) != fields["teacher"] or settings.grade_own:
            path = settings.folder / "graded" / artifact_name(**fields, grader=grader.name)
            files.append(GradedFile(path, GRADED, rows, grader, all_rows))
            if known:
                files.append(GradedFile(path.parent / "canaries" / path.name, CANARIES, known, grader, all_known))
    return files


def grade(grader, files, settings):
    """All files of a grader. A model on a server gets them in one go: it's loaded once, and never idle between two files."""
    task = TASKS[settings.task]
    file_of = {row["id"]: file for file in files for row in file.rows}
    work = [batch for file in files for batch in file.batches()]
    if work and grader.batch is None:
        work = [list(chain.from_iterable(work))]
    lacking = sum(map(len, work))
    if settings.plan:
        work = [batch[:PROBE] for batch in work[:1]]
    replies, started = [], time.monotonic()
    with Ledger(settings.folder, "validate", grader.name, lacking) as ledger:
        for batch in work:
            answers = grader.answer(row | {"messages": task.grading(row), "schema": FORM} for row in batch)
            for row, reply in answers:
                answer = file_of[row["id"]].take(row, reply)
                ledger.count(reply, usable=answer != "unclear")
                replies.append(reply)
    if settings.plan:
        print(f"{grader.name}: {forecast(replies, time.monotonic() - started, lacking)}")
        return
    for file in files:
        print(file.finish())


if __name__ == "__main__":
    run(main, "validate")
