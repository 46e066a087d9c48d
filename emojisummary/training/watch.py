"""What looks after a training that takes hours: its first steps measured and forecast, Ctrl-C, and memory that runs out."""

import gc
import math
import resource
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import copy
from itertools import islice
from pathlib import Path

import torch
from transformers import TrainerCallback

from emojisummary.artifacts import write_text
from emojisummary.processes import is_sharded, number
from emojisummary.stage import UserError

AT_ONCE = "rows_at_once"  # a file beside the checkpoints: the most rows in a batch, once more of them didn't fit
MEASURED = 3  # steps; the first of them has the largest update
OPTIMIZER_STATE = 8  # bytes a trained weight that a checkpoint holds beside it: AdamW's two moments


class FirstSteps(TrainerCallback):
    """Behind the first steps: how long the rest will take, whether memory holds what a measurement of accuracy takes (`measure`
    asks for the most of it), the peak of memory, whether a saved model can be read back, and whether the disk has room for the
    checkpoints. What could go wrong after hours goes wrong here."""

    def __init__(self, folder: Path, settings, measure: Callable):
        self.folder, self.settings, self.measure = folder, settings, measure
        self.starts: list[float] = []

    def on_step_begin(self, args, state, control, **kwargs):
        self.starts.append(time.monotonic())

    def on_step_end(self, args, state, control, model, **kwargs):
        if len(self.starts) != MEASURED or not state.is_world_process_zero or is_sharded():  # FSDP: no process has it whole
            return
        seconds = (time.monotonic() - self.starts[1]) / (MEASURED - 1)  # the very first one warms up
        try:
            self.measure()
        except RuntimeError as error:
            if is_out_of_memory(error):
                raise UserError(
                    f"Memory ran out in a measurement of accuracy ({str(error).splitlines()[0]}); smaller batches of training "
                    "wouldn't help. A smaller --base takes less, an adapter (--r 32), or shorter texts: --max_length "
                    f"{self.settings.max_length // 2}."
                ) from None
            raise
        size = rehearse_saving(model, self.folder)
        need = disk_need(model, size, self.settings.save_total_limit)
        free = shutil.disk_usage(self.folder).free
        left = duration((state.max_steps - state.global_step) * seconds)
        print(
            f"first {MEASURED} steps: {seconds:.2f} s each, so about {left} for all {state.max_steps:,}, without the "
            f"{self.settings.evaluations} measurements of accuracy; peak of memory "
            f"{peak()}; saved and read back; checkpoints take up to {gigabytes(need)} of {gigabytes(free)} free"
        )
        if need > free:
            raise UserError(f"{self.folder}: the checkpoints need {gigabytes(need)}, and only {gigabytes(free)} are free.")


def rehearse_saving(model, folder: Path) -> int:
    """Saves the model into a temporary folder and compares what can be read from there. Returns its size in bytes."""
    from safetensors.torch import load_file

    with tempfile.TemporaryDirectory(dir=folder) as place:
        model.save_pretrained(place)
        files = list(Path(place).glob("*.safetensors"))
        saved = Counter(mark(value) for file in files for value in load_file(file).values())
        size = sum(file.stat().st_size for file in files)
    trained = Counter(mark(parameter.detach().cpu()) for parameter in model.parameters() if parameter.requires_grad)
    if any(math.isnan(length) for _, length in trained):
        raise UserError("The weights are no numbers any more after the first steps. Lower learning_rate.")
    if trained - saved:
        raise UserError(f"Saving lost weights: {(trained - saved).total()} of {trained.total()} tensors read back otherwise.")
    return size


def mark(weights: torch.Tensor) -> tuple:
    """What tells a tensor from others without its name, which saving changes."""
    return tuple(weights.shape), weights.double().norm().item()


def disk_need(model, size: int, checkpoints: int) -> int:
    """Bytes for the checkpoints that are kept, one more while it's written, and the model itself.

    `size` is that of the saved weights.
    """
    trained = sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
    return (checkpoints + 1) * (size + OPTIMIZER_STATE * trained) + size


def peak() -> str:
    """The most memory that was taken so far: the GPU's, or without one the process's."""
    if torch.cuda.is_available():
        total = torch.cuda.get_device_properties(0).total_memory
        return f"{gigabytes(torch.cuda.max_memory_reserved())} of the GPU's {gigabytes(total)}"
    unit = 1 if sys.platform == "darwin" else 1024
    return gigabytes(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit)


def gigabytes(size: float) -> str:
    return f"{size / 1e9:.1f} GB"


