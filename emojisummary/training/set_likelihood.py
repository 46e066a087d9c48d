"""A text with several accepted answers, learned by the probability of all of them together: whichever is given is right.

The loss of such a lesson is -log of the sum of its answers' probabilities, the marginal likelihood of Jin & Ghahramani,
"Learning with Multiple Labels" (2002); that of one with a single answer is the ordinary one. Each answer is a sequence of its
own in the batch.
"""

import torch
from datasets import Dataset

from emojisummary.artifacts import Row
from emojisummary.chat import answer_ids
from emojisummary.emojis import Lookup
from emojisummary.models.llm import LanguageModel
from emojisummary.training.labels import IGNORED, Lesson


def with_others(learned: Dataset, lessons: list[Lesson], rows: list[Row], student: LanguageModel) -> Dataset:
    """The dataset of the rows' lessons, and perhaps more lessons behind them, with the tokens of the other accepted answers."""
    emoji_of, others = Lookup(student.every), [[] for _ in lessons]
    for place, row in enumerate(rows):
        known = dict.fromkeys(filter(None, map(emoji_of.get, student.task.labels(row))))
        others[place] = [answer_ids(student.tokenizer, lessons[place][0], emoji) for emoji in known if emoji != row["answer"]]
    return learned.add_column("others", others)


class Answers:
    """Collates lessons by trl's own collator: all answers to the first lesson, then all to the second one, and so on.

    `labels` are those of the first answers alone, by which the trainer counts what is learned; `answers` those of all; `lesson`
    says whose each sequence is.
    """

    def __init__(self, collator):
        self.collator = collator

    def __call__(self, lessons: list[dict]) -> dict[str, torch.Tensor]:
        sequences = [one for lesson in lessons for one in spelled_out(lesson)]
        lesson = [place for place, one in enumerate(lessons) for _ in range(1 + len(one.get("others", [])))]
        batch = self.collator(sequences)
        is_other = torch.tensor([False] + [lesson[i] == lesson[i - 1] for i in range(1, len(lesson))])
        return batch | {
            "answers": batch["labels"],
            "labels": batch["labels"].masked_fill(is_other[:, None], IGNORED),
            "lesson": torch.tensor(lesson),
        }


def spelled_out(lesson: dict) -> list[dict]:
    """A lesson's sequences, the first answer's first."""
    prompt = lesson["labels"].count(IGNORED)
    first = {"input_ids": lesson["input_ids"], "labels": lesson["labels"]}
    others = [
        {"input_ids": lesson["input_ids"][:prompt] + answer, "labels": [IGNORED] * prompt + answer}
        for answer in lesson.get("others", [])
    ]
    return [first, *others]


def shape(lesson: dict) -> tuple[int, int]:
    """How many sequences a lesson has in a batch, and how many tokens the longest of them."""
    lengths = [len(one["input_ids"]) for one in spelled_out(lesson)]
    return len(lengths), max(lengths)


def set_loss(model, batch: dict, answers: torch.Tensor, lesson: torch.Tensor) -> torch.Tensor:
    """The sum of the lessons' losses. Logits are computed only where some sequence has something to learn."""
    labels = answers[:, 1:]
    places = (labels != IGNORED).any(dim=0).nonzero().squeeze(1)
    logits = model(**batch, logits_to_keep=places, use_cache=False).logits.float()
    labels = labels[:, places]
    tokens = logits.log_softmax(dim=-1).gather(2, labels.clamp(min=0)[..., None]).squeeze(2)
    sequences = (tokens * (labels != IGNORED)).sum(dim=1)
    return -sum(sequences[lesson == one].logsumexp(dim=0) for one in lesson.unique())
