from pathlib import Path

import pytest
import yaml

from emojisummary.artifacts import write_text
from emojisummary.sections import SECTIONS, Shared
from emojisummary.settings import read_config, read_settings
from emojisummary.stage import UserError, run

ROOT = Path(__file__).parent.parent
RECIPES = sorted(set((ROOT / "recipes").glob("*.yaml")) - {ROOT / "recipes" / "fsdp.yaml"})  # which is accelerate's

# key, what is typed behind the flag (None: nothing), what arrives
SHARED_FLAGS = [
    ("run", "other", "other"),
    ("runs_folder", "/tmp/x", "/tmp/x"),
    ("task", "summary", "summary"),
    ("seed", "5", 5),
    ("language", "german", ["german"]),
    ("type", "keywords", ["keywords"]),
    ("teacher", "phrasebook", ["phrasebook"]),
    ("grader", "retriever", ["retriever"]),
    ("limit", "12", 12),
    ("encoder", "some/folder", "some/folder"),
    ("debug", None, True),
    ("validation_set", "v.yaml", "v.yaml"),
]
FLAGS = [
    ("emoji", "tables", "a.tsv", ["a.tsv"]),
    ("emoji", "ranking", "r.tsv", "r.tsv"),
    ("emoji", "only", "🍔", ["🍔"]),
    ("generate", "teachers", '{"phrasebook": ["german"]}', {"phrasebook": ["german"]}),
    (
        "generate",
        "texts",
        '{"keywords": {"min": 1, "max": 2, "exponent": 3}}',
        {"keywords": {"min": 1, "max": 2, "exponent": 3}},
    ),
    ("generate", "source", "pairs.tsv", "pairs.tsv"),
    ("generate", "phrasebook", "folder", "folder"),
    ("generate", "keywords", "folder", "folder"),
    ("generate", "retry_unusable", None, True),
    ("generate", "supports", '{"gemma3": ["english"]}', {"gemma3": ["english"]}),
    ("generate", "temperature", "0.5", 0.5),
    ("generate", "num_predict", "99", 99),
    ("generate", "force_languages", None, True),
    ("generate", "fill", None, True),
    ("generate", "plan", None, True),
    ("validate", "graders", "most-frequent", ["most-frequent"]),
    ("validate", "grade_own", None, True),
    ("validate", "least_similarity", "0.5", 0.5),
    ("validate", "rank_at_most", "7", 7),
    ("validate", "canaries", "0.1", 0.1),
    ("validate", "temperature", "0.5", 0.5),
    ("validate", "num_predict", "99", 99),
    ("validate", "plan", None, True),
    ("combine", "quorum", "2", 2),
    ("combine", "weighting", "dawid-skene", "dawid-skene"),
    ("combine", "least_probability", "0.9", 0.9),
    ("combine", "worst_false_accept", "0.3", 0.3),
    ("combine", "languages", "german", ["german"]),
    ("combine", "near_duplicate", "0.25", 0.25),
    ("combine", "rows", "my.csv", ["my.csv"]),
    ("train", "student", "llm", "llm"),
    ("train", "base", "gpt2", "gpt2"),
    ("train", "backend", "unsloth", "unsloth"),
    ("train", "load_in_4bit", None, True),
    ("train", "r", "8", 8),
    ("train", "lora_alpha", "64", 64),
    ("train", "lora_dropout", "0.1", 0.1),
    ("train", "target_modules", ".*q_proj", ".*q_proj"),
    ("train", "optim", "paged_adamw_8bit", "paged_adamw_8bit"),
    ("train", "early_stopping_patience", "2", 2),
    ("train", "report_to", "tensorboard", "tensorboard"),
    ("train", "push_to_hub", "somebody/emoji", "somebody/emoji"),
    ("train", "export", "gguf", ["gguf"]),
    ("train", "llama_cpp", "folder", "folder"),
    ("train", "gguf_type", "f16", "f16"),
    ("train", "num_train_epochs", "0.5", 0.5),
    ("train", "per_device_train_batch_size", "3", 3),
    ("train", "gradient_accumulation_steps", "4", 4),
    ("train", "learning_rate", "3e-6", 3e-6),
    ("train", "cards_epochs", "0", 0),
    ("train", "cards_learning_rate", "1e-2", 1e-2),
    ("train", "weight_decay", "0", 0.0),
    ("train", "warmup_ratio", "0.5", 0.5),
    ("train", "lr_scheduler_type", "cosine", "cosine"),
    ("train", "max_length", "64", 64),
    ("train", "scale", "20.5", 20.5),
    ("train", "also_weight", "1", 1.0),
    ("train", "set_likelihood", None, True),
    ("train", "ngram_weights", "0.3", [0.3]),
    ("train", "prior", "0.1", 0.1),
    ("train", "frozen_layers", "0", 0),
    ("train", "dropout", "0.1", 0.1),
    ("train", "evaluations", "5", 5),
    ("train", "eval_rows", "10", 10),
    ("train", "save_total_limit", "1", 1),
    ("train", "general_share", "0.2", 0.2),
    ("train", "general_rows", "g.tsv", "g.tsv"),
    ("study", "epochs", "[1, 4]", [1, 4]),
    ("study", "general_prompts", "g.tsv", "g.tsv"),
    ("study", "emoji_prompts", "e.tsv", "e.tsv"),
    ("plot", "runs", "runs/a", ["runs/a"]),
    ("plot", "smoothing", "9", 9),
    ("evaluate", "models", "retriever", ["retriever"]),
    ("evaluate", "resamples", "100", 100),
    ("evaluate", "examples", "0", 0),
    ("evaluate", "suite", "robustness", "robustness"),
    ("evaluate", "data", "my.csv", "my.csv"),
    ("evaluate", "robustness", "my.tsv", "my.tsv"),
    ("evaluate", "temperature", "0.5", 0.5),
    ("evaluate", "num_predict", "99", 99),
    ("evaluate", "prices", '{"base:gpt2": [0.5, 2]}', {"base:gpt2": (0.5, 2.0)}),
    ("evaluate", "training_cost", "3.5", 3.5),
    ("evaluate", "assignment", "folder", "folder"),
    ("evaluate", "prompts", "mine.txt", "mine.txt"),
    ("evaluate", "judge", "ollama/gemma3", "ollama/gemma3"),
    ("inference", "model", "runs/a", "runs/a"),
    ("inference", "input", "-", "-"),
    ("inference", "output", "o.jsonl", "o.jsonl"),
    ("inference", "top", "5", 5),
    ("inference", "json", None, True),
    ("inference", "only", "mine.txt", "mine.txt"),
    ("inference", "exclude_category", "flags", ["flags"]),
    ("inference", "skin_tone", "medium", "medium"),
    ("inference", "min_probability", "0.2", 0.2),
    ("serve", "model", "runs/a", "runs/a"),
    ("serve", "port", "8001", 8001),
]
NESTED = {("train", "tiny"), ("train", "parity"), ("inference", "text")}  # tested below, on their own
SHARED_MAPS = {"ollama", "openai", "ask"}  # so are these


