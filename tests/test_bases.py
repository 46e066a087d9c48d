"""Base models: back ends, adapters beside 16, 32 and 4 bits, and what is refused."""

import pytest
import torch
from transformers import PreTrainedTokenizerFast

from emojisummary.chat import PLAIN_TEMPLATE
from emojisummary.models.llm import LanguageModel
from emojisummary.models.weights import load_model, unquantised
from emojisummary.stage import UserError
from emojisummary.training.backends import choose
from emojisummary.training.bases import load_base, prepared
from emojisummary.training.labels import lessons_of
from emojisummary.training.tiny import train_tokenizer
from tests.tiny_base import EMOJI, ROWS, VALIDATION, save_base, settings, train

ADAPTER = ("--r", "8", "--num_train_epochs", "2", "--per_device_train_batch_size", "8")
TEXTS = [row["text"] for row in VALIDATION]


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return save_base(tmp_path_factory.mktemp("base"))


def weights(folder):
    from safetensors.torch import load_file

    return load_file(folder / "adapter_model.safetensors")


@pytest.mark.parametrize("bits", [(), ("--load_in_4bit",)], ids=["32 bits", "4 bits"])
def test_an_adapter_learns_is_saved_alone_and_answers_from_its_folder(base, tmp_path, bits, capsys):
    train(tmp_path, "--base", str(base), *ADAPTER, *bits)
    folder = tmp_path / "model"
    assert not (folder / "model.safetensors").exists()
    assert (folder / "adapter_model.safetensors").stat().st_size < (base / "model.safetensors").stat().st_size
    assert "first 3 steps" in capsys.readouterr().out

    student = LanguageModel.load(folder, "adapter")
    beside = LanguageModel("beside", load_model(folder, merge=False), student.tokenizer, student.task, EMOJI, 100)
    assert torch.allclose(student.probabilities(TEXTS), beside.probabilities(TEXTS), atol=1e-4)
    untuned = LanguageModel("base", load_model(base), student.tokenizer, student.task, EMOJI, 100)
    lessons = lessons_of(ROWS[:10], student.task)
    assert student.likelihood(lessons)["perplexity"] < untuned.likelihood(lessons)["perplexity"] / 2, "it learned nothing"


@pytest.mark.parametrize(("r", "expected"), [((), torch.float32), (("--r", "8"), torch.bfloat16)], ids=["all", "adapter"])
def test_weights_that_are_trained_themselves_are_float32(base, monkeypatch, r, expected):
    monkeypatch.setattr("emojisummary.training.bases.best_dtype", lambda: torch.bfloat16)  # as on a GPU
    model, _ = load_base(settings("--base", str(base), *r), "hf", [], EMOJI)
    assert model.get_input_embeddings().weight.dtype == expected
    assert {weights.dtype for weights in model.parameters() if weights.requires_grad} == {torch.float32}


def test_evaluating_on_the_way_changes_nothing_in_4_bits(base, tmp_path):
    for evaluations in ("1", "3"):
        flags = (*ADAPTER, "--num_train_epochs", "1", "--load_in_4bit", "--evaluations", evaluations)
        train(tmp_path / evaluations, "--base", str(base), *flags)
    once, often = (weights(tmp_path / evaluations / "model" / "checkpoints" / "checkpoint-9") for evaluations in ("1", "3"))
    assert all(torch.allclose(once[name], often[name], atol=1e-6) for name in once)


def test_auto_says_which_back_end_and_why(capsys):
    assert choose(settings("--base", "some/model")) == "hf"
    assert "no" in capsys.readouterr().out
    assert choose(settings("--base", "some/model", "--backend", "hf")) == "hf"
    assert capsys.readouterr().out == "back end: hf\n"


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_back_end_asked_for_by_name_is_not_replaced():
    with pytest.raises(UserError, match="needs a CUDA GPU"):
        choose(settings("--base", "some/model", "--backend", "unsloth"))


@pytest.mark.parametrize(
    ("flags", "reason"),
    [
        (["--base", "tiny", "--r", "8"], "tiny"),
        (["--base", "tiny", "--load_in_4bit"], "tiny"),
        (["--base", "tests", "--load_in_4bit"], "Set r"),
        (["--base", "tests", "--r", "8"], "not a causal language model"),
    ],
)
def test_settings_that_make_no_model_are_refused(flags, reason):
    with pytest.raises(UserError, match=reason):
        load_base(settings(*flags), "hf", ROWS, EMOJI)


def test_a_template_that_asks_for_the_date_gets_the_same_one_every_day():
    tokenizer = train_tokenizer(["some text"], 300)
    tokenizer.chat_template = (
        "{%- if not date_string is defined %}{%- if strftime_now is defined %}{%- set date_string = strftime_now('%d %b %Y') %}"
        "{%- else %}{%- set date_string = '26 Jul 2024' %}{%- endif %}{%- endif %}"
        "Today: {{ date_string }} {{ messages[0].content }}"
    )
    chat = [{"role": "user", "content": "hello"}]
    assert prepared(tokenizer).apply_chat_template(chat, tokenize=False) == "Today: 26 Jul 2024 hello"


def test_a_base_without_template_and_padding_gets_both():
    plain = PreTrainedTokenizerFast(tokenizer_object=train_tokenizer(["text"], 300)._tokenizer, eos_token="<|end|>")
    assert prepared(plain).chat_template == PLAIN_TEMPLATE
    assert plain.pad_token == "<|end|>"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("unsloth/Llama-3.2-3B-Instruct-unsloth-bnb-4bit", "unsloth/Llama-3.2-3B-Instruct"),
        ("unsloth/Qwen2.5-7B-bnb-4bit", "unsloth/Qwen2.5-7B"),
        ("meta-llama/Llama-3.2-1B", "meta-llama/Llama-3.2-1B"),
    ],
)
def test_the_base_in_16_bits_is_found_for_a_quantised_one(name, expected):
    assert unquantised(name) == expected
