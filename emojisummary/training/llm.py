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
from emojisummary.training import checkpoints
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
    scores = [
        student.task.score(row["answers"].split(), [emoji for emoji, _ in best])
        for row, best in zip(validation, ranked, strict=True)
    ]
    return {name: sum(score[name] for score in scores) / len(scores) for name in scores[0]}


def train(rows: list[Row], validation: list[Row], table: dict, task, settings, folder: Path, made_from: str) -> dict:
    """Trains, or goes on training, and leaves the student in the folder. Returns the best metrics."""
    set_seed(settings.seed)
    resume = checkpoints.prepare(folder / "checkpoints", made_from)
    model, tokenizer = load_base(settings, rows, list(table), folder)
    student = LanguageModel(folder.parent.name, model, tokenizer, task, list(table), settings.max_length)
    gold = [{"text": row["text"], "answer": row["answers"].split()[0]} for row in validation]
    trainer = EmojiTrainer(
        model=model,
        args=training_arguments(settings, folder / "checkpoints", len(rows)),
        train_dataset=to_dataset(rows, student),
        eval_dataset=to_dataset(gold, student),
        processing_class=tokenizer,
        student=student,
        validation=validation,
    )
    trainer.train(resume_from_checkpoint=str(resume) if resume else None)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    about = {"student": "llm", "task": task.name, "base": settings.base, "max_length": settings.max_length, "emoji": list(table)}
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


def training_arguments(settings, folder: Path, rows: int) -> SFTConfig:
    batch = settings.per_device_train_batch_size * settings.gradient_accumulation_steps
    steps = max(int(-(-rows // batch) * settings.num_train_epochs), 1)
    every = -(-steps // settings.evaluations)
    on_gpu = torch.cuda.is_available()
    return SFTConfig(
        output_dir=str(folder),
        num_train_epochs=settings.num_train_epochs,
        per_device_train_batch_size=settings.per_device_train_batch_size,
        per_device_eval_batch_size=settings.per_device_train_batch_size,
        gradient_accumulation_steps=settings.gradient_accumulation_steps,
        learning_rate=settings.learning_rate,
        weight_decay=settings.weight_decay,
        warmup_steps=int(settings.warmup_ratio * steps),
        lr_scheduler_type=settings.lr_scheduler_type,
        optim="adamw_torch_fused",
        train_sampling_strategy="group_by_length",
        max_length=None,  # rows are cut where they are made
        packing=False,
        bf16=on_gpu and torch.cuda.is_bf16_supported(),
        gradient_checkpointing=on_gpu,
        eval_strategy="steps",
        eval_steps=every,
        save_strategy="steps",
        save_steps=every,
        save_total_limit=settings.save_total_limit,
        load_best_model_at_end=True,
        metric_for_best_model="eval_accuracy@1",
        greater_is_better=True,
        logging_steps=max(steps // 40, 1),
        logging_first_step=True,
        report_to="none",
        seed=settings.seed,
        data_seed=settings.seed,
        dataset_num_proc=None,
    )
