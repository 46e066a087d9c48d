"""Asks a model: a text on the command line, a file, a pipe, or a prompt.

    python 7_evaluate_inference.py "Let's go dancing tonight."
    python 7_evaluate_inference.py --model runs/demo --top 5 "Let's go dancing tonight."
    python 7_evaluate_inference.py --exclude_category flags --skin_tone medium --min_probability 0.1 "Let's go dancing tonight."
    python 7_evaluate_inference.py --input texts.txt --output answers.jsonl
    python 7_evaluate_inference.py

reads   runs/<run>/model/, and with --input a .txt, .jsonl or .csv file, or - for a pipe with one text a line
writes  the emoji; for --input, and with --json, one JSON object a line, in input order
"""

import json
import sys
from contextlib import suppress
from itertools import islice
from pathlib import Path

from emojisummary.limits import limited
from emojisummary.models import UNTRAINED, connect_answering, task_of
from emojisummary.stage import UserError, run
from emojisummary.texts import count_texts, open_output, read_texts


def main(settings):
    check(settings)
    name = settings.model or str(settings.folder)
    folder = settings.folder if name in UNTRAINED else Path(name)
    model = limited(connect_answering(name, settings), settings, folder)
    task = task_of(model)
    if not task.ranks and (settings.top > 1 or settings.min_probability):
        raise UserError(f"--top and --min_probability: {name} has learned the task {task.name}, whose answers aren't ranked.")
    if task.needs == "write" and (settings.only or settings.exclude_category):
        raise UserError(f"--only and --exclude_category: {name} has learned the task {task.name}, and writes what it likes.")
    if settings.input:
        answer_file(model, settings)
    elif settings.text:
        answers = model.predict(settings.text, settings.top, settings.min_probability)
        print("\n".join(as_text(answer, settings) for answer in answers if settings.json or "error" not in answer))
        failed = [answer["error"] for answer in answers if "error" in answer]
        if failed and not settings.json:
            raise UserError(f"{len(failed)} of {len(answers)} texts could not be answered: {failed[0]}.")
    else:
        prompt(model, settings)


def check(settings):
    """Refuses flags of which one would be passed over."""
    if settings.input and settings.text:
        raise UserError("Give texts, or a file of them with --input: not both.")
    if settings.output and not settings.input:
        raise UserError("--output goes with --input. A single answer goes into a file by: ... > FILE")


def answer_file(model, settings):
    ranks = task_of(model).ranks
    count = unfitting = errors = 0
    items = islice(with_progress(read_texts(settings.input), count_texts(settings.input)), settings.limit)
    with open_output(settings.output) as output:
        for answer in model.answers(items, settings.top, settings.min_probability):
            output.write(json.dumps(answer, ensure_ascii=False) + "\n")
            answered = ("ranked" if ranks else "answer") in answer
            errors += not answered
            unfitting += ranks and answered and answer["emoji"] is None
            count += 1
    none = f"{unfitting:,} without a fitting emoji, " if settings.min_probability else ""
    print(f"{settings.input}: {count - unfitting - errors:,} texts answered, {none}{errors:,} errors", file=sys.stderr)


def with_progress(items, total):
    """The items, and on a terminal a bar that says how many have been read, and how long the rest takes."""
    if not sys.stderr.isatty():
        return items
    from tqdm import tqdm

    return tqdm(items, total=total, unit=" texts", leave=False)


def prompt(model, settings):
    """Answers line by line: what is typed, up to an empty line, or all that comes through a pipe."""
    typed = sys.stdin.isatty()
    if typed:
        remember(Path(settings.runs_folder) / ".history")
        print("Type a text. An empty line or Ctrl-D ends.", file=sys.stderr if settings.json else sys.stdout)
    while True:
        try:
            text = input("> " if typed and not settings.json else "")
        except EOFError:
            return
        if typed and not text.strip():
            return
        print(as_text(model.predict(text, settings.top, settings.min_probability), settings), flush=True)


def remember(history):
    """The arrow keys bring back what was typed, also in earlier sessions."""
    with suppress(ImportError):  # on Windows
        import atexit
        import readline

        with suppress(OSError):
            readline.read_history_file(history)
        readline.set_history_length(1000)
        history.parent.mkdir(parents=True, exist_ok=True)
        atexit.register(readline.write_history_file, history)


def as_text(answer, settings):
    """The emoji alone, or with --top its rivals too, one a line, with their probabilities."""
    if settings.json:
        return json.dumps(answer, ensure_ascii=False)
    if "error" in answer:
        return f"error: {answer['error']}"
    if "answer" in answer:  # of another task: a combination, a reply, a story
        return answer["answer"]
    best = answer["emoji"] or "no fitting emoji"
    if settings.top == 1:
        return best
    ranked = [f"{emoji}  {probability:6.1%}" for emoji, probability in answer["ranked"]]
    return "\n".join(ranked if answer["emoji"] else [best, *ranked])


if __name__ == "__main__":
    run(main, "inference")
