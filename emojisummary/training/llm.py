"""Trains the `llm` student: a causal language model, fine-tuned with TRL's SFTTrainer on the answer alone.

`base` is a name on the hub, a folder, or `tiny`: a small Llama built from scratch with a tokenizer of its own, which
proves the whole path on a CPU. Unsloth, where it's the back end, must have been imported before this (backends.choose).
"""

from pathlib import Path

import torch
from transformers import EarlyStoppingCallback, set_seed
from trl import SFTConfig, SFTTrainer
from trl.trainer import sft_trainer

from emojisummary.artifacts import Row, write_yaml
from emojisummary.models.llm import LanguageModel
from emojisummary.training.bases import absolute, load_base, without_half_precision
from emojisummary.training.beam import PlainLanguageModel
from emojisummary.training.common import mean_scores, newest_checkpoint, run_trainer, trainer_arguments
from emojisummary.training.export import rehearse
from emojisummary.training.labels import check, check_emoji, shown, to_dataset
from emojisummary.training.watch import FirstSteps, memory_explained

# trl computes logits for the learned tokens alone, so many at a time: a batch of ours has some 50, and 256 would be filled up
# with tokens that don't count. The fastest there is for a large vocabulary: benchmarks/train.py.
sft_trainer._CHUNKED_LM_HEAD_CHUNK_SIZE = 64


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


def train(rows, validation, table: dict, task, settings, folder: Path, made_from: str, backend: str = "hf") -> dict:
    """Trains, or goes on training, and leaves the student in the folder. Returns the best metrics."""
    set_seed(settings.seed)
    resume = newest_checkpoint(folder / "checkpoints", made_from)
    model, tokenizer = load_base(settings, backend, rows, list(table))
    kind = PlainLanguageModel if backend == "unsloth" else LanguageModel
    student = kind(folder.parent.name, model, tokenizer, task, list(table), settings.max_length)
    check_emoji(student.emoji, student)
    rehearse(model, tokenizer, settings)
    with memory_explained(settings):
        trainer = make_trainer(student, rows, validation, settings, folder / "checkpoints", backend)
        run_trainer(trainer, resume, folder / "trainer_state.json")
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    about = {
        "student": "llm",
        "task": task.name,
        "base": absolute(settings.base),
        "load_in_4bit": settings.load_in_4bit,
        "max_length": settings.max_length,
        "emoji": list(table),
    }
    write_yaml(folder / "student.yaml", about)
    return accuracy(student, validation)


def make_trainer(student, rows: list[Row], validation: list[Row], settings, folder: Path, backend: str) -> EmojiTrainer:
    """The trainer, with the labels checked and the first rows shown."""
    gold = [{"text": row["text"], "answer": row["answers"].split()[0]} for row in validation]
    learned = to_dataset(rows, student)
    check(learned, rows, student.tokenizer)
    print(shown(learned, student.tokenizer))
    checkpointing = {} if backend == "unsloth" else {"gradient_checkpointing": torch.cuda.is_available()}
    trainer = EmojiTrainer(
        model=student.model,
        args=SFTConfig(
            **trainer_arguments(settings, folder, len(rows)),
            **checkpointing,  # Unsloth has its own
            train_sampling_strategy="group_by_length",  # the longest rows come first: memory runs out at once or never
            max_length=None,  # rows are cut where they are made
        ),
        train_dataset=learned,
        eval_dataset=to_dataset(gold, student),
        processing_class=student.tokenizer,
        student=student,
        validation=validation,
        callbacks=[FirstSteps(folder, settings)],
    )
    without_half_precision(student.model)
    if settings.early_stopping_patience:
        trainer.add_callback(EarlyStoppingCallback(settings.early_stopping_patience))
    return trainer
