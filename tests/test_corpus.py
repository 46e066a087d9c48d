"""What data/README.md promises of the phrasebook and the validation set. `pytest -s` prints the counts."""

import random
from collections import Counter, defaultdict
from itertools import pairwise
from statistics import mean

import pytest

from emojisummary.artifacts import read_csv, read_tsv
from emojisummary.combining import near_duplicates, normalise
from emojisummary.emojis import Lookup, by_rank, read_tables
from emojisummary.models.phrasebook import COLUMNS
from emojisummary.settings import read_settings
from emojisummary.tasks.base import texts_each
from emojisummary.validation import read_validation_set
from tests.conftest import ROOT

TABLE, _ = read_tables(["data/16_all_emoji.tsv", "data/17_new_emoji.tsv"], "data/2021_ranked.tsv")
EMOJI_OF = Lookup(TABLE)
LANGUAGES = 13


@pytest.fixture(scope="module")
def phrasebook():
    files = sorted((ROOT / "data" / "phrasebook").glob("*.tsv"))
    return [row | {"category": file.stem} for file in files for _, row in read_tsv(file, (*COLUMNS, "second"))]


@pytest.fixture(scope="module")
def validation():
    return read_validation_set("data/validation_set.yaml")


@pytest.fixture(scope="module")
def plain_texts():
    return read_csv(ROOT / "data" / "plain_texts.csv", ("text", "answers", "category", "split", "second"))


def words(row):
    return len(row["text"].split())


def test_there_are_enough_texts_of_every_emoji(phrasebook):
    texts = Counter(row["emoji"] for row in phrasebook)
    ranked = by_rank(TABLE)
    print(f"\n{len(phrasebook):,} texts; per emoji {min(texts.values())}-{max(texts.values())}")
    assert len(phrasebook) >= 15_000
    assert {e: texts[e] for e in TABLE if texts[e] < (2 if TABLE[e]["category"] == "flags" else 4)} == {}
    assert {e: texts[e] for e in ranked[:150] if texts[e] < 30} == {}
    assert {e: texts[e] for e in ranked[150:600] if texts[e] < 12} == {}


def test_the_default_run_uses_every_text(phrasebook):
    amounts = read_settings("generate", []).texts
    there = Counter((row["type"], row["emoji"]) for row in phrasebook)
    taken = {(type, emoji): n for type, amount in amounts.items() for emoji, n in texts_each(TABLE, amount).items()}
    assert {key: n for key, n in there.items() if n > taken[key]} == {}


def test_forms_and_lengths_vary(phrasebook):
    forms = Counter(row["form"] for row in phrasebook)
    paragraphs = sum(60 <= words(row) <= 150 for row in phrasebook)
    print(f"\n{len(forms)} forms: {dict(forms.most_common())}; {paragraphs} texts of 60-150 words")
    assert sum(count >= 100 for count in forms.values()) >= 20
    assert paragraphs >= 700
    assert max(map(words, phrasebook)) <= 150
    assert {row["type"] for row in phrasebook} == {"paragraph", "conversation"}
    assert all((row["form"] == "conversation") == (row["type"] == "conversation") for row in phrasebook)
    assert all(" / " in row["text"] for row in phrasebook if row["type"] == "conversation")


def test_the_dataset_card_counts_right(phrasebook):
    card = " ".join((ROOT / "data" / "phrasebook" / "README.md").read_text().split())
    per_emoji, lengths = Counter(row["emoji"] for row in phrasebook), sorted(map(words, phrasebook))
    forms, conversations = Counter(row["form"] for row in phrasebook), sum(row["type"] == "conversation" for row in phrasebook)
    for said in (
        f"{len(phrasebook):,} English texts for all {len(per_emoji):,} emoji of the table",
        f"{min(per_emoji.values())} to {max(per_emoji.values())} for each",
        f"{len(forms)} forms and every length from one word to {lengths[-1]} (median {lengths[len(lengths) // 2]})",
        f"{conversations:,} are conversations, {sum(length >= 60 for length in lengths):,} have 60 words or more",
        f"{sum(not row['second'] for row in phrasebook)} texts were read once",
    ):
        assert said in card


def test_texts_need_understanding(phrasebook):
    """The emoji's name, or a keyword of four letters or more, stands in a fifth of the texts at most."""

    def is_named(row):
        facts = TABLE[row["emoji"]]
        text = f" {normalise(row['text'])} "
        return any(f" {normalise(word)} " in text for word in [facts["name"], *facts["keywords"]] if len(word) > 3)

    share = mean(map(is_named, phrasebook))
    print(f"\n{share:.1%} of the texts contain the emoji's name or a keyword")
    assert share <= 0.2


def test_no_text_holds_an_emoji_and_every_answer_is_in_the_table(phrasebook, validation, plain_texts):
    assert [row["text"] for row in [*phrasebook, *validation, *plain_texts] if EMOJI_OF.split(row["text"])] == []
    for row in phrasebook:
        assert row["emoji"] in TABLE
        also = row["also"].split()
        assert row["emoji"] not in also
        assert len(set(also)) == len(also)
        assert set(also) <= set(TABLE)


