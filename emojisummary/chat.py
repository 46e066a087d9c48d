"""One rendering of a chat into tokens, for training and for use: what a model learned is what it is asked.

A text that spells one of the tokenizer's control tokens gets no such token: by these, only the template ends turns and opens
them. Where a template does so in plain words, a text can do it, too.
"""

import re
from functools import lru_cache

from emojisummary.stage import UserError
from emojisummary.tasks.base import Messages

# For a base model without a chat template (GPT-2, say): each turn on a line of its own behind its role.
PLAIN_TEMPLATE = (
    "{% for message in messages %}{{ message['role'] + ': ' + message['content'] + eos_token }}{% endfor %}"
    "{% if add_generation_prompt %}{{ 'assistant: ' }}{% endif %}"
)

BLANK = "blank"  # stands where an answer will


def prompt_ids(tokenizer, messages: Messages) -> list[int]:
    """The tokens before the answer, up to and including what opens the assistant's turn."""
    return many_prompt_ids(tokenizer, [messages])[0]


def many_prompt_ids(tokenizer, chats: list[Messages]) -> list[list[int]]:
    """prompt_ids of each chat, all in one go, which is faster."""
    return _tokens(tokenizer, _render(tokenizer, *chats, add_generation_prompt=True)) if chats else []


def answer_ids(tokenizer, messages: Messages, answer: str) -> list[int]:
    """The tokens of the answer with the end of turn: all that is learned, and nothing behind it."""
    (prompt,) = _render(tokenizer, messages, add_generation_prompt=True)
    (whole,) = _render(tokenizer, [*messages, {"role": "assistant", "content": answer}])
    if not whole.startswith(prompt):
        raise UserError("This base model's chat template renders a prompt otherwise than the beginning of the whole chat.")
    return _to_the_end(tokenizer, _tokens(tokenizer, whole.removeprefix(prompt)))


def short_answers(tokenizer, messages: Messages, answers: list[str]) -> tuple[list[list[int]], list[int]]:
    """answer_ids of many short answers, 1,902 emoji say, without rendering the chat for each of them; and apart from them the
    tokens that all end with: the end of turn, which may be several (`<end_of_turn>`, a line break and `<eos>`)."""
    (prompt,) = _render(tokenizer, messages, add_generation_prompt=True)
    (whole,) = _render(tokenizer, [*messages, {"role": "assistant", "content": BLANK}])
    before, _, after = whole.removeprefix(prompt).partition(BLANK)
    begun, *said = _tokens(tokenizer, [before + BLANK, *(before + answer + after for answer in [BLANK, *answers])])
    blank, *said = (_to_the_end(tokenizer, ids) for ids in said)
    end = blank[len(begun) :]
    return [ids[: -len(end)] if ids[-len(end) :] == end else ids[:-1] for ids in said], end


def _to_the_end(tokenizer, ids: list[int]) -> list[int]:
    ends = [place for place, id in enumerate(ids) if id == tokenizer.eos_token_id]
    return ids[: ends[0] + 1] if ends else [*ids, tokenizer.eos_token_id]


def as_data(tokenizer, text: str) -> str:
    """The text with a space behind the first sign of what would become a control token: `< |end|>`."""
    return _control_token(tokenizer).sub(r"\g<0> ", text)


@lru_cache(maxsize=8)
def _control_token(tokenizer) -> re.Pattern:
    """The first sign of each control token. Tokens that were added for emoji are none."""
    spelled = [token.content for token in tokenizer.added_tokens_decoder.values() if token.special and len(token.content) > 1]
    if not spelled:
        return re.compile(r"(?!)")
    first = re.escape("".join({token[0] for token in spelled}))  # most texts have none of these, which is soon seen
    return re.compile(f"(?=[{first}])(?={'|'.join(map(re.escape, spelled))}).", re.DOTALL)


def _render(tokenizer, *chats: Messages, **options) -> list[str]:
    from jinja2 import TemplateError

    texts = [[message | {"content": as_data(tokenizer, message["content"])} for message in chat] for chat in chats]
    try:
        return tokenizer.apply_chat_template(texts, tokenize=False, **options)
    except TemplateError as error:  # Gemma 2, say, refuses a system prompt
        raise UserError(f"This base model's chat template can't render the chat: {error}. Take another base.") from None


def _tokens(tokenizer, text: str | list[str]) -> list:
    return tokenizer(text, add_special_tokens=False)["input_ids"]
