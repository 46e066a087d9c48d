"""The other tasks through all stages, as a user runs them, at a size that a test can bear."""

import json
import re
from types import SimpleNamespace

import pytest
import yaml

from emojisummary import fine_tune, generate_emoji
from emojisummary.artifacts import fingerprint, read_csv, read_tsv
from emojisummary.models import connect
from emojisummary.settings import read_settings
from emojisummary.stage import UserError
from emojisummary.tasks import TASKS
from tests.conftest import ROOT, SERVED, run_here

MODELS = {"combination": ["most-frequent"], "chat": ["untuned"], "story": ["untuned", SERVED]}
ASKED = {
    "combination": "Let's go dancing tonight.",
    "chat": "How do I install Python on my computer?",
    "story": "🦔 🏰 📚",
}


@pytest.mark.parametrize("task", ["combination", "chat", "story"])
def test_a_task_goes_through_all_stages_and_answers(learned, task):
    world = learned(task)
    results = yaml.safe_load(world.path("results.yaml").read_text())
    student = results["models"][str(world.path())]
    assert set(results["columns"]) <= student["metrics"].keys()
    assert list(results["models"])[1:] == MODELS[task]
    printed = world.once("7_evaluate.py")
    assert all(heading in printed for heading in results["columns"].values())
    assert world.path("report.html").stat().st_size > 1000
    assert world.once(f'7_evaluate_inference.py "{ASKED[task]}"').strip()
    if task == "chat":
        check_prompts_and_checklist(world, results, printed)
    if task == "story":
        assert student["notes"]["bleu_signature"].startswith("nrefs:5")
        assert "takes three emoji" in world("7_evaluate_inference", "🦔 castle", code=1).stderr
        assert "most-frequent can't write" in world("7_evaluate", "--models", "most-frequent", code=1).stderr
        assert "--student llm" in world("5_train", "--student", "retriever", code=1).stderr


def check_prompts_and_checklist(world, results, printed):
    assert [set(one) for one in results["prompts"]] == [{"text", str(world.path()), "untuned"}] * 2  # --limit 2
    assert None not in [line["met"][str(world.path())] for line in results["checklist"]]
    for found in (printed, world.path("report.html").read_text()):
        assert "Checklist" in found
        assert "Test prompts" in found
        assert ASKED["chat"] in found


def test_the_study_compares_epochs_with_the_untuned_base(learned):
    world = learned("combination")
    recipe = ["--config", str(world.folder / "recipe.yaml"), "--epochs", "[1]", "--limit", "3"]
    done = run_here([str(ROOT / "emojisummary" / "study.py"), *recipe])
    assert done.returncode == 0, done.stdout + done.stderr
    study = yaml.safe_load(world.path("study.yaml").read_text())
    assert list(study["epochs"]) == [0, 1]
    assert study["epochs"][0]["kl_to_base"] == 0
    assert study["epochs"][1]["kl_to_base"] > 0
    assert study["recommended"] == 1
    page = world.path("study.md").read_text()
    assert str(study["epochs"][1]["validation_loss"]) in page
    assert world.path("plots/overfitting.png").stat().st_size > 1000
    discussion = page.split("## What the figures say")[1].split("## Prompts for emoji")[0]
    assert 100 <= len(discussion.split()) <= 300


def test_the_study_of_a_retriever_is_refused_before_any_training():
    done = run_here([str(ROOT / "emojisummary" / "study.py")])
    assert done.returncode == 1
    assert "--config recipes/overfitting.yaml" in done.stderr


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--task", "summary"], "has learned the task combination, not summary"),
        (["--suite", "robustness"], "for answers of one emoji, not for the task combination"),
        (["--models", "linear"], "nothing of the task combination"),
    ],
)
def test_what_would_measure_something_else_is_refused(learned, flags, said):
    assert said in learned("combination")("7_evaluate", *flags, code=1).stderr


