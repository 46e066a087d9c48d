"""llama.cpp's own server behind `openai/<model>`: what our stand-in can only claim that a server does, a real one does here.

Its model is tiny and knows nothing (see tiny_gguf.py), so this is about the protocol, the schema and the end of a server, not
about what a grader says.
"""

import json
from itertools import count, islice
from tempfile import mkdtemp

import httpx
import pytest

from emojisummary.artifacts import GRADED, read_csv
from emojisummary.emojis import Lookup, read_tables
from emojisummary.grading import FORM, verdict
from emojisummary.grammar import gbnf, schema
from emojisummary.models import connect
from emojisummary.models.llamacpp import Engine
from emojisummary.settings import read_settings
from emojisummary.stage import UserError
from tests.tiny_gguf import CONTEXT, SPECIAL, byte_pairs, write_model

for package in ("xllamacpp", "gguf"):
    reason = f"{package} can't be imported: no real engine to test against (see requirements.txt)"
    pytest.importorskip(package, reason=reason, exc_type=ImportError)

LONGEST_FORM = 400  # tokens: JSON may have blanks between any two signs, and a model that knows nothing uses them


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return write_model(tmp_path_factory.mktemp("model") / "tiny.gguf")


@pytest.fixture(scope="module")
def engine(model):
    with Engine(model) as engine:
        yield engine


def connected(engine, tokens, *flags):
    """The grader, told to be varied: a model with random weights would give one answer to all."""
    hosts = ["--openai.hosts", f"{engine.url}/v1", "--num_predict", str(tokens), "--temperature", "1"]
    hasty = ["--ask.attempts", "3", "--ask.give_up_after", "0.2", "--runs_folder", mkdtemp()]
    return connect("openai/tiny", None, read_settings("validate", [*hosts, *hasty, *flags]))


def requests(text="Would you say that 🍕 fits?", schema=None):
    """Without end, each with an id, so with a seed, of its own."""
    form = {"schema": schema} if schema else {}
    return ({"id": f"{n:012x}", "messages": [{"role": "user", "content": text}], **form} for n in count())


def asked(engine, wanted, tokens, *flags):
    replies = {request["id"]: reply for request, reply in connected(engine, tokens, *flags).answer(wanted)}
    return [replies[key] for key in sorted(replies)]


def test_replies_come_with_their_costs_and_are_cut_where_we_said(engine):
    replies = asked(engine, islice(requests(), 6), 12)
    assert len(replies) == 6
    for reply in replies:
        assert reply["text"]
        assert reply["cut"]
        assert reply["tokens_out"] == 12
        assert reply["tokens_in"] > 12
        assert reply["host"].startswith(engine.url)


def test_the_seed_comes_from_the_id(engine):
    """One at a time: side by side with others, the same numbers are added in another order, and now and then that shows."""
    alone = ("--ask.concurrency", "1", "--ask.max_concurrency", "1")
    first, second = ([reply["text"] for reply in asked(engine, islice(requests(), 6), 12, *alone)] for _ in range(2))
    assert first == second
    assert len(set(first)) == 6


@pytest.mark.parametrize("temperature", ["0", "1"])
def test_a_form_is_filled_in_whatever_the_model_would_rather_say(engine, temperature):
    replies = asked(engine, islice(requests(schema=FORM), 6), LONGEST_FORM, "--temperature", temperature)
    assert len(replies) == 6
    for reply in replies:
        assert not reply["cut"]
        assert set(json.loads(reply["text"])) == set(FORM["required"])
        assert verdict(reply["text"])[0] in ("yes", "no")


def test_a_form_that_is_cut_short_is_never_a_yes(engine):
    replies = asked(engine, islice(requests(schema=FORM), 6), 9)
    assert all(reply["cut"] for reply in replies)
    assert {verdict(reply["text"])[0] for reply in replies} == {"unclear"}


def asked_with_a_long_one(engine):
    """Two replies, the one to a text that the server has no room for, and those to the two requests after it."""
    long = next(requests("🍕" * CONTEXT, FORM)) | {"id": f"{2:012x}"}
    wanted = [long if request["id"] == long["id"] else request for request in islice(requests(schema=FORM), 5)]
    return asked(engine, wanted, LONGEST_FORM, "--ask.concurrency", "1", "--ask.max_concurrency", "1")


