"""Base models: back ends, adapters beside 16, 32 and 4 bits, and what is refused."""

import re
import sys
from types import SimpleNamespace

import pytest
import torch
from transformers import PreTrainedTokenizerFast

from emojisummary.artifacts import write_yaml
from emojisummary.chat import PLAIN_TEMPLATE
from emojisummary.models import connect
from emojisummary.models.llm import LanguageModel
from emojisummary.models.weights import load_model, unquantised
from emojisummary.stage import UserError
from emojisummary.tasks import TASKS
from emojisummary.training.backends import choose
from emojisummary.training.bases import load_base, load_hf, prepared
from emojisummary.training.common import trainer_arguments
from emojisummary.training.labels import lessons_of, to_dataset
from emojisummary.training.llm import save
from emojisummary.training.tiny import train_tokenizer
from emojisummary.vocabulary import missing_emoji
from tests.test_decoding import llama, word_piece
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


@pytest.mark.parametrize("r", [("--r", "8"), ()], ids=["adapter", "all"])
def test_a_checkpoint_is_a_student_of_its_own(base, tmp_path, r):
    train(tmp_path, "--base", str(base), "--num_train_epochs", "2", *r)
    checkpoints = sorted((tmp_path / "model" / "checkpoints").glob("checkpoint-*"))
    students = [connect(str(checkpoint)) for checkpoint in checkpoints]
    assert [student.name for student in students] == [f"{tmp_path.name}/{checkpoint.name}" for checkpoint in checkpoints]
    first, second = (student.probabilities(TEXTS) for student in students)
    kept = connect(str(tmp_path)).probabilities(TEXTS)
    assert not torch.allclose(first, second)
    assert torch.allclose(kept, first, atol=1e-5) or torch.allclose(kept, second, atol=1e-5)


def test_all_weights_take_the_place_of_an_adapter(base, tmp_path):
    for r in (("--r", "8"), ()):
        chosen = settings("--base", str(base), *r)
        student = LanguageModel("student", *load_base(chosen, "hf", [], EMOJI), TASKS["summary"], EMOJI, 100)
        with torch.no_grad():
            student.model.eval().get_output_embeddings().weight += 1 if r else torch.randn(32)
        save(student, tmp_path, chosen)
    loaded = LanguageModel.load(tmp_path, "loaded")
    assert torch.allclose(loaded.probabilities(TEXTS), student.probabilities(TEXTS), atol=1e-4)


