"""A small base model on disk and a few rows for it, for tests of adapters and exports."""

from pathlib import Path

from emojisummary.settings import read_settings
from emojisummary.tasks import TASKS

EMOJI = ["🍕", "🎉", "❤️", "🐶", "🏳️", "🏳️‍🌈", "👍🏽", "☔"]
WORDS = ["pizza oven cheese", "party cake candles", "love you always", "puppy barks walk", "surrender white", "pride parade",
         "agreed well done", "rain umbrella wet"]  # fmt: skip
ROWS = [
    {"text": f"{word} and {other}", "answer": emoji, "also": ""}
    for emoji, words in zip(EMOJI, WORDS, strict=True)
    for word in words.split()
    for other in ("more", "less", "again")
]
VALIDATION = [{"text": words, "answers": emoji} for emoji, words in zip(EMOJI, WORDS, strict=True)]
TABLE = {emoji: {"rank": rank, "name": words} for rank, (emoji, words) in enumerate(zip(EMOJI, WORDS, strict=True), start=1)}
MADE = {  # what 5_train.py leaves in made.yaml, as far as a model card tells of it
    "command": "5_train.py", "rows": 24, "language": ["english"], "teacher": ["phrasebook"],
    "metrics": {"accuracy@1": 0.5}, "versions": {"torch": "2"},
}  # fmt: skip
SMALL = [
    "--tiny.vocab_size",
    "420",
    "--tiny.hidden_size",
    "32",
    "--max_length",
    "100",
    "--evaluations",
    "2",
    "--learning_rate",
    "5e-3",
]


def settings(*flags: str):
    return read_settings("train", ["--student", "llm", *SMALL, *flags])


def save_base(folder: Path) -> Path:
    """A small Llama with random weights, as a folder that `base` can name."""
    from transformers import set_seed

    from emojisummary.training.labels import lessons_of
    from emojisummary.training.tiny import build_tiny

    set_seed(1)
    model, tokenizer = build_tiny(settings(), lessons_of(ROWS, TASKS["summary"]), EMOJI)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def train(folder: Path, *flags: str, rows=ROWS) -> dict:
    """Trains on the rows into folder/model, in this process. Returns the metrics."""
    from emojisummary.training.llm import train

    return train(rows, VALIDATION, TABLE, TASKS["summary"], settings(*flags), folder / "model", made_from="test")
