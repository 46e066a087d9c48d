"""Exact probabilities of all emoji of a trie behind a prompt, for many prompts at a time.

An emoji's probability is the product of the edges on its path. The edges of a node cost the model one token behind the prompt,
in which the node sees the prompt, its ancestors and itself; all nodes of a depth go together. A node that the model has all
but ruled out isn't looked into: its probability is divided evenly among its emoji. That concerns less than a millionth of the
answers' probability: where it would be more, every node is read. So the best emoji is really the best, which a greedy or
beam search over pieces of emoji easily misses.

In layers with a window (Gemma 3, Mistral v0.1), a token sees only so many tokens back. All of them are kept, and the mask says
how far each sees, by the distance of their positions: padding and nodes side by side take up no room in a window.
"""

from collections.abc import Iterator
from itertools import groupby
from math import inf, log

import torch
from transformers import DynamicCache
from transformers.cache_utils import get_layer_types_and_kwargs

from emojisummary.decoding import Trie
from emojisummary.stage import UserError

PROMPT_TOKENS = 8192  # in one batch, padding included
LOGITS = 50_000_000  # numbers at once: 200 MB in float32
NEGLIGIBLE = 1e-7  # share of all probability that nodes which aren't looked into may have together, as far as the root tells
TOLERATED = 1e-6  # share of the answers' probability that may be divided evenly


class Level:
    """The inner nodes of one depth as tensors. Positions count within a level, edges over all levels."""

    def __init__(self, trie: Trie, places: list[int], above: list[int], number: dict[tuple[int, int], int], device):
        def tensor(values):
            return torch.tensor(list(values), device=device)

        nodes = [trie.nodes[place] for place in places]
        position, position_above = ({place: i for i, place in enumerate(level)} for level in (places, above))
        edges = [edge for edge in number if edge[0] in position]
        self.depth, self.size = nodes[0].depth, len(nodes)
        self.edges = slice(number[edges[0]], number[edges[-1]] + 1)
        self.source = tensor(position[place] for place, _ in edges)  # of each edge: its node's position
        self.label = tensor(token for _, token in edges)
        if self.depth:
            self.tokens = tensor(node.token for node in nodes)
            self.parent = tensor(position_above[node.parent] for node in nodes)
            self.arrival = tensor(number[node.parent, node.token] for node in nodes)  # the edge that leads here


