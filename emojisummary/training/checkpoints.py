"""Checkpoints on disk: which is the newest whole one, and whether it belongs to the training that is asked for."""

import json
import shutil
from pathlib import Path

from emojisummary.artifacts import is_stamped, stamp

WEIGHTS = ("model.safetensors", "adapter_model.safetensors", "pytorch_model.bin", "model.safetensors.index.json")
STATE = ("trainer_state.json", "optimizer.pt", "scheduler.pt", "rng_state.pth")


def prepare(folder: Path, made_from: str) -> Path | None:
    """The newest complete checkpoint to go on from; None to start at the beginning.

    Checkpoints that were made from other rows or settings are removed, and so is what a kill left half-written.
    """
    if folder.exists() and not is_stamped(folder, made_from):
        shutil.rmtree(folder)
    stamp(folder, made_from)
    folder.mkdir(parents=True, exist_ok=True)
    steps = sorted(folder.glob("checkpoint-*"), key=lambda path: int(path.name.rpartition("-")[2]))
    for checkpoint in reversed(steps):
        if is_complete(checkpoint):
            return checkpoint
        shutil.rmtree(checkpoint)
    return None


def is_complete(checkpoint: Path) -> bool:
    """Whether all files of a checkpoint are there and the last one that the trainer writes can be read."""
    if not all((checkpoint / name).exists() for name in STATE) or not any((checkpoint / w).exists() for w in WEIGHTS):
        return False
    try:
        json.loads((checkpoint / "trainer_state.json").read_text())
    except ValueError:
        return False
    return True
