"""What looks after a long training, and what is learned."""

import contextlib
import json
import re
import signal
import time
from itertools import count
from types import SimpleNamespace

import pytest
import torch
from transformers import TrainerControl, TrainerState, set_seed

from emojisummary.models.llm import LanguageModel
from emojisummary.stage import UserError
from emojisummary.tasks import TASKS
from emojisummary.training import llm
from emojisummary.training.beam import PlainLanguageModel
from emojisummary.training.common import Progress, is_over
from emojisummary.training.labels import IGNORED, check, check_emoji, lessons_of, pieces_of, shown, to_dataset
from emojisummary.training.rows import decisive
from emojisummary.training.tiny import build_tiny
from emojisummary.training.watch import (
    MEASURED,
    StopsOnCtrlC,
    disk_need,
    duration,
    memory_explained,
    rehearse_saving,
    run_what_fits,
)
from tests.tiny_base import EMOJI, ROWS, VALIDATION, settings, train

LESSONS = lessons_of(ROWS, TASKS["summary"])


@pytest.fixture(scope="module")
def student():
    set_seed(2)
    model, tokenizer = build_tiny(settings(), LESSONS, EMOJI)
    return LanguageModel("random", model.eval(), tokenizer, TASKS["summary"], EMOJI, max_length=100)


def test_only_the_answer_and_the_end_of_turn_are_learned(student):
    dataset = to_dataset(LESSONS, student)
    check(dataset, LESSONS, student.tokenizer)
    for row, labels in zip(ROWS, dataset["labels"], strict=True):
        assert student.tokenizer.decode([token for token in labels if token != IGNORED]) == row["answer"] + "<|end|>"


def test_labels_that_hold_more_or_less_than_the_answer_are_refused(student):
    dataset = to_dataset(LESSONS, student)
    wrong = dataset.map(lambda row: {"labels": [*row["labels"][:-1], IGNORED]})
    with pytest.raises(UserError, match="not the answer with the end of turn"):
        check(wrong, LESSONS, student.tokenizer)
    prompt_too = dataset.map(lambda row: {"labels": row["input_ids"]})
    with pytest.raises(UserError, match="not the answer with the end of turn"):
        check(prompt_too, LESSONS, student.tokenizer)


def test_the_first_rows_are_shown_with_the_learned_part_marked(student):
    text = shown(to_dataset(LESSONS, student), student.tokenizer)
    assert "▶🍕◀ ▶<|end|>◀" in text
    assert "▶<|assistant|>◀" not in text


def test_pieces_put_together_are_the_text(student):
    text = "a 🏳️‍🌈 b"
    pieces = pieces_of(student.tokenizer(text)["input_ids"], student.tokenizer)
    assert "".join(pieces).replace("·", "").replace("␣", " ") == text


def test_an_emoji_that_the_tokenizer_loses_is_refused(student):
    class Lossy:
        eos_token_id = student.tokenizer.eos_token_id

        def __init__(self, tokenizer):
            self.apply_chat_template, self.decode = tokenizer.apply_chat_template, tokenizer.decode
            self.encode, self.added_tokens_decoder = tokenizer, tokenizer.added_tokens_decoder

        def __call__(self, text, **options):
            return self.encode(text.replace("☔", "?"), **options)

    lossy = LanguageModel("lossy", student.model, Lossy(student.tokenizer), student.task, EMOJI, 100)
    with pytest.raises(UserError, match="of ☔"):
        check_emoji(EMOJI, lossy)
    check_emoji(EMOJI, student)


@pytest.fixture(scope="module", params=["in tokens", "in bytes"])
def twins(request, student):
    """A model, and the same one as Unsloth has it: asked for the token behind whole sequences, and for nothing else."""
    if request.param == "in bytes":
        set_seed(2)
        model, tokenizer = build_tiny(settings(), [(chat, "") for chat, _ in LESSONS], [])
        student = LanguageModel("random", model.eval(), tokenizer, TASKS["summary"], EMOJI, max_length=100)

    class Plain:
        device = student.model.device

        def __call__(self, *, input_ids, logits_to_keep):
            return student.model(input_ids=input_ids, logits_to_keep=logits_to_keep, use_cache=False)

    return student, PlainLanguageModel("plain", Plain(), student.tokenizer, student.task, EMOJI, 100)


