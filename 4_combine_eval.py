"""Stage 4, the other half: the hand-written validation set as a table, one line a text with all accepted answers.

    python 4_combine_eval.py

reads   runs/<run>/emoji_data.yaml, data/validation_set.yaml
writes  runs/<run>/validation_data.csv
"""

from emojisummary.artifacts import VALIDATION, passes, read_emoji, write_csv
from emojisummary.combining import shuffled
from emojisummary.emojis import Lookup
from emojisummary.stage import UserError, run
from emojisummary.tasks import TASKS


def main(settings):
    emoji_of = Lookup(read_emoji(settings.folder))
    texts, problems = TASKS[settings.task].validation(settings.validation_set, emoji_of)
    rows = [row for row in texts if passes(row["language"], settings.language or settings.languages)]
    problems["texts in other languages"] = len(texts) - len(rows)
    if not rows:
        raise UserError(f"{settings.validation_set}: no text is left with these filters and this emoji table.")

    path = settings.folder / "validation_data.csv"
    rows = shuffled(rows, settings.seed)[: settings.limit]
    write_csv(path, VALIDATION, rows)
    print(f"{path}: {len(rows):,} texts")
    for problem, count in (+problems).items():
        print(f"  {problem}: {count}")


if __name__ == "__main__":
    run(main, "combine")
