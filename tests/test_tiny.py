"""What `base: tiny` is built from: its tokens, and the vectors that they start with."""

import numpy as np
import torch
from transformers import set_seed

from emojisummary.tasks import TASKS
from emojisummary.training.labels import lessons_of
from emojisummary.training.tiny import build_tiny, start_from_company
from tests.tiny_base import EMOJI, ROWS, settings


def built():
    set_seed(1)
    return build_tiny(settings(), lessons_of(ROWS, TASKS["summary"]), EMOJI)


def test_each_emoji_is_one_token_also_where_one_begins_another():
    _, tokenizer = built()
    spelled = tokenizer(EMOJI)["input_ids"]
    assert [len(tokens) for tokens in spelled] == [1] * len(EMOJI)
    assert tokenizer.decode(tokenizer("🏳️‍🌈🏳️ 🐶")["input_ids"]) == "🏳️‍🌈🏳️ 🐶"


def test_an_emoji_starts_beside_the_words_of_its_texts():
    model, tokenizer = built()
    vectors = torch.nn.functional.normalize(model.get_input_embeddings().weight.detach(), dim=1)
    words = {"🍕": "a oven", "🐶": "a walk", "☔": "a umbrella"}  # the first letter stands for the words before
    for emoji in words:
        own = vectors[tokenizer(emoji)["input_ids"]]
        near = {other: float((own @ vectors[tokenizer(word)["input_ids"][1:]].mT).mean()) for other, word in words.items()}
        assert max(near, key=near.get) == emoji


def test_vectors_are_those_of_latent_semantic_analysis():
    lessons = [[0, 1, 2], [0, 1, 3], [0, 4, 2], [0, 4, 5, 5]]  # 0 is in all, 6 in none
    vectors = torch.randn(7, 8)
    before = vectors.clone()
    start_from_company(vectors, lessons)
    weights = np.zeros((4, 7))
    for row, lesson in enumerate(lessons):
        weights[row, lesson] = 1
    weights *= np.log(4 / np.maximum(weights.sum(axis=0), 1))
    _, strengths, directions = np.linalg.svd(weights, full_matrices=False)
    exact = (directions.T * strengths**0.5)[1:6]
    exact /= np.linalg.norm(exact, axis=1, keepdims=True)
    assert np.allclose(vectors[1:6] @ vectors[1:6].T, exact @ exact.T, atol=1e-5)
    assert torch.equal(vectors[[0, 6]], before[[0, 6]])


def test_lessons_that_tell_no_token_from_another_change_nothing():
    vectors = torch.randn(7, 8)
    before = vectors.clone()
    start_from_company(vectors, [[1, 2]])
    assert torch.equal(vectors, before)
