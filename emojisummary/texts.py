"""Texts of any file, one at a time, and where the answers go."""

import csv
import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from emojisummary.stage import UserError

ENDINGS = (".txt", ".jsonl", ".csv")


def read_texts(name: str) -> Iterator[dict]:
    """One dict with `text` for each line of a .txt file or of standard input (-), row of a CSV, or object of a JSONL file.

    Other fields of a row are kept. A line that can't be read gives {"text": None, "error": ...} in its place.
    """
    if name != "-" and Path(name).suffix not in ENDINGS:
        raise UserError(f"{name}: unknown kind of file; give one of {', '.join(ENDINGS)}, or - for standard input.")
    source = sys.stdin.fileno() if name == "-" else name
    try:
        file = open(source, encoding="utf-8-sig", errors="replace", newline="", closefd=name != "-")  # noqa: SIM115
    except OSError as error:
        raise UserError(f"{name} cannot be read: {error.strerror}.") from None
    with file:
        kind = Path(name).suffix
        if kind == ".csv":
            yield from _csv(file, name)
        elif kind == ".jsonl":
            yield from (_json(line, number) for number, line in enumerate(file, start=1))
        else:
            yield from ({"text": line.rstrip("\r\n")} for line in file)


def count_texts(name: str) -> int | None:
    """How many texts read_texts will give, where a look at the line ends tells; None for a CSV or a pipe."""
    path = Path(name)
    if path.suffix not in (".txt", ".jsonl") or not path.is_file():
        return None
    with open(path, "rb") as file:
        blocks = iter(lambda: file.read(2**20), b"")
        ends, last = 0, b"\n"
        for block in blocks:
            ends, last = ends + block.count(b"\n"), block[-1:]
    return ends + (last != b"\n")


def _csv(file, name: str) -> Iterator[dict]:
    csv.field_size_limit(sys.maxsize)
    reader = csv.DictReader(file)
    if "text" not in (reader.fieldnames or ()):
        raise UserError(f"{name}, line 1: column `text` is missing; found {', '.join(reader.fieldnames or ())[:200]}.")
    for row in reader:
        row.pop(None, None)
        if row["text"] is None:
            row["error"] = f"line {reader.line_num} has no text"
        yield row


def _json(line: str, number: int) -> dict:
    try:
        item = json.loads(line, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        return {"text": None, "error": f"line {number} is not JSON: {error}"}
    if not isinstance(item, dict) or not isinstance(item.get("text"), str):
        known = item if isinstance(item, dict) else {}
        return known | {"text": None, "error": f"line {number} is not an object with a `text`"}
    return item


def _refuse(constant: str):
    raise ValueError(f"{constant} is no number")


@contextmanager
def open_output(name: str | None):
    """Standard output, or a file that appears under its name once all of it is written; a device is written as it is."""
    if name is None:
        yield sys.stdout
        return
    if Path(name).is_dir():
        raise UserError(f"{name} cannot be written: it's a folder.")
    is_device = Path(name).exists() and not Path(name).is_file()  # /dev/null, a pipe: no other file can take its place
    temporary = name if is_device else f"{name}.part"
    try:
        with open(temporary, "w", encoding="utf-8", errors="backslashreplace") as file:  # \ud83d: what JSON calls it, too
            yield file
        if not is_device:
            os.replace(temporary, name)
    except UserError:
        if not is_device:
            Path(temporary).unlink()
        raise
    except OSError as error:
        raise UserError(f"{name} cannot be written: {error.strerror}.") from None
