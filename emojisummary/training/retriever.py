"""Trains the `retriever` student: the emoji cards' vectors first, then the sentence encoder and the cards together.

A text's logits are its cosines with the cards' vectors, times `scale`, plus a bias for each emoji; the loss is the
cross-entropy with the accepted answers. The vectors start as the untuned encoder's reading of the cards, so that an emoji
without any text still has a sensible place. They learn alone to begin with; then the encoder's upper layers (halfway.py) are
tuned with cards that make sense of them, and so lose less of what they know (linear probing, then fine-tuning: Kumar et al.,
2022). At the end the student gets an n-gram model of the same rows for a second opinion.
"""

from pathlib import Path
from typing import ClassVar

import torch
from datasets import Dataset
from sentence_transformers import SentenceTransformer, SentenceTransformerTrainer, SentenceTransformerTrainingArguments
from sentence_transformers.base.evaluation import BaseEvaluator
from sentence_transformers.base.modules import Module
from sentence_transformers.base.sampler import DefaultBatchSampler
from tqdm import tqdm
from transformers import set_seed

from emojisummary.artifacts import Row
from emojisummary.emojis import Lookup, by_rank
from emojisummary.models.encoder import Encoder, bulk_dtype, encoder_folder
from emojisummary.models.linear import Linear
from emojisummary.models.retriever import Retriever, card, speller
from emojisummary.training.common import clear, mean_scores, newest_checkpoint, on_one_gpu, run_trainer, trainer_arguments
from emojisummary.training.halfway import UpperLayers, load_module

NO_LABEL = -1
MOST_LABELS = 8  # accepted answers that one row may have
CARDS_BATCH = 256  # rows in one step, while the cards learn alone
POOL = 50  # batches whose rows are sorted by length together


class Cards(Module):
    """The last module of the model: adds `logits`, one number for each emoji's card, to the features."""

    config_keys: ClassVar = ["cards", "size", "scale"]

    def __init__(self, cards: int, size: int, scale: float):
        super().__init__()
        self.cards, self.size, self.scale = cards, size, scale
        self.vectors = torch.nn.Parameter(torch.zeros(cards, size))
        self.bias = torch.nn.Parameter(torch.zeros(cards))

    def forward(self, features: dict, **kwargs) -> dict:
        text, cards = (torch.nn.functional.normalize(one, dim=-1) for one in (features["sentence_embedding"], self.vectors))
        features["logits"] = text @ cards.T * self.scale + self.bias
        return features

    def save(self, output_path: str, *args, safe_serialization: bool = True, **kwargs) -> None:
        self.save_config(output_path)
        self.save_torch_weights(output_path, safe_serialization=safe_serialization)

    @classmethod
    def load(cls, model_name_or_path: str, **kwargs) -> "Cards":
        return load_module(cls, model_name_or_path, kwargs)


class AcceptedAnswers(torch.nn.Module):
    """Cross-entropy with the accepted answers: the first gets 1 - also_weight of the target, the others share the rest."""

    def __init__(self, model: SentenceTransformer, also_weight: float):
        super().__init__()
        self.model, self.also_weight = model, also_weight

    def forward(self, features: list[dict], labels: torch.Tensor) -> torch.Tensor:
        """`labels`: the accepted answers' indices, best first, filled up with NO_LABEL; shape (rows, MOST_LABELS)."""
        log_probabilities = self.model(features[0])["logits"].log_softmax(dim=-1)
        is_label = labels != NO_LABEL
        others = is_label[:, 1:].sum(dim=1, keepdim=True)
        for_others = torch.where(others > 0, self.also_weight, 0.0)
        target = torch.cat([1 - for_others, is_label[:, 1:] * for_others / others.clamp(min=1)], dim=1)
        picked = log_probabilities.gather(1, labels.clamp(min=0))
        return -(target * picked).sum(dim=1).mean()


