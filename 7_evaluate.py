"""Stage 7: the student against the controls on validation texts: accuracy with intervals, and what a comparison is worth.

    python 7_evaluate.py
    python 7_evaluate.py --models retriever --models most-frequent --models runs/other

reads   runs/<run>/validation_data.csv (its part `test`), runs/<run>/model/
writes  runs/<run>/results.yaml and report.html
"""

from emojisummary.artifacts import fingerprint, is_stamped, read_csv, read_emoji, read_yaml, stamp, write_text, write_yaml
from emojisummary.evaluation import evaluate
from emojisummary.models import connect
from emojisummary.page import html
from emojisummary.report import examples_as_text, table_as_text
from emojisummary.stage import UserError, run
from emojisummary.tasks import TASKS
from emojisummary.validation import split


def main(settings):
    folder, path = settings.folder, settings.folder / "results.yaml"
    files = [folder / "validation_data.csv", folder / "emoji_data.yaml", folder / "model" / "made.yaml"]
    every = read_csv(files[0], ("text", "answers"), "python 4_combine_eval.py")
    rows, dev = split(every, "test")[: settings.limit], split(every, "dev")[: settings.limit]
    if not rows:
        raise UserError(f"{files[0]} has no text of the part `test`.")
    made_from = fingerprint(files, settings.own() | {"limit": settings.limit})
    if not is_stamped(path, made_from):
        table = read_emoji(folder)
        names = dict.fromkeys([str(folder), *settings.models])
        models = {name: connect(name, table, settings) for name in names}
        results, answers = evaluate(models, rows, TASKS[settings.task], settings, files, table, dev)
        write_text(folder / "report.html", html(results, answers, rows))
        write_yaml(path, results)
        stamp(path, made_from)

    results = read_yaml(path)
    print(table_as_text(results))
    print(examples_as_text(results))
    print(f"{path}, {folder / 'report.html'}")


if __name__ == "__main__":
    run(main, "evaluate")
