"""Stage 7: the student against the controls on validation texts: accuracy with intervals, and what a comparison is worth.

    python 7_evaluate.py
    python 7_evaluate.py --models linear --models most-frequent --models runs/other
    python 7_evaluate.py --data my.csv
    python 7_evaluate.py --suite robustness
    python 7_evaluate.py --config recipes/combination.yaml --suite assignment

reads   runs/<run>/validation_data.csv (its part `test`), or a CSV of your own laid out alike; runs/<run>/model/
writes  runs/<run>/results.yaml and report.html, with answers to test prompts and a checklist where there are some; for my.csv
        results-my.yaml and report-my.html; for the suites robustness.yaml, and assignment.yaml with assignment.md
"""

from pathlib import Path

from emojisummary.artifacts import (
    fingerprint,
    is_stamped,
    passes,
    read_csv,
    read_emoji,
    read_yaml,
    stamp,
    write_text,
    write_yaml,
)
from emojisummary.assignment import as_markdown, assignment
from emojisummary.checklist import answered, checklist_as_text, prompts_as_text, read_prompts, ticked
from emojisummary.emojis import Lookup
from emojisummary.evaluation import evaluate
from emojisummary.judging import duels_as_text, judged
from emojisummary.models import connect
from emojisummary.models.asked import parsing_as_text
from emojisummary.page import html
from emojisummary.report import examples_as_text, table_as_text
from emojisummary.robustness import as_text, read_cases, robustness
from emojisummary.stage import UserError, run
from emojisummary.tasks import TASKS
from emojisummary.tokens import tokens_as_text
from emojisummary.validation import split


def main(settings):
    suites = {"accuracy": accuracy, "robustness": stability, "assignment": homework}
    suites[settings.suite](settings)


def accuracy(settings):
    folder, name = settings.folder, f"-{Path(settings.data).stem}" if settings.data else ""
    path, report = folder / f"results{name}.yaml", folder / f"report{name}.html"
    data, every = texts(settings)
    every = [row for row in every if passes(row.get("language", "english"), settings.language)]
    rows, dev = split(every, "test")[: settings.limit], split(every, "dev")[: settings.limit]
    if not rows:
        languages = f" in {', '.join(settings.language)}: name another --language" if settings.language else ""
        raise UserError(f"{data} has no text of the part `test`{languages}.")
    prompts = [Path(settings.prompts)] if settings.prompts else []
    files = [data, *prompts, *inputs(settings)]
    chosen = {"language": settings.language, "limit": settings.limit}
    made_from = fingerprint([*files, *others(settings)], settings.own() | chosen)
    if not (is_stamped(path, made_from) and report.exists()):
        table = read_emoji(folder)
        task, models = TASKS[settings.task], connected(settings, table)
        results, answers = evaluate(models, rows, task, settings, files, table, dev)
        results["made"]["settings"] |= chosen
        if settings.judge:
            results["judged"] = judged(connect(settings.judge, table, settings), task, answers, list(models))
        results["prompts"] = answered(models, task, read_prompts(settings.prompts)[: settings.limit])
        results["checklist"] = ticked(results, task.checklist)
        write_text(report, html(results, answers, rows))
        write_yaml(path, results)
        stamp(path, made_from)

    results = read_yaml(path)
    print(table_as_text(results))
    said = (parsing_as_text(results), tokens_as_text(results), duels_as_text(results.get("judged", [])))
    print("\n".join(filter(None, said)))
    print(examples_as_text(results))
    print("\n".join(filter(None, (prompts_as_text(results["prompts"]), checklist_as_text(results["checklist"])))))
    print(f"{path}, {report}")


def texts(settings):
    """The file of the texts with accepted answers, and its rows."""
    if not settings.data:
        path = settings.folder / "validation_data.csv"
        return path, read_csv(path, ("text", "answers"), "python 4_combine_eval.py", filled=("answers",))
    path = Path(settings.data)
    emoji_of = Lookup(read_emoji(settings.folder))
    rows, problems = TASKS[settings.task].labelled(read_csv(path, ("text", "answers")), emoji_of)
    print(f"{path}: {len(rows):,} texts" + "".join(f"; {problem}: {count}" for problem, count in problems.items()))
    return path, rows


def stability(settings):
    if not TASKS[settings.task].ranks:
        raise UserError(f"--suite robustness is for answers of one emoji, not for the task {settings.task}.")
    path, cases = settings.folder / "robustness.yaml", read_cases(Path(settings.robustness))[: settings.limit]
    files = [Path(settings.robustness), *inputs(settings), *others(settings)]
    made_from = fingerprint(files, settings.own() | {"limit": settings.limit})
    if not is_stamped(path, made_from):
        models = connected(settings, read_emoji(settings.folder))
        write_yaml(path, robustness(models, cases, settings.resamples, settings.seed))
        stamp(path, made_from)
    print(as_text(read_yaml(path)))
    print(path)


def homework(settings):
    path, table = settings.folder / "assignment.yaml", read_emoji(settings.folder)
    judge = connect(settings.judge, table, settings) if settings.judge else None
    result = assignment(connected(settings, table), TASKS[settings.task], settings, judge)
    write_yaml(path, result)
    write_text(path.with_suffix(".md"), as_markdown(result))
    print(as_markdown(result))
    print(f"{path}, {path.with_suffix('.md')}")


def inputs(settings):
    return [*(settings.folder / name for name in ("emoji_data.yaml", "training_data.csv")), *of_student(settings.folder)]


def others(settings):
    """What tells whether another run's model, a checkpoint, or a base model in a folder, is still the same one."""
    folders = [Path(name.partition(":")[2] or name) for name in settings.models]
    made = ("config.json", "trainer_state.json")  # of a base, and of a checkpoint
    return [path for folder in folders for path in (*of_student(folder), *(folder / name for name in made)) if path.exists()]


def of_student(run):
    """What tells whether a student is still the same one: a retriever may have got cards for new emoji by hand."""
    made, cards = run / "model" / "made.yaml", run / "model" / "cards.tsv"
    return [made, cards] if cards.exists() else [made]


def connected(settings, table):
    """The run's student and the controls, by name."""
    models = {name: connect(name, table, settings) for name in dict.fromkeys([str(settings.folder), *settings.models])}
    needs = TASKS[settings.task].needs
    for name, model in models.items():
        if not hasattr(model, needs):
            raise UserError(f"{name} can't {needs}, and so can't be compared in the task {settings.task}.")
        learned = getattr(model, "task", None)
        if learned and learned.name != settings.task:
            raise UserError(f"{name} has learned the task {learned.name}, not {settings.task}: give its --config.")
    return models


if __name__ == "__main__":
    run(main, "evaluate")
