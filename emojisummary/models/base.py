"""An untuned causal language model, asked as anyone would ask it: the control that the `llm` student should be compared with.

`base:<folder or hub name>` gets the bare "Give the best emoji for this text", to which a model may well answer with a list and
its reasons; `base-short:<folder or hub name>` gets the student's own prompt, which wants one emoji and nothing else. Only the
second tells what the training taught beside brevity.
"""

import time
from collections.abc import Iterable, Iterator
from functools import cached_property

from emojisummary.artifacts import Row
from emojisummary.chat import PLAIN_TEMPLATE, prompt_ids
from emojisummary.emojis import Table
from emojisummary.models.asked import Asked
from emojisummary.models.llm import fit
from emojisummary.stage import UserError
from emojisummary.tasks import TASKS

BARE, SHORT = "base", "base-short"
BARE_PROMPT = "Give the best emoji for this text"
BATCH = 16
LONGEST_PROMPT = 2048  # tokens


class Base(Asked):
    """Answers are greedy, at most `num_predict` tokens long; on a GPU where there is one, in bfloat16 as in training."""

    def __init__(self, name: str, settings, table: Table | None = None):
        self.name, self.settings, self.table = name, settings, table
        kind, _, self.folder = name.partition(":")
        self.prompt = BARE_PROMPT if kind == BARE else TASKS[settings.task].system
        if not self.folder:
            raise UserError(f"{name}: name a folder or a model of the hub behind the colon, like base:runs/base.")

    @cached_property
    def loaded(self) -> tuple:
        """The model and its tokenizer."""
        return load(self.folder)

    def answer(self, requests: Iterable[Row]) -> Iterator[tuple[Row, Row]]:
        """Each request with its reply, the shortest prompts first: {"text", "cut", "tokens_in", "tokens_out", "seconds"}.

        `tokens_out` counts the end of the turn, too. Prompts that are too long for the model lose their middle.
        """
        model, tokenizer = self.loaded
        room = min(model.config.max_position_embeddings - self.settings.num_predict, LONGEST_PROMPT)
        if room < 1:
            raise UserError(f"{self.name} has no room for {self.settings.num_predict} tokens of answer: lower num_predict.")
        asked = [(request, fit(prompt_ids(tokenizer, request["messages"]), room)) for request in requests]
        asked.sort(key=lambda pair: len(pair[1]))
        for start in range(0, len(asked), BATCH):
            batch = asked[start : start + BATCH]
            began = time.perf_counter()
            replies = generate(model, tokenizer, [ids for _, ids in batch], self.settings.num_predict)
            seconds = (time.perf_counter() - began) / len(batch)
            for (request, ids), reply in zip(batch, replies, strict=True):
                yield request, reply | {"tokens_in": len(ids), "seconds": seconds}


def load(folder: str) -> tuple:
    """The model, ready to answer, and its tokenizer. Raises UserError for what can't be loaded."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from transformers.utils import logging

    logging.disable_progress_bar()
    on_gpu = torch.cuda.is_available()
    dtype = torch.bfloat16 if on_gpu and torch.cuda.is_bf16_supported() else torch.float32
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder)
        model = AutoModelForCausalLM.from_pretrained(folder, dtype=dtype, attn_implementation="sdpa")
    except (OSError, ValueError) as error:
        raise UserError(f"base {folder!r}: not a causal language model that can be loaded. {error}") from None
    if tokenizer.chat_template is None:
        tokenizer.chat_template = PLAIN_TEMPLATE
    return model.to("cuda" if on_gpu else "cpu").eval(), tokenizer


def generate(model, tokenizer, prompts: list[list[int]], longest: int) -> list[Row]:
    """The greedy answers to prompts of token ids, at most `longest` tokens each."""
    import torch
    from transformers import GenerationConfig

    ends = end_ids(model, tokenizer)
    width = max(map(len, prompts))
    padding = [width - len(ids) for ids in prompts]  # on the left, so that all answers begin in the same column
    ids = torch.tensor([ends[:1] * gap + ids for gap, ids in zip(padding, prompts, strict=True)], device=model.device)
    mask = torch.tensor([[0] * gap + [1] * (width - gap) for gap in padding], device=model.device)
    how = GenerationConfig(max_new_tokens=longest, do_sample=False, eos_token_id=ends, pad_token_id=ends[0])
    with torch.inference_mode():
        answers = model.generate(input_ids=ids, attention_mask=mask, generation_config=how)[:, width:].tolist()
    return [as_reply(tokenizer, answer, ends) for answer in answers]


def end_ids(model, tokenizer) -> list[int]:
    """The tokens that end an answer: the tokenizer's, and those that the model's makers name beside it."""
    named = model.generation_config.eos_token_id
    named = named if isinstance(named, list) else [named]
    return [id for id in dict.fromkeys([tokenizer.eos_token_id, *named]) if id is not None]


def as_reply(tokenizer, answer: list[int], ends: list[int]) -> Row:
    length = next((place for place, id in enumerate(answer, start=1) if id in ends), None)
    text = tokenizer.decode(answer[:length], skip_special_tokens=True)
    return {"text": text, "cut": length is None, "tokens_out": length or len(answer)}
