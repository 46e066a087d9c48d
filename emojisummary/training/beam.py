"""The emoji trie asked by plain forward passes, for models that can't read a whole tree at once.

Unsloth replaces its models' attention, and with it the mask by which scoring.Scorer has each node see its ancestors alone.
While such a model is trained, its accuracy is measured in this way: the likeliest few paths, level by level.
"""

import torch

from emojisummary.models.llm import LanguageModel
from emojisummary.scoring import Scorer

WIDTH = 8  # paths followed at once: the emoji outside of them are never among the best five in practice
NEVER = -1000.0  # log-probability of an edge that no path came by: zero, and yet a number to calculate with


class BeamScorer(Scorer):
    """A Scorer that knows the edges along the likeliest paths. Emoji on other paths have no probability."""

    def __init__(self, model, trie, wanted: list[int]):
        super().__init__(model, trie, wanted)
        self.number = {edge: i for i, edge in enumerate(trie.edges())}

    def _edges(self, prompts, negligible: float):
        edges = torch.tensor([self._along_paths(prompt) for prompt in prompts])
        return edges, torch.ones_like(edges, dtype=torch.bool)

    def _along_paths(self, prompt: list[int]) -> list[float]:
        """All edges. A path is (log-probability, place in the trie, tokens behind the prompt)."""
        edges, paths = [NEVER] * len(self.number), [(0.0, 0, [])]
        while paths:
            next_tokens = self._next_tokens([prompt + tokens for _, _, tokens in paths])
            longer = []
            for (score, place, tokens), log_probabilities in zip(paths, next_tokens, strict=True):
                children = self.trie.nodes[place].children
                onward = [*children, *([self.trie.end_token] if self.trie.may_end(place) else [])]
                for token, step in zip(onward, log_probabilities[onward].tolist(), strict=True):
                    edges[self.number[place, token]] = step
                    if token in children and self.trie.nodes[children[token]].children:
                        longer.append((score + step, children[token], [*tokens, token]))
            paths = sorted(longer, key=lambda path: -path[0])[:WIDTH]
        return edges

    def _next_tokens(self, sequences: list[list[int]]):
        """Log-probabilities of the token behind each of the sequences, which are of one length."""
        ids = torch.tensor(sequences, device=self.model.device)
        return self.model(input_ids=ids, logits_to_keep=1).logits[:, -1].float().log_softmax(dim=-1).cpu()


class PlainLanguageModel(LanguageModel):
    """A language model that is only asked in plain forward passes."""

    def _scorer(self, sequences: dict[str, list[int]]) -> BeamScorer:
        whole = super()._scorer(sequences)
        return BeamScorer(self.model, whole.trie, whole.wanted.tolist())
