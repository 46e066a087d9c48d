"""Free text from a language model: batches, ends, repetitions and chance, on a small model with random weights."""

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from emojisummary.models.llm import LanguageModel
from emojisummary.tasks import TASKS
from emojisummary.training.tiny import train_tokenizer

TEXTS = ["hi", "a text about cats that is a good deal longer than the first one", "pizza!"]
CHATS = [[{"role": "user", "content": text}] for text in TEXTS]


@pytest.fixture
def student():
    torch.manual_seed(0)
    tokenizer = train_tokenizer(TEXTS, 300)
    size = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
    model = LlamaForCausalLM(LlamaConfig(vocab_size=len(tokenizer), **size)).eval()
    model.generation_config.do_sample = True  # as some makers' models say: greedy must be greedy all the same
    model.generation_config.temperature = 5.0
    return LanguageModel("x", model, tokenizer, TASKS["summary"], ["🍕"], max_length=60)


def with_bias(student, text, amount):
    """Every step likes one token so much more."""
    model, token = student.model, student.tokenizer(text)["input_ids"][-1]
    model.lm_head.bias = torch.nn.Parameter(torch.zeros(model.config.vocab_size))
    model.lm_head.bias.data[token] = amount
    return student


def test_a_batch_says_what_each_chat_alone_does(student):
    together = student.write(CHATS, max_new_tokens=12)
    assert together == [student.write([chat], max_new_tokens=12)[0] for chat in CHATS]
    assert together == student.write(CHATS, max_new_tokens=12)
    assert len(set(together)) > 1


def test_greedy_is_the_likeliest_token_each_time(student):
    prompt = student.tokenizer.apply_chat_template(CHATS[0], tokenize=False, add_generation_prompt=True)
    ids = student.tokenizer(prompt, add_special_tokens=False)["input_ids"]
    length = len(ids)
    with torch.inference_mode():
        for _ in range(6):
            ids.append(int(student.model(input_ids=torch.tensor([ids])).logits[0, -1].argmax()))
    expected = student.tokenizer.decode(ids[length:], skip_special_tokens=True).strip()
    assert student.write(CHATS[:1], max_new_tokens=6, no_repeat_ngram_size=0) == [expected]


def test_the_end_of_turn_ends_it(student):
    assert with_bias(student, student.tokenizer.eos_token, 50).write(CHATS) == ["", "", ""]


def test_it_cannot_run_on(student):
    with_bias(student, "z", 50)
    assert student.write(CHATS[:1], max_new_tokens=9, no_repeat_ngram_size=0) == ["z" * 9]
    assert "zzzz" not in student.write(CHATS[:1], max_new_tokens=40, no_repeat_ngram_size=3)[0]


def test_a_reply_may_quote_the_prompt(student):
    quoted = [{"role": "user", "content": "zzzz"}]
    assert with_bias(student, "z", 50).write([quoted], max_new_tokens=4, no_repeat_ngram_size=4) == ["zzzz"]


def test_chance_comes_from_the_seed_and_leaves_others_alone(student):
    before = torch.get_rng_state()
    first, again, other = (student.write(CHATS, max_new_tokens=12, temperature=1.5, seed=seed) for seed in (1, 1, 2))
    assert first == again != other
    assert torch.equal(torch.get_rng_state(), before)


def test_no_chats_no_texts(student):
    assert student.write([]) == []


ASKED = '[{"role": "user", "content": "if it rains:\\n    stay"}]'


@pytest.mark.parametrize(
    ("task", "text", "odd"),
    [
        ("combination", "cats and pizza", " cats  and\x07 pizza\ud83d\r\n"),
        ("chat", ASKED, ASKED.replace("stay", "st\x07a\ud83d\\ud83dy")),
    ],
    ids=["combination", "chat"],
)
def test_a_text_is_asked_without_what_cannot_be_encoded(student, task, text, odd):
    student = LanguageModel("x", student.model, student.tokenizer, TASKS[task], ["🍕", "🐱", "🎉", "☔", "🐶"], max_length=200)
    given = student.predict(["pizza!", text, odd, "\ud83d"])
    assert given[1]["answer"] == given[2]["answer"] != given[0]["answer"]
    assert given[3]["error"] == "the text is empty"


def test_code_in_a_chat_keeps_its_indentation():
    assert TASKS["chat"].chat(TASKS["chat"].tidied(ASKED))[-1]["content"] == "if it rains:\n    stay"
