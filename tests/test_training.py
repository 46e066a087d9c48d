"""Training: labels, batches, the language model's whole path."""

from types import SimpleNamespace

import pytest
import torch
from datasets import Dataset
from sentence_transformers import SentenceTransformer

from emojisummary.artifacts import stamp
from emojisummary.models.encoder import PACKAGED, Encoder, encoder_folder
from emojisummary.stage import UserError
from emojisummary.training.common import newest_checkpoint, prefers_last
from emojisummary.training.halfway import UpperLayers
from emojisummary.training.retriever import NO_LABEL, AcceptedAnswers, Cards, SortedBatches, learn_cards
from tests.conftest import make_world
from tests.tiny_base import EMOJI, ROWS, SMALL, VALIDATION


class Logits(torch.nn.Module):
    def __init__(self, logits):
        super().__init__()
        self.logits = torch.tensor(logits)

    def forward(self, features):
        return {"logits": self.logits}


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        ([0, NO_LABEL, NO_LABEL], {0: 1.0}),
        ([0, 2, NO_LABEL], {0: 0.7, 2: 0.3}),
        ([1, 0, 2], {1: 0.7, 0: 0.15, 2: 0.15}),
    ],
)
def test_the_target_is_shared_between_accepted_answers(labels, expected):
    logits = [[1.0, -2.0, 0.5, 3.0]]
    loss = AcceptedAnswers(Logits(logits), also_weight=0.3)([{}], torch.tensor([labels]))
    log_probabilities = torch.tensor(logits).log_softmax(-1)[0]
    assert loss.item() == pytest.approx(-sum(share * log_probabilities[i].item() for i, share in expected.items()))


def test_the_cards_learn_alone_before_the_encoder_does():
    """From cards that know nothing, texts whose emoji no card could tell; the other accepted answer comes second."""
    texts = ["the quarterly report", "a walk on the beach", "my left shoe"]
    labels = [[0, 3], [1, NO_LABEL], [2, NO_LABEL]]
    head = Cards(cards=4, size=384, scale=16)
    settings = SimpleNamespace(cards_epochs=60, cards_learning_rate=1e-2, also_weight=0.3, seed=7)
    vectors = Encoder(encoder_folder(PACKAGED))(texts)
    learn_cards(head, vectors, Dataset.from_dict({"text": texts, "label": labels}), settings)
    logits = head({"sentence_embedding": vectors})["logits"]
    assert logits.argmax(dim=1).tolist() == [0, 1, 2]
    assert logits[0].argsort(descending=True).tolist()[:2] == [0, 3]


def in_two_halves(frozen=4):
    upper = UpperLayers(str(encoder_folder(PACKAGED)), frozen, max_length=64, dropout=0)
    whole = SentenceTransformer(str(encoder_folder(PACKAGED)), device="cpu")
    whole.max_seq_length = 64
    return upper, whole, SentenceTransformer(modules=[upper, *list(whole)[1:]], device="cpu")


MIXED = ["pizza", "the night train to Hanoi was late, again, and nobody minded", "a " * 90, "😂"]


@pytest.mark.parametrize("frozen", [0, 4, 5])
def test_an_encoder_in_two_halves_reads_as_a_whole_one(frozen):
    upper, whole, halves = in_two_halves(frozen)
    expected = whole.encode(MIXED)
    assert (upper.remember(MIXED[:2]).numpy() * expected[:2]).sum(axis=1) == pytest.approx(1, abs=2e-3)
    assert (halves.encode(MIXED) * expected).sum(axis=1) == pytest.approx(1, abs=2e-3)
    assert upper.remembered.keys() == set(MIXED)
    assert upper.lengths(["pizza", MIXED[2]]) == [3, 64]


def test_what_the_upper_half_has_learned_goes_into_the_whole(tmp_path):
    upper, whole, halves = in_two_halves()
    before = whole[0].auto_model.encoder.layer[3].output.dense.weight.clone()
    with torch.no_grad():
        for weight in upper.parameters():
            weight += 0.02 * torch.randn(weight.shape, generator=torch.Generator().manual_seed(0))
    upper.save(str(tmp_path))
    again = UpperLayers.load(str(tmp_path))
    again.put_into(whole)
    assert (halves.encode(MIXED) * whole.encode(MIXED)).sum(axis=1) == pytest.approx(1, abs=2e-3)
    assert torch.equal(whole[0].auto_model.encoder.layer[3].output.dense.weight, before)
    untuned = in_two_halves()[1]
    assert (untuned.encode(MIXED) * whole.encode(MIXED)).sum(axis=1).min() < 0.95


def test_no_layer_left_to_learn_is_a_clear_error():
    with pytest.raises(UserError, match=r"frozen_layers: 6.* BertModel with 6"):
        in_two_halves(6)


def test_batches_hold_every_row_once_and_rows_of_like_length():
    lengths = [n * 7919 % 301 for n in range(1000)]
    batches = SortedBatches(lengths, batch_size=32, drop_last=False, seed=3)
    first = list(batches)
    assert sorted(i for batch in first for i in batch) == list(range(1000))
    assert max(max(lengths[i] for i in batch) - min(lengths[i] for i in batch) for batch in first) <= 20
    assert list(batches) == first
    batches.set_epoch(1)
    assert list(batches) != first


