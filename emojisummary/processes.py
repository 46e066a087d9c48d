"""Several processes that train one model together, a GPU each: `accelerate launch` and `torchrun` start them.

All run the same script, and know their place from environment variables. The main one alone prints and writes.
"""

import os
import sys


def number() -> int:
    """How many they are; 1 where nothing started several."""
    return int(os.environ["WORLD_SIZE"]) if "LOCAL_RANK" in os.environ else 1


def is_main() -> bool:
    return number() == 1 or os.environ["RANK"] == "0"


def state():
    """accelerate's view of them, by which they wait for each other and share work; by gloo where there is no GPU."""
    import torch
    from accelerate import PartialState

    return PartialState(cpu=number() > 1 and not torch.cuda.is_available())


def is_sharded() -> bool:
    """Whether each process holds only a part of the weights (FSDP, by accelerate's own variable). What needs all of them at
    once, outside the trainer, can't be done then."""
    return os.environ.get("ACCELERATE_USE_FSDP", "").lower() == "true"


def only_main_prints() -> None:
    if not is_main():
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 - as long as the process lives