class Scorer:
    """A model's exact log-probabilities of the emoji of a trie. `wanted`: the emoji asked for, by index; all if not given."""

    def __init__(self, model, trie: Trie, wanted: list[int] | None = None):
        self.model, self.trie = model, trie
        self.wanted = torch.arange(trie.count) if wanted is None else torch.tensor(wanted)
        number = {edge: i for i, edge in enumerate(trie.edges())}
        groups = groupby(trie.inner, key=lambda place: trie.nodes[place].depth)
        depths = [[], *(list(places) for _, places in groups)]
        self.levels = [Level(trie, places, depths[i], number, model.device) for i, places in enumerate(depths[1:])]
        shares = []
        for place, token in number:
            target = trie.nodes[place].children.get(token)
            shares.append((trie.nodes[target].count if target else 1) / trie.nodes[place].count)
        self.even = torch.tensor(shares, device=model.device).log()
        ends = sorted((node.emoji, place) for place, node in enumerate(trie.nodes) if node.emoji is not None)
        paths = [[number[edge] for edge in trie.path(place)] for _, place in ends]
        endings = [[number[place, trie.end_token]] if trie.nodes[place].children else [] for _, place in ends]
        self.begin = table(paths, len(number))
        self.whole = table([path + ending for path, ending in zip(paths, endings, strict=True)], len(number))[self.wanted]
        self.stop = number[0, trie.end_token]
        self.longer = torch.tensor(trie.longer(), dtype=torch.long).reshape(-1, 2)

    def __call__(self, prompts: list[list[int]]):
        """How likely each wanted emoji is as the whole answer: log-probabilities of shape (prompts, wanted) that sum to 1."""

        def finish(edges, rows):
            return self._sums(edges, self.whole)

        return self._batches(prompts, finish, len(self.wanted)).log_softmax(dim=-1)

    def following(self, prompts: list[list[int]], barred):
        """What comes next in a sequence of emoji: shape (prompts, wanted + 1), the end last; log-probabilities that sum to 1.

        An emoji comes next where the model goes on with its tokens, and not with those of a longer emoji that it begins.
        `barred`, of the same shape, is true for what may not come.
        """

        def finish(edges, rows):
            return self._next(edges).masked_fill(barred[rows], -inf)

        return self._batches(prompts, finish, len(self.wanted) + 1).log_softmax(dim=-1)

    def _next(self, edges):
        sums = self._sums(edges.double(), self.begin)  # what's left of 1 may be little
        shorter, longer = self.longer.T
        shares = (sums[:, longer] - sums[:, shorter]).exp()
        rest = 1 - torch.zeros_like(sums).index_add_(1, shorter, shares)
        sums = sums + rest.clamp(min=torch.finfo(sums.dtype).tiny).log()
        return torch.cat([sums[:, self.wanted], edges[:, self.stop, None]], dim=1)

    def _sums(self, edges, paths):
        """The sums of values on each path, from (prompts, edges) to (prompts, paths)."""
        return torch.nn.functional.pad(edges, (0, 1))[:, paths].sum(dim=-1)

    def _batches(self, prompts, finish, width: int):
        """`finish(edges, rows)` of all prompts: with what's negligible divided evenly, and again in full where it wasn't."""
        scores = torch.empty(len(prompts), width)
        with torch.inference_mode():
            for batch in batches(prompts):
                some = [prompts[i] for i in batch]
                edges, known = self._edges(some, NEGLIGIBLE)
                part = finish(edges, batch)
                for i in self._doubtful(part, known).tolist():
                    exact, _ = self._edges([some[i]], 0)
                    part[i] = finish(exact, batch[i : i + 1])[0]
                scores[batch] = part.float()
        return scores

    def _doubtful(self, scores, known):
        """The rows where emoji with an edge that the model wasn't asked for have more than what's tolerated."""
        if known.all():
            return torch.empty(0, dtype=torch.long)
        guessed = self._sums((~known).float(), self.whole) > 0
        probabilities = scores.softmax(dim=-1)[:, : guessed.shape[1]]
        return torch.nonzero((probabilities * guessed).sum(dim=-1) > TOLERATED)[:, 0]

    def _edges(self, prompts, negligible: float):
        """Log-probabilities of all edges, shape (prompts, edges), and whether they are the model's own, or even shares."""
        walk = Walk(self.model, prompts, self.even)
        least = walk.fill(self.levels[0]) + (log(negligible / len(self.trie.inner)) if negligible else -inf)
        for level in self.levels[1:]:
            chosen, enough = walk.choose(level, least)
            if not chosen.numel():
                break
            if len(prompts) > 1 and chosen.numel() * walk.logits.shape[-1] > LOGITS:
                halves = prompts[: len(prompts) // 2], prompts[len(prompts) // 2 :]
                return tuple(map(torch.cat, zip(*(self._edges(half, negligible) for half in halves), strict=True)))
            walk.look(level, chosen, enough)
            walk.fill(level)
        return walk.edges.cpu(), walk.known.cpu()


class Walk:
    """One way down the tree for a batch of prompts: a level at a time, only to the nodes that matter for each."""

    def __init__(self, model, prompts: list[list[int]], even):
        self.model, self.windows = model, windows(model)
        self.cache, self.sees, self.logits = prefill(model, prompts, min(self.windows.values()))
        device, count = self.logits.device, len(prompts)
        self.lengths = torch.tensor([[len(prompt)] for prompt in prompts], device=device)
        self.positions = self.sees[:, 0].cumsum(dim=1) - 1  # of each token in the cache
        self.edges = even.repeat(count, 1)
        self.known = torch.zeros(self.edges.shape, dtype=torch.bool, device=device)
        self.reach = torch.zeros(count, 1, device=device)  # log-probability of getting to each node of the level
        self.read = torch.ones(count, 1, dtype=torch.bool, device=device)  # whether the model was asked about it
        self.slot = torch.zeros(count, 1, dtype=torch.long, device=device)  # and where in the logits its answer is

    def fill(self, level: Level):
        """Fills in the level's edges where the model was asked, and returns the logarithm of their sum, of each prompt.

        The root's edges stay logits: what would make them log-probabilities is the same for all emoji.
        """
        slots, read = self.slot[:, level.source], self.read[:, level.source]
        if level.depth:
            values = pick(self.logits, slots, level.label)
        else:
            values = self.logits[:, 0].index_select(1, level.label).float()
        self.known[:, level.edges] = read
        self.edges[:, level.edges] = values.where(read, self.edges[:, level.edges])
        return values.logsumexp(dim=1, keepdim=True)

    def choose(self, level: Level, least):
        """The likeliest nodes of a level, as many for each prompt as one of them needs; and which are likely enough."""
        self.reach = self.reach[:, level.parent] + self.edges[:, level.arrival]
        enough = self.reach >= least
        chosen = self.reach.topk(int(enough.sum(dim=1).max())).indices
        return chosen, enough.gather(1, chosen)

    def look(self, level: Level, chosen, enough) -> None:
        """Asks the model about the chosen nodes, positions in the level of shape (prompts, nodes)."""
        above = self.slot.gather(1, level.parent[chosen])[..., None].expand(-1, -1, self.sees.shape[-1])
        itself = torch.eye(chosen.shape[1], dtype=torch.bool, device=chosen.device).expand(len(chosen), -1, -1)
        self.sees = torch.cat([self.sees.gather(1, above), itself], dim=-1)
        position = self.lengths + level.depth - 1
        self.positions = torch.cat([self.positions, position.expand(chosen.shape)], dim=-1)
        self.logits = self.model(
            input_ids=level.tokens[chosen],
            attention_mask=self._mask(position),
            position_ids=position.expand(chosen.shape),
            past_key_values=self.cache,
        ).logits
        places = torch.arange(chosen.shape[1], device=chosen.device).expand(chosen.shape)
        self.slot = torch.zeros(self.reach.shape, dtype=torch.long, device=chosen.device).scatter(1, chosen, places)
        self.read = torch.zeros(self.reach.shape, dtype=torch.bool, device=chosen.device).scatter(1, chosen, enough)

    def _mask(self, position):
        """What attention adds to the scores of nodes at a position, by the types of layers if there are several."""
        distance = (position - self.positions)[:, None]
        masks = {
            kind: bias((self.sees & (distance < window))[:, None], self.model.dtype) for kind, window in self.windows.items()
        }
        return masks if len(masks) > 1 else next(iter(masks.values()))


def windows(model) -> dict[str, float]:
    """How many tokens a token of the model sees, itself included, in the layers of each type.

    Raises UserError for layers that are told by something else than a mask what they see: a tree would mix up its branches.
    """
    config = model.config.get_text_config()
    sizes = {"full_attention": inf, "sliding_attention": getattr(config, "sliding_window", None) or inf}
    types = sorted(set(get_layer_types_and_kwargs(config)[0]))
    if other := [kind for kind in types if kind not in sizes]:
        raise UserError(
            f"This base model has layers of {', '.join(other)}: in these, emoji can't be scored. Take another base."
        )
    return {kind: sizes[kind] for kind in types}


def prefill(model, prompts: list[list[int]], window: float = inf):
    """Reads the prompts; what all of them begin with, once, unless some are longer than the window: the model counts the
    padding behind a shared beginning in.

    Returns the cache, what a node below sees (prompts, 1, tokens), and the logits behind each prompt (prompts, 1, vocabulary).
    """
    cache = DynamicCache()  # it's told nothing of the model, and so it keeps what has left a window
    shared = common_prefix(prompts) if len(prompts) > 1 and max(map(len, prompts)) <= window else 0
    if shared:
        start = torch.tensor([prompts[0][:shared]], device=model.device)
        model(input_ids=start, past_key_values=cache, use_cache=True, logits_to_keep=1)
        cache.batch_repeat_interleave(len(prompts))
    rest, mask = padded([prompt[shared:] for prompt in prompts], model.device)
    mask = torch.cat([torch.ones_like(mask[:, :1]).expand(-1, shared), mask], dim=1)
    read = model(
        input_ids=rest,
        attention_mask=mask,
        position_ids=(mask.cumsum(dim=1) - 1).clamp(min=0)[:, shared:],
        past_key_values=cache,
        use_cache=True,
        logits_to_keep=1,
    )
    return cache, mask.bool()[:, None], read.logits[:, -1:]


def padded(prompts: list[list[int]], device):
    """Prompts as one tensor, padded on the left, and the mask that says what is no padding: both (prompts, tokens)."""
    longest = max(map(len, prompts))
    ids = torch.tensor([[0] * (longest - len(prompt)) + prompt for prompt in prompts], device=device)
    mask = torch.tensor([[0] * (longest - len(prompt)) + [1] * len(prompt) for prompt in prompts], device=device)
    return ids, mask


def common_prefix(prompts: list[list[int]]) -> int:
    """How many tokens all prompts begin with; one of each is always left.

    >>> common_prefix([[1, 2, 3, 4], [1, 2, 5], [1, 2, 3]])
    2
    """
    first, last = min(prompts), max(prompts)
    most = min(map(len, prompts)) - 1
    return next((i for i in range(most) if first[i] != last[i]), most)


def table(rows: list[list[int]], filler: int):
    """Rows of unequal lengths as one tensor (rows, longest).

    >>> table([[1, 2], [3]], 9).tolist()
    [[1, 2], [3, 9]]
    """
    longest = max(map(len, rows))
    return torch.tensor([row + [filler] * (longest - len(row)) for row in rows])


def pick(logits, slots, tokens):
    """The tokens' log-probabilities (prompts, edges): `logits` are (prompts, nodes, vocabulary), `slots` say at which node."""
    total = torch.cat([some.float().logsumexp(dim=-1) for some in logits.split(64, dim=1)], dim=1)
    values = logits.flatten(1).gather(1, slots * logits.shape[-1] + tokens)
    return values.float() - total.gather(1, slots)


def bias(sees, dtype):
    """What attention adds to its scores: nothing where a token sees another one, and as good as minus infinity where not."""
    return torch.zeros(sees.shape, dtype=dtype, device=sees.device).masked_fill(~sees, torch.finfo(dtype).min)


def batches(prompts: list[list[int]]) -> Iterator[list[int]]:
    """The prompts' numbers, shortest prompt first, in batches of at most PROMPT_TOKENS tokens, padding included."""
    batch = []
    for i in sorted(range(len(prompts)), key=lambda i: len(prompts[i])):
        if batch and (len(batch) + 1) * len(prompts[i]) > PROMPT_TOKENS:
            yield batch
            batch = []
        batch.append(i)
    if batch:
        yield batch
