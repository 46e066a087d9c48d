"""The linear control, beside scikit-learn's own naive Bayes on the same features."""

import csv
from types import SimpleNamespace

import numpy as np
import pytest
from sklearn.naive_bayes import MultinomialNB

from emojisummary.models import connect
from emojisummary.models.linear import ALSO_WEIGHT, SMOOTHING, Linear, targets
from emojisummary.stage import UserError

EMOJI = ["🍕", "🐶", "🌧️", "🚀", "🦄"]
TEXTS = {
    "🍕": ("pizza with extra cheese", "we ordered pizza again", "the cheese is melting"),
    "🐶": ("the puppy chewed my shoes", "walking the dog at six", "a dog and her puppy"),
    "🌧️": ("it rains and rains", "rain all over the weekend", "wet socks, more rain"),
    "🚀": ("the rocket is launched", "three, two, one, launched"),
}
ROWS = [{"text": text, "answer": emoji, "also": ""} for emoji, texts in TEXTS.items() for text in texts]
ASKED = ["more cheese please", "a wet dog", "rocket", "xyz", "Pizza!", "走る"]


def test_it_is_the_naive_bayes_of_scikit_learn():
    model = Linear.learned(ROWS, list(TEXTS))
    labels = [list(TEXTS).index(row["answer"]) for row in ROWS]
    theirs = MultinomialNB(alpha=SMOOTHING, fit_prior=False)
    theirs.fit(model.vectorizer.transform([row["text"] for row in ROWS]), labels)
    expected = theirs.predict_proba(model.vectorizer.transform(ASKED))
    assert model.probabilities(ASKED).numpy() == pytest.approx(expected, abs=1e-5)


def test_other_accepted_emoji_count_a_little():
    rows = [*ROWS, {"text": "unicorn rocket", "answer": "🚀", "also": "🦄 ☎️ 🐶"}]
    found = targets(rows, EMOJI).toarray()
    assert found[-1].tolist() == pytest.approx([0, ALSO_WEIGHT / 2, 0, 1 - ALSO_WEIGHT, ALSO_WEIGHT / 2])
    assert found.sum(axis=1) == pytest.approx(np.ones(len(rows)))


def test_it_ranks_texts_of_any_kind():
    model = Linear.learned(ROWS, EMOJI)
    ranked = model.rank(["PIZZA and chese", "", "🦄", "ein Hund"], top=9)
    assert ranked[0][0][0] == "🍕"
    assert all([emoji for emoji, _ in best] != [] and len(best) == 5 for best in ranked)
    assert all(sum(p for _, p in best) == pytest.approx(1) for best in ranked)
    assert model.predict("some dogs")["emoji"] == "🐶"


def test_an_emoji_without_any_text_is_the_last_one():
    ranked = Linear.learned(ROWS, EMOJI).rank(["PIZZA and cheese", "launching", "My DOGS!"], top=5)
    assert [best[0][0] for best in ranked] == ["🍕", "🚀", "🐶"]
    assert [best[-1][0] for best in ranked] == ["🦄"] * 3


def test_the_same_rows_give_the_same_probabilities():
    first, second = (Linear.learned(ROWS, EMOJI).probabilities(ASKED) for _ in range(2))
    assert first.equal(second)


def test_it_learns_from_the_training_data_of_the_run(tmp_path):
    settings, table = SimpleNamespace(folder=tmp_path, task="summary"), dict.fromkeys(EMOJI)
    with pytest.raises(UserError, match=r"training_data.csv.*4_combine"):
        connect("linear", table, settings)
    with (tmp_path / "training_data.csv").open("w", encoding="utf-8", newline="") as file:
        rows = [*((row["text"], row["answer"]) for row in ROWS), ("of another table", "☎️"), ("no vs16: drops", "🌧")]
        csv.writer(file).writerows([("text", "answer"), *rows])
    assert connect("linear", table, settings).predict(["rainy", "drops"], top=2)[1]["emoji"] == "🌧️"


def test_saved_and_loaded_it_is_the_same_and_new_emoji_are_known_by_their_cards(tmp_path):
    model = Linear.learned(ROWS, EMOJI)
    model.save(tmp_path / "ngrams.safetensors")
    cards = dict.fromkeys(EMOJI, "not read: these have texts")
    again = Linear.load(tmp_path / "ngrams.safetensors", cards)
    assert again.probabilities(ASKED).equal(model.probabilities(ASKED))

    newer = Linear.load(tmp_path / "ngrams.safetensors", cards | {"🧀": "cheese wedge: cheese"})
    assert newer.predict("cheese wedge")["emoji"] == "🧀"
    assert newer.probabilities(ASKED).shape == (len(ASKED), len(EMOJI) + 1)


def test_a_single_row_is_enough():
    assert Linear.learned(ROWS[:1], EMOJI).predict("pizza")["emoji"] == "🍕"


def test_rows_without_any_word_are_refused():
    with pytest.raises(UserError, match="No training text has a word"):
        Linear.learned([{"text": "🍕!", "answer": "🍕", "also": ""}, {"text": "... 🐶", "answer": "🐶", "also": ""}], EMOJI)
