"""The figures of the overfitting study and of replies, against other libraries and by hand."""

from math import exp
from types import SimpleNamespace

import pytest
import torch
from scipy.stats import entropy

from emojisummary import study
from emojisummary.chat import answer_ids, prompt_ids
from emojisummary.emojis import Lookup
from emojisummary.models.llm import LanguageModel
from emojisummary.models.weights import load_model
from emojisummary.tasks import TASKS
from emojisummary.training.labels import IGNORED, lessons_of
from tests.tiny_base import EMOJI, ROWS, VALIDATION, save_base

TASK = TASKS["summary"]
PROMPTS = ["What is the capital of Germany?", "pizza or cake"]


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    from transformers import AutoTokenizer

    folder = save_base(tmp_path_factory.mktemp("base"))
    return LanguageModel("base", load_model(folder), AutoTokenizer.from_pretrained(folder), TASK, EMOJI, 100)


@pytest.fixture
def other(base):
    """The same model with all its weights a little larger."""
    from copy import deepcopy

    model = deepcopy(base.model)
    with torch.no_grad():
        for weights in model.parameters():
            weights.mul_(1.2)
    return LanguageModel("other", model, base.tokenizer, TASK, EMOJI, 100)


def test_the_divergence_is_that_of_scipy(base, other):
    means = []
    for prompt in PROMPTS:
        chat = [{"role": "user", "content": prompt}]
        before = prompt_ids(base.tokenizer, chat)
        said = base.tokenizer(base.write([chat], max_new_tokens=study.ANSWER)[0], add_special_tokens=False)["input_ids"]
        assert said, "nothing to compare"
        found = []
        for place in range(len(said)):
            ids = torch.tensor([before + said[:place]])
            with torch.inference_mode():
                p, q = (one.model(input_ids=ids).logits[0, -1].double().softmax(-1).numpy() for one in (base, other))
            found.append(entropy(p, q))
        means.append(sum(found) / len(found))
    assert study.divergence(base, other, PROMPTS) == pytest.approx(sum(means) / len(means), rel=1e-3)
    assert study.divergence(base, base, PROMPTS) == 0


def test_perplexity_is_that_of_transformers_own_loss(base):
    lessons = lessons_of(ROWS[::9], TASK)
    losses, right, count = 0.0, 0, 0
    for chat, said in lessons:
        prompt, answer = prompt_ids(base.tokenizer, chat), answer_ids(base.tokenizer, chat, said)
        ids = torch.tensor([prompt + answer])
        with torch.inference_mode():
            output = base.model(input_ids=ids, labels=torch.tensor([[IGNORED] * len(prompt) + answer]))
        losses += output.loss.item() * len(answer)
        right += sum(output.logits[0, len(prompt) - 1 + n].argmax().item() == token for n, token in enumerate(answer))
        count += len(answer)
    found = base.likelihood(lessons)
    assert found["perplexity"] == pytest.approx(exp(losses / count), abs=0.01)
    assert found["token_accuracy"] == pytest.approx(right / count, abs=1e-4)


def test_a_leak_is_an_answer_with_an_emoji_that_nobody_asked_for(base, monkeypatch):
    said = ["It falls down 🍎.", "Berlin", "4", "❤", "a heart: <3"]
    model = SimpleNamespace(task=TASK, write=lambda chats, max_new_tokens: said, rank=base.rank)
    monkeypatch.setattr(study, "divergence", lambda *models_and_prompts: 0.0)
    found = study.measure(model, base, list("abcde"), ["pizza"], VALIDATION, Lookup(["🍎", "❤️"]))
    assert found["leak_rate"] == 0.4
    assert list(found["answers"]["general"].values()) == said
