"""Stage 4: merges the graded rows into training data: enough yes votes, no duplicates, nothing of the validation set, shuffled.

    python 4_combine.py

reads   runs/<run>/graded/*.csv, runs/<run>/generated/*.yaml, data/validation_set.yaml
writes  runs/<run>/training_data.csv
"""

from emojisummary.artifacts import GRADED, TRAINING, chosen, read_csv, read_rows, write_csv
from emojisummary.combining import merge, near_duplicates, shuffled, without_duplicates
from emojisummary.stage import UserError, run
from emojisummary.validation import read_validation_set


def main(settings):
    graded = []
    for path, _ in chosen(settings.folder / "graded", "csv", settings, made_by="python 3_validate.py"):
        graded += read_csv(path, GRADED, made_by="python 3_validate.py")
    also = {}
    for path in sorted((settings.folder / "generated").glob("*.yaml")):
        also |= {row["id"]: row.get("also", "") for row in read_rows(path)}

    rows = merge(graded, also)
    accepted = [row for row in rows if row["votes"] >= settings.quorum]
    single = without_duplicates(accepted)
    validation = [text["text"] for text in read_validation_set(settings.validation_set)]
    leaks = near_duplicates([row["text"] for row in single], validation, settings.near_duplicate)
    kept = [row for index, row in enumerate(single) if index not in leaks]
    if not kept:
        raise UserError(f"None of {len(rows):,} rows is left. A row needs {settings.quorum} yes: --quorum, or other graders.")

    path = settings.folder / "training_data.csv"
    write_csv(path, TRAINING, shuffled(kept, settings.seed)[: settings.limit])
    print(f"{path}: {len(kept):,} rows of {len(rows):,}")
    print(f"  too few yes: {len(rows) - len(accepted):,}")
    print(f"  duplicates: {len(accepted) - len(single):,}")
    print(f"  too near to a validation text: {len(leaks):,}")


if __name__ == "__main__":
    run(main, "combine")
