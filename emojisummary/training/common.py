"""What both kinds of students share: the trainer's arguments, its progress bar, the metric, and the newest checkpoint."""

import json
import shutil
import sys
from enum import Enum
from math import ceil
from pathlib import Path

import torch
from transformers.trainer_callback import ProgressCallback, TrainerCallback, TrainerState
from transformers.trainer_utils import SchedulerType
from transformers.training_args import OptimizerNames

from emojisummary.artifacts import Row, is_stamped, stamp
from emojisummary.models.weights import best_dtype
from emojisummary.processes import is_main, is_sharded, number
from emojisummary.stage import UserError
from emojisummary.training.watch import StopsOnCtrlC

WEIGHTS = ("model.safetensors", "adapter_model.safetensors", "pytorch_model.bin", "model.safetensors.index.json")
OPTIMIZER = ("optimizer.pt", "optimizer.bin")  # the second one by FSDP
STATE = ("trainer_state.json", "scheduler.pt")
SHOWN = ("loss", "accuracy@1", "accuracy@5", "set_f1", "first")  # while training goes on, those of them that are measured
LOGGED_POINTS = 100  # of the training loss, for the plot
SELDOM = 30  # seconds from one state of the bar to the next in a log, which keeps them all


def trainer_arguments(settings, folder: Path, rows: int, metric: str | None) -> dict:
    """The arguments that both trainers take, by transformers' names.

    `metric` is measured and a checkpoint kept `settings.evaluations` times; the best one is the student. None: the loss.
    """
    batch = settings.per_device_train_batch_size * settings.gradient_accumulation_steps * number()
    steps = max(ceil(-(-rows // batch) * settings.num_train_epochs), 1)
    every = -(-steps // settings.evaluations)
    on_gpu = torch.cuda.is_available()
    return {
        "output_dir": str(folder),
        "use_cpu": number() > 1 and not on_gpu,  # accelerate looks for several processes without a GPU only if told so
        "num_train_epochs": settings.num_train_epochs,
        "per_device_train_batch_size": settings.per_device_train_batch_size,
        "per_device_eval_batch_size": settings.per_device_train_batch_size,
        "gradient_accumulation_steps": settings.gradient_accumulation_steps,
        "learning_rate": settings.learning_rate,
        "weight_decay": settings.weight_decay,
        "warmup_steps": int(settings.warmup_ratio * steps),
        "lr_scheduler_type": known(settings, "lr_scheduler_type", SchedulerType),
        "optim": known(settings, "optim", OptimizerNames),
        "bf16": best_dtype() == torch.bfloat16,
        "dataloader_pin_memory": on_gpu,
        "eval_strategy": "steps",
        "eval_steps": every,
        "save_strategy": "steps",
        "save_steps": every,
        "save_total_limit": settings.save_total_limit,
        "load_best_model_at_end": True,
        "metric_for_best_model": f"eval_{metric or 'loss'}",
        "greater_is_better": metric is not None,
        "logging_steps": max(steps // LOGGED_POINTS, 1),
        "logging_first_step": True,
        "report_to": settings.report_to,
        "seed": settings.seed,
        "data_seed": settings.seed,
    }


def known(settings, key: str, names: type[Enum]) -> str:
    """The value of a key that is to be one of transformers' names. Raises UserError for another."""
    if (value := getattr(settings, key)) not in list(names):
        raise UserError(f"{key} {value!r} is none that transformers knows: {', '.join(names)}.")
    return value


KEPT = ("checkpoints", "export", ".made", "made.yaml", "trainer_state.json")  # they say themselves what they belong to


def clear(folder: Path, *others: str) -> None:
    """Removes what another student left in the folder, but for the training's own files, and the `others`."""
    for path in folder.iterdir() if folder.exists() else ():
        if path.name in (*KEPT, *others):
            continue
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()


def on_one_gpu(args):
    """The trainer's arguments, for one GPU a process. Where a single process sees several, transformers would take a batch for
    each of them: another training, with fewer steps than its arguments were made for."""
    args._n_gpu = min(args.n_gpu, 1)
    return args


def run_trainer(trainer, resume: Path | None, state: Path, patience: int | None) -> None:
    """Trains to the end, from a checkpoint where there is one; the model then is that of the best checkpoint.

    The end also comes behind `patience` measurements without a better one. Which checkpoint is the best one, and all that was
    logged, is left in `state`, a trainer_state.json.
    """
    trainer.remove_callback(ProgressCallback)
    trainer.add_callback(Progress)
    trainer.add_callback(EarlyStopping(patience))
    if resume:
        print(f"going on from {resume}")
    before = TrainerState.load_from_json(str(resume / "trainer_state.json")) if resume else None
    if before and is_over(trainer.args, before, patience) and not is_sharded():  # with FSDP, only train can load weights
        trainer.state = before
        trainer._load_from_checkpoint(str(resume.parent / Path(before.best_model_checkpoint).name))
    else:
        train_on(trainer, resume)
    last = by_step(Path(trainer.args.output_dir))[-1]
    if prefers_last(trainer.state.log_history, len(trainer.eval_dataset), trainer.args.metric_for_best_model):
        trainer._load_from_checkpoint(str(last))  # both trainers have loaded the one with the highest accuracy so
        trainer.state.best_model_checkpoint = str(last)
        trainer.state.best_global_step = trainer.state.global_step
    if is_main():
        trainer.state.save_to_json(str(state))


def train_on(trainer, resume: Path | None) -> None:
    stops = StopsOnCtrlC()
    if number() == 1:  # several processes would stop behind different steps: they stop at once
        trainer.add_callback(stops)
    try:
        trainer.train(resume_from_checkpoint=str(resume) if resume else None)
    finally:
        stops.restore()
    if stops.asked:
        raise KeyboardInterrupt


def is_over(args, state: TrainerState, patience: int | None) -> bool:
    """Whether nothing is left to train: no step, or no patience.

    By the log alone, so that a training which was killed ends where it would have ended. The measurement before the first step
    doesn't count.
    """
    metric = args.metric_for_best_model
    measured = [entry[metric] for entry in state.log_history if metric in entry and entry["step"]]
    if measured and patience:
        best = max(measured) if args.greater_is_better else min(measured)
        if len(measured) - 1 - measured.index(best) >= patience:
            return True
    return state.global_step >= state.max_steps


class EarlyStopping(TrainerCallback):
    """Ends a training which gets no better."""

    def __init__(self, patience: int | None):
        self.patience = patience

    def on_evaluate(self, args, state, control, **kwargs):
        control.should_training_stop = control.should_training_stop or is_over(args, state, self.patience)


def prefers_last(log: list[dict], rows: int, metric: str = "eval_accuracy@1") -> bool:
    """Whether the last checkpoint's accuracy is within one standard error of the highest one. By loss, the lowest one counts.

    The highest of several measurements on a few hundred texts is partly luck; the last checkpoint has learned the most. It's
    the one-standard-error rule (Breiman et al., 1984), in favour of more training.

    >>> prefers_last([{"eval_accuracy@1": a} for a in (0.48, 0.47)], rows=581)
    True
    """
    if metric == "eval_loss":
        return False
    measured = [entry[metric] for entry in log if metric in entry]
    best = max(measured)
    return measured[-1] >= best - (best * (1 - best) / rows) ** 0.5


class Progress(ProgressCallback):
    """A bar with the time left, and a line for each measurement of accuracy."""

    def on_train_begin(self, args, state, control, **kwargs):
        super().on_train_begin(args, state, control, **kwargs)
        if self.training_bar is not None and not sys.stderr.isatty():
            self.training_bar.mininterval = SELDOM

    def on_log(self, args, state, control, logs=None, **kwargs):
        pass

    def on_prediction_step(self, args, state, control, **kwargs):
        pass

    def on_evaluate(self, args, state, control, metrics, **kwargs):
        if self.training_bar is not None:
            figures = (f"{name} {metrics[f'eval_{name}']:.3f}" for name in SHOWN if f"eval_{name}" in metrics)
            self.training_bar.write(f"step {state.global_step} of {state.max_steps}: validation " + ", ".join(figures))


def mean_scores(task, validation: list[Row], given: list) -> dict[str, float]:
    """The mean of each of the task's scores over the validation texts; `given` is what `task.ask` said to them."""
    both = zip(validation, given, strict=True)
    scores = [task.score(task.accepted(row), task.bare(one), row["text"]) for row, one in both]
    return {name: sum(score[name] for score in scores) / len(scores) for name in scores[0]}


def newest_checkpoint(folder: Path, made_from: str) -> Path | None:
    """The newest complete checkpoint to go on from; None to start at the beginning.

    Checkpoints that were made from other rows or settings, or by another number of processes, are removed, and so is what a
    kill left half-written.
    """
    made_from += f" {number()} processes" if number() > 1 else ""
    if folder.exists() and not is_stamped(folder, made_from):
        shutil.rmtree(folder)
    stamp(folder, made_from)
    folder.mkdir(parents=True, exist_ok=True)
    for checkpoint in reversed(by_step(folder)):
        if is_complete(checkpoint):
            return checkpoint
        shutil.rmtree(checkpoint)
    return None


def by_step(folder: Path) -> list[Path]:
    """The checkpoints of a folder, oldest first."""
    return sorted(folder.glob("checkpoint-*"), key=lambda path: int(path.name.rpartition("-")[2]))


def is_complete(checkpoint: Path) -> bool:
    """Whether all files of a checkpoint are there and whole, as far as their formats tell."""
    chance = [f"rng_state_{process}.pth" for process in range(number())] if number() > 1 else ["rng_state.pth"]
    there = {path.name for path in checkpoint.glob("*")}
    optimizer = next((name for name in OPTIMIZER if name in there), None)
    if not there.issuperset((*STATE, *chance)) or there.isdisjoint(WEIGHTS) or optimizer is None:
        return False
    try:
        json.loads((checkpoint / "trainer_state.json").read_text())
        torch.load(checkpoint / optimizer, map_location="meta", weights_only=True)
    except (ValueError, RuntimeError, EOFError, OSError):
        return False
    return True
