"""The other tasks through all stages, as a user runs them, at a size that a test can bear."""

import json

import pytest
import yaml

from emojisummary import fine_tune, generate_emoji
from emojisummary.artifacts import read_csv
from tests.conftest import ROOT, World, run_here

STAGES = ["1_emoji", "2_generate", "3_validate", "4_combine", "4_combine_eval", "5_train", "6_plot", "7_evaluate"]
SIZE = {"num_train_epochs": 1, "evaluations": 1, "eval_rows": 4, "tiny": {"vocab_size": 600, "hidden_size": 32}}
MODELS = {"combination": ["most-frequent"], "chat": ["untuned"], "story": ["untuned"]}
ASKED = {
    "combination": "Let's go dancing tonight.",
    "chat": "How do I install Python on my computer?",
    "story": "🦔 🏰 📚",
}


def make(task, folder) -> World:
    recipe = yaml.safe_load((ROOT / "recipes" / f"{task}.yaml").read_text())
    recipe["runs_folder"] = str(folder / "runs")
    recipe["evaluate"] = recipe["evaluate"] | {"models": MODELS[task], "resamples": 100}
    recipe["validate"] = recipe["validate"] | {"graders": ["rules"], "canaries": 0}
    recipe["combine"] = recipe.get("combine", {}) | {"quorum": 1}
    recipe["train"] = recipe["train"] | SIZE | {"tiny": recipe["train"]["tiny"] | SIZE["tiny"]}
    (folder / "recipe.yaml").write_text(yaml.safe_dump(recipe, allow_unicode=True))
    return World(folder, recipe["run"])


@pytest.mark.parametrize("task", ["combination", "chat", "story"])
def test_a_task_goes_through_all_stages_and_answers(task, tmp_path):
    world = make(task, tmp_path)
    for stage in STAGES:
        limit = {"5_train": "8", "7_evaluate": "2"}.get(stage)
        done = world(stage, *(["--limit", limit] if limit else []))
    results = yaml.safe_load(world.path("results.yaml").read_text())
    student = results["models"][str(world.path())]
    assert set(results["columns"]) <= student["metrics"].keys()
    assert list(results["models"])[1:] == MODELS[task]
    assert all(heading in done.stdout for heading in results["columns"].values())
    assert world.path("report.html").stat().st_size > 1000
    assert world("7_evaluate_inference", ASKED[task]).stdout.strip()
    if task == "chat":
        check_prompts_and_checklist(world, results, done.stdout)
    if task == "story":
        assert student["notes"]["bleu_signature"].startswith("nrefs:5")
        assert "takes three emoji" in world("7_evaluate_inference", "🦔 castle", code=1).stderr
        assert "most-frequent can't write" in world("7_evaluate", "--models", "most-frequent", code=1).stderr
        assert "--student llm" in world("5_train", "--student", "retriever", code=1).stderr
    if task == "combination":
        check_assignment(world)


def check_prompts_and_checklist(world, results, printed):
    assert [set(one) for one in results["prompts"]] == [{"text", str(world.path()), "untuned"}] * 2  # --limit 2
    assert [line["met"][str(world.path())] is None for line in results["checklist"]] == [False, False, False, True, False]
    for found in (printed, world.path("report.html").read_text()):
        assert "Checklist" in found
        assert "Test prompts" in found
        assert ASKED["chat"] in found


def check_assignment(world):
    printed = world("7_evaluate", "--suite", "assignment").stdout
    result = yaml.safe_load(world.path("assignment.yaml").read_text())
    assert [len(result[part]) >= 5 for part in ("known", "novel", "edge")] == [True] * 3
    assert all("learned" in entry for entry in result["known"])
    assert set(result["novel"][0]["others"]) == {"most-frequent"}
    for title in ("Known prompts", "Novel prompts", "Edge cases"):
        assert title in printed


def test_the_study_compares_epochs_with_the_untuned_base(tmp_path):
    world = make("combination", tmp_path)
    for stage in STAGES[:5]:
        world(stage)
    recipe = ["--config", str(tmp_path / "recipe.yaml"), "--epochs", "[1]", "--limit", "3"]
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


def test_the_held_out_conversations_are_not_learned(tmp_path):
    world = make("chat", tmp_path)
    for stage in STAGES[:5]:
        world(stage)
    learned = {json.dumps(json.loads(row["text"])) for row in read_csv(world.path("training_data.csv"), ("text",))}
    judged = {json.dumps(json.loads(row["text"])) for row in read_csv(world.path("validation_data.csv"), ("text",))}
    assert len(learned) > 40
    assert judged
    assert not learned & judged


def test_emoji_from_their_names_in_python(tmp_path):
    emoji = [("😀", "grinning face"), ("🐶", "dog face"), ("🍕", "pizza"), ("⚽", "soccer ball")]
    lines = [f"{one},{name},Group,subgroup,{ord(one):X}" for one, name in emoji]
    (tmp_path / "emoji_df.csv").write_text("\n".join(["emoji,name,group,sub_group,codepoints", *lines]) + "\n")
    tiny = {"tiny.vocab_size": 400, "tiny.hidden_size": 32, "eval_rows": 4}
    model = fine_tune(str(tmp_path / "emoji_df.csv"), epochs=1, run="names", runs_folder=str(tmp_path), **tiny)
    assert sorted(model.emoji) == sorted(one for one, _ in emoji)
    assert model.model.config.model_type == "gpt2"
    assert generate_emoji("dog face", run=str(tmp_path / "names")) in model.emoji
