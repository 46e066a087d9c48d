"""The `llm` student in use: a fine-tuned causal language model whose answers are limited to the emoji of the table."""

from functools import cached_property
from pathlib import Path

from emojisummary.artifacts import read_yaml
from emojisummary.chat import answer_ids, prompt_ids
from emojisummary.decoding import Scorer, Trie
from emojisummary.models.ranker import Ranker
from emojisummary.models.weights import load_model
from emojisummary.tasks import TASKS


class LanguageModel(Ranker):
    """`model` and `tokenizer` are those of transformers; `emoji` are the answers that the model may give."""

    def __init__(self, name: str, model, tokenizer, task, emoji: list[str], max_length: int):
        self.name, self.model, self.tokenizer = name, model, tokenizer
        self.task, self.emoji, self.max_length = task, emoji, max_length

    @classmethod
    def load(cls, folder: Path, name: str, device: str = "cpu") -> "LanguageModel":
        from transformers import AutoTokenizer
        from transformers.utils import logging

        logging.disable_progress_bar()
        about = read_yaml(folder / "student.yaml")
        tokenizer = AutoTokenizer.from_pretrained(folder)
        return cls(name, load_model(folder, device), tokenizer, TASKS[about["task"]], about["emoji"], about["max_length"])

    @cached_property
    def scorer(self) -> Scorer:
        end = self.tokenizer.eos_token_id
        answers = [answer_ids(self.tokenizer, self.task.chat("text"), emoji) for emoji in self.emoji]
        return Scorer(self.model, Trie([ids[: ids.index(end)] for ids in answers], end))

    def probabilities(self, texts: list[str]):
        """Exact: what the model would answer if it could say nothing but an emoji of the table."""
        prompts = [fit(prompt_ids(self.tokenizer, self.task.chat(text)), self.max_length) for text in texts]
        return self.scorer(prompts).exp()


def fit(prompt: list[int], max_length: int) -> list[int]:
    """A prompt of at most max_length tokens: the end stays, since it opens the answer; what's cut is in the middle.

    >>> fit([1, 2, 3, 4, 5, 6, 7, 8], 4)
    [1, 6, 7, 8]
    """
    if len(prompt) <= max_length:
        return prompt
    head = max_length // 4
    return prompt[:head] + prompt[len(prompt) - (max_length - head) :]
