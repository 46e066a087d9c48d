"""The `llm` student in use: a fine-tuned causal language model whose answers are limited to the emoji of the table."""

from copy import copy
from functools import cached_property
from math import exp
from pathlib import Path
from statistics import mean

import torch

from emojisummary.artifacts import read_yaml
from emojisummary.chat import answer_ids, many_prompt_ids, short_answers
from emojisummary.decoding import Trie
from emojisummary.emojis import Lookup
from emojisummary.models.ranker import Ranker, unanswered
from emojisummary.models.weights import load_model, unquantised
from emojisummary.scoring import Scorer
from emojisummary.stage import UserError
from emojisummary.tasks import TASKS
from emojisummary.writing import generate, write


class LanguageModel(Ranker):
    """`model` and `tokenizer` are those of transformers; `emoji` are the answers that the model may give."""

    def __init__(self, name: str, model, tokenizer, task, emoji: list[str], max_length: int):
        self.name, self.model, self.tokenizer = name, model, tokenizer
        self.task, self.emoji, self.max_length = task, emoji, max_length
        self.every = emoji  # also what a restriction leaves out: it tells 🏳️ from the beginning of 🏳️‍🌈

    @classmethod
    def load(cls, folder: Path, name: str, device: str = "cpu") -> "LanguageModel":
        from transformers import AutoTokenizer
        from transformers.utils import logging

        logging.disable_progress_bar()
        about = read_yaml(folder / "student.yaml")
        tokenizer = AutoTokenizer.from_pretrained(folder)
        return cls(name, load_model(folder, device), tokenizer, TASKS[about["task"]], about["emoji"], about["max_length"])

    @classmethod
    def untuned(cls, folder: Path, name: str, device: str = "cpu") -> "LanguageModel":
        """The base that the student in a folder was made from: kept there if it was built from scratch, or emoji got tokens
        of their own. Raises UserError for another student's folder."""
        about = read_yaml(folder / "student.yaml")
        if about["student"] != "llm":
            raise UserError(f"{folder} has no language model. Before its training, its student was `{about['student']}`.")
        if (folder / "base").exists():
            return cls.load(folder / "base", name, device)
        from transformers import AutoTokenizer

        try:
            base = load_model(Path(unquantised(about["base"])), device)
        except (OSError, ValueError) as error:
            raise UserError(f"{name}: the base {about['base']!r} can't be loaded. {error}") from None
        tokenizer = AutoTokenizer.from_pretrained(folder)
        return cls(name, base, tokenizer, TASKS[about["task"]], about["emoji"], about["max_length"])

    def restrict(self, emoji) -> "LanguageModel":
        """What is left out isn't looked into: that's faster, and exact even where it has most of the probability."""
        other = copy(self)
        other.emoji = self.known(emoji)
        for made in ("scorer", "next_scorer", "answer_trie"):
            vars(other).pop(made, None)
        return other

    @cached_property
    def emoji_of(self) -> Lookup:
        return Lookup(self.every)

    @cached_property
    def scorer(self) -> Scorer:
        """Scores emoji right behind the prompt."""
        return self._scorer(self.spellings)

    @cached_property
    def next_scorer(self) -> Scorer:
        """Scores emoji behind another one; some tokenizers write them otherwise there."""
        first = self.every[0]
        before = self.spellings[first]
        sequences = {}
        together = self._spelled([first + emoji for emoji in self.every])
        for emoji in self.every:
            both = together[first + emoji]
            follows = both[: len(before)] == before and len(both) > len(before)
            sequences[emoji] = both[len(before) :] if follows else self.spellings[emoji]
        return self._scorer(sequences)

    @cached_property
    def answer_trie(self) -> Trie:
        return Trie([self.spellings[emoji] for emoji in self.emoji], self.end_token)

    @cached_property
    def spellings(self) -> dict[str, list[int]]:
        """The tokens of each emoji as an answer, without the end of turn."""
        return self._spelled(self.every)

    def _spelled(self, texts: list[str]) -> dict[str, list[int]]:
        tokens, _ = short_answers(self.tokenizer, self.task.chat("text"), texts)
        return dict(zip(texts, tokens, strict=True))

    @cached_property
    def end_token(self) -> int:
        """What comes right behind an answer: the first token of the end of turn."""
        _, end = short_answers(self.tokenizer, self.task.chat("text"), [])
        return end[0]

    def _scorer(self, sequences: dict[str, list[int]]) -> Scorer:
        """For the emoji that may be given, and the longer ones that begin with one of them."""
        wanted = {tuple(sequences[emoji]) for emoji in self.emoji}
        needed = [e for e in self.every if any(tuple(sequences[e][:n]) in wanted for n in range(1, len(sequences[e]) + 1))]
        trie = Trie([sequences[emoji] for emoji in needed], self.end_token)
        return Scorer(self.model, trie, [needed.index(emoji) for emoji in self.emoji])

    def answer(self, text: str) -> list[int]:
        """The tokens of an answer, without the end of turn."""
        return self._spelled([text])[text]

    def prompts(self, texts: list[str]) -> list[list[int]]:
        return self._prompts(list(map(self.task.chat, texts)))

    def _prompts(self, chats: list) -> list[list[int]]:
        return [fit(ids, self.max_length) for ids in many_prompt_ids(self.tokenizer, chats)]

    def probabilities(self, texts: list[str]):
        """Exact: what the model would answer if it could say nothing but an emoji of the table."""
        return self.scorer(self.prompts(texts)).exp()

    def greedy(self, texts: list[str], num_beams: int = 1) -> list[str]:
        """One emoji for each text by transformers' generate, kept to the trie: valid, but not always the likeliest one."""
        prompts = self.prompts(texts)
        length = max(node.depth for node in self.answer_trie.nodes) + 1
        answers = generate(self.model, self.tokenizer, prompts, length, trie=self.answer_trie, num_beams=num_beams)
        return [self.emoji[self.answer_trie.read(tokens)] for tokens in answers]

    def combine(self, texts: list[str], least: int = 2, most: int = 4) -> list[list[str]]:
        """For each text `least` to `most` different emoji in the order that the model gives them.

        Each one is the likeliest behind the ones before it, by its exact probability, among those not given yet; from
        `least` emoji on the end competes with them. The choice of one isn't revised for the sake of the next.
        """
        given = [[] for _ in texts]
        going_on = list(range(len(texts)))
        for place in range(min(most, len(self.emoji))):
            if not going_on:
                break
            prompts = self.prompts([texts[i] for i in going_on])
            if place:
                prompts = [prompt + self.answer("".join(given[i])) for prompt, i in zip(prompts, going_on, strict=True)]
            barred = torch.tensor([[emoji in given[i] for emoji in self.emoji] + [place < least] for i in going_on])
            scores = (self.next_scorer if place else self.scorer).following(prompts, barred)
            best = scores.argmax(dim=1).tolist()
            for i, index in zip(going_on, best, strict=True):
                given[i] += self.emoji[index : index + 1]
            going_on = [i for i, index in zip(going_on, best, strict=True) if index < len(self.emoji)]
        return given

    def count_tokens(self, text: str) -> int:
        return len(self.tokenizer(text, add_special_tokens=False)["input_ids"])

    def likelihood(self, lessons: list) -> dict[str, float]:
        """How well known answers are foreseen: `perplexity` a token, and `token_accuracy`, the share of tokens that are the
        likeliest one. `lessons`: pairs of a chat and its answer; the end of turn counts."""
        import torch

        losses, right = [], []
        for chat, answer in lessons:
            (prompt,), said = self._prompts([chat]), answer_ids(self.tokenizer, chat, answer)
            ids = torch.tensor([prompt + said], device=self.model.device)
            with torch.inference_mode():
                logits = self.model(input_ids=ids).logits[0, len(prompt) - 1 : -1].float()
            labels = ids[0, len(prompt) :]
            losses += torch.nn.functional.cross_entropy(logits, labels, reduction="none").tolist()
            right += (logits.argmax(-1) == labels).tolist()
        return {"perplexity": round(exp(mean(losses)), 2), "token_accuracy": round(mean(right), 4)}

    def _answer_batch(self, items: list[dict], top: int, min_probability: float):
        if self.task.ranks:
            yield from super()._answer_batch(items, top, min_probability)
            return
        emoji_of = self.emoji_of
        texts = [self.task.tidied(item["text"]) if isinstance(item.get("text"), str) else "" for item in items]
        faults = [self._fault(text, emoji_of) for text in texts]
        answers = iter(self.task.ask(self, [text for text, fault in zip(texts, faults, strict=True) if not fault]))
        for item, fault in zip(items, faults, strict=True):
            yield unanswered(item, fault, ["answer"]) if fault else item | {"answer": self._toned(next(answers))}

    def _toned(self, answer) -> str:
        shown, _ = self.task.shown(answer)
        return self.emoji_of.replace(shown, self.tones) if self.tones else shown

    def _fault(self, text: str, emoji_of: Lookup) -> str | None:
        """Why a text can't be answered; None where it can."""
        return self.task.refuses(text, emoji_of) if text.strip() else "the text is empty"

    def write(self, chats: list, max_new_tokens: int = 256, **options) -> list[str]:
        """The model's own words behind each chat, a list of messages: for tasks whose answer is a text. See writing.write."""
        return write(self.model, self.tokenizer, self._prompts(chats), max_new_tokens, **options)


def fit(prompt: list[int], max_length: int) -> list[int]:
    """A prompt of at most max_length tokens: the end stays, since it opens the answer; what's cut is in the middle.

    >>> fit([1, 2, 3, 4, 5, 6, 7, 8], 4)
    [1, 6, 7, 8]
    """
    if len(prompt) <= max_length:
        return prompt
    head = max_length // 4
    return prompt[:head] + prompt[len(prompt) - (max_length - head) :]