def flag(key, typed):
    return [f"--{key}"] if typed is None else [f"--{key}", typed]


def as_plain(value):
    return (
        {k: v.model_dump() if hasattr(v, "model_dump") else v for k, v in value.items()} if isinstance(value, dict) else value
    )


def recipe(folder, text):
    file = folder / "mine.yaml"
    file.write_text(text, encoding="utf-8")
    return str(file)


# --- flags ---


@pytest.mark.parametrize(("section", "key", "typed", "expected"), FLAGS)
def test_every_key_of_a_section_is_a_flag(section, key, typed, expected):
    assert as_plain(getattr(read_settings(section, flag(key, typed)), key)) == expected


@pytest.mark.parametrize("section", SECTIONS)
def test_the_shared_keys_are_flags_of_every_stage(section):
    flags = [part for key, typed, _ in SHARED_FLAGS for part in flag(key, typed)]
    settings = read_settings(section, flags)
    assert {key: getattr(settings, key) for key, _, _ in SHARED_FLAGS} == {key: value for key, _, value in SHARED_FLAGS}


def test_the_tables_above_name_every_key_there_is():
    assert {key for key, _, _ in SHARED_FLAGS} | SHARED_MAPS == set(Shared.model_fields)
    there_are = {(section, key) for section, model in SECTIONS.items() for key in model.model_fields}
    assert {(section, key) for section, key, _, _ in FLAGS} | NESTED == there_are