class SortedBatches(DefaultBatchSampler):
    """Batches of rows of like length, in random order: hardly any padding, twice the speed. Seeded by epoch."""

    def __init__(self, lengths: list[int], batch_size: int, drop_last: bool, seed: int = 0):
        super().__init__(range(len(lengths)), batch_size=batch_size, drop_last=drop_last)
        self.lengths, self.seed = lengths, seed

    def __iter__(self):
        chance = torch.Generator().manual_seed(self.seed + self.epoch)
        order = torch.randperm(len(self.lengths), generator=chance).tolist()
        pools = [sorted(pool, key=self.lengths.__getitem__) for pool in _chunks(order, POOL * self.batch_size)]
        batches = [batch for pool in pools for batch in _chunks(pool, self.batch_size)]
        for index in torch.randperm(len(batches), generator=chance).tolist():
            yield batches[index]


class RetrieverTrainer(SentenceTransformerTrainer):
    """The library's, with SortedBatches."""

    def get_batch_sampler(self, dataset: Dataset, batch_size: int, drop_last: bool, seed: int = 0, **others) -> SortedBatches:
        return SortedBatches(self.model[0].lengths(dataset["text"]), batch_size, drop_last, seed)


class Accuracy(BaseEvaluator):
    """The task's own metric, measured on validation texts during training."""

    def __init__(self, rows: list[Row], emoji: list[str], task):
        super().__init__()
        self.rows, self.emoji, self.task = rows, emoji, task
        self.primary_metric = "accuracy@1"

    def __call__(self, model: SentenceTransformer, *args, **kwargs) -> dict[str, float]:
        cards = model[-1]
        with torch.inference_mode():
            embedding = model.encode([row["text"] for row in self.rows], batch_size=32, convert_to_tensor=True)
            return self.of(cards({"sentence_embedding": embedding})["logits"])

    def of(self, logits: torch.Tensor) -> dict[str, float]:
        """The mean scores of the best five emoji by these logits, of shape (texts, emoji)."""
        best = logits.topk(min(5, len(self.emoji))).indices.tolist()
        return mean_scores(self.task, self.rows, [[(self.emoji[i], 0.0) for i in top] for top in best])


def train(rows: list[Row], validation: list[Row], table: dict, task, settings, folder: Path, made_from: str) -> dict:
    """Trains, or goes on training, and leaves the student in the folder. Returns the best metrics."""
    set_seed(settings.seed)
    cards = {emoji: card(facts) for emoji, facts in table.items()}
    spelled = speller(cards)
    rows, validation = ([row | {"text": spelled(row["text"])} for row in some] for some in (rows, validation))
    resume = newest_checkpoint(folder / "checkpoints", made_from)
    model = build_model(settings, cards, by_rank(table))
    emoji_of, index = Lookup(cards), {emoji: i for i, emoji in enumerate(cards)}
    learned = to_dataset(rows, task.labels, emoji_of, index)
    accuracy = Accuracy(validation, list(cards), task)
    print(f"the encoder reads {len(learned):,} texts once")
    vectors = model[0].remember([*learned["text"], *(row["text"] for row in validation)])
    if not resume:
        learn_cards(model[-1], vectors[: len(learned)], learned, settings)
    args = SentenceTransformerTrainingArguments(
        **trainer_arguments(settings, folder / "checkpoints", len(rows), task.in_training) | bf16_on_cpu(),
        learning_rate_mapping={r"^model\.\d+\.(vectors|bias)$": settings.cards_learning_rate},
        eval_on_start=not resume,
    )
    trainer = RetrieverTrainer(
        model=model,
        args=on_one_gpu(args),
        train_dataset=learned,
        eval_dataset=to_dataset(validation, task.accepted, emoji_of, index),
        loss=AcceptedAnswers(model, settings.also_weight),
        evaluator=accuracy,
    )
    run_trainer(trainer, resume, folder / "trainer_state.json", settings.early_stopping_patience)
    clear(folder)
    student = to_student(model[0], model[-1], cards, settings, folder)
    model[0].remembered.clear()  # gigabytes, of no more use
    metrics = add_ngrams(student, rows, accuracy, settings.ngram_weights)
    student.save(folder)
    return metrics


