"""Texts and emoji from transformers' generate: in batches, padded on the left, and never without an end."""

from collections import defaultdict

import torch
from transformers import GenerationConfig, LogitsProcessor

from emojisummary.decoding import Trie
from emojisummary.scoring import batches, padded


class NoRepeats(LogitsProcessor):
    """No `size` tokens that have stood in the answer side by side do so again.

    transformers' own no_repeat_ngram_size counts the prompt too: a reply couldn't quote it, nor end as the turns before it did.
    """

    def __init__(self, size: int, prompt_length: int):
        self.size, self.prompt_length = size, prompt_length

    def __call__(self, input_ids, scores):
        for row, ids in enumerate(input_ids[:, self.prompt_length :].tolist()):
            followed = defaultdict(list)
            for start in range(len(ids) - self.size + 1):
                *before, last = ids[start : start + self.size]
                followed[tuple(before)].append(last)
            scores[row, followed[tuple(ids[len(ids) - self.size + 1 :])]] = -float("inf")
        return scores


def write(
    model,
    tokenizer,
    prompts: list[list[int]],
    max_new_tokens: int = 256,
    temperature: float = 0,
    seed: int = 0,
    no_repeat_ngram_size: int = 8,
    **options,
) -> list[str]:
    """The text that the model writes behind each prompt, up to its end of turn.

    It stops after max_new_tokens at the latest. Temperature 0 takes the likeliest token each time; above, tokens are drawn:
    the same prompts with the same seed give the same texts. `options` go to transformers' generate (`top_p`, `top_k`,
    `repetition_penalty` ...). What would be a repetition of no_repeat_ngram_size tokens of the same answer is not written.
    """
    if temperature:
        options |= {"do_sample": True, "temperature": temperature}
    with torch.random.fork_rng(devices=[model.device] if model.device.type == "cuda" else []):
        torch.manual_seed(seed)
        answers = generate(model, tokenizer, prompts, max_new_tokens, no_repeats=no_repeat_ngram_size, **options)
    return [tokenizer.decode(tokens, skip_special_tokens=True).strip() for tokens in answers]


def generate(
    model, tokenizer, prompts: list[list[int]], max_new_tokens: int, trie: Trie | None = None, no_repeats: int = 0, **options
) -> list[list[int]]:
    """The tokens behind each prompt, without the end token and what pads the batch. A trie limits them to its sequences."""
    answers = [[] for _ in prompts]
    ends = end_tokens(model, tokenizer)
    if trie and trie.end_token not in trie.nodes[0].children:
        ends.append(trie.end_token)
    options = {"do_sample": False, "max_new_tokens": max_new_tokens, "eos_token_id": ends, "pad_token_id": ends[0]} | options
    config = GenerationConfig(**options)
    for batch in batches(prompts):
        ids, mask = padded([prompts[i] for i in batch], model.device)
        longest = ids.shape[1]
        limits = {"prefix_allowed_tokens_fn": trie.allowed(longest)} if trie else {}
        if no_repeats:
            limits["logits_processor"] = [NoRepeats(no_repeats, longest)]
        written = model.generate(input_ids=ids, attention_mask=mask, generation_config=config, **limits)
        for i, tokens in zip(batch, written[:, longest:].tolist(), strict=True):
            end = next((place for place, token in enumerate(tokens) if token in ends), len(tokens))
            answers[i] = tokens[:end]
    return answers


def end_tokens(model, tokenizer) -> list[int]:
    """The tokens that end a turn: the tokenizer's first, then those that the model's makers name."""
    named = model.generation_config.eos_token_id
    named = named if isinstance(named, list) else [] if named is None else [named]
    return list(dict.fromkeys([tokenizer.eos_token_id, *named]))