@pytest.mark.parametrize(
    ("flag", "typed", "value"),
    [
        ("ollama.hosts", "http://127.0.0.1:1", ["http://127.0.0.1:1"]),
        ("ollama.keep_alive", "5m", "5m"),
        ("openai.key", "MY_KEY", "MY_KEY"),
        ("ask.concurrency", "9", 9),
        ("ask.timeout", "1.5", 1.5),
    ],
)
def test_how_servers_are_asked_is_set_by_flags_of_every_stage(flag, typed, value):
    section, _, key = flag.partition(".")
    settings = getattr(read_settings("generate", [f"--{flag}", typed]), section)
    assert getattr(settings, key) == value
    assert settings.model_dump().keys() == getattr(read_settings("validate", []), section).model_dump().keys()


def test_several_values_may_follow_a_flag():
    settings = read_settings("train", ["--export", "merged", "gguf", "--seed", "3", "--parity.prompts", "0", "--r=4"])
    assert (settings.export, settings.seed, settings.parity.prompts, settings.r) == (["merged", "gguf"], 3, 0, 4)


def test_exports_are_no_reason_to_train_again():
    assert read_settings("train", ["--export", "merged", "--parity.prompts", "9"]).own() == read_settings("train", []).own()
    assert read_settings("train", ["--r", "9"]).own() != read_settings("train", []).own()


@pytest.mark.parametrize("key", ["vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads"])
def test_a_key_inside_a_map_is_a_flag_and_leaves_its_neighbours_alone(key):
    before = read_settings("train", []).tiny.model_dump()
    assert read_settings("train", [f"--tiny.{key}", "77"]).tiny.model_dump() == before | {key: 77}


@pytest.mark.parametrize("section", SECTIONS)
def test_without_flags_a_stage_gets_what_the_config_says(section):
    config, settings = read_config(), read_settings(section, [])
    for key in [*Shared.model_fields, *SECTIONS[section].model_fields]:
        expected = config[key] if key in Shared.model_fields else config[section][key]
        assert getattr(settings, key) == expected


@pytest.mark.parametrize("key", ["language", "type", "teacher", "grader"])
def test_filters_repeat(key):
    assert getattr(read_settings("validate", [f"--{key}", "one", f"--{key}", "two"]), key) == ["one", "two"]


@pytest.mark.parametrize("flags", [["--config={}"], ["--config", "{}"]])
def test_the_recipe_flag_takes_a_space_or_an_equals_sign(flags, tmp_path):
    file = recipe(tmp_path, "seed: 99")
    assert read_settings("plot", [part.format(file) for part in flags]).seed == 99


@pytest.mark.parametrize("text", ["No comma here.", "", "123", "-_- so tired", "back\\slash", "😂"])
def test_a_text_on_the_command_line_arrives_as_it_is(text):
    assert read_settings("inference", [text]).text == [text]


@pytest.mark.parametrize(
    "text",
    [
        "Well, well, well.",
        "5,000 runners, one finish line",
        "tail,",
        "[sigh] another Monday",
        '"quoted" from the start',
        'He said "hi, you", then left',
        "{",
        '"',
        "null",
        "true",
        "[1, 2]",
        "two\nlines",
    ],
)
def test_a_text_with_commas_quotes_or_brackets_arrives_as_it_is(text):
    assert read_settings("inference", [text]).text == [text]


def test_several_texts_on_the_command_line_stay_several():
    assert read_settings("inference", ["one", "two", "--top", "3"]).text == ["one", "two"]


# --- config and recipe ---


def test_recipe_wins_over_config_and_flag_wins_over_both(tmp_path):
    file = recipe(tmp_path, "seed: 1\ntrain: {scale: 2}")
    assert read_settings("train", []).seed == 7
    assert read_settings("train", ["--config", file]).seed == 1
    assert read_settings("train", ["--config", file, "--seed", "2"]).seed == 2
    assert read_settings("train", ["--config", file]).scale == 2


