"""Stage 3: graders judge every pair of text and emoji. None judges texts of its own.

    python 3_validate.py
    python 3_validate.py --language english --type paragraph --grader retriever

reads   runs/<run>/emoji_data.yaml, runs/<run>/generated/*.yaml
writes  runs/<run>/graded/<language>_<type>_<teacher>_<grader>.csv, one verdict a line: yes, no or unclear

Stopped or killed, the same command goes on where it was.
"""

from collections import Counter

from emojisummary.artifacts import (
    GRADED,
    Journal,
    artifact_name,
    chosen,
    is_stamped,
    passes,
    read_csv,
    read_emoji,
    read_rows,
    slug,
    write_csv,
)
from emojisummary.grading import verdict
from emojisummary.models import connect
from emojisummary.stage import run
from emojisummary.tasks import TASKS


def main(settings):
    table = read_emoji(settings.folder)
    generated = list(chosen(settings.folder / "generated", "yaml", settings, made_by="python 2_generate.py"))
    for name in (g for g in settings.graders if passes(g, settings.grader)):
        grader = connect(name, table, settings)
        for path, fields in generated:
            if slug(name) != fields["teacher"] or settings.grade_own:
                grade(grader, path, fields, settings)


def grade(grader, generated, fields, settings):
    """One file: a verdict for each of its rows. What was judged before, by the same grader, is kept."""
    task = TASKS[settings.task]
    rows = read_rows(generated, made_by="python 2_generate.py")[: settings.limit]
    path = settings.folder / "graded" / artifact_name(**fields, grader=grader.name)
    judged = read_csv(path, GRADED) if is_stamped(path, grader.depends_on) else ()
    journal = Journal(path, judged, made_from=grader.depends_on)

    for batch in batches(rows, grader.batch):
        if all(journal.rows.get(row["id"], {}).get("text") == row["text"] for row in batch):
            continue
        for row, reply in grader.answer(row | {"messages": task.grading(row)} for row in batch):
            answer, reason = verdict(reply["text"])
            facts = {key: row[key] for key in GRADED if key in row}
            journal.append(facts | {"grader": grader.name, "verdict": answer, "reason": reason})

    journal.finish(lambda: write_csv(path, GRADED, [journal.rows[row["id"]] for row in rows]))
    counts = Counter(journal.rows[row["id"]]["verdict"] for row in rows)
    print(f"{path}: {len(rows):,} rows; " + ", ".join(f"{counts[v]:,} {v}" for v in ("yes", "no", "unclear")))


def batches(rows, size):
    return (rows[start : start + size] for start in range(0, len(rows), size))


if __name__ == "__main__":
    run(main, "validate")
