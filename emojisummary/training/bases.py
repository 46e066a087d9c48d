"""Base models ready to be trained: loaded by either back end, in 4 bits if wanted, with a LoRA adapter or all of their weights.

base          r       load_in_4bit   what is trained
tiny          null    false          a small Llama from scratch
name, folder  null    false          all weights, in float32: smaller steps than bfloat16 can hold would be rounded away
name, folder  32      false          LoRA: two small matrices beside each linear layer
name, folder  32      true           QLoRA: the same beside weights that are stored in 4 bits
"""

import re
from pathlib import Path

import torch

from emojisummary.chat import PLAIN_TEMPLATE, answer_ids
from emojisummary.models.weights import as_asked, best_dtype, four_bits
from emojisummary.processes import is_sharded, state
from emojisummary.stage import UserError
from emojisummary.training.labels import Lesson
from emojisummary.training.tiny import build_tiny

DATE = "26 Jul 2024"  # what Llama's templates say themselves where they can't ask for the date
ROOM = 64  # tokens beyond the longest row, for validation answers that are longer than what is learned


def load_base(settings, backend: str, lessons: list[Lesson], emoji: list[str]) -> tuple:
    """The model to train and its tokenizer. Seed before you call: an adapter starts from random numbers.

    Raises UserError for settings that don't fit together, and for a base that can't be loaded.
    """
    if settings.base == "tiny":
        if settings.r or settings.load_in_4bit:
            raise UserError("base tiny knows nothing that an adapter could build on: leave r null and load_in_4bit false.")
        if settings.tiny.hidden_size % settings.tiny.num_attention_heads:
            raise UserError(
                f"tiny.hidden_size {settings.tiny.hidden_size} is no multiple of tiny.num_attention_heads "
                f"{settings.tiny.num_attention_heads}: the heads share it."
            )
        return build_tiny(settings, lessons, emoji)
    if settings.load_in_4bit and not settings.r:
        raise UserError("load_in_4bit: weights in 4 bits can't be trained themselves. Set r (32, say) for an adapter.")
    try:
        return load_unsloth(settings, lessons) if backend == "unsloth" else load_hf(settings)
    except (OSError, ValueError) as error:
        raise UserError(f"base {settings.base!r}: not a causal language model that can be loaded. {error}") from None


def load_unsloth(settings, lessons: list[Lesson]) -> tuple:
    """Unsloth is told how long rows get before it loads, and cuts what is longer: the end of an answer, which is learned."""
    from transformers import AutoTokenizer
    from unsloth import FastLanguageModel

    length = longest_row(prepared(AutoTokenizer.from_pretrained(settings.base)), lessons, settings.max_length) + ROOM
    model, tokenizer = FastLanguageModel.from_pretrained(
        settings.base, max_seq_length=length, load_in_4bit=settings.load_in_4bit, random_state=settings.seed
    )
    tokenizer = prepared(getattr(tokenizer, "tokenizer", tokenizer))  # Gemma 3 comes with a processor for images, too
    if (longest := longest_row(tokenizer, lessons, settings.max_length)) > length:
        raise UserError(
            f"Unsloth's tokenizer makes rows of {longest} tokens, and it would cut them at {length}: use --backend hf"
        )
    model = FastLanguageModel.get_peft_model(
        as_asked(model),
        **lora(settings),
        use_gradient_checkpointing="unsloth",  # what the backward pass needs waits in the computer's memory
        max_seq_length=length,
        random_state=settings.seed,
    )
    return model, tokenizer


def longest_row(tokenizer, lessons: list[Lesson], max_length: int) -> int:
    """Tokens that no row exceeds: a prompt of max_length, and the longest answer with its end of turn."""
    chats = {said: chat for chat, said in lessons}
    return max_length + max((len(answer_ids(tokenizer, chat, said)) for said, chat in chats.items()), default=0)


def load_hf(settings) -> tuple:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = prepared(AutoTokenizer.from_pretrained(settings.base))
    options = {"dtype": best_dtype() if settings.r else torch.float32, "attn_implementation": "sdpa"}
    if settings.load_in_4bit:
        own_gpu = state().local_process_index if torch.cuda.is_available() else "cpu"
        options |= {"quantization_config": four_bits(), "device_map": None if is_sharded() else {"": own_gpu}}
    model = as_asked(AutoModelForCausalLM.from_pretrained(settings.base, **options))
    if settings.load_in_4bit:
        keep_packing(model)
    return (with_adapter(model, settings) if settings.r else model), tokenizer


def keep_packing(model) -> None:
    """Keeps bitsandbytes on a CPU from packing the weights in another way at the first evaluation, which training behind it
    can't read: it goes on, and learns nothing useful."""
    for module in model.modules():
        if hasattr(module, "support_avx512bf16_for_cpu"):
            module.support_avx512bf16_for_cpu = False


def lora(settings) -> dict:
    """LoRA's settings by peft's names, which are Unsloth's, too."""
    return {name: getattr(settings, name) for name in ("r", "lora_alpha", "lora_dropout", "target_modules")}


def with_adapter(model, settings):
    from peft import LoraConfig, get_peft_model
    from peft.tuners.tuners_utils import BaseTunerLayer

    named = f"target_modules {settings.target_modules!r} names"
    try:
        adapted = get_peft_model(model, LoraConfig(task_type="CAUSAL_LM", **lora(settings)))
    except (ValueError, re.error) as error:
        raise UserError(f"{named} no layers of this base: {error}") from None
    if isinstance(adapted.get_base_model().get_output_embeddings(), BaseTunerLayer):
        raise UserError(f"{named} the output layer, too. It can't have an adapter here: leave it out.")
    return adapted


def without_half_precision(model) -> None:
    """On a CPU, adapters beside 4-bit weights go back to float32: trl makes them bfloat16, which is slow there, or missing."""
    if torch.cuda.is_available():  # with FSDP, the weights may still be on the CPU
        return
    for parameter in model.parameters():
        if parameter.requires_grad:
            parameter.data = parameter.data.float()


def prepared(tokenizer):
    """The tokenizer with a chat template and a padding token, whatever the base had.

    Some templates (Llama 3, SmolLM3) put today's date into the system prompt. A model that was trained on one day would then be
    asked something else on the next, and elsewhere; so the date is fixed.
    """
    tokenizer.chat_template = re.sub(r"strftime_now\([^)]*\)", f'"{DATE}"', tokenizer.chat_template or PLAIN_TEMPLATE)
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def absolute(base: str) -> str:
    """A folder's whole path, so that the adapter finds it from everywhere; a name on the hub as it is."""
    return str(Path(base).resolve()) if Path(base).is_dir() else base
