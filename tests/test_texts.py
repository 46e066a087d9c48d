import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from emojisummary.stage import UserError
from emojisummary.texts import open_output, read_texts

ROOT = Path(__file__).parent.parent


def file(folder, name, content):
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return str(path)


def texts(folder, name, content):
    return [item["text"] for item in read_texts(file(folder, name, content))]


def from_standard_input(content, **environment):
    code = "import json; from emojisummary.texts import read_texts; print(json.dumps(list(read_texts('-'))))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        input=content,
        capture_output=True,
        check=True,
        env=os.environ | {"PYTHONUTF8": "1"} | environment,
    )
    return [item["text"] for item in json.loads(done.stdout)]


def test_a_device_is_written_as_it_is(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = subprocess.Popen(["cat", str(pipe)], stdout=subprocess.PIPE, text=True)
    with open_output(str(pipe)) as output:
        output.write("🍕\n")
    assert reader.communicate(timeout=30)[0] == "🍕\n"
    assert pipe.is_fifo()
    assert list(tmp_path.iterdir()) == [pipe]


# --- .txt and standard input ---

LINES = [
    ("one\ntwo\n", ["one", "two"]),
    ("one\ntwo", ["one", "two"]),
    ("one\r\ntwo\r\n", ["one", "two"]),
    ("one\n\ntwo\n", ["one", "", "two"]),
    ("", []),
    ("\n", [""]),
    (" one \n", [" one "]),
    ('"quoted", with comma\n{"text": 1}\n', ['"quoted", with comma', '{"text": 1}']),
    ("a\u2028b\x85c\n", ["a\u2028b\x85c"]),
    ("नमस्ते 🏳️‍🌈\nשלום\n", ["नमस्ते 🏳️‍🌈", "שלום"]),
]


@pytest.mark.parametrize(("content", "expected"), LINES)
def test_each_line_of_a_txt_file_is_a_text(content, expected, tmp_path):
    assert texts(tmp_path, "a.txt", content) == expected


@pytest.mark.parametrize(("content", "expected"), LINES[:4] + LINES[-2:])
def test_each_line_of_standard_input_is_a_text(content, expected):
    assert from_standard_input(content.encode()) == expected


def test_a_byte_order_mark_is_no_part_of_the_first_text(tmp_path):
    assert texts(tmp_path, "a.txt", "\ufeffone\ntwo\n") == ["one", "two"]


def test_a_byte_order_mark_of_standard_input_is_no_part_of_the_first_text():
    assert from_standard_input("\ufeffone\ntwo\n".encode()) == ["one", "two"]


def test_bytes_that_are_not_utf8_spoil_no_other_line(tmp_path):
    assert texts(tmp_path, "a.txt", b"one\n\xff two\nthree\n") == ["one", "\ufffd two", "three"]


@pytest.mark.parametrize("errors", ["strict", "surrogateescape"])
def test_bytes_that_are_not_utf8_spoil_no_other_line_of_standard_input(errors):
    assert from_standard_input(b"one\n\xff two\nthree\n", PYTHONIOENCODING=f"utf-8:{errors}") == ["one", "\ufffd two", "three"]


# --- .jsonl ---


@pytest.mark.parametrize(
    "content",
    [
        '{"text": "one", "id": 1}\n{"text": "two", "id": 2}\n',
        '{"text": "one", "id": 1}\n{"text": "two", "id": 2}',
        '{"text": "one", "id": 1}\r\n{"text": "two", "id": 2}\r\n',
        '\ufeff{"text": "one", "id": 1}\n{"text": "two", "id": 2}\n',
    ],
)
def test_each_object_of_a_jsonl_file_is_a_text_and_keeps_its_fields(content, tmp_path):
    assert list(read_texts(file(tmp_path, "a.jsonl", content))) == [{"text": "one", "id": 1}, {"text": "two", "id": 2}]


@pytest.mark.parametrize("text", ["", " a ", 'say "hi"', "a\nb", "a\u2028b\x85c", "\x00\x07", "👨‍👩‍👧", "שלום"])
@pytest.mark.parametrize("ascii", [True, False])
def test_odd_texts_of_a_jsonl_file_arrive_as_they_are(text, ascii, tmp_path):
    assert texts(tmp_path, "a.jsonl", json.dumps({"text": text}, ensure_ascii=ascii) + "\n") == [text]


@pytest.mark.parametrize(
    "line",
    [
        "words",
        "",
        "{",
        '{"text": "a"} b',
        "[1]",
        '"text"',
        "null",
        "{}",
        '{"text": null}',
        '{"text": 5}',
        '{"text": "a", "n": NaN}',
        '{"text": ["a"]}',
        '{"Text": "a"}',
        pytest.param("[" * 100_000, id="nested too deep"),
        pytest.param('{"text": "a", "n": ' + "1" * 5000 + "}", id="number too long"),
    ],
)
def test_a_bad_line_gives_an_error_in_its_place(line, tmp_path):
    name = file(tmp_path, "a.jsonl", f'{{"text": "one"}}\n{line}\n{{"text": "three"}}\n')
    first, second, third = read_texts(name)
    assert (first, third) == ({"text": "one"}, {"text": "three"})
    assert second["text"] is None
    assert "line 2 " in second["error"]


def test_every_text_that_was_read_can_be_written_again(tmp_path):
    name = file(tmp_path, "a.jsonl", '{"text": "\\ud83d"}\n')
    with open_output(str(tmp_path / "out.jsonl")) as output:
        for item in read_texts(name):
            output.write(json.dumps(item, ensure_ascii=False))


# --- .csv ---


@pytest.mark.parametrize(
    "content",
    [
        'id,text\n1,one\n2,"two, and\nmore"\n',
        'id,text\n1,one\n2,"two, and\nmore"',
        '\ufeffid,text\n1,one\n2,"two, and\nmore"\n',
        'id,text\r\n1,one\r\n2,"two, and\nmore"\r\n',
        'id,text\n\n1,one\n\n2,"two, and\nmore"\n',
    ],
)
def test_each_row_of_a_csv_file_is_a_text_and_keeps_its_fields(content, tmp_path):
    expected = [{"id": "1", "text": "one"}, {"id": "2", "text": "two, and\nmore"}]
    assert list(read_texts(file(tmp_path, "a.csv", content))) == expected


@pytest.mark.parametrize("text", ["", " a ", "it's", "a\tb", "a\u2028b\x85c", "👨‍👩‍👧", "שלום", "x" * 100_000])
def test_odd_texts_of_a_csv_file_arrive_as_they_are(text, tmp_path):
    assert texts(tmp_path, "a.csv", f"id,text\n1,{text}\n2,b\n") == [text, "b"]


def test_line_breaks_inside_a_quoted_text_arrive_as_they_are(tmp_path):
    assert texts(tmp_path, "a.csv", 'id,text\r\n1,"a\r\nb\nc"\r\n') == ["a\r\nb\nc"]


def test_a_row_with_too_many_fields_keeps_its_text(tmp_path):
    assert list(read_texts(file(tmp_path, "a.csv", "text,id\na,1,2,3\nb,2\n"))) == [
        {"text": "a", "id": "1"},
        {"text": "b", "id": "2"},
    ]


def test_a_row_with_too_few_fields_has_no_text_in_its_place(tmp_path):
    assert texts(tmp_path, "a.csv", "id,text\n1\n2,b\n") == [None, "b"]


def test_a_row_with_too_few_fields_gives_an_error(tmp_path):
    assert "error" in next(read_texts(file(tmp_path, "a.csv", "id,text\n1\n2,b\n")))


def test_a_very_long_text_of_a_csv_file_is_read_or_gives_an_error(tmp_path):
    long, short = read_texts(file(tmp_path, "a.csv", "id,text\n1," + "x" * 200_000 + "\n2,b\n"))
    assert short["text"] == "b"
    assert long["text"] == "x" * 200_000 or "error" in long


@pytest.mark.parametrize("content", ["", "id\n1\n", "Text\na\n", "id;text\n1;a\n"])
def test_a_csv_file_without_a_column_text_is_named(content, tmp_path):
    name = file(tmp_path, "a.csv", content)
    with pytest.raises(UserError) as error:
        list(read_texts(name))
    assert f"{name}, line 1: column `text`" in str(error.value)


def test_a_csv_file_of_only_a_header_has_no_texts(tmp_path):
    assert texts(tmp_path, "a.csv", "id,text\n") == []


# --- any file ---


@pytest.mark.parametrize("name", ["a.pdf", "a", "txt", "a.json", "a.tsv"])
def test_an_unknown_kind_of_file_is_named_with_the_known_ones(name, tmp_path):
    with pytest.raises(UserError) as error:
        list(read_texts(file(tmp_path, name, "a\n")))
    assert all(part in str(error.value) for part in (name, ".txt", ".jsonl", ".csv", "-"))


@pytest.mark.parametrize("ending", [".txt", ".jsonl", ".csv"])
def test_a_missing_file_is_named(ending, tmp_path):
    with pytest.raises(UserError, match="nowhere"):
        list(read_texts(str(tmp_path / f"nowhere{ending}")))


def test_a_folder_is_named(tmp_path):
    (tmp_path / "a.txt").mkdir()
    with pytest.raises(UserError, match=r"a\.txt"):
        list(read_texts(str(tmp_path / "a.txt")))


@pytest.mark.parametrize(
    ("name", "line", "head"),
    [("a.txt", "text {}\n", ""), ("a.jsonl", '{{"text": "text {}"}}\n', ""), ("a.csv", "{0},text {0}\n", "id,text\n")],
)
def test_10000_lines_are_all_read(name, line, head, tmp_path):
    content = head + "".join(line.format(n) for n in range(10_000))
    assert texts(tmp_path, name, content) == [f"text {n}" for n in range(10_000)]


@pytest.mark.parametrize("name", ["pipe.txt", "pipe.jsonl", "pipe.csv"])
def test_lines_are_read_one_by_one(name, tmp_path):
    # A writer that never ends: whoever wants to read all of it first hangs.
    path = tmp_path / name
    os.mkfifo(path)
    pipe = os.open(path, os.O_RDWR)
    writer = subprocess.Popen(["yes", '{"text": "a"}' if name.endswith(".jsonl") else "text"], stdout=pipe)
    try:
        reader = read_texts(str(path))
        assert {next(reader)["text"] for _ in range(10_000)} <= {"a", "text"}
        reader.close()
    finally:
        writer.kill()
        writer.wait()
        os.close(pipe)


# --- output ---


def test_the_output_file_appears_when_it_is_whole(tmp_path):
    path = tmp_path / "out.jsonl"
    with open_output(str(path)) as output:
        output.write("नमस्ते 😂\n")
        output.flush()
        assert not path.exists()
    assert path.read_bytes() == "नमस्ते 😂\n".encode()
    assert os.listdir(tmp_path) == ["out.jsonl"]


@pytest.mark.parametrize("error", [UserError, KeyboardInterrupt, ZeroDivisionError])
def test_an_output_that_breaks_off_leaves_the_old_file(error, tmp_path):
    path = tmp_path / "out.jsonl"
    path.write_text("old")
    with pytest.raises(error), open_output(str(path)) as output:
        output.write("half")
        raise error
    assert path.read_text() == "old"


def test_an_output_in_a_missing_folder_is_named(tmp_path):
    with pytest.raises(UserError, match="nowhere"), open_output(str(tmp_path / "nowhere" / "out.jsonl")):
        pass


def test_an_output_that_is_a_folder_is_named(tmp_path):
    with pytest.raises(UserError, match=tmp_path.name), open_output(str(tmp_path)):
        pass


def test_without_a_name_the_output_is_standard_output(capsys):
    with open_output(None) as output:
        output.write("here")
    assert capsys.readouterr().out == "here"