TEXTS = [row["text"] for row in VALIDATION]


def test_beams_find_what_the_whole_tree_finds(twins):
    student, plain = twins
    assert torch.allclose(plain.probabilities(TEXTS), student.probabilities(TEXTS), atol=1e-5)
    some = ["🏳️", "☔"]
    assert torch.allclose(plain.restrict(some).probabilities(TEXTS), student.restrict(some).probabilities(TEXTS), atol=1e-5)


@pytest.mark.parametrize(("least", "most"), [(2, 4), (4, 4)])
def test_beams_combine_as_the_whole_tree_does(twins, least, most):
    student, plain = twins
    assert plain.combine(TEXTS, least, most) == student.combine(TEXTS, least, most)


@pytest.mark.parametrize(("base", "third"), [("meta-llama/Llama-3.2-1B", "--load_in_4bit"), ("tiny", "--tiny.hidden_size")])
def test_memory_that_runs_out_names_three_settings(base, third):
    with (
        pytest.raises(UserError, match=rf"batch_size 16 --gradient_accumulation_steps 2.*--max_length 50.*{third}"),
        memory_explained(settings("--base", base)),
    ):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")


def test_other_errors_are_left_as_they_are():
    with pytest.raises(RuntimeError, match="shapes"), memory_explained(settings()):
        raise RuntimeError("shapes don't fit")


def test_a_model_that_has_become_nan_is_noticed_at_once(student, tmp_path):
    assert rehearse_saving(student.model, tmp_path) > 0
    broken = build_tiny(settings(), LESSONS, EMOJI)[0]
    broken.lm_head.weight.data[0, 0] = float("nan")
    with pytest.raises(UserError, match="learning_rate"):
        rehearse_saving(broken, tmp_path)


def test_the_disk_must_hold_weights_and_optimizer(student):
    parameters = sum(p.numel() for p in student.model.parameters())
    assert disk_need(student.model, size=1000, checkpoints=2) == 3 * (1000 + 8 * parameters) + 1000


def test_the_bar_is_drawn_seldom_where_a_log_keeps_it(capfd):
    progress, state = Progress(), TrainerState(max_steps=2000)
    progress.on_train_begin(None, state, TrainerControl())
    seconds = count(time.time())
    progress.training_bar._time = lambda: next(seconds)  # a step takes at least one
    for state.global_step in range(1, 2001):
        progress.on_step_end(None, state, TrainerControl())
    progress.on_train_end(None, state, TrainerControl())
    drawn = capfd.readouterr().err
    assert "2000/2000" in drawn and drawn.count("\r") < 250


def test_ctrl_c_saves_behind_the_step_and_a_second_one_stops_at_once():
    stops, control = StopsOnCtrlC(), TrainerControl()
    before = signal.getsignal(signal.SIGINT)
    stops.on_train_begin(None, None, control)
    stops.on_step_end(None, TrainerState(), control)
    assert not control.should_training_stop
    signal.raise_signal(signal.SIGINT)
    stops.on_step_end(None, TrainerState(), control)
    assert control.should_save
    assert control.should_training_stop
    assert signal.getsignal(signal.SIGINT) is before
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)


@pytest.mark.parametrize(("seconds", "text"), [(20, "20 s"), (700, "12 min"), (9000, "2.5 h")])
def test_durations_are_readable(seconds, text):
    assert duration(seconds) == text


def test_batches_that_do_not_fit_are_made_smaller_and_the_training_stays_the_same(tmp_path, monkeypatch, capsys):
    """A machine with room for two rows at once."""
    from safetensors.torch import load_file

    from emojisummary.training.llm import EmojiTrainer

    flags = ("--num_train_epochs", "1", "--evaluations", "1")
    train(tmp_path / "whole", *flags, "--per_device_train_batch_size", "2", "--gradient_accumulation_steps", "4")
    step = EmojiTrainer.training_step

    def small_step(trainer, model, inputs, *args):
        if len(inputs["input_ids"]) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return step(trainer, model, inputs, *args)

    monkeypatch.setattr(EmojiTrainer, "training_step", small_step)
    capsys.readouterr()
    train(tmp_path / "small", *flags, "--per_device_train_batch_size", "8", "--gradient_accumulation_steps", "1")
    printed = capsys.readouterr().out
    assert [int(rows) for rows in re.findall(r"ran out with (\d+) rows", printed)] == [8, 4]
    whole, small = (load_file(tmp_path / name / "model" / "model.safetensors") for name in ("whole", "small"))
    assert all(torch.equal(weights, small[name]) for name, weights in whole.items())