def test_nothing_of_another_student_is_left_in_the_folder(base, tmp_path):
    for name in (
        "encoder/model.safetensors",
        "ngrams.safetensors",
        "checkpoints/one",
        "base/config.json",
        "trainer_state.json",
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    chosen = settings("--base", str(base), "--r", "8")
    save(LanguageModel("student", *load_base(chosen, "hf", [], EMOJI), TASKS["summary"], EMOJI, 100), tmp_path, chosen)
    names = {path.name for path in tmp_path.iterdir()}
    assert {"encoder", "ngrams.safetensors"}.isdisjoint(names)
    assert names >= {"checkpoints", "base", "trainer_state.json", "student.yaml", "adapter_model.safetensors"}


def test_what_the_makers_want_of_generation_is_not_what_is_asked(base, tmp_path):
    chats = list(map(TASKS["summary"].chat, TEXTS))
    model, tokenizer = load_hf(settings("--base", str(base)))
    expected = LanguageModel("base", model, tokenizer, TASKS["summary"], EMOJI, 100).write(chats, 8)
    model.generation_config.repetition_penalty = 3.0
    model.generation_config.eos_token_id = [1, 7]
    model.save_pretrained(tmp_path / "base")
    tokenizer.save_pretrained(tmp_path / "base")
    for r in (("--r", "8"), ()):
        chosen = settings("--base", str(tmp_path / "base"), *r)
        student = LanguageModel("student", *load_base(chosen, "hf", [], EMOJI), TASKS["summary"], EMOJI, 100)
        save(student, tmp_path / "model", chosen)
        loaded = LanguageModel.load(tmp_path / "model", "loaded")
        assert student.write(chats, 8) == loaded.write(chats, 8) == expected
        assert loaded.model.generation_config.eos_token_id == [1, 7]
    asked = connect(f"base:{tmp_path / 'base'}", None, SimpleNamespace(task="summary", num_predict=8))
    assert asked.write(chats) == expected


@pytest.mark.parametrize(("r", "expected"), [((), torch.float32), (("--r", "8"), torch.bfloat16)], ids=["all", "adapter"])
def test_weights_that_are_trained_themselves_are_float32(base, monkeypatch, r, expected):
    monkeypatch.setattr("emojisummary.training.bases.best_dtype", lambda: torch.bfloat16)  # as on a GPU
    model, _ = load_base(settings("--base", str(base), *r), "hf", [], EMOJI)
    assert model.get_input_embeddings().weight.dtype == expected
    assert {weights.dtype for weights in model.parameters() if weights.requires_grad} == {torch.float32}


@pytest.fixture(scope="module")
def wordy(tmp_path_factory):
    """A base whose tokenizer has hardly an emoji."""
    folder = tmp_path_factory.mktemp("wordy")
    torch.manual_seed(0)
    tokenizer = word_piece()
    llama(len(tokenizer)).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def test_emoji_that_a_base_cannot_write_get_tokens_where_all_weights_are_trained(wordy, tmp_path):
    flags = ("--num_train_epochs", "2", "--per_device_train_batch_size", "8", "--evaluations", "1")
    train(tmp_path, "--base", str(wordy), *flags)
    student, untuned = LanguageModel.load(tmp_path / "model", "x"), LanguageModel.untuned(tmp_path / "model", "untuned")
    assert missing_emoji(PreTrainedTokenizerFast.from_pretrained(wordy), EMOJI)
    assert not missing_emoji(student.tokenizer, EMOJI)
    assert torch.allclose(untuned.probabilities(TEXTS).sum(dim=1), torch.ones(len(TEXTS)))
    lessons = lessons_of(ROWS[:10], student.task)
    assert student.likelihood(lessons)["perplexity"] < untuned.likelihood(lessons)["perplexity"] / 2, "it learned nothing"


def test_an_adapter_of_a_base_that_cannot_write_an_emoji_is_refused(wordy, tmp_path):
    with pytest.raises(UserError, match="of 🍕.*r null"):
        train(tmp_path, "--base", str(wordy), *ADAPTER)


def test_evaluating_on_the_way_changes_nothing_in_4_bits(base, tmp_path):
    for evaluations in ("1", "3"):
        flags = (*ADAPTER, "--num_train_epochs", "1", "--load_in_4bit", "--evaluations", evaluations)
        train(tmp_path / evaluations, "--base", str(base), *flags)
    once, often = (weights(tmp_path / evaluations / "model" / "checkpoints" / "checkpoint-9") for evaluations in ("1", "3"))
    assert all(torch.allclose(once[name], often[name], atol=1e-6) for name in once)


class Unsloth:
    """In Unsloth's place: remembers the length that it's to cut rows at, and loads by transformers."""

    def __init__(self, tokenizer=None):
        self.tokenizer = tokenizer

    def from_pretrained(self, base, max_seq_length, load_in_4bit, random_state):
        self.length = max_seq_length
        model, tokenizer = load_hf(settings("--base", base))
        return model, self.tokenizer or tokenizer

    def get_peft_model(self, model, **options):
        return model


STORY = "A hedgehog read all day in a castle, and then it slept. " * 14


def test_unsloth_leaves_room_for_the_longest_answer(base, monkeypatch):
    unsloth = Unsloth()
    monkeypatch.setitem(sys.modules, "unsloth", SimpleNamespace(FastLanguageModel=unsloth))
    lessons = lessons_of([{"text": f"{emoji} " * 50, "answer": STORY} for emoji in EMOJI], TASKS["story"])
    model, tokenizer = load_base(settings("--base", str(base), "--r", "8"), "unsloth", lessons, EMOJI)
    rows = to_dataset(lessons, LanguageModel("student", model, tokenizer, TASKS["story"], EMOJI, 100))["input_ids"]
    assert 200 < max(map(len, rows)) <= unsloth.length


def test_rows_that_unsloth_would_cut_are_refused(base, monkeypatch):
    others = prepared(train_tokenizer(["no word of it"], 260))
    monkeypatch.setitem(sys.modules, "unsloth", SimpleNamespace(FastLanguageModel=Unsloth(others)))
    with pytest.raises(UserError, match="would cut them at"):
        load_base(
            settings("--base", str(base), "--r", "8"),
            "unsloth",
            [(TASKS["story"].chat("🦔 🏰 📚"), "puppy barks " * 60)],
            EMOJI,
        )


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
        (["--base", "tiny", "--tiny.num_attention_heads", "3"], "tiny.hidden_size 32 is no multiple"),
        (["--base", "tests", "--load_in_4bit"], "Set r"),
        (["--base", "tests", "--r", "8"], "not a causal language model"),
    ],
)
def test_settings_that_make_no_model_are_refused(flags, reason):
    with pytest.raises(UserError, match=reason):
        load_base(settings(*flags), "hf", ROWS, EMOJI)


