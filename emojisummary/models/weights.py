"""The weights of a trained language model: all of them in its folder, or an adapter in it and a base model elsewhere."""

from pathlib import Path

from emojisummary.artifacts import read_yaml
from emojisummary.processes import is_sharded
from emojisummary.stage import UserError


def load_model(folder: Path, device: str = "cpu", merge: bool = True, dtype=None, load_in_4bit: bool = False):
    """The trained model of transformers, ready to answer.

    merge: an adapter is added into the base's weights, loaded anew in 16 or 32 bits: as fast as the base alone, and more
    exact than into weights of 4 bits. Otherwise it stays beside them, as in training. `dtype`: that of the weights; if not
    given, float32 on a CPU and the saved one on a GPU.
    load_in_4bit: the base as QLoRA trained with it; only without merging.
    Raises UserError where the base can't be loaded.
    """
    import torch
    from transformers import AutoModelForCausalLM

    options = {"dtype": dtype or (torch.float32 if device == "cpu" else "auto"), "attn_implementation": "sdpa"}
    if not (folder / "adapter_config.json").exists():
        return as_asked(AutoModelForCausalLM.from_pretrained(folder, **options)).to(device).eval()
    from peft import PeftModel

    if load_in_4bit:
        options |= {"quantization_config": four_bits(), "device_map": {"": device}}
    name = unquantised(read_yaml(folder / "student.yaml")["base"])
    try:
        base = AutoModelForCausalLM.from_pretrained(name, **options)
    except (OSError, ValueError) as error:
        raise UserError(f"{folder} is an adapter of {name!r}, which can't be loaded. {error}") from None
    model = PeftModel.from_pretrained(as_asked(base), folder)
    if merge:
        model = model.merge_and_unload(progressbar=False)
    return (model if load_in_4bit else model.to(device)).eval()


def as_asked(model):
    """The model without what its makers want of generation (sampling, a penalty for repetitions), which transformers takes
    wherever a call leaves it open; the tokens that begin, end and pad a text stay."""
    from transformers import GenerationConfig

    names = ("bos_token_id", "eos_token_id", "pad_token_id")
    model.generation_config = GenerationConfig(**{name: getattr(model.generation_config, name) for name in names})
    return model


def unquantised(base: str) -> str:
    """The base whose weights have 16 bits, for one that comes quantised.

    >>> unquantised("unsloth/Llama-3.2-3B-Instruct-unsloth-bnb-4bit")
    'unsloth/Llama-3.2-3B-Instruct'
    """
    return base.removesuffix("-bnb-4bit").removesuffix("-unsloth")


def best_dtype():
    """bfloat16 on a GPU that has it, float32 elsewhere: also on older ones, which would only emulate it."""
    import torch

    has_it = torch.cuda.is_available() and torch.cuda.is_bf16_supported(including_emulation=False)
    return torch.bfloat16 if has_it else torch.float32


def four_bits():
    """NF4 with doubly quantised scales: half a byte a weight, and the format in which QLoRA was found to lose least.

    FSDP spreads only weights of one dtype, so there the 4 bits are packed into numbers of the dtype of all others.
    """
    from transformers import BitsAndBytesConfig

    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=best_dtype(),
        bnb_4bit_quant_storage=best_dtype() if is_sharded() else None,
    )
