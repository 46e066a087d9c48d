"""The emoji trie asked by plain forward passes, for models that can't read a whole tree at once.

Unsloth replaces its models' attention, and with it the mask by which scoring.Scorer has each node see its ancestors alone.
While such a model is trained, its accuracy is measured in this way: the likeliest few paths, level by level.
"""

from functools import cached_property

from emojisummary.chat import answer_ids
from emojisummary.decoding import Trie
from emojisummary.models.llm import LanguageModel

WIDTH = 8  # paths followed at once: the emoji outside of them are never among the best five in practice


class BeamScorer:
    """Log-probabilities of the likeliest emoji behind a prompt, normalised over those that were found; -inf for the others."""

    def __init__(self, model, trie: Trie, width: int = WIDTH):
        self.model, self.trie, self.width = model, trie, width

    def __call__(self, prompts: list[list[int]]):
        """float32 of shape (prompts, emoji)."""
        import torch

        scores = torch.full((len(prompts), self.trie.count), float("-inf"))
        with torch.inference_mode():
            for row, prompt in enumerate(prompts):
                for emoji, score in self._found(prompt).items():
                    scores[row, emoji] = score
        return scores.log_softmax(dim=-1)

    def _found(self, prompt: list[int]) -> dict[int, float]:
        """Emoji -> log-probability. A path is (log-probability, place in the trie, tokens behind the prompt)."""
        found, paths = {}, [(0.0, 0, [])]
        while paths:
            next_tokens = self._next_tokens([prompt + tokens for _, _, tokens in paths])
            longer = []
            for (score, place, tokens), log_probabilities in zip(paths, next_tokens, strict=True):
                node = self.trie.nodes[place]
                if node.emoji is not None:
                    found[node.emoji] = score + log_probabilities[self.trie.end_token].item()
                edges = list(node.children.items())
                for (token, child), step in zip(edges, log_probabilities[[t for t, _ in edges]].tolist(), strict=True):
                    if self.trie.nodes[child].children:
                        longer.append((score + step, child, [*tokens, token]))
                    else:
                        found[self.trie.nodes[child].emoji] = score + step
            paths = sorted(longer, key=lambda path: -path[0])[: self.width]
        return found

    def _next_tokens(self, sequences: list[list[int]]):
        """Log-probabilities of the token behind each of the sequences, which are of one length."""
        import torch

        ids = torch.tensor(sequences, device=self.model.device)
        return self.model(input_ids=ids).logits[:, -1].float().log_softmax(dim=-1).cpu()


class PlainLanguageModel(LanguageModel):
    """A language model that is only asked in plain forward passes."""

    @cached_property
    def beams(self) -> BeamScorer:
        end = self.tokenizer.eos_token_id
        answers = [answer_ids(self.tokenizer, self.task.chat("text"), emoji) for emoji in self.emoji]
        return BeamScorer(self.model, Trie([ids[: ids.index(end)] for ids in answers], end))

    def probabilities(self, texts: list[str]):
        return self.beams(self.prompts(texts)).exp()
