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
NOT_IN_YAML = re.compile(
    "[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff\ud800-\udfff]"
)  # what YAML wants escaped, or UTF-8 can't hold

KINDS = {str: "text", list: "list"}

GENERATED = ("id", "emoji", "text", "answer", "language", "type", "teacher")
GRADED = ("id", "emoji", "text", "answer", "language", "type", "teacher", "grader", "verdict", "reason")
CANARIES = (*GRADED, "truth")
TRAINING = ("id", "text", "answer", "language", "type", "teacher", "votes", "also")
VALIDATION = ("id", "text", "answers", "language", "form", "category", "split")


# --- names ---


def slug(name: str) -> str:
    """A model's name without the separators of file names: `ollama/llama3.1:8b` -> `ollama-llama3-1-8b`."""
    return re.sub(r"[\W_]+", "-", name.lower()).strip("-")


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


def read_text(path: Path, made_by: str | None = None) -> str:
    """A text file's content. Raises UserError where it's missing, empty or unreadable; `made_by` is what makes it."""
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        raise broken(path, None, "does not exist", made_by) from None
    except UnicodeDecodeError as error:
        line = path.read_bytes()[: error.start].count(b"\n") + 1
        raise broken(path, line, "not UTF-8 text", made_by) from None
    except OSError as error:
        raise broken(path, None, f"cannot be read: {error.strerror}", made_by) from None
    if not text.strip():
        raise broken(path, None, "is empty", made_by)
    return text


def broken(path: Path, line: int | None, problem: str, made_by: str | None = None) -> UserError:
    """The error for a file: which one, the line where there is one, what is wrong, and the command that makes it anew."""
    where = f"{path}, line {line}: " if line else f"{path}: "
    return UserError(f"{where}{problem}." + (f" Make it with: {made_by}" if made_by else ""))


def read_tsv(path: Path, columns: Iterable[str]) -> Iterator[tuple[int, dict[str, str]]]:
    """The rows of a TSV file with a header, as (line number, row). A field holds no tab, no line break and no quoting.

    Raises UserError with file and line where a column is missing or a row has another number of fields.
    """
    lines = [line.rstrip("\r") for line in read_text(path).split("\n")]
    header = lines[0].split("\t")
    _require(path, columns, header)
    for number, line in enumerate(lines[1:], start=2):
        if not line.strip():
            continue
        fields = line.split("\t")
        if len(fields) != len(header):
            raise broken(path, number, f"{len(fields)} fields, the header has {len(header)}")
        yield number, dict(zip(header, fields, strict=True))


def read_jsonl(path: Path, fields: dict[str, type]) -> Iterator[tuple[Row | None, str]]:
    """The objects of a JSONL file, each with ""; for a line that is none, or where a field is missing or of another type, None
    and what is wrong with it."""
    for number, line in enumerate(read_text(path).split("\n"), start=1):
        if not line.strip():
            continue
        try:
            found = json.loads(line)
        except (ValueError, RecursionError):
            yield None, f"unusable line, {path}, line {number}: not JSON"
            continue
        fault = _fault(found, fields)
        yield (None, f"unusable line, {path}, line {number}: {fault}") if fault else (found, "")


def _fault(found: object, fields: dict[str, type]) -> str:
    lacking = fields.keys() - found.keys() if isinstance(found, dict) else fields
    if lacking:
        return f"without {', '.join(sorted(lacking))}"
    wrong = [field for field, kind in fields.items() if not isinstance(found[field], kind)]
    return f"`{wrong[0]}` is no {KINDS[fields[wrong[0]]]}" if wrong else ""


def read_csv(
    path: Path, columns: Iterable[str], made_by: str | None = None, filled: Iterable[str] = ()
) -> list[dict[str, str]]:
    """The rows of a CSV file. Raises UserError where it's missing, empty or broken, or a row has nothing in a column
    of `filled`, with the line."""
    reader = csv.reader(io.StringIO(read_text(path, made_by), newline=""), strict=True)
    rows, header, line = [], None, 1
    try:
        for fields in reader:
            if header is None:
                header = fields
                _require(path, columns, header, made_by)
            elif fields and len(fields) != len(header):
                raise broken(path, reader.line_num, f"{len(fields)} fields, the header has {len(header)}", made_by)
            elif fields:
                rows.append(dict(zip(header, fields, strict=True)))
                empty = [column for column in filled if not rows[-1][column].strip()]
                if empty:
                    raise broken(path, line, f"`{empty[0]}` is empty: fill it in, or delete the line", made_by)
            line = reader.line_num + 1
    except csv.Error as error:
        raise broken(path, line, str(error), made_by) from None
    if not rows:
        raise broken(path, None, "has a header and no rows", made_by)
    return rows


