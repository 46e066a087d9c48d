"""Emoji that a tokenizer can't write get tokens of their own, where all weights of the base are trained."""

from emojisummary.emojis import Table


def missing_emoji(tokenizer, emoji: list[str]) -> list[str]:
    """The emoji that don't come back from the tokenizer as they went in, or only as the token for what's unknown."""
    ids = tokenizer(list(emoji), add_special_tokens=False)["input_ids"]
    unknown = tokenizer.unk_token_id
    comes_back = (tokenizer.decode(tokens).strip() for tokens in ids)
    return [e for e, back, tokens in zip(emoji, comes_back, ids, strict=True) if back != e or unknown in tokens]


def add_missing_emoji(model, tokenizer, table: Table) -> list[str]:
    """Gives every emoji of the table that the tokenizer can't write a token of its own, and returns these emoji.

    Call it before training, on the whole base model. A new token starts from the mean of the vectors of its name's tokens, so
    that the model knows roughly what it's about. A token for one emoji may spoil the spelling of a longer one (🏳 of 🏳️‍🌈):
    so it's checked again until none is missing.
    """
    from transformers import AddedToken

    added = []
    while missing := missing_emoji(tokenizer, list(table)):
        names = {e: _known_tokens(tokenizer, table[e]["name"]) for e in missing}  # before the new tokens are there
        if not tokenizer.add_tokens([AddedToken(e, normalized=False) for e in missing]):
            raise ValueError(f"the tokenizer still can't write {' '.join(missing)} with tokens of their own")
        _start_vectors(model, tokenizer, names)
        added += missing
    return added


def _known_tokens(tokenizer, name: str) -> list[int]:
    ids = tokenizer(f" {name}", add_special_tokens=False)["input_ids"]
    return [token for token in ids if token != tokenizer.unk_token_id]


def _start_vectors(model, tokenizer, names: dict[str, list[int]]) -> None:
    """Makes room for the new tokens, and starts their input and output vectors from those of their names' tokens."""
    import torch

    before = model.get_input_embeddings().weight.shape[0]
    if len(tokenizer) > before:
        model.resize_token_embeddings(len(tokenizer), mean_resizing=False)
    layers = {id(layer.weight): layer.weight for layer in (model.get_input_embeddings(), model.get_output_embeddings())}
    with torch.no_grad():
        for weight in layers.values():
            overall = weight[:before].mean(dim=0)
            for emoji, tokens in names.items():
                weight[tokenizer.convert_tokens_to_ids(emoji)] = weight[tokens].mean(dim=0) if tokens else overall
