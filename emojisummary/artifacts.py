"""The files that the scripts hand on: how they are named, found, read, and written so that a kill loses nothing.

Three ways of writing:
- `write_text` and friends: atomic, for what is made in one go (a temporary file, then a rename);
- `Journal`: for what is made row by row. Rows are appended to `<file>.part`; when the last one is there, the file itself
  is written atomically from them. After a kill the journal goes on behind its last whole row;
- `stamp` and `is_stamped`: a fingerprint of what an artifact was made from, so that nothing is made twice.
"""

import csv
import hashlib
import io
import json
import os
import re
from collections.abc import Callable, Iterable, Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import yaml

from emojisummary.stage import UserError

Row = dict[str, object]

GRADED = ("id", "emoji", "text", "answer", "language", "type", "teacher", "grader", "verdict", "reason")
TRAINING = ("id", "text", "answer", "language", "type", "teacher", "votes", "also")
VALIDATION = ("id", "text", "answers", "language", "form", "category", "split")


# --- names ---


def slug(name: str) -> str:
    """A model's name without the separators of file names: `ollama/llama3.1:8b` -> `ollama-llama3-1-8b`."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


def artifact_name(language: str, type: str, teacher: str, grader: str | None = None) -> str:
    """`english_paragraph_phrasebook.yaml`, or with a grader `english_paragraph_phrasebook_retriever.csv`."""
    fields = [slug(field) for field in (language, type, teacher, grader) if field]
    return "_".join(fields) + (".csv" if grader else ".yaml")


def parse_artifact_name(name: str) -> dict[str, str]:
    """The fields of a name that `artifact_name` made: language, type, teacher and, for a CSV, grader."""
    stem, dot, ending = name.rpartition(".")
    keys = {"yaml": ("language", "type", "teacher"), "csv": ("language", "type", "teacher", "grader")}.get(ending, ())
    fields = stem.split("_")
    if not dot or len(fields) != len(keys) or not all(fields):
        raise UserError(f"{name}: not a name like english_paragraph_phrasebook.yaml.")
    return dict(zip(keys, fields, strict=True))


def chosen(folder: Path, ending: str, settings, made_by: str) -> Iterator[tuple[Path, dict[str, str]]]:
    """The artifacts of a folder that --language, --type, --teacher and --grader let through, with their fields.

    Raises UserError where there are none: `made_by` is the command that makes them.
    """
    found = False
    for path in sorted(folder.glob(f"*.{ending}")):
        fields = parse_artifact_name(path.name)
        if all(passes(value, getattr(settings, key)) for key, value in fields.items()):
            found = True
            yield path, fields
    if not found:
        raise UserError(f"{folder} has no matching *.{ending}. Make them with: {made_by}")


def passes(value: str, filter: list[str]) -> bool:
    """Whether a filter flag lets a value through; an empty filter lets all through."""
    return not filter or slug(value) in map(slug, filter)


# --- reading ---


def read_lines(path: Path, made_by: str | None = None) -> list[str]:
    """The lines of a text file. Raises UserError where it's missing (naming the command that makes it) or unreadable."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        hint = f" Make it with: {made_by}" if made_by else ""
        raise UserError(f"{path} does not exist.{hint}") from None
    except UnicodeDecodeError as error:
        line = path.read_bytes()[: error.start].count(b"\n") + 1
        raise UserError(f"{path}, line {line}: not UTF-8 text.") from None
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}.") from None
    if not text.strip():
        hint = f" Delete it and make it again with: {made_by}" if made_by else ""
        raise UserError(f"{path} is empty.{hint}")
    return text.split("\n")


def read_tsv(path: Path, columns: Iterable[str]) -> Iterator[tuple[int, dict[str, str]]]:
    """The rows of a TSV file with a header, as (line number, row). A field holds no tab, no line break and no quoting.

    Raises UserError with file and line where a column is missing or a row has another number of fields.
    """
    lines = read_lines(path)
    header = lines[0].rstrip("\r").split("\t")
    missing = set(columns) - set(header)
    if missing:
        raise UserError(f"{path}, line 1: column `{min(missing)}` is missing; found {', '.join(header)}.")
    for number, line in enumerate(lines[1:], start=2):
        if not line.strip():
            continue
        fields = line.rstrip("\r").split("\t")
        if len(fields) != len(header):
            raise UserError(f"{path}, line {number}: {len(fields)} fields, the header has {len(header)}.")
        yield number, dict(zip(header, fields, strict=True))


def read_csv(path: Path, columns: Iterable[str], made_by: str | None = None) -> list[dict[str, str]]:
    """The rows of a CSV file. Raises UserError where it's missing, empty or broken, with the line."""
    reader = csv.DictReader(io.StringIO("\n".join(read_lines(path, made_by))), strict=True)
    missing = set(columns) - set(reader.fieldnames or ())
    if missing:
        found = ", ".join(reader.fieldnames or ())
        raise UserError(f"{path}, line 1: column `{min(missing)}` is missing; found {found}.")
    rows = []
    try:
        for row in reader:
            if None in row or None in row.values():
                raise UserError(f"{path}, line {reader.line_num}: not {len(reader.fieldnames)} fields.")
            rows.append(row)
    except csv.Error as error:
        raise UserError(f"{path}, line {reader.line_num}: {error}.") from None
    if not rows:
        hint = f" Make it again with: {made_by}" if made_by else ""
        raise UserError(f"{path} has a header and no rows.{hint}")
    return rows


