"""An untuned causal language model, asked as anyone would ask it: the control that the `llm` student should be compared with.

`base:<folder or hub name>` gets the bare "Give the best emoji for this text", to which a model may well answer with a list and
its reasons; `base-short:<folder or hub name>` gets the student's own prompt, which wants one emoji and nothing else. Only the
second tells what the training taught beside brevity.
"""

from collections.abc import Iterable, Iterator
from functools import cached_property

from emojisummary.artifacts import Row
from emojisummary.chat import many_prompt_ids
from emojisummary.emojis import Table
from emojisummary.models.asked import Asked
from emojisummary.models.llm import fit
from emojisummary.models.weights import as_asked, best_dtype
from emojisummary.stage import UserError
from emojisummary.tasks import TASKS
from emojisummary.writing import generate

BARE, SHORT = "base", "base-short"
BARE_PROMPT = "Give the best emoji for this text"
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
        """Each request with its reply, {"text", "cut", "tokens_in", "tokens_out"}; the latter counts the end of the turn, too.

        Prompts that are too long for the model lose their middle.
        """
        model, tokenizer = self.loaded
        longest = self.settings.num_predict
        room = min(getattr(model.config, "max_position_embeddings", LONGEST_PROMPT) - longest, LONGEST_PROMPT)
        if room < 1:
            raise UserError(f"{self.name} has no room for {longest} tokens of answer: lower num_predict.")
        requests = list(requests)
        prompts = [fit(ids, room) for ids in many_prompt_ids(tokenizer, [request["messages"] for request in requests])]
        for request, prompt, ids in zip(requests, prompts, generate(model, tokenizer, prompts, longest), strict=True):
            cut, text = len(ids) == longest, tokenizer.decode(ids, skip_special_tokens=True)
            yield request, {"text": text, "cut": cut, "tokens_in": len(prompt), "tokens_out": len(ids) + (not cut)}


def load(folder: str) -> tuple:
    """The model, ready to answer, and its tokenizer. Raises UserError for what can't be loaded."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from transformers.utils import logging

    from emojisummary.training.bases import prepared

    logging.disable_progress_bar()
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder)
        model = as_asked(AutoModelForCausalLM.from_pretrained(folder, dtype=best_dtype(), attn_implementation="sdpa"))
    except (OSError, ValueError) as error:
        raise UserError(f"base {folder!r}: not a causal language model that can be loaded. {error}") from None
    return model.to("cuda" if torch.cuda.is_available() else "cpu").eval(), prepared(tokenizer)
