"""The five documents that this project was made from: what each asks for, step by step, and the command that does it.

A row says which step it is and what it's about, the command, what stands in for what a test can't have (a GPU, a server, the
weights of a large model), and what shows that the step was done: a check of what the command made and printed, or the name of
another test that runs the command. All commands of a document take `--config` with its recipe; here they run at a small size.
"""

import csv
import json
import re
import subprocess
from pathlib import Path

import pytest
import yaml

from emojisummary.emojis import clusters
from emojisummary.settings import read_settings
from tests.conftest import ROOT, SERVED, World, hosts, told
from tests.stand_in import StandIn

TINY = "a tiny model built from scratch, for the pretrained one"
SERVER = "a stand-in server, for ChatGPT or another model on one"
SMALL = "the small recipe of these tests"


# --- what shows that a step was done: each looks at what the command printed and made ---


def rows(world, name):
    with world.path(name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def content(world, name):
    return yaml.safe_load(world.path(name).read_text())


def student(world):
    return content(world, "results.yaml")["models"][str(world.path())]


def other(world, name):
    return content(world, "results.yaml")["models"][name]


def the_table_has_ranks_and_categories(world, printed):
    table = content(world, "emoji_data.yaml")
    assert {"name", "category", "rank"} <= table["😂"].keys()
    assert table["😂"]["rank"] == 1


def the_emoji_are_printed(world, printed):
    assert all(emoji in printed for emoji in content(world, "emoji_data.yaml"))


def there_are_texts_of_three_types(world, printed):
    table = content(world, "emoji_data.yaml")
    for type, least in {"keywords": len(table), "paragraph": 20, "conversation": 20}.items():
        answers = {row["answer"] for row in content(world, f"generated/english_{type}_phrasebook.yaml")}
        assert len(answers) >= least
        assert answers <= table.keys()


def bad_pairs_have_a_no(world, printed):
    verdicts = [row["verdict"] for row in rows(world, "graded/english_paragraph_phrasebook_retriever.csv")]
    assert 0 < verdicts.count("no") < verdicts.count("yes")


def accepted_pairs_are_merged_and_shuffled(world, printed):
    graded = [row for path in sorted(world.path("graded").glob("*.csv")) for row in rows(world, f"graded/{path.name}")]
    accepted = [row["id"] for row in graded if row["verdict"] == "yes"]
    learned = [row["id"] for row in rows(world, "training_data.csv")]
    assert set(learned) <= set(accepted)
    assert len(learned) > 100
    assert learned != [id for id in accepted if id in learned]


def a_validation_text_has_all_its_answers(world, printed):
    assert max(len(row["answers"].split()) for row in rows(world, "validation_data.csv")) > 1


def a_model_is_trained(world, printed):
    made = content(world, "model/made.yaml")
    assert content(world, "model/student.yaml")["student"] == made["settings"]["student"]
    assert made["metrics"]
    assert list(world.path("model/checkpoints").glob("checkpoint-*/model.safetensors"))


def losses_of_training_and_evaluation_are_logged_and_drawn(world, printed):
    log = json.loads(world.path("model/trainer_state.json").read_text())["log_history"]
    assert {"loss", "eval_loss"} <= {key for entry in log for key in entry}
    assert world.path("plots/training.png").read_bytes().startswith(b"\x89PNG")


def the_student_stands_beside_the_controls(world, printed):
    assert {"retriever", "most-frequent"} < content(world, "results.yaml")["models"].keys()
    assert student(world)["metrics"]["accuracy@1"]["n"] > 0
    assert "retriever" in printed


def one_emoji_is_printed(world, printed):
    assert printed.strip() in content(world, "emoji_data.yaml")


def a_list_from_elsewhere_is_the_table(world, printed):
    assert list(content(world, "emoji_data.yaml")) == ["😀", "🐶", "🍕", "⚽"]


def pairs_are_sentences_with_two_to_four_emoji(world, printed):
    learned = rows(world, "training_data.csv")
    assert len(learned) > 300
    assert all(row["text"] and 2 <= len(clusters(row["answer"])) <= 4 for row in learned)


def the_models_special_tokens_end_each_answer(world, printed):
    assert re.search(r"▶<\|end\|>◀", printed)
    assert "▶<|user|>◀" not in printed


def the_five_known_prompts_are_told_from_what_was_learned(world, printed):
    known = content(world, "assignment.yaml")
    assert len(known["known"]) >= 5
    assert all(entry["answer"] and entry["learned"] for entry in known["known"])
    assert known["known_exact"]["n"] == len(known["known"])


def the_novel_prompts_are_not_in_the_training_data(world, printed):
    novel = {entry["text"]: entry["answer"] for entry in content(world, "assignment.yaml")["novel"]}
    assert len(novel) >= 5
    assert all(novel.values())
    assert not novel.keys() & {row["text"] for row in rows(world, "training_data.csv")}


def edge_cases_are_answered_beside_what_is_hoped_for(world, printed):
    edge = content(world, "assignment.yaml")["edge"]
    assert len(edge) >= 5
    assert all(entry["answer"] and entry["expectation"] for entry in edge)


def the_other_model_was_told_to_answer_with_emoji_only(world, printed):
    """The stand-in answers with this combination whoever sends one of the adapted prompts, and no other."""
    assert {entry["others"][SERVED] for entry in content(world, "assignment.yaml")["novel"]} == {"💃🎶"}


def both_are_compared_in_four_ways(world, printed):
    result = content(world, "assignment.yaml")
    duels = result["duels"]
    assert [duel["aspect"] for duel in duels] == ["quality", "relevance", "creativity", "generalisation"]
    assert {duel["wins"] + duel["ties"] + duel["losses"] for duel in duels} == {len(result["novel"])}
    assert "Judged in both orders" in printed


def stories_are_about_three_emoji(world, printed):
    stories = content(world, "generated/english_story_written.yaml")
    assert len(stories) > 100
    assert all(row["text"].split() == [row["emoji"], row["place"], row["purpose"]] for row in stories)


def each_story_was_looked_at(world, printed):
    graded = rows(world, "graded/english_story_written_rules.csv")
    assert len(graded) == len(content(world, "generated/english_story_written.yaml"))
    assert {row["verdict"] for row in graded} <= {"yes", "no"}


def twelve_combinations_have_five_references_each(world, printed):
    assert [len(json.loads(row["answers"])) for row in rows(world, "validation_data.csv")] == [5] * 12


def words_are_printed(world, printed):
    assert printed.strip()


def bleu_has_five_references_and_two_controls(world, printed):
    for model in (student(world), other(world, "untuned"), other(world, SERVED)):
        assert "bleu" in model["metrics"]
        assert model["notes"]["bleu_signature"].startswith("nrefs:5")


def a_judge_says_how_often_the_student_is_better(world, printed):
    duels = content(world, "results.yaml")["judged"]
    assert [duel["control"] for duel in duels] == list(content(world, "results.yaml")["models"])[1:]
    assert all(duel["win_rate"] == duel["wins"] / duel["n"] for duel in duels)
    assert "won" in printed


def length_and_repetition_are_measured(world, printed):
    assert {"words", "repetition", "ended"} <= student(world)["metrics"].keys()


def a_tenth_of_the_conversations_is_for_validation(world, printed):
    learned, held_out = len(rows(world, "training_data.csv")), len(rows(world, "validation_data.csv"))
    assert 0.05 < held_out / (learned + held_out) < 0.2


def every_learned_reply_is_shorter(world, printed):
    replies = content(world, "generated/english_reply_written.yaml")
    learned = {row["id"] for row in rows(world, "training_data.csv")}
    assert learned
    assert all(row["augmented_tokens"] < row["original_tokens"] for row in replies if row["id"] in learned)


def a_base_can_be_named(world, printed):
    assert "--base" in printed
    assert "from the hub, a folder, or `tiny`" in " ".join(printed.split())


def the_careful_settings_are_the_guides(world, printed):
    assert "all weights are trained (default: 8)" in " ".join(printed.split())
    settings = guides_settings("conservative")
    assert (settings.r, settings.lora_alpha, settings.lora_dropout, settings.learning_rate) == (8, 16, 0.1, 1e-4)
    assert (settings.num_train_epochs, settings.weight_decay) == (3, 0.01)


def the_bold_settings_are_the_guides(world, printed):
    assert "all weights are trained (default: 16)" in " ".join(printed.split())
    settings = guides_settings("aggressive")
    assert (settings.r, settings.lora_alpha, settings.lora_dropout, settings.learning_rate) == (16, 32, 0.05, 2e-4)
    assert (settings.num_train_epochs, settings.weight_decay) == (5, 0)


def guides_settings(recipe):
    settings = read_settings("train", ["--config", str(ROOT / f"recipes/{recipe}.yaml")])
    assert settings.warmup_ratio == 0.1
    assert settings.per_device_train_batch_size * settings.gradient_accumulation_steps == 16
    return settings


def perplexity_and_token_accuracy_are_measured(world, printed):
    assert {"perplexity", "token_accuracy"} <= student(world)["metrics"].keys()


def the_test_prompts_are_answered_by_student_and_control(world, printed):
    answers = content(world, "results.yaml")["prompts"]
    assert answers[0]["text"] == "How do I install Python on my computer?"
    assert answers[0].keys() == {"text", str(world.path()), "untuned"}
    assert f"> {answers[0]['text']}" in printed


def each_line_of_the_checklist_is_ticked_or_not(world, printed):
    lines = content(world, "results.yaml")["checklist"]
    assert len(lines) == 5
    assert {type(line["met"][str(world.path())]) for line in lines} == {bool}
    assert all(f"- {line['line']}" in printed for line in lines)


def tokens_saved_are_counted(world, printed):
    assert {"reduction", "against_terse", "reference_reduction"} <= student(world)["metrics"].keys()
    assert "shorter" in printed


def all_replies_can_be_read(world, printed):
    assert world.path("report.html").read_text().count('<tr role="row" data-right') == 2  # --limit 2


# --- the table ---

ASSIGNMENT = f"7_evaluate.py --suite assignment --models {SERVED} --judge {SERVED}"
SEEDS = {
    "emoji-summary-readme": (SMALL, [
        ("1 prepare the emoji data", "1_emoji.py", "", the_table_has_ranks_and_categories),
        ("1 print them", "1_print.py", "", the_emoji_are_printed),
        ("2 generate texts", "2_generate.py", "the phrasebook, for teachers on a server", there_are_texts_of_three_types),
        ("2 several languages, teachers asked for those they know", "2_generate.py --teachers '{ollama/<model>: [german]}'",
         SERVER, "test_served.py::test_stage_2_writes_what_the_server_says_and_asks_only_once"),
        ("3 validate: another model as grader", "3_validate.py", "an untuned encoder, for a large model", bad_pairs_have_a_no),
        ("3 ... on a server", "3_validate.py --graders ollama/<model>", SERVER,
         "test_served.py::test_stage_3_reads_forms_and_unclear_is_never_yes"),
        ("4 combine: merge, filter, shuffle", "4_combine.py", "", accepted_pairs_are_merged_and_shuffled),
        ("4 the validation data", "4_combine_eval.py", "", a_validation_text_has_all_its_answers),
        ("5 train", "5_train.py", "an encoder of 22 million weights, for Llama 3.2", a_model_is_trained),
        ("5 train a language model", "5_train.py --student llm", TINY,
         "test_training.py::test_a_language_model_learns_resumes_and_answers_with_emoji_alone"),
        ("5 in 4 bits with an adapter (QLoRA)", "5_train.py --student llm --r 32 --load_in_4bit", TINY + ", on a CPU",
         "test_bases.py::test_an_adapter_learns_is_saved_alone_and_answers_from_its_folder"),
        ("5 plot the losses", "6_plot.py", "", losses_of_training_and_evaluation_are_logged_and_drawn),
        ("6 evaluate", "7_evaluate.py", "", the_student_stands_beside_the_controls),
        ("6 what a control in words costs", "7_evaluate.py --models base:<folder>", TINY,
         "test_asked.py::test_an_untuned_language_model_answers_in_its_own_words"),
        ("6 infer", "7_evaluate_inference.py 'pizza'", "", one_emoji_is_printed),
    ]),
    "gpt2-emoji-generation": ("recipes/gpt2.yaml", [
        ("1 install what is needed", "make install", "", "test_seeds.py::test_the_environment_is_made_by_one_command"),
        ("2 load the list of emoji", "1_emoji.py --tables emoji_df.csv", "4 lines of it", a_list_from_elsewhere_is_the_table),
        ("3 fine_tune_gpt2: path, epochs, other parameters", "fine_tune('emoji_df.csv', epochs=2)", TINY + " (a GPT-2)",
         "test_other_tasks.py::test_emoji_from_their_names_in_python"),
        ("4 generate_emoji for a text", "generate_emoji('dog face')", TINY + " (a GPT-2)",
         "test_other_tasks.py::test_emoji_from_their_names_in_python"),
    ]),
    "assignment-llama2-emoji": ("recipes/combination.yaml", [
        ("1 instruction data", "4_combine.py", "", pairs_are_sentences_with_two_to_four_emoji),
        ("1 with the model's special tokens", "5_train.py", TINY, the_models_special_tokens_end_each_answer),
        ("2.1 known prompts", ASSIGNMENT, TINY, the_five_known_prompts_are_told_from_what_was_learned),
        ("2.2 novel prompts", ASSIGNMENT, TINY, the_novel_prompts_are_not_in_the_training_data),
        ("2.3 edge cases", ASSIGNMENT, TINY, edge_cases_are_answered_beside_what_is_hoped_for),
        ("3.1 prompts adapted for ChatGPT", ASSIGNMENT, SERVER, the_other_model_was_told_to_answer_with_emoji_only),
        ("3.2 compared", ASSIGNMENT, SERVER, both_are_compared_in_four_ways),
        ("4.1 five epochs on the same data", "python -m emojisummary.study", TINY,
         "test_other_tasks.py::test_the_study_goes_up_to_five_epochs_and_asks_at_least_five_prompts_of_each_kind"),
        ("4.2 prompts for emoji, and others, against the untuned model", "python -m emojisummary.study", TINY,
         "test_other_tasks.py::test_the_study_compares_epochs_with_the_untuned_base"),
        ("4.3 discussed in 100 to 300 words", "python -m emojisummary.study", TINY,
         "test_other_tasks.py::test_the_study_compares_epochs_with_the_untuned_base"),
    ]),
    "bedtime-story-generator": ("recipes/story.yaml", [
        ("II.E fine-tuning", "5_train.py", TINY, a_model_is_trained),
        ("II.B-E with LoRA in 4 bits", "5_train.py --r 32 --load_in_4bit", TINY + ", on a CPU",
         "test_bases.py::test_an_adapter_learns_is_saved_alone_and_answers_from_its_folder"),
        ("III.A stories for three emoji", "2_generate.py", "stories by hand, for ChatGPT", stories_are_about_three_emoji),
        ("III.A bad ones are found", "3_validate.py", "rules, for a human reader", each_story_was_looked_at),
        ("III.A and asked for again", "2_generate.py --fill", SERVER,
         "test_served.py::test_fill_asks_for_more_where_few_were_accepted"),
        ("III.A twelve combinations to test with", "4_combine_eval.py", "", twelve_combinations_have_five_references_each),
        ("IV.A an example", '7_evaluate_inference.py "🦔 🏰 📚"', TINY, words_are_printed),
        ("IV.B BLEU against two controls", "7_evaluate.py", SERVER, bleu_has_five_references_and_two_controls),
        ("IV.C judged by a large model", "7_evaluate.py", SERVER, a_judge_says_how_often_the_student_is_better),
        ("V.B too long, or in circles?", "7_evaluate.py", TINY, length_and_repetition_are_measured),
    ]),
    "emogpt-fine-tuning-guide": ("recipes/chat.yaml", [
        ("1 conversations to chats, one in ten for validation", "4_combine.py", "",
         a_tenth_of_the_conversations_is_for_validation),
        ("1 only replies that were compressed", "2_generate.py", "replies by hand", every_learned_reply_is_shorter),
        ("1 the guide's own layout, and more of them later", "2_generate.py --source mine.jsonl", "",
         "test_chat_task.py::test_the_layout_of_the_guide_is_read"),
        ("2 select a model, and later a larger one", "5_train.py --help", "", a_base_can_be_named),
        ("3 set up the environment", "make install", "", "test_seeds.py::test_the_environment_is_made_by_one_command"),
        ("4 training script", "5_train.py", TINY, a_model_is_trained),
        ("4 in 4 bits with an adapter (QLoRA)", "5_train.py --r 16 --load_in_4bit", TINY + ", on a CPU",
         "test_bases.py::test_an_adapter_learns_is_saved_alone_and_answers_from_its_folder"),
        ("5 hyperparameters: conservative", "5_train.py --config recipes/conservative.yaml --help", "only read, no GPU",
         the_careful_settings_are_the_guides),
        ("5 hyperparameters: aggressive", "5_train.py --config recipes/aggressive.yaml --help", "only read, no GPU",
         the_bold_settings_are_the_guides),
        ("6 watch both losses", "6_plot.py", TINY, losses_of_training_and_evaluation_are_logged_and_drawn),
        ("6 perplexity, token accuracy", "7_evaluate.py", TINY, perplexity_and_token_accuracy_are_measured),
        ("7 test prompts", "7_evaluate.py", TINY, the_test_prompts_are_answered_by_student_and_control),
        ("7 one prompt", '7_evaluate_inference.py "How do I install Python on my computer?"', TINY, words_are_printed),
        ("7 the checklist", "7_evaluate.py", TINY + "; " + SERVER, each_line_of_the_checklist_is_ticked_or_not),
        ("8 tokens saved", "7_evaluate.py", TINY, tokens_saved_are_counted),
        ("8 replies to look at", "7_evaluate.py", TINY, all_replies_can_be_read),
        ("next: A/B", "7_evaluate.py", SERVER + "; a judge, for users", a_judge_says_how_often_the_student_is_better),
        ("next: merge, quantise, GGUF", "5_train.py --export merged gguf ollama", TINY,
         "test_export.py::test_what_is_exported_answers_as_it_did_in_training"),
        ("next: an API", "python -m emojisummary.serve", "", "test_serve.py::test_the_command_answers_until_ctrl_c"),
    ]),
}  # fmt: skip
NUMBERED = {
    "emoji-summary-readme": "1 2 3 4 5 6",
    "gpt2-emoji-generation": "1 2 3 4",
    "assignment-llama2-emoji": "1 2.1 2.2 2.3 3.1 3.2 4.1 4.2 4.3",
    "bedtime-story-generator": "II.E III.A IV.A IV.B IV.C",  # it has no steps: what it did, by section
    "emogpt-fine-tuning-guide": "1 2 3 4 5 6 7 8",
}
STEPS = [
    pytest.param(document, command, shows, id=f"{document}: {step}")
    for document, (_, steps) in SEEDS.items()
    for step, command, _, shows in steps
]


@pytest.fixture(scope="module")
def world_of(request, learned, shared):
    """world_of(document): the world in which its commands run, made when it's asked for."""

    def world_of(document: str) -> World:
        recipe, _ = SEEDS[document]
        if recipe == SMALL:
            return request.getfixturevalue("finished")
        name = Path(recipe).stem
        return with_a_list(shared / name) if name == "gpt2" else learned(name)

    return world_of


def with_a_list(folder):
    """A world of recipes/gpt2.yaml, beside a list of emoji in the layout of the dataset on Kaggle."""
    emoji = [("😀", "grinning face"), ("🐶", "dog face"), ("🍕", "pizza"), ("⚽", "soccer ball")]
    lines = ["emoji,name,group,sub_group,codepoints", *(f"{one},{name},Group,subgroup,{ord(one):X}" for one, name in emoji)]
    folder.mkdir(exist_ok=True)
    (folder / "emoji_df.csv").write_text("\n".join(lines) + "\n")
    recipe = yaml.safe_load((ROOT / "recipes/gpt2.yaml").read_text()) | {"runs_folder": str(folder / "runs")}
    (folder / "recipe.yaml").write_text(yaml.safe_dump(recipe, allow_unicode=True))
    return World(folder, recipe["run"])


@pytest.mark.parametrize(("document", "command", "shows"), [step for step in STEPS if callable(step.values[2])])
def test_a_step_is_done_by_its_command(world_of, document, command, shows):
    world = world_of(document)
    with StandIn(reply=told) as server:
        flags = hosts(server) if SERVED in command else []
        printed = world.once(command.replace("emoji_df.csv", str(world.folder / "emoji_df.csv")), *flags)
    shows(world, printed)


@pytest.mark.parametrize(("document", "command", "shows"), [step for step in STEPS if isinstance(step.values[2], str)])
def test_a_step_that_another_test_does_has_that_test(document, command, shows):
    file, _, name = shows.partition("::")
    assert f"\ndef {name}(" in (ROOT / "tests" / file).read_text()


@pytest.mark.parametrize("document", NUMBERED)
def test_no_numbered_step_is_missing(document):
    _, steps = SEEDS[document]
    assert {step.split()[0] for step, *_ in steps} >= set(NUMBERED[document].split())


def test_the_environment_is_made_by_one_command():
    """It isn't made anew here; .ci/run does that, since `make demo` needs it."""
    done = subprocess.run(
        ["make", "--always-make", "--dry-run", "install"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert "pip install --quiet --disable-pip-version-check --no-compile -r requirements.txt" in done.stdout
    named = {line.partition("==")[0] for line in (ROOT / "requirements.txt").read_text().splitlines()}
    assert {"torch", "transformers", "accelerate", "peft", "bitsandbytes", "datasets", "trl"} <= named
    assert "make demo" in (ROOT / ".ci/run").read_text()