@pytest.mark.parametrize("layers", ["nonsense", "*proj"])
def test_layers_that_a_base_does_not_have_are_refused(base, layers):
    with pytest.raises(UserError, match=f"^target_modules '{re.escape(layers)}' names no layers of this base"):
        load_base(settings("--base", str(base), "--r", "8", "--target_modules", layers), "hf", [], EMOJI)


def test_the_output_layer_gets_no_adapter(base):
    flags = ("--r", "8", "--target_modules", ".*(q_proj|lm_head)")
    with pytest.raises(UserError, match="the output layer, too"):
        load_base(settings("--base", str(base), *flags), "hf", [], EMOJI)


@pytest.mark.parametrize(("key", "right"), [("optim", "adamw_torch"), ("lr_scheduler_type", "cosine")])
def test_names_that_transformers_does_not_know_are_refused(tmp_path, key, right):
    assert trainer_arguments(settings(f"--{key}", right), tmp_path, 10, None)[key] == right
    with pytest.raises(UserError, match=f"{key} 'nope' is none that transformers knows: .*{right}"):
        trainer_arguments(settings(f"--{key}", "nope"), tmp_path, 10, None)


def test_a_template_that_asks_for_the_date_gets_the_same_one_every_day():
    tokenizer = train_tokenizer(["some text"], 300)
    tokenizer.chat_template = (
        "{%- if not date_string is defined %}{%- if strftime_now is defined %}{%- set date_string = strftime_now('%d %b %Y') %}"
        "{%- else %}{%- set date_string = '26 Jul 2024' %}{%- endif %}{%- endif %}"
        "Today: {{ date_string }} {{ messages[0].content }}"
    )
    chat = [{"role": "user", "content": "hello"}]
    assert prepared(tokenizer).apply_chat_template(chat, tokenize=False) == "Today: 26 Jul 2024 hello"
    tokenizer.chat_template = '{%- set today = strftime_now("%d %B %Y") -%}Today: {{ today }} {{ messages[0].content }}'
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


def test_an_untuned_model_is_its_base_in_the_precision_of_its_student(base, tmp_path):
    model, tokenizer = load_hf(settings("--base", str(base)))
    model.bfloat16().save_pretrained(tmp_path / "small")
    tokenizer.save_pretrained(tmp_path / "model")
    about = {"student": "llm", "task": "summary", "emoji": EMOJI, "max_length": 100}
    write_yaml(tmp_path / "model" / "student.yaml", about | {"base": f"{tmp_path}/small-unsloth-bnb-4bit"})
    untuned = LanguageModel.untuned(tmp_path / "model", "untuned")
    assert untuned.model.dtype == torch.float32
    assert untuned.predict("pizza")["emoji"] in EMOJI