def build_model(settings, cards: dict[str, str], ranked: list[str]) -> SentenceTransformer:
    """The sentence encoder with the cards as its last module.

    Their vectors start as the untuned encoder reads them; their bias by rank, `ranked` being the most used emoji first.
    """
    folder = encoder_folder(settings.encoder)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    encoder = SentenceTransformer(str(folder), device="cpu")
    upper = UpperLayers(str(folder), settings.frozen_layers, settings.max_length, settings.dropout)
    head = Cards(len(cards), encoder.get_embedding_dimension(), settings.scale)
    rank = {emoji: position for position, emoji in enumerate(ranked, start=1)}
    with torch.no_grad():
        head.vectors.copy_(Encoder(folder)(list(cards.values())))
        head.bias.copy_(-settings.prior * torch.tensor([rank[emoji] for emoji in cards]).log())
    return SentenceTransformer(modules=[upper, *list(encoder)[1:], head], device=device)


def learn_cards(head: Cards, vectors: torch.Tensor, learned: Dataset, settings) -> None:
    """Fits the cards to the texts as the untuned encoder reads them: `vectors`, one for each."""
    device, chance = head.vectors.device, torch.Generator().manual_seed(settings.seed)
    vectors = vectors.to(device)
    labels = torch.tensor(list(learned["label"]), device=device)
    loss_of = AcceptedAnswers(head, settings.also_weight)
    optimizer = torch.optim.AdamW(head.parameters(), settings.cards_learning_rate, weight_decay=0)
    for _ in tqdm(range(settings.cards_epochs), desc="cards"):
        for batch in torch.randperm(len(vectors), generator=chance).split(CARDS_BATCH):
            optimizer.zero_grad()
            loss_of([{"sentence_embedding": vectors[batch]}], labels[batch]).backward()
            optimizer.step()


def bf16_on_cpu() -> dict[str, bool]:
    """The trainer's arguments for a CPU that multiplies in bfloat16."""
    return {"bf16": True, "use_cpu": True} if not torch.accelerator.is_available() and bulk_dtype() == torch.bfloat16 else {}


def to_dataset(rows: list[Row], answers, emoji_of: Lookup, index: dict[str, int]) -> Dataset:
    """Texts with the indices of their accepted answers, filled up with NO_LABEL to MOST_LABELS."""
    labels = []
    for row in rows:
        known = [index[found] for found in map(emoji_of.get, answers(row)) if found][:MOST_LABELS]
        labels.append(known + [NO_LABEL] * (MOST_LABELS - len(known)))
    return Dataset.from_dict({"text": [row["text"] for row in rows], "label": labels})


def to_student(upper: UpperLayers, head: Cards, cards: dict[str, str], settings, folder: Path) -> Retriever:
    """The student that was trained; its encoder is left in the folder, in the format of sentence-transformers."""
    encoder = SentenceTransformer(upper.folder)
    encoder.max_seq_length = settings.max_length
    upper.put_into(encoder)
    encoder.save_pretrained(str(folder / "encoder"), create_model_card=False)
    vectors = torch.nn.functional.normalize(head.vectors.detach().cpu(), dim=-1)
    name, bias = folder.parent.name, head.bias.detach().cpu()
    return Retriever(name, folder / "encoder", cards, settings.scale, settings.max_length, vectors, bias)


def add_ngrams(student: Retriever, rows: list[Row], accuracy: Accuracy, weights: list[float]) -> dict[str, float]:
    """Gives the student an n-gram model of its rows, with the weight that is best for the validation texts, and returns the
    scores. Of equals the lowest."""
    ngrams = Linear.learned(rows, student.emoji)
    texts = [row["text"] for row in accuracy.rows]
    alone, beside = student.scores(texts), ngrams.log_probabilities(texts).float()
    scores = {weight: accuracy.of(alone + weight * beside) for weight in weights}
    best = max(sorted(weights), key=lambda weight: scores[weight]["accuracy@1"] + scores[weight]["accuracy@5"])
    if best:
        student.ngrams, student.ngram_weight = ngrams, best
    return scores[best]


def _chunks(items: list, size: int) -> list[list]:
    return [items[start : start + size] for start in range(0, len(items), size)]
