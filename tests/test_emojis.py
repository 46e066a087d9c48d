import random
import re
from pathlib import Path

import pytest

from emojisummary.emoji_files import COLUMNS
from emojisummary.emojis import VS16, ZWJ, Lookup, by_rank, plain, read_tables
from emojisummary.stage import UserError

DATA = Path(__file__).parent.parent / "data"
FILES = {"16_all_emoji.tsv": 1894, "17_new_emoji.tsv": 8}
TABLE, PROBLEMS = read_tables([str(DATA / name) for name in FILES], str(DATA / "2021_ranked.tsv"))
LOOKUP = Lookup(TABLE)

HEADER = "\t".join(COLUMNS)
GRIN = "1F600\t😀\tgrinning face\tface | grin\tsmileys-emotion\tface-smiling\t1"
HEART = "2764 FE0F\t❤️\tred heart\theart\tsmileys-emotion\theart\t0.6"
BARE_HEART = "2764\t❤\tred heart again\theart\tsmileys-emotion\theart\t0.6"


def read(folder, *rows, ranking=(), header=HEADER):
    (folder / "table.tsv").write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    (folder / "ranking.tsv").write_text("\n".join(["rank\temoji", *ranking]) + "\n", encoding="utf-8")
    return read_tables([str(folder / "table.tsv")], str(folder / "ranking.tsv"))


# --- the shipped tables ---


@pytest.mark.parametrize(("name", "count"), FILES.items())
def test_a_shipped_table_has_all_its_emoji_and_no_other(name, count):
    table, problems = read_tables([str(DATA / name)], str(DATA / "2021_ranked.tsv"))
    assert len(table) == count
    assert problems["emoji listed twice"] == 0


def test_the_shipped_tables_hold_1902_emoji_that_differ_without_vs16():
    assert len(TABLE) == 1902
    assert len(set(map(plain, TABLE))) == 1902


@pytest.mark.parametrize("signs", ["🏻🏼🏽🏾🏿", "🦰🦱🦲🦳"], ids=["skin tones", "hair"])
def test_the_shipped_tables_hold_no_variants(signs):
    assert [emoji for emoji in TABLE if set(signs) & set(emoji)] == []


def test_the_shipped_emoji_are_fully_qualified():
    # All of these are text by default in Unicode's emoji-data.txt, so alone and behind a ZWJ they need VS16.
    needs_it = set("❤☺☹☀☁☎✈✉✏✒✂⚖⚕♀♂☠⚔⚙⚛⚜ℹ©®™↔↩⌨⏏▶◀☂☃☄♠♥♦♣♨♻♾✌✍☝✔✖✳✴❄❇❣➡⬅⤴⤵〰〽㊗㊙🅰🅿🈂🈷🌡🌶🍽🎗🏍🏎🏳🐿👁")
    for emoji in TABLE:
        for sign, follower in zip(emoji, emoji[1:] + " ", strict=True):
            assert sign not in needs_it or follower in (VS16, "\u20e3"), f"{emoji}: {sign} lacks VS16"


def test_no_shipped_emoji_has_vs16_where_it_does_not_belong():
    assert [emoji for emoji in TABLE if VS16 * 2 in emoji or emoji.startswith(VS16) or ZWJ + VS16 in emoji] == []


@pytest.mark.parametrize("key", ["name", "category", "subcategory", "hex", "version"])
def test_every_shipped_emoji_has_its_facts(key):
    assert [emoji for emoji, facts in TABLE.items() if not facts[key]] == []


def test_the_shipped_hex_is_the_emoji():
    for emoji, facts in TABLE.items():
        assert "".join(chr(int(code, 16)) for code in facts["hex"].split("-")) == emoji


def test_the_shipped_ranking_is_nearly_all_in_the_tables():
    ranked = [facts["rank"] for facts in TABLE.values() if facts["rank"]]
    in_file = len((DATA / "2021_ranked.tsv").read_text(encoding="utf-8").split("\n")) - 2
    assert len(ranked) == len(set(ranked))
    assert len(ranked) + sum(PROBLEMS.values()) == in_file
    assert 0 < PROBLEMS["emoji in the ranking, not in the tables"] < 20


def test_the_most_used_emoji_come_first():
    order = by_rank(TABLE)
    assert order[:2] == ["😂", "❤️"]
    assert sorted(order) == sorted(TABLE)
    unranked = [emoji for emoji in TABLE if TABLE[emoji]["rank"] is None]
    assert order[-len(unranked) :] == unranked


