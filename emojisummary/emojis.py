"""The emoji table: read from TSV files, looked up, and found inside text.

Emoji are written fully qualified, with the variation selector VS16 (U+FE0F) where Unicode wants it. People and models
often leave it out, so comparing ignores it: `plain("❤️") == plain("❤")`.
"""

import re
from collections import Counter
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path

from emojisummary.artifacts import read_tsv
from emojisummary.emoji_files import read_table
from emojisummary.stage import UserError

VS16 = "\ufe0f"
ZWJ = "\u200d"
SKIN_TONES = re.compile("[\U0001f3fb-\U0001f3ff]")
COUPLES = {  # with a skin tone for each, these are spelled out; without, they are one code point
    "👩‍🤝‍👩": "👭", "👩‍🤝‍👨": "👫", "👨‍🤝‍👨": "👬", "🧑‍❤‍💋‍🧑": "💏", "🧑‍❤‍🧑": "💑", "🫱‍🫲": "🤝",
}  # fmt: skip

PICTURE = "[^\\s](?:\ufe0f|[\U0001f3fb-\U0001f3ff])?[\U000e0020-\U000e007f]*"
ONE_EMOJI = re.compile(f"[\U0001f1e6-\U0001f1ff]{{2}}|[0-9#*]\ufe0f?\u20e3|{PICTURE}(?:{ZWJ}{PICTURE})*")
SKIN_TONE_TABLE = Path(__file__).parent.parent / "data" / "skin_tones.tsv"

Table = dict[str, dict]  # emoji -> hex, name, category, subcategory, keywords, rank, parent, version; in Unicode's order


def plain(emoji: str) -> str:
    """The emoji without VS16: the form to compare by."""
    return emoji.replace(VS16, "")


def clusters(combination: str) -> list[str]:
    """The single emoji of a text that consists of nothing else (Unicode Technical Standard 51, ED-17).

    >>> clusters("👨‍👩‍👧🏳️‍🌈🇫🇷1️⃣")
    ['👨‍👩‍👧', '🏳️‍🌈', '🇫🇷', '1️⃣']
    """
    return ONE_EMOJI.findall(combination)


def read_tables(tables: list[str], ranking: str) -> tuple[Table, Counter]:
    """The emoji of all files with their ranks, and a count of what was wrong and left out.

    An emoji listed twice keeps its first entry. `rank` is None where the ranking doesn't name the emoji.
    Raises UserError with file and line for a broken row.
    """
    table, problems = {}, Counter()
    seen = set()
    for emoji, facts in (entry for file in tables for entry in read_table(file)):
        if plain(emoji) in seen:
            problems["emoji listed twice"] += 1
            continue
        seen.add(plain(emoji))
        table[emoji] = facts
    if not table:
        raise UserError(f"No emoji in {', '.join(tables)}: `emoji.tables` in config.yaml names the tables.")
    emoji_of = Lookup(table)
    for rank, emoji in _read_ranking(ranking):
        known = emoji_of.get(emoji)
        if known is None:
            problems["emoji in the ranking, not in the tables"] += 1
        elif table[known]["rank"] is None:
            table[known]["rank"] = rank
        else:
            problems["emoji ranked twice"] += 1
    for emoji, facts in table.items():
        facts["parent"] = _parent(emoji, emoji_of)
    return table, problems


def _read_ranking(file: str) -> Iterable[tuple[int, str]]:
    for line, row in read_tsv(Path(file), ("rank", "emoji")):
        if not re.fullmatch(r"0*[1-9]\d*", row["rank"], re.ASCII):
            raise UserError(f"{file}, line {line}: rank {row['rank']!r} is not a whole number from 1 on.")
        yield int(row["rank"]), row["emoji"]


def _parent(emoji: str, emoji_of: "Lookup") -> str | None:
    """The emoji that this one is a gendered variant of: 🤦 for 🤦‍♀️, 🧑‍🍳 for 👩‍🍳; None where there is none.

    >>> _parent("🤦‍♀️", Lookup(["🤦", "🤦‍♀️"]))
    '🤦'
    """
    bare = plain(emoji)
    for sign in "♀♂":
        if f"{ZWJ}{sign}" in bare:
            return emoji_of.get(bare.replace(f"{ZWJ}{sign}", ""))
    if bare[0] in "👨👩" and ZWJ in bare:
        return emoji_of.get("🧑" + bare[1:])
    return None


class Lookup:
    """Finds a table's emoji, spelled with or without VS16.

    >>> lookup = Lookup(["❤️", "🏳️‍🌈", "🏳️"])
    >>> lookup.get("❤")
    '❤️'
    >>> lookup.split("I ❤ the 🏳️‍🌈!")
    ['❤️', '🏳️‍🌈']
    """

    def __init__(self, emoji: Iterable[str]):
        self.by_plain = {plain(e): e for e in emoji}
        self.by_plain |= {long: self.by_plain[one] for long, one in COUPLES.items() if one in self.by_plain}

    @cached_property
    def pattern(self) -> re.Pattern:
        longest_first = sorted(self.by_plain, key=len, reverse=True)
        spelled = f"[{VS16}\U0001f3fb-\U0001f3ff]?"  # VS16 and skin tones tell no emoji apart here
        spellings = ("".join(re.escape(sign) + spelled for sign in e) for e in longest_first)
        return re.compile("|".join(spellings) or r"(?!)")

    def get(self, emoji: str) -> str | None:
        """The table's spelling of an emoji, skin tones left out; None if the table doesn't have it."""
        return self.by_plain.get(SKIN_TONES.sub("", plain(emoji)))

    def split(self, text: str) -> list[str]:
        """The table's emoji that occur in a text, in order. Keycaps count (1️⃣), bare digits don't."""
        if text.isascii():  # as most are; the pattern is slow where it finds nothing
            return []
        return list(map(self.get, self.pattern.findall(text)))

    def replace(self, text: str, others: dict[str, str]) -> str:
        """The text with other signs, or words, in the place of the table's emoji; those without any get the table's spelling.

        >>> Lookup(["🍕", "🍺"]).replace("No 🍕🍺, thanks!", {"🍕": "pizza"})
        'No pizza🍺, thanks!'
        """
        if text.isascii():
            return text

        def other(found: re.Match) -> str:
            emoji = self.get(found[0])
            return others.get(emoji, emoji)

        return self.pattern.sub(other, text)


def by_rank(table: Table) -> list[str]:
    """All emoji, most used first; the unranked follow in the table's order."""
    return sorted(table, key=lambda e: table[e]["rank"] or 10**6)


def skin_tones(tone: str) -> dict[str, str]:
    """Emoji -> the same in a skin tone (light, medium-light, medium, medium-dark or dark), for those that come in several.

    >>> skin_tones("medium")["👍"]
    '👍🏽'
    """
    return {row["emoji"]: row[tone] for _, row in read_tsv(SKIN_TONE_TABLE, ("emoji", tone))}