@pytest.mark.parametrize(("measured", "expected"), [((0.2, 0.5, 0.49), True), ((0.2, 0.5, 0.4), False), ((0.3, 0.4), True)])
def test_the_last_checkpoint_is_taken_unless_it_is_clearly_worse(measured, expected):
    assert prefers_last([{"eval_accuracy@1": accuracy} for accuracy in measured], rows=500) == expected


@pytest.fixture
def two_gpus(monkeypatch):
    """Arguments as a machine with two GPUs makes them, and the trainers that are built with them."""
    from emojisummary.training import llm, retriever

    def on_two(kind):
        class OnTwo(kind):
            def __post_init__(self):
                super().__post_init__()
                self._n_gpu = 2

        return OnTwo

    for module, name in ((llm, "SFTConfig"), (retriever, "SentenceTransformerTrainingArguments")):
        monkeypatch.setattr(module, name, on_two(getattr(module, name)))
        monkeypatch.setattr(module, "run_trainer", lambda trainer, *_: built.append(trainer))
    built = []
    return built


def test_one_process_trains_on_one_gpu(two_gpus, tmp_path):
    from emojisummary.settings import read_settings
    from emojisummary.tasks import TASKS
    from emojisummary.training import llm, retriever

    facts = {"name": "dog", "category": "", "subcategory": "", "keywords": ["dog"], "version": "1"}
    table = {emoji: facts | {"rank": rank} for rank, emoji in enumerate(EMOJI, start=1)}
    for train, student in ((llm.train, "llm"), (retriever.train, "retriever")):
        flags = ["--student", student, *SMALL, "--per_device_train_batch_size", "4", "--cards_epochs", "0"]
        train(ROWS, VALIDATION, table, TASKS["summary"], read_settings("train", flags), tmp_path / student / "model", "test")
    assert [(trainer.args.n_gpu, trainer._train_batch_size) for trainer in two_gpus] == [(1, 4), (1, 4)]


def test_a_half_written_checkpoint_is_passed_over(tmp_path):
    checkpoints = tmp_path / "checkpoints"
    stamp(checkpoints, "this")
    for step in (5, 10, 15):
        folder = checkpoints / f"checkpoint-{step}"
        folder.mkdir(parents=True)
        for name in ("model.safetensors", "rng_state.pth", "scheduler.pt"):
            (folder / name).write_bytes(b"x")
        torch.save({}, folder / "optimizer.pt")
        (folder / "trainer_state.json").write_text("{}")
    (checkpoints / "checkpoint-15" / "trainer_state.json").unlink()
    (checkpoints / "checkpoint-10" / "optimizer.pt").write_bytes(b"PK\x03\x04 cut off")
    assert newest_checkpoint(checkpoints, "this") == checkpoints / "checkpoint-5"
    assert [path.name for path in checkpoints.glob("checkpoint-*")] == ["checkpoint-5"]
    assert newest_checkpoint(checkpoints, "other") is None, "made from other data"
    assert not list(checkpoints.glob("checkpoint-*"))


def test_a_language_model_learns_resumes_and_answers_with_emoji_alone(finished, tmp_path):
    """base: tiny, through every stage from training on."""
    import shutil
    import signal
    import subprocess
    import time

    llm = ["--student", "llm", "--base", "tiny", "--learning_rate", "3e-3", "--num_train_epochs", "3", "--eval_rows", "6"]
    whole, broken = make_world(tmp_path / "a"), make_world(tmp_path / "b")
    for world in (whole, broken):
        shutil.copytree(finished.path(), world.path(), ignore=shutil.ignore_patterns("model", "plots", "results.yaml"))
    whole("5_train", *llm)

    process = subprocess.Popen(broken.command("5_train", *llm), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while process.poll() is None and not list(broken.path("model/checkpoints").glob("checkpoint-*/trainer_state.json")):
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not broken.path("model/student.yaml").exists(), "killed too late to show anything"
    assert "going on from" in broken("5_train", *llm).stdout
    assert broken.path("model/model.safetensors").read_bytes() == whole.path("model/model.safetensors").read_bytes()

    whole("6_plot")
    report = whole("7_evaluate", *[flag for name in ("retriever", str(finished.path())) for flag in ("--models", name)]).stdout
    assert "100.0" in report
    answers = whole("7_evaluate_inference", "--top", "25", "pizza").stdout.split()[::2]
    assert len(set(answers)) == 25


@pytest.mark.parametrize("base", ["no/such-model", "tests"])
def test_a_base_that_is_no_language_model_is_refused(finished, tmp_path, base, monkeypatch):
    import shutil

    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)

    world = make_world(tmp_path)
    shutil.copytree(finished.path(), world.path(), ignore=shutil.ignore_patterns("model", "plots", "results.yaml"))
    done = world("5_train", "--student", "llm", "--base", base, code=1)
    assert f"base '{base}'" in done.stderr