def test_a_recipe_changes_nothing_else(tmp_path):
    changed = read_config(recipe(tmp_path, "train: {scale: 2, tiny: {vocab_size: 300}}"))
    plain = read_config()
    plain["train"]["scale"] = 2.0
    plain["train"]["tiny"].vocab_size = 300
    assert changed == plain


@pytest.mark.parametrize(
    ("text", "key", "expected"),
    [
        ("generate: {teachers: {other: [german]}}", "teachers", {"other": ["german"]}),
        ("generate: {texts: {poem: {min: 1, max: 1, exponent: 1}}}", "texts", {"poem": {"min": 1, "max": 1, "exponent": 1}}),
    ],
)
def test_teachers_and_texts_of_a_recipe_replace_the_default_ones(text, key, expected, tmp_path):
    assert as_plain(read_config(recipe(tmp_path, text))["generate"][key]) == expected


@pytest.mark.parametrize("written", ["3e-6", "3.0e-6", "0.000003", "'3e-6'"])
def test_a_small_number_is_a_number_in_yaml_too(written, tmp_path):
    assert read_config(recipe(tmp_path, f"train: {{learning_rate: {written}}}"))["train"]["learning_rate"] == 3e-6


def test_an_empty_recipe_is_the_config(tmp_path):
    assert read_config(recipe(tmp_path, "# nothing yet\n")) == read_config()


@pytest.mark.parametrize("file", RECIPES, ids=lambda file: file.name)
@pytest.mark.parametrize("section", SECTIONS)
def test_every_shipped_recipe_loads_for_every_stage(file, section):
    assert read_settings(section, ["--config", str(file)]).run == yaml.safe_load(file.read_text(encoding="utf-8"))["run"]


def test_there_are_shipped_recipes():
    assert RECIPES


# --- environment ---


@pytest.mark.parametrize(
    ("name", "value"),
    [("SEED", "99"), ("LANGUAGE", "en_US:en"), ("TYPE", "x"), ("LIMIT", "5"), ("DEBUG", "1"), ("RUN", "x"), ("seed", "99")],
)
def test_environment_variables_are_ignored(name, value, monkeypatch):
    before = read_settings("train", []).model_dump()
    monkeypatch.setenv(name, value)
    assert read_settings("train", []).model_dump() == before


# --- errors ---


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("trian: {}", ["`trian`", "`train`"]),
        ("sead: 1", ["`sead`", "`seed`"]),
        ("train: {learning_rat: 1}", ["`train.learning_rat`", "`learning_rate`"]),
        ("train: {quorum: 1}", ["`train.quorum`"]),
        ("train: {tiny: {layers: 1}}", ["`train.tiny.layers`"]),
        ("1: x", ["`1`"]),
    ],
)
def test_an_unknown_key_is_named_with_its_file_and_the_nearest_known_one(text, parts, tmp_path):
    file = recipe(tmp_path, text)
    with pytest.raises(UserError) as error:
        read_config(file)
    assert all(part in str(error.value) for part in [file, *parts])


@pytest.mark.parametrize(
    ("text", "key", "value"),
    [
        ("train: {learning_rate: fast}", "train.learning_rate", "'fast'"),
        ("train: {learning_rate: 0}", "train.learning_rate", "0"),
        ("train: {warmup_ratio: 1.5}", "train.warmup_ratio", "1.5"),
        ("train: {student: parrot}", "train.student", "'parrot'"),
        ("train: {tiny: 5}", "train.tiny", "5"),
        ("train: {tiny: {vocab_size: 1.5}}", "train.tiny.vocab_size", "1.5"),
        ("generate: {texts: {keywords: {min: -1, max: 1, exponent: 1}}}", "generate.texts.keywords.min", "-1"),
        ("generate: {teachers: {phrasebook: english}}", "generate.teachers.phrasebook", "'english'"),
        ("combine: {quorum: 0}", "combine.quorum", "0"),
        ("limit: many", "limit", "'many'"),
        ("limit: 0", "limit", "0"),
        ("seed: 1.5", "seed", "1.5"),
        ("seed: -1", "seed", "-1"),
        ("task: other", "task", "'other'"),
        ("run: 5", "run", "5"),
        ("debug: maybe", "debug", "'maybe'"),
        ("language: english", "language", "'english'"),
        ("train:", "train", "None"),
        ("train: [1]", "train", "[1]"),
    ],
)
def test_a_wrong_value_is_named_with_its_key_and_file(text, key, value, tmp_path):
    file = recipe(tmp_path, text)
    with pytest.raises(UserError) as error:
        read_settings("train", ["--config", file])
    assert all(part in str(error.value) for part in [file, key, value])


