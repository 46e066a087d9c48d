"""Trains the `llm` student: a causal language model, fine-tuned with TRL's SFTTrainer on the answer alone.

`base` is a name on the hub, a folder, or `tiny`: a small Llama built from scratch with a tokenizer of its own, which
proves the whole path on a CPU. The place for another back end (4-bit, Unsloth) is `load_base`.
"""

from pathlib import Path

import torch
from datasets import Dataset
from transformers import AutoModelForCausalLM, AutoTokenizer, set_seed
from trl import SFTConfig, SFTTrainer

from emojisummary.artifacts import Row, write_yaml
from emojisummary.chat import PLAIN_TEMPLATE, answer_ids, prompt_ids
from emojisummary.models.llm import LanguageModel, fit
from emojisummary.stage import UserError
from emojisummary.training.common import mean_scores, newest_checkpoint, run_trainer, trainer_arguments
from emojisummary.training.tiny import build_tiny

IGNORED = -100  # the label of a token that isn't learned


class EmojiTrainer(SFTTrainer):
    """SFTTrainer that also measures the task's own metric, by scoring every emoji for each validation text."""

    def __init__(self, *args, student: LanguageModel, validation: list[Row], **kwargs):
        super().__init__(*args, **kwargs)
        self.student, self.validation = student, validation

    def evaluation_loop(self, *args, metric_key_prefix: str = "eval", **kwargs):
        output = super().evaluation_loop(*args, metric_key_prefix=metric_key_prefix, **kwargs)
        metrics = accuracy(self.student, self.validation)
        output.metrics.update({f"{metric_key_prefix}_{name}": value for name, value in metrics.items()})
        return output


def accuracy(student: LanguageModel, validation: list[Row]) -> dict[str, float]:
    """The mean of each of the task's scores over the validation texts."""
    was_training = student.model.training
    student.model.eval()
    ranked = student.rank([row["text"] for row in validation])
    student.model.train(was_training)
    return mean_scores(student.task, validation, [[emoji for emoji, _ in best] for best in ranked])


def train(rows: list[Row], validation: list[Row], table: dict, task, settings, folder: Path, made_from: str) -> dict:
    """Trains, or goes on training, and leaves the student in the folder. Returns the best metrics."""
    set_seed(settings.seed)
    resume = newest_checkpoint(folder / "checkpoints", made_from)
    model, tokenizer = load_base(settings, rows, list(table), folder)
    student = LanguageModel(folder.parent.name, model, tokenizer, task, list(table), settings.max_length)
    gold = [{"text": row["text"], "answer": row["answers"].split()[0]} for row in validation]
    trainer = EmojiTrainer(
        model=model,
        args=SFTConfig(
            **trainer_arguments(settings, folder / "checkpoints", len(rows)),
            train_sampling_strategy="group_by_length",
            max_length=None,  # rows are cut where they are made
            gradient_checkpointing=torch.cuda.is_available(),
        ),
        train_dataset=to_dataset(rows, student),
        eval_dataset=to_dataset(gold, student),
        processing_class=tokenizer,
        student=student,
        validation=validation,
    )
    run_trainer(trainer, resume, folder / "trainer_state.json")
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    about = {
        "student": "llm",
        "task": task.name,
        "base": settings.base,
        "max_length": settings.max_length,
        "emoji": list(table),
    }
    write_yaml(folder / "student.yaml", about)
    return accuracy(student, validation)


def load_base(settings, rows: list[Row], emoji: list[str], folder: Path) -> tuple:
    """The base model and its tokenizer, in float32 on a CPU and bfloat16 on a GPU that has it."""
    if settings.base == "tiny":
        return build_tiny(settings, rows, emoji)
    on_gpu = torch.cuda.is_available()
    dtype = torch.bfloat16 if on_gpu and torch.cuda.is_bf16_supported() else torch.float32
    try:
        tokenizer = AutoTokenizer.from_pretrained(settings.base)
        model = AutoModelForCausalLM.from_pretrained(settings.base, dtype=dtype, attn_implementation="sdpa")
    except (OSError, ValueError) as error:
        raise UserError(f"base {settings.base!r}: not a causal language model that can be loaded. {error}") from None
    if tokenizer.chat_template is None:
        tokenizer.chat_template = PLAIN_TEMPLATE
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    return model, tokenizer


def to_dataset(rows: list[Row], student: LanguageModel) -> Dataset:
    """Tokens of prompt and answer, and as labels the answer's alone, end of turn included."""
    encoded = {"input_ids": [], "labels": []}
    for row in rows:
        chat = student.task.chat(row["text"])
        answer = answer_ids(student.tokenizer, chat, row["answer"])
        prompt = fit(prompt_ids(student.tokenizer, chat), student.max_length)
        encoded["input_ids"].append(prompt + answer)
        encoded["labels"].append([IGNORED] * len(prompt) + answer)
    return Dataset.from_dict(encoded)
