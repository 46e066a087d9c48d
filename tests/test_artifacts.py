import os
import random
import signal
import string
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from emojisummary.artifacts import (
    Journal,
    artifact_name,
    chosen,
    file_hash,
    fingerprint,
    is_stamped,
    package_versions,
    parse_artifact_name,
    passes,
    read_csv,
    read_emoji,
    read_jsonl,
    read_rows,
    read_text,
    read_tsv,
    read_yaml,
    slug,
    stamp,
    write_csv,
    write_text,
    write_yaml,
    yaml_line,
)
from emojisummary.stage import UserError

ROOT = Path(__file__).parent.parent
COMMAND = "python 2_generate.py"
ROWS = [{"id": "a", "text": 'say "hi"'}, {"id": "b", "text": "two\nlines"}, {"id": "c", "text": "नमस्ते 🏳️‍🌈"}]
ODD = {
    "empty": "",
    "quotes": "\"double\" 'single' ‘curly’ „German“ «French»",
    "only a quote": '"',
    "comma": "a, b,, c,",
    "backslash": "C:\\new\\table\\",
    "newline": "one\ntwo\n\nthree",
    "newline at the ends": "\none\n",
    "line separator": "one\u2028two\u2029three",
    "next line": "one\x85two",
    "YAML": "- a: {b: [c]} # no comment & *no alias !tag | > %",
    "looks like null": "null",
    "looks like a number": "007",
    "tab and spaces": "\t a \t",
    "byte order mark": "\ufeffa\ufeffb",
    "right to left": "\u202bשלום עולם\u202c مرحبا",
    "emoji": "👨‍👩‍👧 🏴󠁧󠁢󠁥󠁮󠁧󠁿 1️⃣ ❤ 🫪 🇩🇪",
    "accents apart": "e\u0301 ä न\u093f",
    "beyond the BMP": "𝔘𐍈𠜎",
    **{f"control {code:02x}": f"a{chr(code)}b" for code in [*range(1, 32), 127] if code != 13},
}
RETURNS = {"carriage return": "a\rb", "Windows line break": "a\r\nb"}


def file(folder, content, name="some.file"):
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


# --- names ---


@pytest.mark.parametrize("seed", range(20))
def test_a_name_is_read_back_as_the_slugs_it_was_made_of(seed):
    chance = random.Random(seed)
    signs = string.ascii_letters + string.digits + "/:.-_ "
    fields = ["x" + "".join(chance.choices(signs, k=chance.randint(0, 12))) for _ in range(3 + seed % 2)]
    name = artifact_name(*fields)
    assert list(parse_artifact_name(name).values()) == [slug(field) for field in fields]
    assert name.endswith(".csv" if len(fields) == 4 else ".yaml")


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        (("english", "paragraph", "phrasebook"), "english_paragraph_phrasebook.yaml"),
        (("english", "paragraph", "phrasebook", "retriever"), "english_paragraph_phrasebook_retriever.csv"),
        (("german", "keywords", "ollama/llama3.1:8b", "Most_Frequent"), "german_keywords_ollama-llama3-1-8b_most-frequent.csv"),
    ],
)
def test_artifact_name(fields, name):
    assert artifact_name(*fields) == name


def test_a_name_in_another_script_is_read_back():
    assert len(parse_artifact_name(artifact_name("日本語", "paragraph", "phrasebook"))) == 3


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("retriever", "retriever"),
        ("ollama/llama3.1:8b", "ollama-llama3-1-8b"),
        ("--A__b--", "a-b"),
        ("all MiniLM (L6)", "all-minilm-l6"),
    ],
)
def test_slug(name, expected):
    assert slug(name) == slug(slug(name)) == expected


@pytest.mark.parametrize(
    "name",
    [
        "",
        "a",
        ".yaml",
        "a_b.yaml",
        "a_b_c_d.yaml",
        "a__c.yaml",
        "_b_c.yaml",
        "a_b_c.csv",
        "a_b_c_d_e.csv",
        "a_b_c.txt",
        "a_b_c",
    ],
)
def test_a_name_that_is_none_is_refused(name):
    with pytest.raises(UserError, match="not a name like"):
        parse_artifact_name(name)


