"""The emoji as a grammar and a schema; test_engine.py gives them to the real llama.cpp."""

import re

from emojisummary.emojis import read_tables
from emojisummary.grammar import gbnf, schema

TABLE, _ = read_tables(["data/16_all_emoji.tsv", "data/17_new_emoji.tsv"], "data/2021_ranked.tsv")
SIGN = re.compile(r"\\x(..)|\\u(....)|\\U(........)")


def as_pattern(grammar: str) -> re.Pattern:
    """The rule for one emoji as a regular expression: they share all but quotes and blanks."""
    rule = grammar.splitlines()[1].removeprefix("emoji ::= ").replace('"', "").replace(" ", "")
    return re.compile(SIGN.sub(lambda found: re.escape(chr(int(next(filter(None, found.groups())), 16))), rule))


def test_the_grammar_accepts_the_whole_table_and_nothing_between():
    pattern = as_pattern(gbnf(list(TABLE)))
    assert all(pattern.fullmatch(emoji) for emoji in TABLE)
    pieces = {emoji[:end] for emoji in TABLE for end in range(1, len(emoji))} | {a + "🍕" for a in list(TABLE)[::40]}
    assert not [piece for piece in pieces - TABLE.keys() if pattern.fullmatch(piece)]


def test_the_grammar_of_a_part_accepts_that_part():
    part = list(TABLE)[::7]
    pattern = as_pattern(gbnf(part))
    assert [emoji for emoji in TABLE if pattern.fullmatch(emoji)] == part


def test_combinations():
    assert gbnf(["🍕"], 2, 4).startswith("root ::= emoji{2,4}\n")
    assert schema(["🍕"], 2, 4)["properties"]["emoji"]["maxItems"] == 4
