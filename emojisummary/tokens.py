"""The token ledger: what each model reads and says to answer the texts, what that costs, and what the student saves.

Tokens are counted by each model's own tokenizer: a language model's prompt, and its answer with the end of the turn; what a
server reports as usage; what an encoder reads, which says nothing. Models without a tokenizer have no tokens.

"Cost savings" are 1 - cost of the student / cost of the control, where cost is what the prices make of prompt and answer, or
the plain number of tokens where a price is missing. Be careful with them:

- A saving against `base:<model>` that comes `by_answers` is one against a control that chats. Look at the same model asked for
  one emoji and nothing else (`base-short:<model>`): what that one saves against the first, no training was needed for.
- Tokens of different tokenizers are different things, and so are those of models of different size. Only prices compare them.
"""

from emojisummary.chat import answer_ids, many_prompt_ids

MILLION = 1_000_000
EACH_COUNTS_ONE = (1.0, 1.0)

Counts = list[tuple[int, int]]  # of each text: tokens of the prompt, tokens of the answer


def count_tokens(model, texts: list[str], given: list[str]) -> Counts | None:
    """What the model has read and said about the texts, to which it gave those emoji; None where it has no tokens."""
    if said := getattr(model, "said", None):
        counts = [(reply.get("tokens_in", 0), reply.get("tokens_out", 0)) for reply in said]
        return counts if any(map(any, counts)) else None  # not all servers report a usage
    if hasattr(model, "tokenizer") and hasattr(model, "task"):
        return _of_student(model, texts, given)
    if hasattr(model, "encoder"):
        return [(len(encoding.ids), 0) for encoding in model.encoder.tokenizer.encode_batch(list(map(model.spelled, texts)))]
    return None


def _of_student(model, texts: list[str], given: list[str]) -> Counts:
    """Of a fine-tuned language model. Its prompts are cut at max_length."""
    chat = model.task.chat("text")
    answers = {emoji: len(answer_ids(model.tokenizer, chat, emoji)) for emoji in dict.fromkeys(given)}
    prompts = map(len, many_prompt_ids(model.tokenizer, list(map(model.task.chat, texts))))
    return [(min(prompt, model.max_length), answers[emoji]) for prompt, emoji in zip(prompts, given, strict=True)]


def add_tokens(results: dict, counts: dict[str, Counts | None], settings) -> None:
    """Adds `tokens` to each model that has some, and to the controls what the first model saves against them.

    An encoder, which says nothing, is no control: its few tokens aren't what a language model is an alternative to.
    """
    names = [name for name, found in counts.items() if found]
    for name in names:
        results[name]["tokens"] = _sums(counts[name], settings.prices.get(name))
    ours = next(iter(counts), None)
    for control in names[1:] if ours in names else ():
        if results[control]["tokens"]["answer"]["total"]:
            results[control]["tokens"]["saving"] = saving(ours, control, counts, settings.prices, settings.training_cost)


def _sums(counts: Counts, price: tuple[float, float] | None) -> dict:
    sums = {}
    for part, tokens in zip(("prompt", "answer"), zip(*counts, strict=True), strict=True):
        sums[part] = {"total": sum(tokens), "per_text": round(sum(tokens) / len(counts), 2)}
    if price:
        total = sum(map(sum, _costs(counts, price))) / MILLION
        sums["cost"] = {"total": float(f"{total:.4g}"), "per_text": float(f"{total / len(counts):.4g}")}
    return sums


def _costs(counts: Counts, price: tuple[float, float]) -> list[tuple[float, float]]:
    """What prompt and answer of each text cost, in millionths."""
    return [(prompt * price[0], answer * price[1]) for prompt, answer in counts]


def saving(ours: str, control: str, counts: dict[str, Counts], prices: dict, training_cost: float | None) -> dict:
    """What one model saves against another one: shares of the control's cost, negative where it costs more.

    `total` is that of all texts together, by_prompts + by_answers; `per_text` the mean of the single texts' shares. With
    prices and the training's cost also `break_even_texts`, from which number of texts on the training has paid; None: never.

    >>> saving("a", "b", {"a": [(10, 2)], "b": [(20, 28)]}, {}, None)
    {'by': 'a', 'unit': 'tokens', 'total': 0.75, 'by_prompts': 0.2083, 'by_answers': 0.5417, 'per_text': 0.75}
    """
    priced = ours in prices and control in prices
    mine, theirs = (_costs(counts[name], prices[name] if priced else EACH_COUNTS_ONE) for name in (ours, control))
    parts = [sum(b) - sum(a) for a, b in zip(zip(*mine, strict=True), zip(*theirs, strict=True), strict=True)]
    whole = sum(map(sum, theirs))
    shares = [1 - sum(a) / sum(b) for a, b in zip(mine, theirs, strict=True) if sum(b)]
    if not whole:
        return {"by": ours, "unit": "price", "total": None}  # a free control
    result = {
        "by": ours,
        "unit": "price" if priced else "tokens",
        "total": round(sum(parts) / whole, 4),
        "by_prompts": round(parts[0] / whole, 4),
        "by_answers": round(parts[1] / whole, 4),
        "per_text": round(sum(shares) / len(shares), 4),
    }
    if not priced or training_cost is None:
        return result
    saved = sum(parts) / len(mine) / MILLION  # by each text
    return result | {"break_even_texts": -int(-training_cost // saved) if saved > 0 else None}


def tokens_as_text(results: dict) -> str:
    """A line for each model with tokens, of results.yaml's content; "" where there's none."""
    found = {name: result["tokens"] for name, result in results["models"].items() if "tokens" in result}
    return "\n".join(f"{name}: {_as_text(tokens)}" for name, tokens in found.items())


def _as_text(tokens: dict) -> str:
    text = f"{tokens['prompt']['per_text']:.1f} tokens read and {tokens['answer']['per_text']:.1f} said a text"
    if cost := tokens.get("cost"):
        text += f", at {cost['per_text']:.2g}"
    found = tokens.get("saving")
    if not found or found["total"] is None:
        return text
    total, prompts, answers = (f"{100 * found[key]:.1f}" for key in ("total", "by_prompts", "by_answers"))
    text += f"; {found['by']} saves {total} % of the {found['unit']} ({prompts} by prompts, {answers} by answers)"
    if "break_even_texts" in found:
        texts = found["break_even_texts"]
        text += f" and has paid its training {'never' if texts is None else f'after {texts:,} texts'}"
    return text