def test_a_text_longer_than_the_context_costs_only_itself(engine):
    replies = asked_with_a_long_one(engine)
    refused = replies.pop(2)
    assert refused["text"] is None
    assert "context size" in refused["error"]
    assert all(reply["text"] for reply in replies)


def test_after_a_text_longer_than_the_context_the_form_is_still_asked_for(engine):
    replies = asked_with_a_long_one(engine)
    assert [verdict(reply["text"])[0] == "unclear" for reply in replies] == [False, False, True, False, False]


TABLE, _ = read_tables(["data/16_all_emoji.tsv", "data/17_new_emoji.tsv"], "data/2021_ranked.tsv")
EMOJI = list(TABLE)


@pytest.fixture(scope="module")
def token_bytes():
    """The bytes of each token, from the signs that byte-level tokenizers write for them."""
    plain = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in plain]
    byte_of = {chr(byte): byte for byte in plain} | {chr(256 + number): byte for number, byte in enumerate(others)}
    return [bytes(byte_of[sign] for sign in token) for token in byte_pairs()[0]]


def read_leniently(data: bytes) -> str:
    """Text as llama.cpp's grammar reads it: it also takes F8 for F0, or more bytes than needed, and this model writes both."""
    signs, place = [], 0
    while place < len(data):
        more = next(count for count, lead in ((3, 0xF0), (2, 0xE0), (1, 0xC0), (0, 0)) if data[place] >= lead)
        code = data[place] & (0x7F >> (more + (more > 0)))
        for byte in data[place + 1 : place + 1 + more]:
            code = code << 6 | byte & 0x3F
        signs.append(chr(code))
        place += 1 + more
    return "".join(signs)


@pytest.fixture(scope="module")
def said(engine, token_bytes):
    def answer(seed, **limits):
        """What the engine says within a grammar or a schema."""
        ask = {"prompt": "Pizza tonight?", "temperature": 1, "seed": seed, "n_predict": 300, "return_tokens": True}
        reply = httpx.post(f"{engine.url}/completion", json=ask | limits, timeout=600)
        assert reply.status_code == 200, reply.text
        tokens = [token for token in reply.json()["tokens"] if token >= len(SPECIAL)]
        return read_leniently(b"".join(token_bytes[token] for token in tokens))

    return answer


def test_the_grammar_of_all_emoji_gives_one_of_them(said):
    answers = {said(seed, grammar=gbnf(EMOJI)) for seed in range(8)}
    assert answers <= set(EMOJI)
    assert len(answers) > 1


def test_the_grammar_of_combinations_gives_two_to_four(said):
    for seed in range(4):
        answer = said(seed, grammar=gbnf(EMOJI, 2, 4))
        given = Lookup(EMOJI).split(answer)
        assert "".join(given) == answer
        assert 2 <= len(given) <= 4


@pytest.mark.parametrize("emoji", [["🍕"], ["🏳️", "🏳️‍🌈", "👨‍👩‍👧", "👨", "#️⃣", "❤️"]])
def test_the_grammar_of_a_few_emoji_gives_only_these(said, emoji):
    assert {said(seed, grammar=gbnf(emoji)) for seed in range(4)} <= set(emoji)


def test_the_schema_gives_one_emoji_in_json(said):
    for seed in range(2):
        assert json.loads(said(seed, json_schema=schema(EMOJI)))["emoji"] in TABLE


def test_the_schema_of_combinations_gives_a_list(said):
    given = json.loads(said(0, json_schema=schema(EMOJI[:50], 2, 4)))["emoji"]
    assert 2 <= len(given) <= 4
    assert set(given) <= set(EMOJI[:50])


def test_stage_3_grades_with_it(engine, world):
    world("1_emoji")
    world("2_generate", "--type", "keywords", "--limit", "5")
    grader = ["--graders", "openai/tiny", "--openai.hosts", f"{engine.url}/v1", "--num_predict", str(LONGEST_FORM)]
    world("3_validate", *grader, "--type", "keywords", "--limit", "5")
    rows = read_csv(world.path("graded/english_keywords_phrasebook_openai-tiny.csv"), GRADED)
    assert len(rows) == 5
    assert {row["verdict"] for row in rows} <= {"yes", "no"}


def test_a_server_killed_under_load_is_a_clear_error(model):
    with Engine(model) as engine:
        answers = connected(engine, 50).answer(requests())
        for _ in range(6):
            assert next(answers)[1]["text"]
        engine.kill()
        with pytest.raises(UserError, match=f"{engine.url}.* gives no answers"):
            list(answers)