@pytest.mark.parametrize(
    ("value", "filter", "expected"),
    [
        ("german", [], True),
        ("german", ["german"], True),
        ("german", ["French", "German"], True),
        ("ollama-llama3-1", ["ollama/llama3.1"], True),
        ("german", ["french"], False),
        ("german", ["ger"], False),
    ],
)
def test_passes(value, filter, expected):
    assert passes(value, filter) is expected


def filters(**given):
    return SimpleNamespace(**{"language": [], "type": [], "teacher": [], "grader": []} | given)


@pytest.mark.parametrize(
    ("given", "languages"),
    [({}, ["english", "german"]), ({"language": ["German"]}, ["german"]), ({"teacher": ["phrasebook"]}, ["english", "german"])],
)
def test_chosen_gives_the_files_that_the_filters_let_through(given, languages, tmp_path):
    for language in ("german", "english"):
        file(tmp_path, "- {}", f"{language}_keywords_phrasebook.yaml")
    file(tmp_path, "- {}", "german_keywords_phrasebook.yaml.part")
    assert [fields["language"] for _, fields in chosen(tmp_path, "yaml", filters(**given), COMMAND)] == languages


@pytest.mark.parametrize("given", [{"language": ["klingon"]}, {"type": ["poem"]}])
def test_chosen_names_folder_and_command_where_nothing_matches(given, tmp_path):
    file(tmp_path, "- {}", "english_keywords_phrasebook.yaml")
    with pytest.raises(UserError) as error:
        list(chosen(tmp_path, "yaml", filters(**given), COMMAND))
    assert str(tmp_path) in str(error.value)
    assert COMMAND in str(error.value)


def test_chosen_takes_a_missing_folder_for_an_empty_one(tmp_path):
    with pytest.raises(UserError, match=COMMAND):
        list(chosen(tmp_path / "nowhere", "csv", filters(), COMMAND))


# --- writing in one go ---


def test_write_text_makes_the_folder_and_leaves_nothing_else(tmp_path):
    write_text(tmp_path / "a" / "b" / "c.txt", "x\r\ny\n")
    assert (tmp_path / "a" / "b" / "c.txt").read_bytes() == b"x\r\ny\n"
    assert os.listdir(tmp_path / "a" / "b") == ["c.txt"]


def test_write_text_leaves_a_file_alone_that_says_the_same(tmp_path):
    path = file(tmp_path, "same")
    before = path.stat()
    write_text(path, "same")
    assert (path.stat().st_ino, path.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_write_text_replaces_what_was_there(tmp_path):
    path = file(tmp_path, "a long old text")
    write_text(path, "new")
    assert path.read_text() == "new"


def test_rows_that_break_off_leave_the_old_file(tmp_path):
    path = file(tmp_path, "old")
    with pytest.raises(ZeroDivisionError):
        write_csv(path, ("a",), ({"a": 1 / n} for n in (2, 1, 0)))
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == [path.name]


def test_a_killed_process_leaves_a_whole_file(tmp_path):
    path = tmp_path / "big.txt"
    code = f"""
from pathlib import Path
from emojisummary.artifacts import write_text
for n in range(10**6):
    write_text(Path({str(path)!r}), "ab"[n % 2] * 300_000)
    print(n, flush=True)
"""
    for rounds in (1, 4, 9):
        process = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE)
        for _ in range(rounds):
            process.stdout.readline()
        process.send_signal(signal.SIGKILL)
        process.communicate()
        content = path.read_text()
        assert content in ("a" * 300_000, "b" * 300_000)


# --- rows there and back ---


@pytest.mark.parametrize("text", [pytest.param(text, id=name) for name, text in (ODD | RETURNS).items()])
def test_odd_texts_survive_in_yaml_lines(text, tmp_path):
    rows = [{"id": "1", "text": text}, {"id": "2", "text": f"before {text} behind"}]
    write_text(tmp_path / "rows.yaml", "".join(map(yaml_line, rows)))
    assert read_rows(tmp_path / "rows.yaml") == rows


@pytest.mark.parametrize(
    "text",
    [pytest.param(text, id=name) for name, text in (ODD | RETURNS).items() if text != "a\rb"],  # `tidy` lets no lone \r in
)
def test_odd_texts_survive_in_csv(text, tmp_path):
    rows = [{"id": "1", "text": text}, {"id": "2", "text": f"before {text} behind"}]
    write_csv(tmp_path / "rows.csv", ("id", "text"), rows)
    assert read_csv(tmp_path / "rows.csv", ("id", "text")) == rows


