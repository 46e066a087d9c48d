"""Answers that are always one emoji of the table: the language model is only asked for paths in a trie of their tokens.

    root ── 🏳 ──────────────── (🏳️ ends here: the end token is a branch of its own)
             └─ ZWJ ── 🌈        (🏳️‍🌈)

Every node that branches needs the model's next-token probabilities once. They all come from a single forward pass over the
whole tree behind the prompt, in which each node sees the prompt, its ancestors and itself. So every emoji gets its exact
probability, and the best one is really the best: no greedy or beam search that might miss it.
"""

from dataclasses import dataclass, field

LOGITS_AT_ONCE = 50_000_000  # numbers: 200 MB in float32


@dataclass
class Node:
    """A place in the trie: the token that leads here, its parent, and the edges onward."""

    token: int | None
    parent: int | None
    depth: int
    children: dict[int, int] = field(default_factory=dict)  # token -> node
    emoji: int | None = None  # index of the emoji that ends here


class Trie:
    """The tokens of all emoji as a tree. `sequences`: one list of tokens an emoji, without the end token."""

    def __init__(self, sequences: list[list[int]], end_token: int):
        self.end_token = end_token
        self.nodes = [Node(None, None, 0)]
        for emoji, tokens in enumerate(sequences):
            place = 0
            for token in tokens:
                place = self._child(place, token)
            if not tokens or self.nodes[place].emoji is not None:
                raise ValueError(f"emoji {emoji} has the same tokens as another one, or none: {tokens}")
            self.nodes[place].emoji = emoji
        self.inner = [place for place, node in enumerate(self.nodes) if node.children]
        self.edges = list(self._edges())

    def _child(self, place: int, token: int) -> int:
        children = self.nodes[place].children
        if token not in children:
            children[token] = len(self.nodes)
            self.nodes.append(Node(token, place, self.nodes[place].depth + 1))
        return children[token]

    def _edges(self):
        """For each emoji, the (row of its inner node, token) steps whose log-probabilities add up to its own.

        The end token counts only where an emoji's tokens also begin a longer one: elsewhere nothing else may follow.
        """
        row = {place: number for number, place in enumerate(self.inner)}
        for place, node in enumerate(self.nodes):
            if node.emoji is None:
                continue
            steps = [(row[place], self.end_token)] if node.children else []
            while node.parent is not None:
                steps.append((row[node.parent], node.token))
                node = self.nodes[node.parent]
            yield self.nodes[place].emoji, steps


class Scorer:
    """Exact log-probabilities of every emoji of a trie behind a prompt."""

    def __init__(self, model, trie: Trie):
        import torch

        self.model, self.trie = model, trie
        below_root = trie.inner[1:]
        column = {place: number for number, place in enumerate(below_root)}
        self.tokens = torch.tensor([trie.nodes[place].token for place in below_root], dtype=torch.long)
        self.depths = torch.tensor([trie.nodes[place].depth for place in below_root], dtype=torch.long)
        self.sees = torch.eye(len(below_root), dtype=torch.bool)  # itself and its ancestors
        for place in below_root:
            ancestor = trie.nodes[place].parent
            while ancestor:
                self.sees[column[place], column[ancestor]] = True
                ancestor = trie.nodes[ancestor].parent
        self.steps = torch.tensor([(e, r, t) for e, steps in trie.edges for r, t in steps])

    def __call__(self, prompts: list[list[int]]):
        """Normalised log-probabilities: float32 of shape (prompts, emoji); each row's probabilities sum to 1."""
        import torch

        vocabulary = self.model.config.get_text_config().vocab_size
        size = max(1, LOGITS_AT_ONCE // (len(self.trie.inner) * vocabulary))
        by_length = sorted(range(len(prompts)), key=lambda i: len(prompts[i]))
        scores = torch.empty(len(prompts), len(self.trie.edges))
        with torch.inference_mode():
            for start in range(0, len(prompts), size):
                batch = by_length[start : start + size]
                scores[batch] = self._score([prompts[i] for i in batch]).float().cpu()
        return scores.log_softmax(dim=-1)

    def _score(self, prompts: list[list[int]]):
        """Sums of log-probabilities along each emoji's path, not yet normalised."""
        import torch

        device = self.model.device
        longest = max(map(len, prompts))
        ids = torch.tensor([[0] * (longest - len(p)) + p for p in prompts], device=device)
        mask = torch.tensor([[0] * (longest - len(p)) + [1] * len(p) for p in prompts], device=device)
        positions = (mask.cumsum(dim=1) - 1).clamp(min=0)
        prompt = self.model(input_ids=ids, attention_mask=mask, position_ids=positions, use_cache=True, logits_to_keep=1)
        logits = prompt.logits[:, -1:]
        if len(self.tokens):
            tree = self._tree(mask, prompt.past_key_values)
            logits = torch.cat([logits, tree], dim=1)
        log_probabilities = logits.float().log_softmax(dim=-1)
        emoji, row, token = self.steps.to(device).T
        scores = torch.zeros(len(prompts), len(self.trie.edges), device=device)
        return scores.index_add_(1, emoji, log_probabilities[:, row, token])

    def _tree(self, mask, cache):
        """The logits of all inner nodes below the root: shape (prompts, nodes, vocabulary)."""
        import torch

        device, count = mask.device, len(mask)
        nodes = self.tokens.to(device).expand(count, -1)
        positions = mask.sum(dim=1, keepdim=True) + self.depths.to(device) - 1
        sees_prompt = mask.bool()[:, None, None, :].expand(-1, 1, len(self.tokens), -1)
        sees_tree = self.sees.to(device).expand(count, 1, -1, -1)
        sees = torch.cat([sees_prompt, sees_tree], dim=-1)
        bias = torch.zeros(sees.shape, dtype=self.model.dtype, device=device)
        bias.masked_fill_(~sees, torch.finfo(self.model.dtype).min)
        return self.model(input_ids=nodes, attention_mask=bias, position_ids=positions, past_key_values=cache).logits
