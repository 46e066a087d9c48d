"""Asks a model: a text on the command line, a file, a pipe, or a prompt.

    python 7_evaluate_inference.py "Let's go dancing tonight."
    python 7_evaluate_inference.py --model runs/demo --top 5 "Let's go dancing tonight."
    python 7_evaluate_inference.py --input texts.txt --output answers.jsonl
    python 7_evaluate_inference.py

reads   runs/<run>/model/, and with --input a .txt, .jsonl or .csv file, or - for a pipe with one text a line
writes  the emoji; for --input one JSON object a line, in input order
"""

import json
import sys

from emojisummary.models import connect
from emojisummary.stage import UserError, run
from emojisummary.texts import open_output, read_texts


def main(settings):
    name = settings.model or str(settings.folder)
    model = connect(name, read_emoji_for(name, settings), settings)
    if settings.input:
        answer_file(model, settings)
    elif settings.text:
        answers = model.predict(settings.text, settings.top)
        print("\n".join(as_text(answer, settings.top) for answer in answers if "emoji" in answer))
        failed = [answer["error"] for answer in answers if "error" in answer]
        if failed:
            raise UserError(f"{len(failed)} of {len(answers)} texts could not be answered: {failed[0]}.")
    else:
        prompt(model, settings.top)


def answer_file(model, settings):
    answered = errors = 0
    with open_output(settings.output) as output:
        for answer in model.answers(read_texts(settings.input), settings.top):
            output.write(json.dumps(answer, ensure_ascii=False) + "\n")
            answered += "emoji" in answer
            errors += "error" in answer
    print(f"{settings.input}: {answered:,} texts answered, {errors:,} errors", file=sys.stderr)


def prompt(model, top):
    print("Type a text. An empty line or Ctrl-D ends.")
    while True:
        try:
            text = input("> ")
        except EOFError:
            text = ""
        if not text.strip():
            return
        print(as_text(model.predict(text, top), top))


def as_text(answer, top):
    """The emoji alone, or with --top its rivals too, one a line, with their probabilities."""
    if "error" in answer:
        return f"error: {answer['error']}"
    if top == 1:
        return answer["emoji"]
    return "\n".join(f"{emoji}  {probability:6.1%}" for emoji, probability in answer["ranked"])


def read_emoji_for(name, settings):
    from emojisummary.artifacts import read_emoji

    return read_emoji(settings.folder) if name in ("retriever", "most-frequent") else None


if __name__ == "__main__":
    run(main, "inference")
