"""Students on the hub. Nothing is sent anywhere: its API is replaced by one that copies, or is offline."""

import shutil

import pytest
from huggingface_hub.utils import filter_repo_objects

from emojisummary import load
from emojisummary.artifacts import write_csv, write_yaml
from emojisummary.settings import read_settings
from emojisummary.stage import UserError
from emojisummary.training.hub import push
from tests.conftest import make_world
from tests.tiny_base import MADE, ROWS, settings, train

FLAGS = ("--push_to_hub", "somebody/emoji")


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """What is uploaded arrives in a folder, by the library's own filter. hub.calls: what was asked."""

    class Api:
        folder, calls = tmp_path / "hub" / "model", []

        def create_repo(self, repo_id, **options):
            self.calls.append((repo_id, options))
            return f"https://hub/{repo_id}"

        def upload_folder(self, *, repo_id, folder_path, ignore_patterns, commit_message):
            self.calls.append((repo_id, commit_message))
            names = [str(path.relative_to(folder_path)) for path in folder_path.rglob("*") if path.is_file()]
            for name in filter_repo_objects(names, ignore_patterns=ignore_patterns):
                (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(folder_path / name, self.folder / name)

    monkeypatch.setattr("huggingface_hub.HfApi", Api)
    return Api


@pytest.fixture(scope="module")
def student(tmp_path_factory):
    """A language model's run, with the files of a training and of exports."""
    run = tmp_path_factory.mktemp("run")
    train(run, "--num_train_epochs", "1", "--per_device_train_batch_size", "33", "--evaluations", "1")
    write_csv(run / "training_data.csv", ("text", "answer"), ROWS)
    write_yaml(run / "model" / "made.yaml", MADE)
    made = ("merged/config.json", "run-q8_0.gguf", "run-q8_0.gguf.parity.yaml", "Modelfile", ".made/Modelfile", "README.md",
            "emoji.gbnf", "emoji.schema.json")  # fmt: skip
    for path in (run / "model" / "export" / name for name in made):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("{}")
    return run


def exports(hub):
    return {str(path.relative_to(hub.folder / "export")) for path in hub.folder.glob("export/**/*") if path.is_file()}


def test_a_language_model_arrives_whole_and_without_what_training_left(student, hub):
    assert push(student / "model", settings(*FLAGS)) == "https://hub/somebody/emoji"
    assert hub.calls[0] == ("somebody/emoji", {"private": True, "exist_ok": True})
    assert not [path for path in hub.folder.rglob("*") if {"checkpoints", ".made", "export"} & set(path.parts)]
    assert "accuracy@1 0.500" in (hub.folder / "README.md").read_text()
    texts = [row["text"] for row in ROWS[:5]]
    assert load(hub.folder.parent).predict(texts, top=3) == load(student).predict(texts, top=3)


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ("merged", {"merged/config.json"}),
        ("gguf", {"run-q8_0.gguf", "emoji.gbnf"}),
        ("ollama", {"run-q8_0.gguf", "emoji.gbnf", "Modelfile", "emoji.schema.json"}),
    ],
)
def test_the_exports_that_are_named_come_along(student, hub, wanted, expected):
    push(student / "model", settings(*FLAGS, "--export", wanted))
    assert exports(hub) == expected


def test_a_retriever_is_uploaded_later_and_is_not_trained_again(finished, tmp_path, hub):
    world = make_world(tmp_path)
    shutil.copytree(finished.path(), world.path())
    printed = world("5_train", *FLAGS).stdout
    assert "up to date" in printed
    assert "https://hub/somebody/emoji" in printed
    text = "pizza with extra cheese"
    assert load(hub.folder.parent).predict(text, top=3)["ranked"] == load(world.path()).predict(text, top=3)["ranked"]


def test_without_a_network_everything_is_kept_and_said_what_to_do(student, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    with pytest.raises(UserError, match="somebody/emoji can't be uploaded.*HF_TOKEN.*same command again") as error:
        push(student / "model", settings(*FLAGS))
    assert "hf_secret" not in str(error.value)
    assert (student / "model" / "student.yaml").exists()


def test_an_impossible_name_is_refused(student):
    with pytest.raises(UserError, match="can't be uploaded"):
        push(student / "model", settings("--push_to_hub", "no good name/at all"))


def test_uploading_decides_nothing_in_training():
    assert read_settings("train", list(FLAGS)).own() == read_settings("train", []).own()
