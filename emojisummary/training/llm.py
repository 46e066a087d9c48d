"""Trains the `llm` student: a causal language model, fine-tuned with TRL's SFTTrainer on the answer alone.

`base` is a name on the hub, a folder, or `tiny`: a small Llama built from scratch with a tokenizer of its own, which
proves the whole path on a CPU. Unsloth, where it's the back end, must have been imported before this (backends.choose).
"""

import shutil
from itertools import chain
from pathlib import Path

import torch
from accelerate.utils import gather_object
from datasets import Dataset
from transformers import set_seed
from transformers.trainer_pt_utils import LengthGroupedSampler
from trl import SFTConfig, SFTTrainer
from trl.trainer import sft_trainer

from emojisummary.artifacts import Row, write_yaml
from emojisummary.models.llm import LanguageModel
from emojisummary.processes import is_main, is_sharded, state
from emojisummary.scoring import PROMPT_TOKENS
from emojisummary.stage import UserError
from emojisummary.training.bases import absolute, load_base, without_half_precision
from emojisummary.training.beam import PlainLanguageModel
from emojisummary.training.common import clear, mean_scores, newest_checkpoint, on_one_gpu, run_trainer, trainer_arguments
from emojisummary.training.export import rehearse
from emojisummary.training.labels import IGNORED, Lesson, check, check_emoji, general_lessons, lessons_of, shown, to_dataset
from emojisummary.training.set_likelihood import Answers, set_loss, shape, with_others
from emojisummary.training.watch import run_what_fits
from emojisummary.vocabulary import add_missing_emoji

# trl computes logits for the learned tokens alone, so many at a time: a batch of ours has some 50, and 256 would be filled up
# with tokens that don't count. The fastest there is for a large vocabulary: benchmarks/train.py.
sft_trainer._CHUNKED_LM_HEAD_CHUNK_SIZE = 64