def test_memory_that_runs_out_behind_the_first_step_ends_the_training(tmp_path, monkeypatch):
    from emojisummary.training.llm import EmojiTrainer

    step = EmojiTrainer.training_step

    def second_fails(trainer, *args):
        if trainer.state.global_step:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return step(trainer, *args)

    monkeypatch.setattr(EmojiTrainer, "training_step", second_fails)
    with pytest.raises(UserError, match="--per_device_train_batch_size 4 --gradient_accumulation_steps 2"):
        train(tmp_path, "--per_device_train_batch_size", "8")


def test_memory_that_runs_out_late_runs_out_once(tmp_path, monkeypatch, capsys):
    """The same command goes on from the checkpoint, in smaller batches."""
    from emojisummary.training.llm import EmojiTrainer

    step, rows = EmojiTrainer.training_step, []

    def late(trainer, model, inputs, *args):
        rows.append(len(inputs["input_ids"]))
        if trainer.state.global_step == 2 and rows[-1] > 3:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return step(trainer, model, inputs, *args)

    monkeypatch.setattr(EmojiTrainer, "training_step", late)
    flags = ("--per_device_train_batch_size", "6", "--num_train_epochs", "1", "--evaluations", "4")
    with pytest.raises(UserError, match="--per_device_train_batch_size 3 --gradient_accumulation_steps 2"):
        train(tmp_path, *flags, rows=ROWS[:24])
    train(tmp_path, *flags, rows=ROWS[:24])
    assert "going on from" in capsys.readouterr().out
    assert rows == [6, 6, 6, 3, 3, 3, 3]


def test_memory_for_a_measurement_is_tried_behind_the_first_steps(tmp_path, monkeypatch):
    """Hours later, all that was learned until then would be lost."""
    from emojisummary.training.llm import EmojiTrainer

    step, steps, texts = EmojiTrainer.training_step, [], []

    def counted(trainer, *args):
        steps.append(trainer.state.global_step)
        return step(trainer, *args)

    def does_not_fit(student, asked):
        assert not student.model.training
        texts.extend(asked)
        raise torch.OutOfMemoryError("CUDA out of memory.")

    monkeypatch.setattr(EmojiTrainer, "training_step", counted)
    monkeypatch.setattr(LanguageModel, "probabilities", does_not_fit)
    with pytest.raises(UserError, match="Memory ran out"):
        train(tmp_path, "--per_device_train_batch_size", "8", "--evaluations", "1")
    assert len(steps) == MEASURED
    assert sorted(texts) == sorted(TEXTS)


def test_what_is_tried_are_the_longest_texts(student, monkeypatch):
    validation = [{"text": "a " * (number * 7 % 30)} for number in range(30)]
    asked = []
    monkeypatch.setattr(LanguageModel, "probabilities", lambda student, texts: asked.append(texts) or torch.ones(len(texts), 8))
    monkeypatch.setattr(llm, "PROMPT_TOKENS", 3 * len(student.prompts(["a " * 29])[0]))
    llm.rehearse_measuring(student, validation)
    plain = PlainLanguageModel("plain", student.model, student.tokenizer, student.task, EMOJI, 100)
    llm.rehearse_measuring(plain, validation)
    assert asked == [["a " * 29, "a " * 28, "a " * 27], ["a " * 29]]


class Machine:
    """A trainer on a machine with room for two rows at once, which counts what it's asked for."""

    def __init__(self):
        self.asked = []

    def make(self, fitting):
        self.asked.append((fitting.per_device_train_batch_size, fitting.gradient_accumulation_steps))
        return self

    def add_callback(self, callback):
        pass

    def run(self, _):
        if self.asked[-1][0] > 2:
            raise torch.OutOfMemoryError("CUDA out of memory.")


