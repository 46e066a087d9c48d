"""Answers that are always one emoji of the table: the language model is only asked for paths in a trie of their tokens.

    root ── 🏳 ──────────────── (🏳️ ends here: the end token is an edge of its own)
             └─ ZWJ ── 🌈        (🏳️‍🌈)

`Trie.allowed` keeps transformers' generate on these paths; scoring.py has the model's exact probability of every one of them.
"""

from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass
class Node:
    """A place in the trie: the token that leads here, its parent, and the edges onward."""

    token: int | None
    parent: int | None
    depth: int
    children: dict[int, int] = field(default_factory=dict)  # token -> node
    emoji: int | None = None  # index of the emoji that ends here
    count: int = 0  # emoji that end here or further on


class Trie:
    """The tokens of all emoji as a tree. `sequences`: one list of tokens an emoji, without the end token."""

    def __init__(self, sequences: list[list[int]], end_token: int):
        self.end_token, self.count = end_token, len(sequences)
        self.nodes = [Node(None, None, 0)]
        for emoji, tokens in enumerate(sequences):
            place = 0
            for token in tokens:
                self.nodes[place].count += 1
                place = self._child(place, token)
            if not tokens or self.nodes[place].emoji is not None:
                raise ValueError(f"emoji {emoji} has the same tokens as another one, or none: {tokens}")
            self.nodes[place].emoji = emoji
            self.nodes[place].count += 1
        inner = [place for place, node in enumerate(self.nodes) if node.children]
        self.inner = sorted(inner, key=lambda place: self.nodes[place].depth)

    def _child(self, place: int, token: int) -> int:
        children = self.nodes[place].children
        if token not in children:
            children[token] = len(self.nodes)
            self.nodes.append(Node(token, place, self.nodes[place].depth + 1))
        return children[token]

    def may_end(self, place: int) -> bool:
        """Whether the end token is an edge here: an emoji that begins a longer one, or the root, for a sequence that's over."""
        return place == 0 or self.nodes[place].emoji is not None

    def edges(self) -> list[tuple[int, int]]:
        """(inner node, token) of all edges, node by node in the order of `inner`.

        Where answers stand between spaces, a space may begin them and end them: that's one edge.
        """
        return [
            (place, token)
            for place in self.inner
            for token in dict.fromkeys([*self.nodes[place].children, *([self.end_token] if self.may_end(place) else [])])
        ]

    def path(self, place: int) -> list[tuple[int, int]]:
        """The edges that lead from the root to a node."""
        path = []
        while place:
            path.insert(0, (self.nodes[place].parent, self.nodes[place].token))
            place = self.nodes[place].parent
        return path

    def longer(self) -> list[tuple[int, int]]:
        """All (emoji, emoji that it begins) of which none lies between: (🏳️, 🏳️‍🌈)."""
        pairs = []
        for node in self.nodes:
            above = node.parent if node.emoji is not None else None
            while above and self.nodes[above].emoji is None:
                above = self.nodes[above].parent
            if above:
                pairs.append((self.nodes[above].emoji, node.emoji))
        return pairs

    def allowed(self, prompt_length: int) -> Callable:
        """A `prefix_allowed_tokens_fn` for transformers' generate: behind the prompt, exactly one emoji and the end token."""

        def tokens(_, ids) -> list[int]:
            place = self.walk(ids[prompt_length:].tolist())
            node = Node(None, None, 0) if place is None else self.nodes[place]
            return [*node.children, *([self.end_token] if node.emoji is not None or not node.children else [])]

        return tokens

    def walk(self, tokens: list[int]) -> int | None:
        """The node that tokens lead to from the root; None where they leave the tree, as the end token does."""
        place = 0
        for token in tokens:
            place = self.nodes[place].children.get(token)
            if place is None:
                return None
        return place

    def read(self, tokens: list[int]) -> int:
        """The emoji that an answer's tokens stand for; the end token and what follows it doesn't count."""
        reached = [place for n in range(len(tokens) + 1) if (place := self.walk(tokens[:n])) is not None]
        return self.nodes[reached[-1]].emoji