def _require(path: Path, columns: Iterable[str], header: list[str], made_by: str | None = None) -> None:
    missing = set(columns) - set(header)
    if missing:
        raise broken(path, 1, f"column `{min(missing)}` is missing; found {', '.join(header)}", made_by)


def read_yaml(path: Path, made_by: str | None = None) -> object:
    """A YAML file's content. Raises UserError where it's missing, empty or broken, with the line."""
    text = read_text(path, made_by)
    try:
        return yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = mark.index if mark else getattr(error, "position", 0)
        line = mark.line + 1 if mark else text.encode()[:place].count(b"\n") + 1
        problem = getattr(error, "problem", None) or getattr(error, "reason", error)
        raise broken(path, line, f"not valid YAML: {problem}", made_by) from None


def read_emoji(folder: Path) -> dict[str, dict]:
    """The emoji table of a run."""
    path, made_by = folder / "emoji_data.yaml", "python 1_emoji.py"
    table = read_yaml(path, made_by)
    if not isinstance(table, dict):
        raise broken(path, 1, "expected a mapping from emoji to their facts", made_by)
    return table


def read_rows(path: Path, made_by: str | None = None) -> list[Row]:
    """The rows of a YAML sequence with one row a line. A last line that was cut short is left out.

    A file edited by hand may be any YAML sequence of mappings. Raises UserError with the line for what is not.
    """
    if path.is_file():
        content = path.read_bytes()
        whole = content.rfind(b"\n") + 1
        if not _is_row(content[whole:]):
            content = content[:whole]
        try:
            rows = [json.loads(line.removeprefix(b"- ")) for line in content.split(b"\n") if line.strip()]
            if rows and all(isinstance(row, dict) for row in rows):
                return rows
        except ValueError:
            pass  # edited by hand: read it as YAML
    rows = read_yaml(path, made_by)
    if not isinstance(rows, list):
        raise broken(path, 1, "expected a sequence of rows", made_by)
    for number, row in enumerate(rows, start=1):
        if not isinstance(row, dict):
            raise broken(path, _line_of_item(path, number), f"expected a row, found {row!r}", made_by)
    return rows


def read_generated(path: Path, made_by: str | None = None, columns: tuple[str, ...] = GENERATED) -> list[Row]:
    """The rows of a generated file. Raises UserError with the line of one that lacks a column, or has no text in it.

    `also` may be missing or empty.
    """
    rows = read_rows(path, made_by)
    for number, row in enumerate(rows, start=1):
        for column in columns:
            if not isinstance(row.get(column), str):
                found = f"found {row[column]!r}, not a text in quotes" if column in row else "it's missing"
                raise broken(path, _line_of_item(path, number), f"a row needs `{column}`: {found}")
        if row.get("also") is None:
            row.pop("also", None)
        elif not isinstance(row["also"], str):
            raise broken(path, _line_of_item(path, number), f"`also` is {row['also']!r}: expected emoji in quotes")
    return rows


def _is_row(line: bytes) -> bool:
    try:
        return isinstance(json.loads(line.removeprefix(b"- ")), dict)
    except ValueError:
        return False


def _line_of_item(path: Path, number: int) -> int:
    """The line on which the item of that number of a YAML sequence begins."""
    sequence = yaml.compose(path.read_text(encoding="utf-8-sig"), Loader=yaml.SafeLoader)
    return sequence.value[number - 1].start_mark.line + 1


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


def json_line(row: Row) -> str:
    line = json.dumps(row, ensure_ascii=False)
    return NOT_IN_YAML.sub(lambda match: f"\\u{ord(match[0]):04x}", line) + "\n"


def yaml_line(row: Row) -> str:
    """A row as one line of a YAML sequence. JSON is YAML, and reads a hundred times faster."""
    return "- " + json_line(row)


# --- writing row by row ---


class Journal:
    """Rows that are written one at a time to `<file>.part`, and at the end, in order, to the file itself.

        journal = Journal(path, rows_of_the_finished_file)
        if "7f3a" not in journal.rows: journal.append({"id": "7f3a", "text": ...})
        journal.finish(write)                   # write() makes the file, then the .part is removed

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
            if not is_stamped(self.part, self.made_from):
                self.part.unlink(missing_ok=True)
                stamp(self.part, self.made_from)
            self._file = self.part.open("a", encoding="utf-8")
        self._file.write(yaml_line(row))
        self._file.flush()
        self.rows[row["id"]] = row

    def finish(self, write: Callable[[], None]) -> None:
        """Lets `write` make the final file, then removes the journal."""
        write()
        stamp(self.path, self.made_from)
        self._close()

    def drop(self) -> None:
        """Leaves no file, since there's no row for it."""
        self.path.unlink(missing_ok=True)
        _stamp_file(self.path).unlink(missing_ok=True)
        self._close()

    def _close(self) -> None:
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