# --- reading tables ---


def test_a_row_becomes_facts(tmp_path):
    table, problems = read(tmp_path, GRIN, ranking=["1\t😀"])
    assert table == {
        "😀": {
            "hex": "1F600",
            "name": "grinning face",
            "category": "smileys-emotion",
            "subcategory": "face-smiling",
            "keywords": ["face", "grin"],
            "rank": 1,
            "parent": None,
            "version": 1.0,
        }
    }
    assert not +problems


def test_an_emoji_listed_twice_is_counted_and_keeps_its_first_entry(tmp_path):
    table, problems = read(tmp_path, HEART, BARE_HEART, GRIN, GRIN)
    assert list(table) == ["❤️", "😀"]
    assert table["❤️"]["name"] == "red heart"
    assert problems["emoji listed twice"] == 2


def test_an_emoji_in_two_tables_is_counted(tmp_path):
    read(tmp_path, GRIN)
    _, problems = read_tables([str(tmp_path / "table.tsv")] * 2, str(tmp_path / "ranking.tsv"))
    assert problems["emoji listed twice"] == 1


def test_ranking_problems_are_counted(tmp_path):
    table, problems = read(tmp_path, GRIN, HEART, ranking=["1\t❤", "2\t🍔", "3\t❤️", "4\t🍕"])
    assert (table["❤️"]["rank"], table["😀"]["rank"]) == (1, None)
    assert problems == {"emoji in the ranking, not in the tables": 2, "emoji ranked twice": 1}


@pytest.mark.parametrize(
    "row",
    [
        GRIN.replace("1F600", "1F601"),
        GRIN.replace("1F600", "1f600"),
        GRIN.replace("1F600", "1F600 FE0F"),
        GRIN.replace("\t1", ""),
        GRIN + "\tmore",
        "words",
        GRIN.replace("\t1", "\tnew"),
        "\t\tname\tk\tc\ts\t1",
    ],
)
def test_a_broken_row_is_named_by_file_and_line(row, tmp_path):
    with pytest.raises(UserError, match=r"table\.tsv, line 3:"):
        read(tmp_path, HEART, row)


@pytest.mark.parametrize(
    "row",
    [
        "one\t😀",
        "1.5\t😀",
        "-1\t😀",
        "\t😀",
        "1",
        "²\t😀",
        "0\t😀",
    ],
)
def test_a_broken_ranking_is_named_by_file_and_line(row, tmp_path):
    with pytest.raises(UserError, match=r"ranking\.tsv, line 3:"):
        read(tmp_path, GRIN, HEART, ranking=["1\t❤️", row])


@pytest.mark.parametrize("column", COLUMNS)
def test_a_missing_column_is_named(column, tmp_path):
    with pytest.raises(UserError, match=f"table.tsv, line 1: column `{column}`"):
        read(tmp_path, header=re.sub(rf"\b{column}\b", "other", HEADER))


def test_tables_without_any_emoji_are_refused(tmp_path):
    with pytest.raises(UserError, match="No emoji in"):
        read(tmp_path)


def test_a_missing_table_is_named(tmp_path):
    with pytest.raises(UserError, match="nowhere.tsv"):
        read_tables([str(tmp_path / "nowhere.tsv")], str(DATA / "2021_ranked.tsv"))


# --- looking up ---


def toned(emoji, tone):
    """The emoji with a skin tone behind its first person or hand, where VS16 falls away."""
    return emoji[0] + tone + emoji[1:].removeprefix(VS16)


def test_get_finds_every_emoji_with_and_without_vs16():
    for emoji in TABLE:
        assert LOOKUP.get(emoji) == LOOKUP.get(plain(emoji)) == emoji


def test_split_finds_every_emoji_with_and_without_vs16():
    for emoji in TABLE:
        assert LOOKUP.split(emoji) == LOOKUP.split(plain(emoji)) == LOOKUP.split(f"a{emoji}b 1") == [emoji]


@pytest.mark.parametrize("tone", "🏻🏼🏽🏾🏿")
def test_get_and_split_find_every_emoji_with_a_skin_tone(tone):
    for emoji in TABLE:
        assert LOOKUP.get(toned(emoji, tone)) == emoji
        assert LOOKUP.split(toned(emoji, tone)) == [emoji]