@pytest.mark.parametrize("text", [pytest.param(text, id=name) for name, text in (ODD | RETURNS).items()])
def test_odd_texts_survive_in_a_yaml_file(text, tmp_path):
    write_yaml(tmp_path / "some.yaml", {"a": text, text: "b"})
    assert read_yaml(tmp_path / "some.yaml") == {"a": text, text: "b"}


@pytest.mark.parametrize(
    "text",
    [pytest.param(text, id=name) for name, text in (ODD | RETURNS).items()],
)
def test_odd_texts_survive_when_another_row_was_edited_by_hand(text, tmp_path):
    path = file(tmp_path, yaml_line({"id": "1", "text": text}) + "- id: '2'\n  text: by hand\n")
    assert read_rows(path) == [{"id": "1", "text": text}, {"id": "2", "text": "by hand"}]


def test_all_odd_texts_survive_together(tmp_path):
    rows = [{"id": name, "text": text, "also": ""} for name, text in ODD.items()]
    write_csv(tmp_path / "rows.csv", ("id", "text", "also"), rows)
    write_text(tmp_path / "rows.yaml", "".join(map(yaml_line, rows)))
    assert read_csv(tmp_path / "rows.csv", ("id", "text", "also")) == read_rows(tmp_path / "rows.yaml") == rows


def test_csv_keeps_its_columns_in_order_and_drops_the_others(tmp_path):
    write_csv(tmp_path / "rows.csv", ("b", "a"), [{"a": 1, "c": 3, "b": 2}])
    assert (tmp_path / "rows.csv").read_bytes() == b"b,a\n2,1\n"


@pytest.mark.parametrize("content", ["a,b\n1,2\n", "\ufeffa,b\n1,2\n", "a,b\r\n1,2\r\n", "a,b\n1,2", 'a,b\n\n1,"2"\n\n'])
def test_csv_of_other_programs_is_read(content, tmp_path):
    assert read_csv(file(tmp_path, content), ("a", "b")) == [{"a": "1", "b": "2"}]


@pytest.mark.parametrize("content", ["a\tb\n1\t2\n", "\ufeffa\tb\n1\t2\n", "a\tb\r\n1\t2\r\n", "a\tb\n1\t2", "a\tb\n\n1\t2\n"])
def test_tsv_of_other_programs_is_read(content, tmp_path):
    assert [row for _, row in read_tsv(file(tmp_path, content), ("a", "b"))] == [{"a": "1", "b": "2"}]


def test_tsv_gives_line_numbers_and_takes_quotes_literally(tmp_path):
    rows = list(read_tsv(file(tmp_path, 'a\tb\n"1\t2\n\n3\t\n'), ("a",)))
    assert rows == [(2, {"a": '"1', "b": "2"}), (4, {"a": "3", "b": ""})]


@pytest.mark.parametrize(
    "content",
    [
        "- id: a\n  text: x\n- id: b\n  text: y\n",
        '- {"id": "a", "text": "x"}\n- {id: b, text: y}\n',
        "# mine\n- {id: a, text: x}\n\n- {id: b, text: y}\n",
        "[{id: a, text: x},\n {id: b, text: y}]\n",
        '- {"id": "a", "text": "x"}\n\n- {"id": "b", "text": "y"}',
        '- {"id": "a", "text": "x"}\r\n- {"id": "b", "text": "y"}\r\n',
    ],
)
def test_rows_edited_by_hand_are_read(content, tmp_path):
    assert read_rows(file(tmp_path, content)) == [{"id": "a", "text": "x"}, {"id": "b", "text": "y"}]


def test_rows_cut_short_at_any_byte_lose_the_last_one_only(tmp_path):
    first, second = yaml_line({"id": "a"}).encode(), yaml_line({"id": "b", "text": "plain"}).encode()
    for cut in range(len(second) - 1):
        assert read_rows(file(tmp_path, first + second[:cut])) == [{"id": "a"}], f"cut after byte {cut}"


