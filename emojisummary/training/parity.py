"""Does an exported model answer as the trained one did? The same prompts go through both, and what comes out is compared.

Compared are the rendered prompt, byte for byte, and its tokens; the free answer, taken greedily; and the probabilities of the
first token. An exact comparison of answers would be too much to ask: 16 bits, or 8, tip close calls.
"""

from dataclasses import dataclass
from math import exp
from pathlib import Path

from emojisummary.chat import as_data, prompt_ids
from emojisummary.models.llamacpp import Engine
from emojisummary.models.llm import LanguageModel
from emojisummary.stage import UserError

LONGEST = 12  # tokens of an answer
COMPARED = 10  # likeliest first tokens


@dataclass
class Said:
    """What a model makes of one chat."""

    prompt: str
    tokens: list[int]
    answer: str
    first: dict[int, float]  # token -> probability, of the likeliest ones


def by_transformers(model, tokenizer, chats: list) -> list[Said]:
    """What a model of transformers says to each chat."""
    import torch

    said = []
    with torch.inference_mode():
        for chat in chats:
            tokens = prompt_ids(tokenizer, chat)
            ids = torch.tensor([tokens], device=model.device)
            first = model(input_ids=ids).logits[0, -1].float().softmax(-1)
            best = first.topk(COMPARED)
            whole = model.generate(
                input_ids=ids,
                attention_mask=torch.ones_like(ids),
                do_sample=False,
                max_new_tokens=LONGEST,
                pad_token_id=tokenizer.pad_token_id,
                eos_token_id=tokenizer.eos_token_id,
            )
            answer = tokenizer.decode(whole[0, len(tokens) :], skip_special_tokens=True)
            prompt = tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=True)
            said.append(
                Said(prompt, tokens, readable(answer), dict(zip(best.indices.tolist(), best.values.tolist(), strict=True)))
            )
    return said


def by_llama_cpp(file: Path, tokenizer, chats: list) -> list[Said]:
    """What llama.cpp says to each chat with a GGUF file. It renders the chat by the template in the file.

    It puts the beginning of text before a prompt itself, and takes it off a rendered one: here it's put back.
    """
    said = []
    with Engine(file) as engine:
        for chat in chats:
            prompt = engine.ask("apply-template", messages=chat)["prompt"]
            tokens = engine.ask("tokenize", content=prompt, add_special=True, parse_special=True)["tokens"]
            if tokens[:1] == [tokenizer.bos_token_id] and not prompt.startswith(tokenizer.bos_token):
                prompt = tokenizer.bos_token + prompt
            ask = {"prompt": tokens, "temperature": 0, "cache_prompt": False}
            answer = engine.ask("completion", n_predict=LONGEST, **ask)["content"]
            said.append(Said(prompt, tokens, readable(answer), first_tokens(engine, ask, tokenizer.eos_token_id)))
    return said


def first_tokens(engine: Engine, ask: dict, end: int) -> dict[int, float]:
    """The likeliest first tokens of an answer, with their probabilities.

    llama.cpp tells none of a token that ends within a character, as most emoji begin. So it's made to take the end token:
    what it tells are the probabilities before.
    """
    reply = engine.ask("completion", n_predict=1, n_probs=COMPARED, logit_bias=[[end, 1000]], **ask)
    return {one["id"]: exp(one["logprob"]) for one in reply["completion_probabilities"][0]["top_logprobs"]}


def readable(answer: str) -> str:
    """The answer without blanks around it, and without a character whose last bytes were cut off."""
    return answer.rstrip("\ufffd").strip()


def compare(trained: list[Said], exported: list[Said]) -> dict:
    """Shares of the same prompts, tokens and answers, and the mean difference of the first token's probabilities.

    The difference is the largest one among the tokens that are the likeliest ones for the trained model.
    """
    pairs = list(zip(trained, exported, strict=True))
    differences = [
        max(abs(p - theirs.first.get(token, 0)) for token, p in list(ours.first.items())[:3]) for ours, theirs in pairs
    ]
    return {
        "prompts": len(pairs),
        "same prompt": sum(ours.prompt == theirs.prompt for ours, theirs in pairs) / len(pairs),
        "same tokens": sum(ours.tokens == theirs.tokens for ours, theirs in pairs) / len(pairs),
        "same answer": sum(ours.answer == theirs.answer for ours, theirs in pairs) / len(pairs),
        "first token differs by": sum(differences) / len(pairs),
    }


def gate(name: str, trained: list[Said], exported: list[Said], least) -> dict:
    """The comparison, printed. Raises UserError with its figures and the first difference where it's below `least`.

    `least`: the settings train.parity.
    """
    report = compare(trained, exported)
    figures = ", ".join(f"{key} {value:.3g}" for key, value in report.items())
    print(f"{name}: {figures}")
    refused = (
        report["same prompt"] < 1
        or report["same tokens"] < 1
        or report["same answer"] < least.agreement
        or report["first token differs by"] > least.probability
    )
    if refused:
        raise UserError(
            f"{name} doesn't answer as the trained model does, and is refused: {figures}. {difference(trained, exported)}"
        )
    return report


def difference(trained: list[Said], exported: list[Said]) -> str:
    """The first difference, in words."""
    for part in ("prompt", "tokens", "answer"):
        for ours, theirs in zip(trained, exported, strict=True):
            if (a := getattr(ours, part)) != (b := getattr(theirs, part)):
                return f"For example the {part}: {a!r} in training, {b!r} now."
    return "The answers are alike, their probabilities aren't."


def chats_of(student: LanguageModel, texts: list[str], wanted: int) -> list:
    """Up to `wanted` chats whose prompts aren't cut, since other programs cut otherwise, and take control tokens from texts."""
    chats = [student.task.chat(as_data(student.tokenizer, text)) for text in dict.fromkeys(texts)]
    return [chat for chat in chats if len(prompt_ids(student.tokenizer, chat)) <= student.max_length][:wanted]
