from pathlib import Path

import pytest

from emojisummary.artifacts import read_tsv
from emojisummary.emojis import read_tables
from emojisummary.models import connect
from emojisummary.models.phrasebook import COLUMNS, Phrasebook
from emojisummary.sections import Amount
from emojisummary.settings import read_settings
from emojisummary.stage import UserError
from emojisummary.tasks import TASKS

DATA = Path(__file__).parent.parent / "data"
LANGUAGES = ["english", *sorted(path.stem for path in (DATA / "languages").glob("*.tsv"))]
TABLE, _ = read_tables([str(DATA / "16_all_emoji.tsv"), str(DATA / "17_new_emoji.tsv")], str(DATA / "2021_ranked.tsv"))
SHIPPED = Phrasebook(TABLE, DATA / "phrasebook", DATA / "languages")

ROWS = [
    "😂\tparagraph\tnote\t🤣 😆\tI laughed until I cried.",
    "😂\tparagraph\ttweet\t\tCan't breathe.",
    "😂\tconversation\tchat\t❤\tDid you see it? / Yes! / Again.",
    "❤\tparagraph\tnote\t🦖x 🏳\tA / B stays a slash.",
]


def phrasebook(folder, *rows, columns=COLUMNS):
    (folder / "texts.tsv").write_text("\n".join(["\t".join(columns), *rows]) + "\n", encoding="utf-8")
    return Phrasebook(TABLE, folder, DATA / "languages")


def ask(teacher, emoji="😂", type="paragraph", number=0, language="english", id="x"):
    ((_, reply),) = teacher.answer([{"id": id, "emoji": emoji, "type": type, "number": number, "language": language}])
    return reply


def topics(language, type, number):
    amount = Amount(min=number, max=number, exponent=1)
    return list(TASKS["summary"].topics(TABLE, language, type, "phrasebook", amount, 7))


# --- keywords, in every language ---


def keywords_of(language):
    if language == "english":
        return {emoji: (facts["name"], facts["keywords"]) for emoji, facts in TABLE.items()}
    rows = read_tsv(DATA / "languages" / f"{language}.tsv", ("emoji", "name", "keywords"))
    return {row["emoji"]: (row["name"], row["keywords"].split(" | ")) for _, row in rows}


def test_there_are_14_languages():
    assert len(LANGUAGES) == 14


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_emoji_has_keywords(language):
    requests = topics(language, "keywords", 2)
    answers = list(SHIPPED.answer(requests))
    assert [request for request, _ in answers] == requests
    silent = {request["emoji"] for request, reply in answers if reply is None}
    assert silent <= ({"🪊"} if language == "hindi" else set())  # CLDR 48 has no Hindi name for it


@pytest.mark.parametrize("language", LANGUAGES)
def test_keywords_are_some_of_the_emojis_own_and_the_first_list_opens_with_its_name(language):
    known = keywords_of(language)
    for request, reply in SHIPPED.answer(topics(language, "keywords", 2)):
        if reply:
            name, keywords = known[request["emoji"]]
            opening = name if request["number"] == 0 else ""
            rest = reply["text"].removeprefix(opening).removeprefix(", ")
            assert reply["text"].startswith(opening)
            assert not rest or rest == name or all(any(word in k for k in keywords) for word in rest.split(", "))
            assert reply["form"] == "keywords"


@pytest.mark.parametrize("language", LANGUAGES)
def test_asked_again_the_keywords_are_the_same(language):
    requests = topics(language, "keywords", 2)[:50]
    again = Phrasebook(TABLE, DATA / "phrasebook", DATA / "languages")
    assert list(SHIPPED.answer(requests)) == list(again.answer(reversed(requests)))[::-1]


def test_other_ids_give_other_keywords():
    assert len({ask(SHIPPED, type="keywords", number=1, id=str(n))["text"] for n in range(50)}) > 20


def test_an_emoji_without_keywords_gives_its_name():
    assert TABLE["🕳️"]["keywords"] == []
    assert ask(SHIPPED, "🕳️", "keywords", number=1)["text"] == "hole"


def test_a_language_without_a_file_is_named():
    with pytest.raises(UserError, match="klingon.tsv"):
        ask(SHIPPED, type="keywords", language="klingon")