def test_rows_cut_short_inside_an_emoji_lose_the_last_one_only(tmp_path):
    first, second = yaml_line({"id": "a"}).encode(), yaml_line({"id": "😂"}).encode()
    for cut in range(len(second) - 1):
        assert read_rows(file(tmp_path, first + second[:cut])) == [{"id": "a"}], f"cut after byte {cut}"


# --- reading errors ---


def tsv(path, made_by=None):
    return list(read_tsv(path, ("a", "b")))


def columns(path, made_by=None):
    return read_csv(path, ("a", "b"), made_by)


READERS = [read_text, columns, read_yaml, read_rows]


@pytest.mark.parametrize("reader", READERS)
def test_a_missing_file_is_named_with_the_command_that_makes_it(reader, tmp_path):
    with pytest.raises(UserError) as error:
        reader(tmp_path / "gone.x", made_by=COMMAND)
    assert str(tmp_path / "gone.x") in str(error.value)
    assert COMMAND in str(error.value)


@pytest.mark.parametrize("content", ["", "\n", " \n\n\t\n", "\ufeff"])
@pytest.mark.parametrize("reader", READERS)
def test_an_empty_file_is_named_with_the_command_that_makes_it(reader, content, tmp_path):
    path = file(tmp_path, content)
    with pytest.raises(UserError) as error:
        reader(path, made_by=COMMAND)
    assert str(path) in str(error.value)
    assert COMMAND in str(error.value)


def test_an_empty_field_that_must_be_filled_is_named_by_the_line_on_which_its_row_begins(tmp_path):
    path = file(tmp_path, 'a,b\n"1\n2",3\n\n"4\n5", \n')
    assert len(read_csv(path, ("a", "b"), filled=("a",))) == 2
    with pytest.raises(UserError, match=r"line 5: `b` is empty: fill it in, or delete the line\. Make it with: "):
        read_csv(path, ("a", "b"), COMMAND, filled=("a", "b"))


def test_a_csv_of_only_a_header_is_named_with_the_command_that_makes_it(tmp_path):
    path = file(tmp_path, "a,b\n")
    with pytest.raises(UserError) as error:
        read_csv(path, ("a", "b"), COMMAND)
    assert str(path) in str(error.value)
    assert COMMAND in str(error.value)


def test_a_missing_emoji_table_names_its_command(tmp_path):
    with pytest.raises(UserError, match=r"python 1_emoji\.py"):
        read_emoji(tmp_path)


@pytest.mark.parametrize("content", ["- 😀\n", "# nothing\n", "😀\n"])
def test_an_emoji_table_that_is_no_mapping_is_refused(content, tmp_path):
    file(tmp_path, content, "emoji_data.yaml")
    with pytest.raises(UserError, match="emoji_data.yaml"):
        read_emoji(tmp_path)


@pytest.mark.parametrize(
    "reader",
    [
        read_text,
        columns,
        read_yaml,
        tsv,
        pytest.param(read_rows),
    ],
)
def test_a_folder_instead_of_a_file_is_named(reader, tmp_path):
    with pytest.raises(UserError, match=str(tmp_path)):
        reader(tmp_path)


@pytest.mark.parametrize("reader", [*READERS, tsv])
def test_a_byte_that_is_not_utf8_is_named_with_its_line(reader, tmp_path):
    path = file(tmp_path, b"a,b\n1,2\n3,\xff\n4,5\n")
    with pytest.raises(UserError) as error:
        reader(path)
    assert f"{path}, line 3:" in str(error.value)


BROKEN = [
    (tsv, "a\n1\n", 1),
    (tsv, "a\tb\n1\t2\n3\n", 3),
    (tsv, "a\tb\n\n1\t2\t3\n", 3),
    (columns, "a\n1\n", 1),
    (columns, "a,b\n1,2\n3\n", 3),
    (columns, "a,b\n1,2,3\n", 2),
    (columns, 'a,b\n"1\n\n1",2\n3\n', 5),
    (columns, 'a,b\n1,2\n3,"4"x\n', 3),
    (columns, 'a,b\n1,2\n3,"4\n', 3),
    (read_yaml, "a: 1\nb: c: d\n", 2),
    (read_yaml, "a: 1\n\tb: 2\n", 2),
    (read_yaml, "a: 1\nb: *nothing\n", 2),
    (read_yaml, "a: 1\nb: !!python/name:os.system x\n", 2),
    (read_yaml, "a: 1\nb: \x07\n", 2),
    (read_rows, '- {"id": "a"}\n- {"id": b: c}\n- {"id": "c"}\n', 2),
    (read_rows, "- id: a\n- 5\n", 2),
    (read_rows, '- {"id": "a"}\n- 5\n', 2),
    (read_rows, '- {"id": "a"}\n- "words"\n- {"id": "c"}\n', 2),
]