def duration(seconds: float) -> str:
    """
    >>> duration(20), duration(700), duration(9000)
    ('20 s', '12 min', '2.5 h')
    """
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


class StopsOnCtrlC(TrainerCallback):
    """Ctrl-C ends the step that is running and saves a checkpoint behind it; once more, it stops at once."""

    asked, before = False, None

    def on_train_begin(self, args, state, control, **kwargs):
        if threading.current_thread() is threading.main_thread():  # no other one may handle signals
            self.before = signal.signal(signal.SIGINT, self.ask)

    def ask(self, *_):
        self.restore()  # the second one stops at once
        self.asked = True
        print("\nStopping behind this step. Ctrl-C once more: at once, and back to the last checkpoint.", file=sys.stderr)

    def on_step_end(self, args, state, control, **kwargs):
        if self.asked:
            control.should_save = control.should_training_stop = True
            print(f"step {state.global_step} of {state.max_steps} saved", file=sys.stderr)

    def restore(self):
        if self.before is not None:
            signal.signal(signal.SIGINT, self.before)


def run_what_fits(make_trainer: Callable, run: Callable, measure: Callable, settings, folder: Path):
    """Makes a trainer by the settings, runs it, and returns it. `measure`: see FirstSteps.

    Where memory runs out in the first step, the next trainer gets smaller batches, and more of them for an update: the same
    training, a little slower. Behind the first step that would lose what was learned since the last checkpoint without a word,
    so there it's a UserError; and in several processes: while one of them starts again, the others would wait for it in the
    middle of a step. What is left to try is kept in the folder: behind a checkpoint, the largest batches may come late.
    """
    kept = folder / AT_ONCE
    most = int(kept.read_text()) if kept.exists() else settings.per_device_train_batch_size
    if most < settings.per_device_train_batch_size:
        print(f"{most} rows at once, since memory ran out with more: {kept} says so.")
    sizes = [size for size in smaller_batches(settings) if size.per_device_train_batch_size <= most]
    for fitting, smaller in zip(sizes, [*sizes[1:], None], strict=True):
        first_steps = FirstSteps(folder, fitting, measure)
        with memory_explained(fitting):
            trainer = make_trainer(fitting)
            trainer.add_callback(first_steps)
            try:
                run(trainer)
                break
            except RuntimeError as error:
                if not is_out_of_memory(error) or smaller is None or number() > 1:
                    raise
                write_text(kept, str(smaller.per_device_train_batch_size))
                if len(first_steps.starts) > 1:
                    raise
        rows = fitting.per_device_train_batch_size
        print(f"Memory ran out with {rows} rows at once: now fewer of them, and more often before an update.")
        trainer = None
        gc.collect()
        torch.cuda.empty_cache()
    return trainer


def smaller_batches(settings) -> Iterator:
    """The settings as they are, and then with ever smaller batches, but always as many rows in an update.

    >>> from types import SimpleNamespace
    >>> rows = SimpleNamespace(per_device_train_batch_size=12, gradient_accumulation_steps=1)
    >>> [(one.per_device_train_batch_size, one.gradient_accumulation_steps) for one in smaller_batches(rows)]
    [(12, 1), (6, 2), (3, 4), (1, 12)]
    """
    yield settings
    rows = settings.per_device_train_batch_size
    in_update = rows * settings.gradient_accumulation_steps
    while rows > 1:
        rows = max(fewer for fewer in range(1, rows // 2 + 1) if in_update % fewer == 0)
        settings = copy(settings)
        settings.per_device_train_batch_size, settings.gradient_accumulation_steps = rows, in_update // rows
        yield settings


def is_out_of_memory(error: RuntimeError) -> bool:
    return isinstance(error, torch.OutOfMemoryError) or "not enough memory" in str(error)


@contextmanager
def memory_explained(settings):
    """Turns memory that ran out into a UserError that names what to change."""
    try:
        yield
    except RuntimeError as error:
        if not is_out_of_memory(error):
            raise
        fewer = next(islice(smaller_batches(settings), 1, None), None)
        smaller = fewer and (
            f"--per_device_train_batch_size {fewer.per_device_train_batch_size} --gradient_accumulation_steps "
            f"{fewer.gradient_accumulation_steps} (the same training, a little slower), "
        )
        weights = "a smaller --base" if settings.load_in_4bit else "--load_in_4bit with --r 32"
        if settings.base == "tiny":
            weights = "a smaller --tiny.hidden_size"
        raise UserError(
            f"Memory ran out ({str(error).splitlines()[0]}). In the order of what it costs: {smaller or ''}"
            f"--max_length {settings.max_length // 2} (longer texts are cut), {weights}."
        ) from None