class LengthGrouped(LengthGroupedSampler):
    """The largest update comes first: if memory runs out, it does so early. The rows of an update are of like size.

    Seed and epoch alone decide the order, so that all processes have the same one: each then takes its part of every update.
    """

    def __init__(self, trainer: SFTTrainer):
        args = trainer.args
        in_update = args.train_batch_size * args.gradient_accumulation_steps * args.world_size
        self.shapes = [shape(row) for row in trainer.train_dataset]
        super().__init__(in_update, lengths=[sequences * tokens for sequences, tokens in self.shapes])
        self.trainer = trainer

    def __iter__(self):
        epoch = int(self.trainer.state.epoch or 0)
        self.generator = torch.Generator().manual_seed(self.trainer.args.data_seed + epoch)
        order = list(super().__iter__())
        updates = [order[start : start + self.batch_size] for start in range(0, len(order), self.batch_size)]
        whole = range(len(order) // self.batch_size)
        largest = max(whole, key=lambda place: self.tokens(updates[place]), default=0)
        updates[0], updates[largest] = updates[largest], updates[0]
        return chain.from_iterable(updates)

    def tokens(self, rows: list[int]) -> int:
        """How many a batch of these rows has, padding included."""
        sequences, tokens = zip(*(self.shapes[row] for row in rows), strict=True)
        return sum(sequences) * max(tokens)


class EmojiTrainer(SFTTrainer):
    """SFTTrainer that also measures the task's own scores on the validation texts."""

    def __init__(self, *args, student: LanguageModel, validation: list[Row], **kwargs):
        super().__init__(*args, **kwargs)
        self.student, self.validation = student, validation

    def _get_train_sampler(self, *args):
        return LengthGrouped(self)

    def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
        answers, lesson = inputs.pop("answers", None), inputs.pop("lesson", None)
        if lesson is None or not self.model.training:  # what is validated is the first answer
            return super().compute_loss(model, inputs, return_outputs, num_items_in_batch)
        labels = inputs.pop("labels")
        loss = set_loss(model, inputs, answers, lesson)
        if num_items_in_batch is None:
            return loss / (labels != IGNORED).sum()
        return loss / num_items_in_batch * self.accelerator.num_processes  # whose gradients are averaged

    def evaluation_loop(self, *args, metric_key_prefix: str = "eval", **kwargs):
        output = super().evaluation_loop(*args, metric_key_prefix=metric_key_prefix, **kwargs)
        metrics = measured(self.student, self.validation)
        output.metrics.update({f"{metric_key_prefix}_{name}": value for name, value in metrics.items()})
        return output


def measured(student: LanguageModel, validation: list[Row]) -> dict[str, float]:
    """The mean of each of the task's scores over the validation texts; none where the loss alone is judged by.

    Several processes ask their copy of the model a part of the texts each, and all know all answers in the end.
    """
    if judged_by(student.task) is None:
        return {}
    with state().split_between_processes([row["text"] for row in validation]) as texts:
        given = asked(student, texts) if texts else []
    return mean_scores(student.task, validation, gather_object(given))


def rehearse_measuring(student: LanguageModel, validation: list[Row]) -> None:
    """Asks for as many of the longest texts as a measurement asks for at once: they take the most memory."""
    if judged_by(student.task) is None:
        return
    texts = [row["text"] for row in validation]
    lengths = list(map(len, student.prompts(texts)))
    longest_first = sorted(range(len(texts)), key=lengths.__getitem__, reverse=True)
    at_once = 1 if isinstance(student, PlainLanguageModel) else max(PROMPT_TOKENS // max(lengths), 1)
    asked(student, [texts[place] for place in longest_first[:at_once]])


def asked(student: LanguageModel, texts: list[str]) -> list:
    """The answers of a model that is being trained."""
    was_training = student.model.training
    student.model.eval()
    given = student.task.ask(student, texts)
    student.model.train(was_training)
    return given


def judged_by(task) -> str | None:
    """The score that chooses the best checkpoint; None: the loss. With FSDP, no process has a whole model that it could ask."""
    return None if is_sharded() else task.in_training


def train(rows, validation, table: dict, task, settings, folder: Path, made_from: str, backend: str = "hf") -> dict:
    """Trains, or goes on training, and leaves the student in the folder. Returns the best metrics."""
    if settings.set_likelihood and not task.ranks:
        raise UserError(f"set_likelihood is for tasks whose answer is one emoji; that of {task.name} isn't.")
    set_seed(settings.seed)
    with state().main_process_first():  # it tidies up; the others find nothing left to do
        resume = newest_checkpoint(folder / "checkpoints", made_from)
    lessons = lessons_of(rows, task)
    lessons += general_lessons(settings, lessons)
    model, tokenizer = load_base(settings, backend, lessons, list(table))
    added = [] if settings.r else add_missing_emoji(model, tokenizer, table)
    kind = PlainLanguageModel if backend == "unsloth" else LanguageModel
    student = kind(folder.parent.name, model, tokenizer, task, list(table), settings.max_length)
    check_emoji(student.emoji, student)
    if is_main():
        shutil.rmtree(folder / "base", ignore_errors=True)
        if settings.base == "tiny" or added:  # others can be had again where they came from
            save(student, folder / "base", settings)
    rehearse(model, tokenizer, settings)
    learned, checkpoints = labelled(lessons, student), folder / "checkpoints"
    if settings.set_likelihood:
        learned = with_others(learned, lessons, rows, student)
    trainer = run_what_fits(
        lambda fitting: make_trainer(student, learned, validation, fitting, checkpoints, backend),
        lambda trainer: run_trainer(trainer, resume, folder / "trainer_state.json", settings.early_stopping_patience),
        lambda: rehearse_measuring(student, validation),
        settings,
        checkpoints,
    )
    weights = trainer.accelerator.get_state_dict(trainer.model) if is_sharded() else None  # all processes give their part
    if is_main():
        save(student, folder, settings, weights)
    losses = [entry["eval_loss"] for entry in trainer.state.log_history if "eval_loss" in entry]
    return measured(student, validation) or {"loss": min(losses)}


def save(student: LanguageModel, folder: Path, settings, weights: dict | None = None) -> None:
    """Leaves a student in a folder; student.yaml, which makes it one, comes last. `weights`: where the model lacks some.

    What another student left there goes: an adapter beside weights that were trained themselves would be taken for the student.
    """
    clear(folder, "base")
    student.model.save_pretrained(folder, state_dict=weights)
    student.tokenizer.save_pretrained(folder)
    about = {
        "student": "llm",
        "task": student.task.name,
        "base": absolute(settings.base),
        "load_in_4bit": settings.load_in_4bit,
        "max_length": student.max_length,
        "emoji": student.every,
    }
    write_yaml(folder / "student.yaml", about)


def labelled(lessons: list[Lesson], student: LanguageModel) -> Dataset:
    """The lessons as tokens with labels, which are checked; the first ones are shown."""
    learned = to_dataset(lessons, student)
    check(learned, lessons, student.tokenizer)
    print(shown(learned, student.tokenizer))
    return learned


def make_trainer(student, learned: Dataset, validation: list[Row], settings, folder: Path, backend: str) -> EmojiTrainer:
    task = student.task
    gold = [(task.chat(row["text"]), task.accepted(row)[0]) for row in validation]
    checkpointing = {} if backend == "unsloth" else {"gradient_checkpointing": torch.cuda.is_available()}
    args = SFTConfig(
        **trainer_arguments(settings, folder, len(learned), judged_by(task)),
        **checkpointing,  # Unsloth has its own
        max_length=None,  # rows are cut where they are made
        remove_unused_columns=not settings.set_likelihood,
    )
    trainer = EmojiTrainer(
        model=student.model,
        args=on_one_gpu(args),
        train_dataset=learned,
        eval_dataset=to_dataset(gold, student),
        processing_class=student.tokenizer,
        student=student,
        validation=validation,
    )
    without_half_precision(student.model)
    if settings.set_likelihood:
        trainer.data_collator = Answers(trainer.data_collator)
    return trainer
