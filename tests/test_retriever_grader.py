"""The grader `retriever` with its real encoder: two looks, of which either is enough."""

import pytest
import torch

from emojisummary.emojis import read_tables
from emojisummary.models.encoder import PACKAGED, Encoder, encoder_folder
from emojisummary.models.retriever_grader import RetrieverGrader

TABLE, _ = read_tables(["data/16_all_emoji.tsv", "data/17_new_emoji.tsv"], "data/2021_ranked.tsv")


@pytest.fixture(scope="module")
def grader():
    return RetrieverGrader(TABLE, PACKAGED, rank_at_most=100)


def replies(grader: RetrieverGrader, *pairs: tuple[str, str]) -> list[str]:
    return [reply["text"] for _, reply in grader.answer({"text": text, "emoji": emoji} for text, emoji in pairs)]


def test_yes_to_what_ranks_high_by_its_words_alone(grader):
    assert replies(grader, ("Anyone want pizza tonight?", "🍕")) == ["yes: rank 1 of 1902 at a glance"]


def test_what_ranks_low_by_its_words_is_read(grader):
    read, refused = replies(grader, ("They got married on Saturday", "👰"), ("Anyone want pizza tonight?", "🚽"))
    assert read.startswith("yes: rank ") and read.endswith(" of 1902 when read")
    assert refused.startswith("no: rank ") and refused.endswith(" of 1902 when read")


def test_only_what_a_glance_leaves_undecided_is_read(grader, monkeypatch):
    seen = []
    monkeypatch.setattr(grader, "similarities", lambda look, texts: seen.append((look, texts)) or torch.eye(len(texts), 1902))
    first, *_, last = TABLE
    replies(grader, ("one", first), ("two", last), ("three", "no emoji"))
    assert seen == [("at a glance", ["one", "two"]), ("when read", ["two"])]


def test_no_to_an_emoji_that_it_does_not_have(grader):
    asked = ("Anyone want pizza tonight?", "🛸🛸"), ("Anyone want pizza tonight?", "🍕")
    assert replies(grader, *asked) == ["no: not among 1902 emoji", "yes: rank 1 of 1902 at a glance"]
    assert replies(grader, asked[0]) == ["no: not among 1902 emoji"]
    assert replies(grader) == []


def test_a_text_without_a_word_has_to_be_read(grader):
    assert replies(grader, ("\x00", "🍕"))[0].endswith(" when read")


def test_at_a_glance_order_does_not_matter_and_rare_words_say_most():
    encoder = Encoder(encoder_folder(PACKAGED))
    vectors = encoder.glance(["the saxophone", "Saxophone the", "saxophone", "the", ""])
    assert torch.allclose(vectors[0], vectors[1], atol=1e-6)
    assert vectors[0] @ vectors[2] > vectors[0] @ vectors[3]
    assert torch.allclose(vectors.norm(dim=-1), torch.tensor([1.0, 1, 1, 1, 0]), atol=1e-6)
    assert vectors.shape == (5, encoder.size)


def test_what_is_no_number_ranks_last(grader, monkeypatch):
    monkeypatch.setattr(grader, "similarities", lambda look, texts: torch.full((len(texts), 1902), torch.nan))
    assert replies(grader, ("x", "🍕")) == ["no: rank 1902 of 1902 when read"]


def test_verdicts_are_stamped_with_what_decides_them(grader, tmp_path):
    folder = encoder_folder(PACKAGED)
    for name in ("model.safetensors", "tokenizer.json"):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    stamps = {grader.depends_on, RetrieverGrader(TABLE, PACKAGED, 101).depends_on}
    stamps.add(RetrieverGrader(dict(list(TABLE.items())[:-1]), PACKAGED, 100).depends_on)
    assert len(stamps) == 3
    assert RetrieverGrader(TABLE, str(tmp_path), 100).depends_on == grader.depends_on
    for name in ("model.safetensors", "tokenizer.json"):
        (tmp_path / name).write_bytes(name.encode())
        stamps.add(RetrieverGrader(TABLE, str(tmp_path), 100).depends_on)
    assert len(stamps) == 5