def test_a_retriever_has_no_untuned_language_model(finished):
    assert "has no language model" in finished("7_evaluate", "--models", "untuned", code=1).stderr


def test_verdicts_of_rules_depend_on_the_words_that_they_read():
    rules = {name: connect("rules", {}, SimpleNamespace(task=name)).depends_on for name in ("story", "chat")}
    assert TASKS["story"].rule_files
    assert rules["story"] == fingerprint(TASKS["story"].rule_files, {"task": "story"})
    assert len(set(rules.values())) == 2


def test_the_study_goes_up_to_five_epochs_and_asks_at_least_five_prompts_of_each_kind():
    settings = read_settings("study", ["--config", str(ROOT / "recipes/overfitting.yaml")])
    assert max(settings.epochs) == 5
    for file in (settings.emoji_prompts, settings.general_prompts):
        assert len(list(read_tsv(ROOT / file, ()))) >= 5


def test_the_held_out_conversations_are_not_learned(learned):
    world = learned("chat")
    learned_texts = {json.dumps(json.loads(row["text"])) for row in read_csv(world.path("training_data.csv"), ("text",))}
    judged = {json.dumps(json.loads(row["text"])) for row in read_csv(world.path("validation_data.csv"), ("text",))}
    assert len(learned_texts) > 40
    assert judged
    assert not learned_texts & judged


def test_emoji_from_their_names_in_python(tmp_path):
    emoji = [("😀", "grinning face"), ("🐶", "dog face"), ("🍕", "pizza"), ("⚽", "soccer ball")]
    lines = [f"{one},{name},Group,subgroup,{ord(one):X}" for one, name in emoji]
    (tmp_path / "emoji_df.csv").write_text("\n".join(["emoji,name,group,sub_group,codepoints", *lines]) + "\n")
    tiny = {"tiny.vocab_size": 400, "tiny.hidden_size": 32, "eval_rows": 4}
    model = fine_tune(str(tmp_path / "emoji_df.csv"), epochs=1, run="names", runs_folder=str(tmp_path), **tiny)
    assert sorted(model.emoji) == sorted(one for one, _ in emoji)
    assert model.model.config.model_type == "gpt2"
    assert generate_emoji("dog face", run=str(tmp_path / "names")) in model.emoji


@pytest.fixture
def stage_1_fails(tmp_path, monkeypatch):
    """A folder to work in, where no more is done than the settings for all stages."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "list.tsv").write_text("no list of emoji")
    return tmp_path


def test_what_is_given_in_python_reaches_the_stages_as_it_is(stage_1_fails):
    (stage_1_fails / "mybase").mkdir()
    given = {"set_likelihood": True, "export": ["merged", "gguf"], "early_stopping_patience": None, "learning_rate": 5e-5}
    with pytest.raises(UserError, match=r"1_emoji\.py"):
        fine_tune(
            "list.tsv", epochs=3, base="./mybase", run="names", tiny={"vocab_size": 99}, **given, **{"tiny.hidden_size": 8}
        )
    settings = read_settings("train", ["--config", "runs/names/recipe.yaml"])
    assert {key: getattr(settings, key) for key in given} == given
    assert settings.num_train_epochs == 3
    assert settings.base == str(stage_1_fails / "mybase")
    assert (settings.tiny.architecture, settings.tiny.vocab_size, settings.tiny.hidden_size) == ("gpt2", 99, 8)


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"lerning_rate": 1e-4}, "unknown key `train.lerning_rate`. Did you mean `learning_rate`?"),
        ({"learning_rate.x": 1}, "`train.learning_rate` is {'x': 1}"),
        ({"set_likelihood": "perhaps"}, "`train.set_likelihood` is 'perhaps'"),
    ],
)
def test_wrong_keys_and_values_are_refused_before_the_first_stage(stage_1_fails, given, reason):
    with pytest.raises(UserError, match=re.escape(reason)):
        fine_tune("list.tsv", **given)
