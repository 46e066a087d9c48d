"""Which library trains the language model: `unsloth`, or `hf` (transformers, peft, trl and bitsandbytes by themselves).

Unsloth rewrites transformers and trl when it's imported, so it must come before them: call `choose` before importing
`training.llm`. This module imports neither.
"""

import logging
import os
from importlib.util import find_spec

from emojisummary.processes import number
from emojisummary.stage import UserError

QUIET = {
    "UNSLOTH_AUTO_INSTALL": "0",  # its exporter would install packages of the system and clone repositories
    "UNSLOTH_DISABLE_STATISTICS": "1",
}
logging.getLogger("bitsandbytes.backends.cpu.ops").setLevel(logging.ERROR)  # on some CPUs it misses a package that isn't needed


def choose(settings) -> str:
    """`unsloth` or `hf`, imported where it needs that. Prints which, and for `auto` why.

    Raises UserError where `unsloth` is asked for by name and can't be had: it's never silently replaced.
    """
    reason = why_not_unsloth(settings)
    if settings.backend == "unsloth" and reason:
        raise UserError(f"backend unsloth: {reason}. Use `backend: hf`, or `auto` to have the best one that's there.")
    if settings.backend == "hf" or reason:
        print("back end: hf" + (f" ({reason})" if settings.backend == "auto" else ""))
        return "hf"
    os.environ.update({name: os.environ.get(name, value) for name, value in QUIET.items()})
    try:
        import unsloth  # noqa: F401
    except (ImportError, NotImplementedError, RuntimeError) as error:
        if settings.backend == "unsloth":
            raise UserError(f"backend unsloth: it can't be imported. {error}") from None
        print(f"back end: hf (unsloth can't be imported: {error})")
        return "hf"
    print("back end: unsloth" + (" (there is a CUDA GPU, and it's installed)" if settings.backend == "auto" else ""))
    return "unsloth"


def why_not_unsloth(settings) -> str | None:
    """Why it can't train this model here; None where it can. Asks for the GPU first: without one, its import fails."""
    import torch

    if settings.base == "tiny":
        return "base tiny is built from scratch"
    if not torch.cuda.is_available():
        return "unsloth needs a CUDA GPU, and there is none"
    if number() > 1:
        return "several processes train one model, which is done with hf"
    if settings.set_likelihood:
        return "set_likelihood needs logits, which hf gives"
    if find_spec("unsloth") is None:
        return "unsloth isn't installed: pip install -r requirements-gpu.txt"
    return None if settings.r else "r is null, so all weights are trained, which is done with hf"