@pytest.mark.parametrize(
    "spell", [str, plain, lambda emoji: plain(emoji) if ord(emoji[0]) % 2 else emoji], ids=["with", "without", "mixed"]
)
@pytest.mark.parametrize("seed", range(5))
def test_split_takes_all_emoji_apart_that_stand_glued_together(spell, seed):
    emoji = list(TABLE) * 2
    random.Random(seed).shuffle(emoji)
    assert LOOKUP.split("".join(map(spell, emoji))) == emoji


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("🏳️", ["🏳️"]),
        ("🏳️‍🌈", ["🏳️‍🌈"]),
        ("🏳‍🌈🏳", ["🏳️‍🌈", "🏳️"]),
        ("🏳️🌈", ["🏳️", "🌈"]),
        ("👨👩👧", ["👨", "👩", "👧"]),
        ("👨‍👩‍👧", ["👨‍👩‍👧"]),
        ("👨‍👩‍👧‍👦👨‍👩‍👧👨", ["👨‍👩‍👧‍👦", "👨‍👩‍👧", "👨"]),
        ("🏴🏴󠁧󠁢󠁥󠁮󠁧󠁿🏴‍☠️", ["🏴", "🏴󠁧󠁢󠁥󠁮󠁧󠁿", "🏴‍☠️"]),
        ("🇩🇪🇫🇷", ["🇩🇪", "🇫🇷"]),
        ("I ❤ the 🏳️‍🌈!", ["❤️", "🏳️‍🌈"]),
        ("❤️‍🔥 ❤🔥", ["❤️‍🔥", "❤️", "🔥"]),
        ("👋🏽👋🏿👋", ["👋", "👋", "👋"]),
        ("🤦🏻‍♀️", ["🤦‍♀️"]),
        ("☝️🏽 ☝🏽", ["☝️", "☝️"]),
        ("call 911, #1, *2, 3.", []),
        ("1️⃣ 2⃣ #️⃣ *⃣", ["1️⃣", "2️⃣", "#️⃣", "*️⃣"]),
        ("11️⃣1", ["1️⃣"]),
        ("no emoji :-)", []),
        ("", []),
    ],
)
def test_split(text, expected):
    assert LOOKUP.split(text) == expected


@pytest.mark.parametrize("text", ["", " ", "a", "1", "#", "😀😀", "😀 ", VS16, ZWJ, "🏽", "🇩", "a😀"])
def test_get_finds_nothing_in_what_is_not_one_emoji(text):
    assert LOOKUP.get(text) is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("👩🏽‍🤝‍👨🏿", "👫"),
        ("👩🏻‍🤝‍👩🏿", "👭"),
        ("👨🏻‍🤝‍👨🏿", "👬"),
        ("🧑🏻‍❤️‍🧑🏼", "💑"),
        ("🧑🏻‍❤️‍💋‍🧑🏼", "💏"),
        ("🫱🏻‍🫲🏿", "🤝"),
    ],
)
def test_a_couple_with_two_skin_tones_is_the_couple(text, expected):
    assert LOOKUP.get(text) == expected
    assert LOOKUP.split(text) == [expected]


def test_a_lookup_of_nothing_finds_nothing():
    assert Lookup([]).split("a 😀") == []
    assert Lookup([]).get("😀") is None


# --- parents ---


@pytest.mark.parametrize(
    ("emoji", "parent"),
    [
        ("🤦‍♀️", "🤦"),
        ("🤦‍♂️", "🤦"),
        ("👩‍🍳", "🧑‍🍳"),
        ("👨‍🚀", "🧑‍🚀"),
        ("🏃‍♀️‍➡️", "🏃‍➡️"),
        ("👩‍🦽‍➡️", "🧑‍🦽‍➡️"),
        ("⛹️‍♀️", "⛹️"),
        ("👯‍♂️", "👯"),
        ("🤦", None),
        ("🧑‍🍳", None),
        ("👩", None),
        ("👨‍👩‍👧", None),
        ("👩‍❤️‍👨", None),
        ("♀️", None),
        ("❤️", None),
    ],
)
def test_the_parent_of_a_gendered_variant(emoji, parent):
    assert TABLE[emoji]["parent"] == parent


def test_every_parent_is_in_the_table_and_has_none_itself():
    parents = {facts["parent"] for facts in TABLE.values()} - {None}
    assert parents
    assert all(TABLE[parent]["parent"] is None for parent in parents)


def test_a_parent_that_the_table_lacks_is_none(tmp_path):
    facepalm = "1F926 200D 2640 FE0F\t🤦‍♀️\twoman facepalming\tface\tpeople-body\tperson-gesture\t4"
    assert read(tmp_path, facepalm)[0]["🤦‍♀️"]["parent"] is None