@pytest.mark.parametrize(("reader", "content", "line"), BROKEN)
def test_a_broken_file_is_named_with_the_line(reader, content, line, tmp_path):
    path = file(tmp_path, content)
    with pytest.raises(UserError) as error:
        reader(path)
    assert f"{path}, line {line}:" in str(error.value)


@pytest.mark.parametrize(
    ("reader", "content"),
    [
        (columns, "a\n1\n"),
        (columns, "a,b\n1\n"),
        (columns, b"a,b\n1,\xff\n"),
        (read_yaml, "a: b: c\n"),
        (read_rows, "- id: b: c\n"),
    ],
)
def test_a_broken_file_is_named_with_the_command_that_makes_it(reader, content, tmp_path):
    with pytest.raises(UserError, match=COMMAND):
        reader(file(tmp_path, content), made_by=COMMAND)


# --- journal ---


def journal_of(rows, path, made_from=""):
    journal = Journal(path, made_from=made_from)
    for row in rows:
        journal.append(row)
    return journal


def test_a_journal_goes_on_where_it_was(tmp_path):
    path = tmp_path / "rows.yaml"
    journal_of(ROWS[:2], path)
    journal = Journal(path)
    assert list(journal.rows.values()) == ROWS[:2]
    journal.append(ROWS[2])
    assert list(Journal(path).rows.values()) == ROWS


def test_a_journal_torn_at_any_byte_keeps_its_whole_lines_and_goes_on(tmp_path):
    path = tmp_path / "rows.yaml"
    whole = "".join(map(yaml_line, ROWS)).encode()
    for cut in range(len(whole) + 1):
        journal_of([], path)
        stamp(path.with_name("rows.yaml.part"), "")
        path.with_name("rows.yaml.part").write_bytes(whole[:cut])
        kept = whole[:cut].count(b"\n")
        journal = Journal(path)
        assert list(journal.rows.values()) == ROWS[:kept], f"cut after byte {cut}"
        for row in ROWS[kept:]:
            journal.append(row)
        assert path.with_name("rows.yaml.part").read_bytes() == whole, f"cut after byte {cut}"


@pytest.mark.parametrize("text", [pytest.param(text, id=name) for name, text in (ODD | RETURNS).items()])
def test_odd_texts_survive_in_a_journal(text, tmp_path):
    journal_of([{"id": "a", "text": text}], tmp_path / "rows.yaml")
    assert Journal(tmp_path / "rows.yaml").rows == {"a": {"id": "a", "text": text}}


def test_rows_of_another_made_from_do_not_count_and_are_thrown_away(tmp_path):
    path = tmp_path / "rows.yaml"
    journal_of(ROWS[:2], path, "old")
    journal = Journal(path, made_from="new")
    assert journal.rows == {}
    journal.append(ROWS[2])
    assert list(Journal(path, made_from="new").rows.values()) == ROWS[2:]
    assert Journal(path, made_from="old").rows == {}


def test_the_journal_wins_over_the_finished_file(tmp_path):
    path = tmp_path / "rows.yaml"
    journal_of([{"id": "a", "text": "new"}], path)
    journal = Journal(path, [{"id": "a", "text": "old"}, {"id": "b", "text": "kept"}])
    assert {id: row["text"] for id, row in journal.rows.items()} == {"a": "new", "b": "kept"}


def test_finish_writes_stamps_and_leaves_nothing_behind(tmp_path):
    path = tmp_path / "rows.yaml"
    journal = journal_of(ROWS, path, "this")
    journal.finish(lambda: write_text(path, "done"))
    assert is_stamped(path, "this")
    assert sorted(p.name for p in tmp_path.rglob("*") if p.is_file()) == ["rows.yaml", "rows.yaml"]  # it and its stamp


def test_a_finish_without_any_new_row_removes_the_part_too(tmp_path):
    path = tmp_path / "rows.yaml"
    journal_of(ROWS, path)
    Journal(path).finish(lambda: write_text(path, "done"))
    assert not path.with_name("rows.yaml.part").exists()