@pytest.mark.parametrize("text", ["a: [", "a: b: c", "\ttrain: 1", "run: \x07", "- a", "just words", "5"])
def test_broken_yaml_is_named_with_its_file(text, tmp_path):
    file = recipe(tmp_path, text)
    with pytest.raises(UserError, match="mine.yaml"):
        read_config(file)


def test_a_recipe_that_is_not_utf8_is_named(tmp_path):
    (tmp_path / "mine.yaml").write_bytes(b"run: \xff\n")
    with pytest.raises(UserError, match="mine.yaml"):
        read_config(str(tmp_path / "mine.yaml"))


@pytest.mark.parametrize("name", ["nowhere.yaml", "."])
def test_a_recipe_that_cannot_be_read_is_named(name, tmp_path):
    file = str(tmp_path / name)
    with pytest.raises(UserError) as error:
        read_settings("train", ["--config", file])
    assert str(tmp_path) in str(error.value)


@pytest.mark.parametrize(
    ("flags", "parts"),
    [
        (["--learning_rat", "1"], ["--learning_rat"]),
        (["--learning-rate", "1"], ["--learning-rate"]),
        (["--learn", "1"], ["--learn"]),
        (["--quorum", "1"], ["--quorum"]),
        (["stray"], ["stray"]),
        (["--seed"], ["--seed"]),
        (["--learning_rate", "fast"], ["--learning_rate", "'fast'"]),
        (["--limit", "0"], ["--limit", "'0'"]),
        (["--student", "parrot"], ["--student", "'parrot'"]),
        (["--tiny.vocab_size", "x"], ["--tiny.vocab_size", "'x'"]),
        pytest.param(["--config"], ["--config"]),
    ],
)
def test_a_wrong_flag_is_a_user_error_that_names_it(flags, parts):
    with pytest.raises(UserError) as error:
        read_settings("train", flags)
    assert all(part in str(error.value) for part in ["command line", *parts])


@pytest.mark.parametrize("section", SECTIONS)
def test_help_lists_every_flag_and_leaves_with_0(section, capsys):
    with pytest.raises(SystemExit) as left:
        read_settings(section, ["--help"], description="What it does.")
    shown = capsys.readouterr().out
    assert not left.value.code
    assert "What it does." in shown
    assert "--config" in shown
    assert all(f"--{key}" in shown for key in [*Shared.model_fields, *SECTIONS[section].model_fields] if key != "text")


def test_a_misspelt_key_of_config_yaml_itself_is_called_unknown(tmp_path, monkeypatch):
    from emojisummary import settings

    config = settings.DEFAULTS.read_text(encoding="utf-8")
    for typo, said in (
        ("quorun", "unknown key `combine.quorun`. Did you mean `quorum`?"),
        ("# quorum", "key `combine.quorum` is missing"),
    ):
        (tmp_path / "config.yaml").write_text(config.replace("  quorum:", f"  {typo}:"), encoding="utf-8")
        monkeypatch.setattr(settings, "DEFAULTS", tmp_path / "config.yaml")
        with pytest.raises(UserError) as error:
            read_config()
        assert said in str(error.value)


def test_a_runs_folder_that_is_a_file_is_named_without_a_traceback(tmp_path, monkeypatch):
    file = tmp_path / "runs"
    file.write_text("no folder")
    monkeypatch.setattr("sys.argv", ["1_emoji.py", "--runs_folder", str(file)])
    with pytest.raises(SystemExit, match="Not a directory. Name another place with --runs_folder"):
        run(lambda settings: write_text(settings.folder / "some.txt", "text"), "emoji")
