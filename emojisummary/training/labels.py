"""What is learned, made and shown: tokens with labels, the answer's alone."""

from itertools import cycle, islice
from pathlib import Path

from datasets import Dataset

from emojisummary.artifacts import Row, read_tsv
from emojisummary.chat import answer_ids, as_data, prompt_ids
from emojisummary.models.llm import LanguageModel, fit
from emojisummary.stage import UserError
from emojisummary.tasks.base import Messages, Task

IGNORED = -100  # the label of a token that isn't learned
SHOWN = 2  # rows
Lesson = tuple[Messages, str]  # a prompt and the answer to learn


def lessons_of(rows: list[Row], task: Task) -> list[Lesson]:
    return [lesson for row in rows for lesson in task.lessons(row)]


def general_lessons(settings, own: list[Lesson]) -> list[Lesson]:
    """Questions with plain answers, as many as make `general_share` of all lessons beside the task's own: they keep a model
    from answering everything with emoji."""
    if not settings.general_share:
        return []
    pairs = [row for _, row in read_tsv(Path(settings.general_rows), ("prompt", "answer"))]
    wanted = round(len(own) * settings.general_share / (1 - settings.general_share))
    return [([{"role": "user", "content": row["prompt"]}], row["answer"]) for row in islice(cycle(pairs), wanted)]


def to_dataset(lessons: list[Lesson], student: LanguageModel) -> Dataset:
    """Tokens of prompt and answer, and as labels the answer's alone, end of turn included."""
    encoded = {"input_ids": [], "labels": []}
    for chat, said in lessons:
        answer = answer_ids(student.tokenizer, chat, said)
        prompt = fit(prompt_ids(student.tokenizer, chat), student.max_length)
        encoded["input_ids"].append(prompt + answer)
        encoded["labels"].append([IGNORED] * len(prompt) + answer)
    return Dataset.from_dict(encoded)


def check(dataset: Dataset, lessons: list[Lesson], tokenizer) -> None:
    """Raises UserError unless the labels of each lesson, decoded, are its answer with the end of turn, and with nothing else.

    A template may put something constant around the answer (an empty thought, a line break): it must be alike in all rows. And
    it may leave out blanks around the answer, as those of Llama 3 and Gemma 3 do.
    """
    frames = set()
    for labels, (_, said) in zip(dataset["labels"], lessons, strict=True):
        learned = [token for token in labels if token != IGNORED]
        decoded = tokenizer.decode(learned, clean_up_tokenization_spaces=False)
        answer = as_data(tokenizer, said.strip())
        start = decoded.find(answer)
        frames.add((decoded[:start].strip(), decoded[start + len(answer) :].strip()))
        if start < 0 or learned[-1] != tokenizer.eos_token_id or len(frames) > 1:
            raise UserError(
                f"The labels of the answer {said} read {decoded!r}: not the answer with the end of "
                "turn. This base model's tokenizer or chat template can't be used."
            )


def check_emoji(emoji: list[str], student: LanguageModel) -> None:
    """Raises UserError for an emoji that doesn't survive the tokenizer."""
    chat = student.task.chat("text")
    for one in emoji:
        decoded = student.tokenizer.decode(answer_ids(student.tokenizer, chat, one), clean_up_tokenization_spaces=False)
        if one not in decoded:
            raise UserError(
                f"This base model's tokenizer makes {decoded!r} of {one}, so it can't learn to say it. Where all weights are "
                "trained (r null, load_in_4bit false), such emoji get tokens of their own; for an adapter, take another base."
            )


def shown(dataset: Dataset, tokenizer) -> str:
    """The first rows token by token: what is read as it is, what is learned between ▶ and ◀.

    <|begin|> <|user|> We · won <|end|> <|assistant|> ▶🏆◀ ▶<|end|>◀
    """
    lines = []
    for row in dataset.select(range(min(SHOWN, len(dataset)))):
        pieces = pieces_of(row["input_ids"], tokenizer)
        marked = [piece if label == IGNORED else f"▶{piece}◀" for piece, label in zip(pieces, row["labels"], strict=True)]
        learned = sum(label != IGNORED for label in row["labels"])
        lines.append(f"{' '.join(marked)}\n  ({len(marked)} tokens, {learned} of them learned)")
    return "\n".join(lines)


def pieces_of(ids: list[int], tokenizer) -> list[str]:
    """Each token as text. A character of several tokens stands at its last one, the others are `·`.

    >>> pieces_of(tokenizer("a 🏆")["input_ids"], tokenizer)  # doctest: +SKIP
    ['a', '␣', '·', '·', '🏆']
    """
    pieces, start = [], 0
    for end in range(1, len(ids) + 1):
        text = tokenizer.decode(ids[start:end], clean_up_tokenization_spaces=False)
        if "\ufffd" in text and end < len(ids):
            pieces.append("·")
            continue
        pieces.append(text.replace(" ", "␣").replace("\n", "⏎"))
        start = end
    return pieces