def read_yaml(path: Path, made_by: str | None = None) -> object:
    """A YAML file's content. Raises UserError where it's missing, empty or broken, with the line."""
    try:
        return yaml.load("\n".join(read_lines(path, made_by)), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f", line {mark.line + 1}" if mark else ""
        raise UserError(f"{path}{where}: not valid YAML: {getattr(error, 'problem', error)}.") from None


def read_emoji(folder: Path) -> dict[str, dict]:
    """The emoji table of a run."""
    return read_yaml(folder / "emoji_data.yaml", made_by="python 1_emoji.py")


# --- writing in one go ---


def write_text(path: Path, text: str) -> None:
    """Writes a file atomically: after a kill it's there whole or not at all. One that says the same is left alone."""
    if path.exists() and path.read_bytes() == text.encode():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(path.name + ".tmp")
    with open(temporary, "w", encoding="utf-8", newline="") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)


def write_csv(path: Path, columns: tuple[str, ...], rows: Iterable[Row]) -> None:
    out = io.StringIO()
    writer = csv.DictWriter(out, columns, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(path, out.getvalue())


def write_yaml(path: Path, content: object) -> None:
    dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
    write_text(path, yaml.dump(content, Dumper=dumper, allow_unicode=True, sort_keys=False, width=10**6))


def yaml_line(row: Row) -> str:
    """A row as one line of a YAML sequence. JSON is YAML, and reads a hundred times faster."""
    return "- " + json.dumps(row, ensure_ascii=False) + "\n"


def read_rows(path: Path, made_by: str | None = None) -> list[Row]:
    """The rows of a YAML sequence with one row a line. A last line that a kill cut short is left out.

    A file edited by hand may be any YAML sequence of mappings. Raises UserError with the line for what is not.
    """
    lines = read_lines(path, made_by)
    rows = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            rows.append(json.loads(line.removeprefix("- ")))
        except json.JSONDecodeError:
            if number == len(lines):  # no line break behind it: cut short
                break
            return _read_edited_rows(path)
    return rows


def _read_edited_rows(path: Path) -> list[Row]:
    rows = read_yaml(path)
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise UserError(f"{path}: expected a sequence of mappings, one row each.")
    return rows


# --- writing row by row ---


class Journal:
    """Rows that are written one at a time to `<file>.part`, and at the end, in order, to the file itself.

    >>> journal = Journal(path, rows_of_the_finished_file)
    >>> if "7f3a" not in journal.rows: journal.append({"id": "7f3a", "text": ...})
    >>> journal.finish(write)                   # write() makes the file, then the .part is removed

    `made_from` says what the rows depend on beside their text: rows that were made from something else don't count.
    """

    def __init__(self, path: Path, finished: Iterable[Row] = (), made_from: str = ""):
        self.path, self.made_from = path, made_from
        self.part = path.with_name(path.name + ".part")
        self.rows: dict[str, Row] = {row["id"]: row for row in finished}
        self._file = None
        if self.part.exists() and is_stamped(self.part, made_from):
            self.rows.update(self._recover())

    def _recover(self) -> dict[str, Row]:
        """The rows that a killed run left. A half-written last line is cut off."""
        content = self.part.read_bytes()
        whole = content[: content.rfind(b"\n") + 1]
        if len(whole) < len(content):
            os.truncate(self.part, len(whole))
        rows = (json.loads(line.removeprefix("- ")) for line in whole.decode().split("\n") if line)
        return {row["id"]: row for row in rows}

    def append(self, row: Row) -> None:
        """Keeps a row: once this returns, no kill of the process can lose it."""
        if self._file is None:
            mode = "a" if is_stamped(self.part, self.made_from) else "w"
            stamp(self.part, self.made_from)
            self._file = self.part.open(mode, encoding="utf-8")
        self._file.write(yaml_line(row))
        self._file.flush()
        self.rows[row["id"]] = row

    def finish(self, write: Callable[[], None]) -> None:
        """Lets `write` make the final file, then removes the journal."""
        write()
        stamp(self.path, self.made_from)
        if self._file is not None:
            self._file.close()
        self.part.unlink(missing_ok=True)
        _stamp_file(self.part).unlink(missing_ok=True)


# --- fingerprints: nothing is made twice ---


def fingerprint(inputs: Iterable[Path], settings: dict) -> str:
    """One hash over the content of the input files and the settings that matter."""
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True, default=str).encode())
    for path in inputs:
        digest.update(file_hash(path).encode())
    return digest.hexdigest()


def file_hash(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.exists() else "missing"


def is_stamped(artifact: Path, print: str) -> bool:
    """Whether the artifact is there and was made from just this."""
    stamp_file = _stamp_file(artifact)
    return artifact.exists() and stamp_file.exists() and stamp_file.read_text() == print


def stamp(artifact: Path, print: str) -> None:
    write_text(_stamp_file(artifact), print)


def _stamp_file(artifact: Path) -> Path:
    return artifact.parent / ".made" / artifact.name


def package_versions(*names: str) -> dict[str, str]:
    """The installed versions of packages: part of every result."""
    versions = {}
    for name in names:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            versions[name] = "not installed"
    return versions