@pytest.mark.parametrize(("again", "then"), [((8, 1), (2, 4)), ((4, 2), (2, 4)), ((1, 8), (1, 8))])
def test_the_batch_that_fits_is_remembered(tmp_path, again, then):
    machine = Machine()
    for rows, steps in ((8, 1), again):
        batches = SimpleNamespace(per_device_train_batch_size=rows, gradient_accumulation_steps=steps)
        run_what_fits(machine.make, machine.run, None, batches, tmp_path)
    assert machine.asked == [(8, 1), (4, 2), (2, 4), then]


def test_a_single_row_that_does_not_fit_asks_for_other_rows_in_no_update():
    with pytest.raises(UserError) as error, memory_explained(settings("--per_device_train_batch_size", "1")):
        raise torch.OutOfMemoryError("CUDA out of memory.")
    assert "batch_size" not in str(error.value)
    assert "--max_length 50" in str(error.value)


def test_checkpoints_stand_for_any_split_of_an_update():
    def batches(rows, steps, *flags):
        split = ("--per_device_train_batch_size", rows, "--gradient_accumulation_steps", steps)
        return decisive(settings(*split, *flags))

    assert batches("8", "1") == batches("4", "2") == batches("1", "8") != batches("4", "1")
    assert batches("8", "1", "--student", "retriever") != batches("4", "2", "--student", "retriever")


EARLY = (
    "--early_stopping_patience",
    "3",
    "--evaluations",
    "7",
    "--num_train_epochs",
    "7",
    "--per_device_train_batch_size",
    "8",
)


@pytest.fixture
def standstill(monkeypatch):
    """Trains on 24 rows, three steps a pass, and never gets better: the steps that were done, and the weights."""
    monkeypatch.setattr(llm, "measured", lambda *_: {"accuracy@1": 0.5})
    step, steps = llm.EmojiTrainer.training_step, []

    def run(folder, interrupt_at=None, interrupt=None):
        def watched(trainer, *args):
            steps.append(trainer.state.global_step + 1)
            if steps[-1] == interrupt_at:
                interrupt()
            return step(trainer, *args)

        steps.clear()
        monkeypatch.setattr(llm.EmojiTrainer, "training_step", watched)
        with contextlib.suppress(KeyboardInterrupt):
            train(folder, *EARLY, rows=ROWS[:24])
        weights = folder / "model" / "model.safetensors"
        return steps[:], weights.read_bytes() if weights.exists() else None

    return run


def kill():
    raise KeyboardInterrupt


def ctrl_c():
    signal.raise_signal(signal.SIGINT)


def test_an_interrupted_training_has_no_more_patience(tmp_path, standstill):
    """The first measurement, at step 3, is the best one; that at step 12 is the third without a better one."""
    steps, weights = standstill(tmp_path / "whole")
    assert steps == list(range(1, 13))
    assert standstill(tmp_path / "killed", 10, kill) == (list(range(1, 11)), None)
    assert standstill(tmp_path / "killed") == ([10, 11, 12], weights)
    assert standstill(tmp_path / "stopped", 10, ctrl_c) == (list(range(1, 11)), None)
    assert standstill(tmp_path / "stopped") == ([11, 12], weights)


def test_a_training_that_was_over_is_not_gone_on_with(tmp_path, standstill):
    """Stopped behind its last step. The best checkpoint is found where the run has been moved to."""
    standstill(tmp_path / "here", 12, ctrl_c)
    model = (tmp_path / "here").rename(tmp_path / "there") / "model"
    weights = (model / "checkpoints" / "checkpoint-12" / "model.safetensors").read_bytes()
    assert standstill(tmp_path / "there") == ([], weights)
    state = json.loads((model / "trainer_state.json").read_text())
    assert (state["global_step"], state["max_steps"]) == (12, 21)


def test_all_steps_or_all_patience_is_an_end():
    def over(measured, step=5, patience=2, **args):
        log = [{"step": step, "eval_loss": value} for step, value in enumerate(measured)]
        args = SimpleNamespace(metric_for_best_model="eval_loss", greater_is_better=False)
        return is_over(args, TrainerState(global_step=step, max_steps=9, log_history=[{"step": 1, "loss": 1}, *log]), patience)

    assert not over([])
    assert not over([0.1, 0.9, 0.8, 0.8]), "the untrained model isn't one of them"
    assert over([0.1, 0.8, 0.9, 0.8])
    assert not over([0.1, 0.8, 0.9, 0.8], patience=None)
    assert over([0.1, 0.9, 0.8, 0.7], step=9, patience=None)
