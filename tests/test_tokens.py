"""The token ledger on hand-worked counts, and on a student's own tokenizer."""

from types import SimpleNamespace

import pytest

from emojisummary.chat import answer_ids, prompt_ids
from emojisummary.tasks.summary import Summary
from emojisummary.tokens import add_tokens, count_tokens, saving, tokens_as_text
from emojisummary.training.tiny import train_tokenizer

OURS, CHATTY, SHORT = [(10, 2), (30, 2)], [(20, 30), (40, 10)], [(12, 2), (32, 2)]
COUNTS = {"ours": OURS, "chatty": CHATTY, "none": None, "short": SHORT}
PRICES = {"ours": (1.0, 1.0), "chatty": (2.0, 10.0)}


def ledger(prices, training_cost=None, counts=COUNTS):
    results = {name: {} for name in counts}
    add_tokens(results, counts, SimpleNamespace(prices=prices, training_cost=training_cost))
    return {name: result.get("tokens") for name, result in results.items()}


def test_totals_and_means_per_text():
    found = ledger({})
    assert found["none"] is None
    assert found["ours"] == {"prompt": {"total": 40, "per_text": 20}, "answer": {"total": 4, "per_text": 2}}


def test_savings_in_tokens_without_prices():
    found = ledger({})
    assert found["chatty"]["saving"] == {
        "by": "ours", "unit": "tokens",
        "total": 0.56,  # 44 instead of 100
        "by_prompts": 0.2, "by_answers": 0.36,
        "per_text": 0.56,  # the mean of 1 - 12/50 and 1 - 32/50
    }  # fmt: skip
    short = found["short"]["saving"]
    assert (short["by_answers"], short["total"]) == (0, 0.0833)  # a brief control leaves little to save


def test_savings_in_money_and_when_the_training_is_paid():
    found = ledger(PRICES, training_cost=1.0)
    assert found["ours"]["cost"] == {"total": 4.4e-5, "per_text": 2.2e-5}
    assert found["chatty"]["cost"] == {"total": 5.2e-4, "per_text": 2.6e-4}
    chatty = found["chatty"]["saving"]
    assert (chatty["unit"], chatty["total"]) == ("price", 0.9154)
    assert chatty["total"] == pytest.approx(chatty["by_prompts"] + chatty["by_answers"], abs=1e-4)
    assert chatty["break_even_texts"] == 4202  # 1 / 0.000238, rounded up
    assert "break_even_texts" not in found["short"]["saving"]  # it has no price
    assert ledger(PRICES, 0)["chatty"]["saving"]["break_even_texts"] == 0


def test_a_dearer_student_never_pays():
    dear = saving("ours", "chatty", COUNTS, {"ours": (50.0, 50.0), "chatty": (1.0, 1.0)}, 1.0)
    assert dear["total"] < 0 and dear["break_even_texts"] is None


def test_a_free_control_leaves_nothing_to_save():
    free = saving("ours", "chatty", COUNTS, {"ours": (1.0, 1.0), "chatty": (0.0, 0.0)}, 1.0)
    assert free == {"by": "ours", "unit": "price", "total": None}


def test_nothing_is_compared_with_a_first_model_without_tokens():
    found = ledger(PRICES, 1.0, {"none": None, "ours": OURS, "chatty": CHATTY})
    assert all("saving" not in found[name] for name in ("ours", "chatty"))
    assert ledger({}, None, {"none": None}) == {"none": None}


def test_nothing_is_compared_with_an_encoder_which_says_nothing():
    found = ledger(PRICES, 1.0, {"ours": OURS, "encoder": [(12, 0), (9, 0)], "chatty": CHATTY})
    assert [name for name in found if "saving" in found[name]] == ["chatty"]


def test_the_line_that_is_printed():
    found = ledger(PRICES, 1.0)
    text = tokens_as_text({"models": {name: {"tokens": tokens} if tokens else {} for name, tokens in found.items()}})
    ours, chatty, short = text.splitlines()
    assert ours == "ours: 20.0 tokens read and 2.0 said a text, at 2.2e-05"
    assert chatty.startswith("chatty: 30.0 tokens read and 20.0 said a text, at 0.00026; ours saves 91.5 % of the price (")
    assert chatty.endswith("by answers) and has paid its training after 4,202 texts")
    assert "paid" not in short
    assert tokens_as_text({"models": {"none": {}}}) == ""


# --- who counts how ---


def test_a_server_counts_itself():
    said = [{"tokens_in": 9, "tokens_out": 3}, {"text": None, "error": "refused"}]
    assert count_tokens(SimpleNamespace(said=said), ["a", "b"], ["🍔", "—"]) == [(9, 3), (0, 0)]
    assert count_tokens(SimpleNamespace(said=[{"tokens_in": 0, "tokens_out": 0}]), ["a"], ["🍔"]) is None


def test_a_student_counts_by_its_own_tokenizer():
    texts = ["two words", "a text that is so much longer " * 9]
    tokenizer, task = train_tokenizer(["🍔", "❤️", "some words"], 400), Summary()
    most = len(prompt_ids(tokenizer, task.chat(texts[0]))) + 3
    student = SimpleNamespace(tokenizer=tokenizer, task=task, max_length=most)
    (prompt, answer), (cut, heart) = count_tokens(student, texts, ["🍔", "❤️"])
    assert (prompt, cut) == (most - 3, most)
    assert len(prompt_ids(tokenizer, task.chat(texts[1]))) > most
    assert (answer, heart) == tuple(len(answer_ids(tokenizer, task.chat("x"), emoji)) for emoji in ("🍔", "❤️"))


def test_a_model_without_tokens_has_none():
    assert count_tokens(SimpleNamespace(rank=None), ["a"], ["🍔"]) is None
