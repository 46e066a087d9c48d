"""A checkpoint of a training as a student of its own, which any other can be compared with."""

import shutil
from pathlib import Path
from types import SimpleNamespace

from emojisummary.artifacts import read_yaml


def complete(checkpoint: Path) -> None:
    """Adds what makes a checkpoint a student, from the finished student in the folder above; student.yaml comes last.

    A retriever's has the finished one's cards' texts and n-grams: what differs is the encoder and the cards' vectors.
    Raises UserError where there's no finished student yet.
    """
    finished = checkpoint.parents[1]
    about = read_yaml(finished / "student.yaml", made_by=f"python 5_train.py --run {finished.parent.name}")
    if about["student"] == "llm":
        shutil.copyfile(finished / "student.yaml", checkpoint / "student.yaml")
        return
    from emojisummary.models.retriever import Retriever
    from emojisummary.training.halfway import UpperLayers
    from emojisummary.training.retriever import Cards, to_student

    whole = Retriever.load(finished, name="")
    size = SimpleNamespace(scale=whole.scale, max_length=whole.max_length)
    (cards,) = checkpoint.glob("*_Cards")
    student = to_student(UpperLayers.load(str(checkpoint)), Cards.load(str(cards)), whole.cards, size, checkpoint)
    student.ngrams, student.ngram_weight = whole.ngrams, whole.ngram_weight
    student.save(checkpoint)