def test_a_finish_that_fails_keeps_the_rows(tmp_path):
    path = tmp_path / "rows.yaml"
    with pytest.raises(ZeroDivisionError):
        journal_of(ROWS, path).finish(lambda: 1 / 0)
    assert list(Journal(path).rows.values()) == ROWS
    assert not path.exists()


def test_a_killed_process_loses_no_row_that_it_appended(tmp_path):
    path = tmp_path / "rows.yaml"
    code = f"""
from pathlib import Path
from emojisummary.artifacts import Journal
journal = Journal(Path({str(path)!r}))
for n in range(10**6):
    journal.append({{"id": str(n), "text": "😂" * 50}})
    print(n, flush=True)
"""
    process = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    for _ in range(200):
        last = int(process.stdout.readline())
    process.send_signal(signal.SIGKILL)
    process.communicate()
    ids = list(Journal(path).rows)
    assert ids == [str(n) for n in range(len(ids))]
    assert len(ids) > last


# --- stamps ---


def test_a_stamp_holds_for_just_this_print_and_only_while_the_file_is_there(tmp_path):
    path = file(tmp_path, "x")
    assert not is_stamped(path, "p")
    stamp(path, "p")
    assert is_stamped(path, "p")
    assert not is_stamped(path, "q")
    path.unlink()
    assert not is_stamped(path, "p")


def test_stamps_do_not_lie_among_the_artifacts(tmp_path):
    path = file(tmp_path, "- {}", "english_keywords_phrasebook.yaml")
    stamp(path, "p")
    assert list(tmp_path.glob("*.yaml")) == [path]


@pytest.mark.parametrize("change", ["content", "settings", "order", "gone"])
def test_a_fingerprint_changes_with_all_that_it_covers(change, tmp_path):
    files, settings = [file(tmp_path, "1", "a"), file(tmp_path, "2", "b")], {"seed": 7, "x": [1]}
    before = fingerprint(files, settings)
    if change == "content":
        file(tmp_path, "3", "b")
    elif change == "settings":
        settings = {"seed": 7, "x": [2]}
    elif change == "order":
        files = files[::-1]
    else:
        files[0].unlink()
    assert fingerprint(files, settings) != before


def test_a_fingerprint_depends_on_nothing_else(tmp_path):
    (tmp_path / "sub").mkdir()
    here, there = file(tmp_path, "1", "a"), file(tmp_path / "sub", "1", "b")
    assert fingerprint([here], {"a": 1, "b": 2}) == fingerprint([there], {"b": 2, "a": 1})


def test_the_hash_of_a_file_is_its_sha256(tmp_path):
    known = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert file_hash(file(tmp_path, "abc")) == known
    assert file_hash(tmp_path / "gone") == "missing"


def test_package_versions_say_what_is_not_installed():
    versions = package_versions("pytest", "no-such-package-anywhere")
    assert versions == {"pytest": pytest.__version__, "no-such-package-anywhere": "not installed"}


# --- JSON lines ---


def test_only_a_line_feed_ends_a_json_line(tmp_path):
    (tmp_path / "a.jsonl").write_bytes('{"a": "one\u2028two\x85three"}\r\n\n{\n'.encode())
    first, (broken, problem) = read_jsonl(tmp_path / "a.jsonl", {"a": str})
    assert first == ({"a": "one\u2028two\x85three"}, "")
    assert broken is None
    assert problem.endswith("line 3: not JSON")


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ('{"a": "x", "b": []}', ""),
        ('{"a": "x", "b": [], "c": null}', ""),
        ("[]", "without a, b"),
        ('{"b": []}', "without a"),
        ('{"a": null, "b": []}', "`a` is no text"),
        ('{"a": "x", "b": "y"}', "`b` is no list"),
    ],
)
def test_a_json_line_needs_its_fields_of_their_types(tmp_path, line, fault):
    (tmp_path / "a.jsonl").write_text(line)
    [(found, problem)] = read_jsonl(tmp_path / "a.jsonl", {"a": str, "b": list})
    assert (found is None) == bool(fault)
    assert problem == (f"unusable line, {tmp_path / 'a.jsonl'}, line 1: {fault}" if fault else "")
