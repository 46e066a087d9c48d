"""Emoji tables of other layouts: the Kaggle dataset's and Unicode's emoji-test.txt."""

import pytest

from emojisummary.emojis import read_tables
from emojisummary.stage import UserError
from tests.conftest import ROOT

RANKING = str(ROOT / "data/2021_ranked.tsv")
KAGGLE = """emoji,name,group,sub_group,codepoints
😀,grinning face,Smileys & Emotion,face-smiling,1F600
👋🏽,waving hand: medium skin tone,People & Body,hand-fingers-open,1F44B 1F3FD
❤️,red heart,Smileys & Emotion,emotion,2764 FE0F
"""
EMOJI_TEST = """# emoji-test.txt
# group: Smileys & Emotion

# subgroup: face-smiling
1F600                                                  ; fully-qualified     # 😀 E1.0 grinning face
2639                                                   ; unqualified         # ☹ E0.7 frowning face

# group: People & Body
# subgroup: hand-fingers-open
1F44B                                                  ; fully-qualified     # 👋 E0.6 waving hand
1F44B 1F3FB                                            ; fully-qualified     # 👋🏻 E1.0 waving hand: light skin tone
"""


def read(tmp_path, name, content):
    (tmp_path / name).write_text(content, encoding="utf-8")
    return read_tables([str(tmp_path / name)], RANKING)[0]


def test_the_kaggle_layout(tmp_path):
    table = read(tmp_path, "emoji_df.csv", KAGGLE)
    assert list(table) == ["😀", "❤️"]
    assert (table["❤️"]["hex"], table["❤️"]["category"], table["❤️"]["rank"]) == ("2764-FE0F", "smileys-emotion", 2)


def test_unicodes_list(tmp_path):
    table = read(tmp_path, "emoji-test.txt", EMOJI_TEST)
    assert list(table) == ["😀", "👋"]
    assert table["👋"] == {
        "hex": "1F44B",
        "name": "waving hand",
        "category": "people-body",
        "subcategory": "hand-fingers-open",
        "keywords": [],
        "rank": table["👋"]["rank"],
        "parent": None,
        "version": 0.6,
    }


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("emoji_df.csv", KAGGLE + "😂,tears,Smileys,face,1F600\n", "line 5"),
        ("emoji_df.csv", "emoji,name\n😀,x\n", "codepoints"),
        ("emoji-test.txt", EMOJI_TEST + "1F602 ; fully-qualified\n", "line 12"),
        ("emoji.json", "[]", "unknown kind"),
    ],
)
def test_what_is_broken_is_named_with_its_line(tmp_path, name, content, said):
    with pytest.raises(UserError, match=said):
        read(tmp_path, name, content)
