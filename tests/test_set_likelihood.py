"""Texts with several accepted answers, learned by the probability of all of them together."""

import pytest
import torch
from transformers import set_seed

from emojisummary.chat import answer_ids, prompt_ids
from emojisummary.models.llm import LanguageModel
from emojisummary.stage import UserError
from emojisummary.tasks import TASKS
from emojisummary.training.labels import IGNORED, lessons_of, to_dataset
from emojisummary.training.llm import LengthGrouped, make_trainer
from emojisummary.training.set_likelihood import with_others
from emojisummary.training.tiny import build_tiny
from tests.tiny_base import EMOJI, ROWS, VALIDATION, settings, train

TASK = TASKS["summary"]
SEVERAL = [
    {"text": "a wedding in the rain", "answer": "🎉", "also": "☔ ❤️ 🎉"},  # the first one once more: it counts once
    {"text": "walkies", "answer": "🐶", "also": ""},
    {"text": "a march through the whole long city with flags", "answer": "🏳️", "also": "🏳️‍🌈"},
]


@pytest.fixture
def trainer_of(tmp_path):
    set_seed(3)
    model, tokenizer = build_tiny(settings(), lessons_of(ROWS, TASK), EMOJI)
    student = LanguageModel("random", model, tokenizer, TASK, EMOJI, max_length=100)

    def make(rows, *flags):
        lessons = lessons_of(rows, TASK)
        learned = to_dataset(lessons, student)
        if flags:
            learned = with_others(learned, lessons, rows, student)
        return make_trainer(student, learned, VALIDATION, settings(*flags), tmp_path / "checkpoints", "hf")

    return make


def loss_of(trainer, items=None):
    trainer.model.train()
    batch = trainer.data_collator([trainer.train_dataset[place] for place in range(len(trainer.train_dataset))])
    items = items or (batch["labels"] != IGNORED).sum()
    return trainer.compute_loss(trainer.model, batch, num_items_in_batch=items)


def log_probability(student, text, emoji):
    """That of one answer, end included, in a forward pass of its own."""
    chat = TASK.chat(text)
    prompt, said = prompt_ids(student.tokenizer, chat), answer_ids(student.tokenizer, chat, emoji)
    logits = student.model(input_ids=torch.tensor([prompt + said])).logits[0, len(prompt) - 1 : -1]
    return -torch.nn.functional.cross_entropy(logits, torch.tensor(said), reduction="sum")


def test_the_loss_is_that_of_the_sum_of_the_answers_probabilities(trainer_of):
    trainer = trainer_of(SEVERAL, "--set_likelihood")
    loss = loss_of(trainer)
    loss.backward()
    gradients = [parameter.grad for parameter in trainer.model.parameters()]
    assert all(gradient.isfinite().all() and gradient.any() for gradient in gradients)

    accepted = [["🎉", "☔", "❤️"], ["🐶"], ["🏳️", "🏳️‍🌈"]]
    student, expected = trainer.student, 0
    for row, emoji in zip(SEVERAL, accepted, strict=True):
        expected -= torch.log(sum(log_probability(student, row["text"], one).exp() for one in emoji))
    learned = sum(len(answer_ids(student.tokenizer, TASK.chat(row["text"]), row["answer"])) for row in SEVERAL)
    assert loss.item() == pytest.approx((expected / learned).item(), rel=1e-4)


def test_one_answer_each_is_the_ordinary_loss(trainer_of):
    rows = ROWS[::9]
    ordinary, together = loss_of(trainer_of(rows)), loss_of(trainer_of(rows, "--set_likelihood"))
    assert together.item() == pytest.approx(ordinary.item(), rel=1e-5)


def test_validation_keeps_to_the_first_answer(trainer_of):
    ordinary = trainer_of(SEVERAL)
    expected = ordinary.evaluate()["eval_loss"]
    assert trainer_of(SEVERAL, "--set_likelihood").evaluate()["eval_loss"] == pytest.approx(expected)


@pytest.mark.parametrize("steps", ["1", "2"])
def test_the_largest_batch_comes_first(trainer_of, steps):
    """In sets a short text with many answers takes more memory than a long one with a single answer."""
    rows = [row | {"text": row["text"] + " on and on" * (place % 5)} for place, row in enumerate(ROWS * 3)]
    for place, row in enumerate(rows):
        row["also"] = " ".join(EMOJI[: place * 5 % 7])
    flags = ("--per_device_train_batch_size", "4", "--gradient_accumulation_steps", steps)
    trainer = trainer_of(rows, "--set_likelihood", *flags)
    sizes = [batch["input_ids"].numel() for batch in trainer.get_train_dataloader()]
    assert sizes[0] == max(sizes) > sizes[-1]


def test_the_longest_row_comes_first_and_each_once(trainer_of):
    trainer = trainer_of(ROWS)
    order, lengths = list(LengthGrouped(trainer)), list(map(len, trainer.train_dataset["input_ids"]))
    assert sorted(order) == list(range(len(ROWS)))
    assert lengths[order[0]] == max(lengths)


def test_a_training_with_sets_goes_the_whole_way(tmp_path):
    rows = [row | {"also": "🎉"} if row["answer"] == "🍕" else row for row in ROWS]
    flags = ("--num_train_epochs", "1", "--per_device_train_batch_size", "8", "--evaluations", "1")
    metrics = train(tmp_path, *flags, "--set_likelihood", rows=rows)
    assert metrics["valid"] == 1
    assert (tmp_path / "model" / "student.yaml").exists()


def test_a_task_with_other_answers_than_one_emoji_is_refused(tmp_path):
    from emojisummary.training.llm import train

    with pytest.raises(UserError, match="one emoji"):
        train([], [], {}, TASKS["story"], settings("--set_likelihood"), tmp_path, "test")