def test_no_text_is_there_twice(phrasebook):
    twice = [text for text, n in Counter(normalise(row["text"]) for row in phrasebook).items() if n > 1]
    assert twice == []


def test_openings_and_words_are_diverse(phrasebook):
    openings = Counter(" ".join(normalise(row["text"]).split()[:3]) for row in phrasebook)
    by_emoji = defaultdict(list)
    for row in phrasebook:
        by_emoji[row["emoji"]].append(row["text"])
    diversity = {emoji: distinct_bigrams(texts) for emoji, texts in by_emoji.items() if len(texts) >= 12}
    least = sorted(diversity, key=diversity.get)[:5]
    print(f"\ndistinct bigrams per emoji: mean {mean(diversity.values()):.1%}, least {[(e, diversity[e]) for e in least]}")
    print(f"most common openings: {openings.most_common(5)}")
    assert openings.most_common(1)[0][1] <= len(phrasebook) * 0.003
    assert min(diversity.values()) >= 0.8
    assert mean(diversity.values()) >= 0.9


def distinct_bigrams(texts, most=1_000):
    """Distinct word bigrams as a share of all of them (distinct-2, Li et al., 2016), of at most so many: however varied texts
    are, the more there are of them, the fewer bigrams are new."""
    shuffled = random.Random(0).sample(texts, len(texts))
    bigrams = [pair for text in shuffled for pair in pairwise(normalise(text).split())][:most]
    return len(set(bigrams)) / max(len(bigrams), 1)


def test_what_is_learned_and_what_it_is_judged_by_share_nothing(phrasebook, validation, plain_texts):
    theirs = [row["text"] for row in [*validation, *plain_texts]]
    assert {normalise(row["text"]) for row in phrasebook} & set(map(normalise, theirs)) == set()
    close = near_duplicates([row["text"] for row in phrasebook], theirs, 0.5)
    assert [phrasebook[index]["text"] for index in close] == []


def test_plain_texts_are_short_and_about_everything(plain_texts, validation):
    assert max(map(words, plain_texts)) <= 9
    assert {row["category"] for row in plain_texts} == {facts["category"] for facts in TABLE.values()}
    assert {row["split"] for row in plain_texts} == {"test"}
    assert {normalise(row["text"]) for row in plain_texts} & {normalise(row["text"]) for row in validation} == set()
    assert all(row["second"].split()[0] in row["answers"].split() for row in plain_texts)
    assert len({row["answers"].split()[0] for row in plain_texts}) >= 200


def test_the_validation_set_covers_languages_categories_and_both_parts(validation):
    languages = Counter(row["language"] for row in validation)
    english = [row for row in validation if row["language"] == "english"]
    parts = Counter(row["split"] for row in english)
    categories = Counter(row["category"] for row in english)
    print(f"\n{dict(languages)}; English {dict(parts)}, {dict(categories)}")
    assert languages["english"] >= 600
    assert len(languages) == LANGUAGES + 1
    assert all(count >= 30 for count in languages.values())
    assert set(categories) == {facts["category"] for facts in TABLE.values()}
    assert abs(parts["dev"] - parts["test"]) <= 20
    used = set(by_rank(TABLE)[:600])
    assert mean(EMOJI_OF.get(row["answers"].split()[0]) in used for row in english) >= 0.8


def test_a_second_reader_agreed(phrasebook, validation):
    """`second`: the three emoji of a reader who saw the text alone. What he didn't agree with was mended or dropped."""
    read = [row for row in phrasebook if row["second"]]
    first, among = Counter(), Counter()
    for row in read:
        second = row["second"].split()
        first[row["category"]] += second[0] == row["emoji"]
        among[row["category"]] += row["emoji"] in second
        assert set(map(family, second)) & set(map(family, [row["emoji"], *row["also"].split()])), row
    counts = Counter(row["category"] for row in read)
    print(f"\n{len(read):,} texts read twice; the writer's emoji came first in {first.total() / len(read):.1%}")
    print({c: f"first {first[c] / n:.0%}, among three {among[c] / n:.0%} of {n:,}" for c, n in counts.items()})
    assert len(read) >= 3000
    assert set(counts) >= {facts["category"] for facts in TABLE.values()} - {"flags"}

    for row in validation:
        assert set(row["second"].split()) & set(row["answers"].split()), row
    agreed = mean(row["second"].split()[0] in row["answers"].split() for row in validation)
    assert agreed >= 0.9


def family(emoji):
    return TABLE[emoji]["parent"] or emoji


def test_datasets_loads_the_folder(tmp_path):
    datasets = pytest.importorskip("datasets")
    loaded = datasets.load_dataset(str(ROOT / "data" / "phrasebook"), cache_dir=str(tmp_path))["train"]
    assert loaded.num_rows >= 15_000
    assert set(COLUMNS) <= set(loaded.column_names)
    assert all(isinstance(text, str) for text in loaded["text"])