@pytest.mark.parametrize("content", ["emoji\tname\n😂\tTränen\n", "emoji\tname\tkeywords\n😂\tTränen\n", ""])
def test_a_broken_language_file_is_named(content, tmp_path):
    (tmp_path / "german.tsv").write_text(content, encoding="utf-8")
    teacher = Phrasebook(TABLE, DATA / "phrasebook", tmp_path)
    with pytest.raises(UserError, match="german.tsv"):
        ask(teacher, type="keywords", language="german")


# --- texts ---


@pytest.mark.parametrize(
    ("emoji", "type", "number", "expected"),
    [
        ("😂", "paragraph", 0, {"text": "I laughed until I cried.", "form": "note", "also": "🤣 😆"}),
        ("😂", "paragraph", 1, {"text": "Can't breathe.", "form": "tweet", "also": ""}),
        ("😂", "paragraph", 2, None),
        ("😂", "conversation", 0, {"text": "Did you see it?\nYes!\nAgain.", "form": "chat", "also": "❤️"}),
        ("😂", "conversation", 1, None),
        ("❤️", "paragraph", 0, {"text": "A / B stays a slash.", "form": "note", "also": "🏳️"}),
        ("🍔", "paragraph", 0, None),
        ("😂", "poem", 0, None),
    ],
)
def test_a_request_gets_the_text_of_its_number(emoji, type, number, expected, tmp_path):
    assert ask(phrasebook(tmp_path, *ROWS), emoji, type, number) == expected


@pytest.mark.parametrize("language", LANGUAGES[1:])
def test_in_other_languages_there_are_no_texts(language, tmp_path):
    assert ask(phrasebook(tmp_path, *ROWS), language=language) is None


def test_several_files_are_read_in_the_order_of_their_names(tmp_path):
    header = "\t".join(COLUMNS)
    (tmp_path / "b.tsv").write_text(f"{header}\n😂\tparagraph\tnote\t\tsecond\n", encoding="utf-8")
    (tmp_path / "a.tsv").write_text(f"{header}\n😂\tparagraph\tnote\t\tfirst\n", encoding="utf-8")
    teacher = Phrasebook(TABLE, tmp_path, DATA / "languages")
    assert [ask(teacher, number=n)["text"] for n in (0, 1)] == ["first", "second"]


def test_answers_come_one_at_a_time(tmp_path):
    requests = iter([{"id": "x", "emoji": "😂", "type": "paragraph", "number": 0, "language": "english"}, None])
    assert next(phrasebook(tmp_path, *ROWS).answer(requests))[1]["text"] == "I laughed until I cried."
    assert list(requests) == [None]


@pytest.mark.parametrize("type", ["paragraph", "conversation"])
def test_every_shipped_text_is_of_an_emoji_in_the_table(type):
    assert {emoji for emoji, one in SHIPPED.texts if one == type} <= TABLE.keys()


# --- errors ---


@pytest.mark.parametrize("name", ["nowhere", "."])
def test_a_folder_without_texts_is_named_with_its_setting(name, tmp_path):
    with pytest.raises(UserError) as error:
        Phrasebook(TABLE, tmp_path / name, DATA / "languages")
    assert str(tmp_path / name) in str(error.value)
    assert "generate.phrasebook" in str(error.value)


@pytest.mark.parametrize(
    "row", ["😂\tparagraph\tnote\tno text", "😂\tparagraph\tnote\t\ta\ttab", "words", "😂 paragraph note also text"]
)
def test_a_broken_row_is_named_by_file_and_line(row, tmp_path):
    with pytest.raises(UserError, match=r"texts\.tsv, line 3:"):
        phrasebook(tmp_path, ROWS[0], row)


@pytest.mark.parametrize("column", COLUMNS)
def test_a_missing_column_is_named(column, tmp_path):
    with pytest.raises(UserError, match=f"line 1: column `{column}`"):
        phrasebook(tmp_path, columns=[c for c in COLUMNS if c != column])


def test_texts_of_an_unknown_emoji_are_counted(tmp_path):
    teacher = phrasebook(tmp_path, "🦖x\tparagraph\tnote\t\tRoar.", "x\tparagraph\tnote\t\tHm.")
    assert teacher.problems == {"texts of an emoji that is not in the table": 2}


def test_connect_finds_the_phrasebook_by_its_name():
    flags = ["--phrasebook", str(DATA / "phrasebook"), "--keywords", str(DATA / "languages")]
    teacher = connect("phrasebook", TABLE, read_settings("generate", flags))
    assert isinstance(teacher, Phrasebook)
    assert teacher.name == "phrasebook"
