"""The settings: one section of config.yaml per stage, and what all stages share.

config.yaml holds every default. A recipe (`--config recipes/languages.yaml`) is only the difference from it, and a flag
of the script (`--learning_rate 1e-4`) wins over both. sections.py says which keys there are and what they take.
"""

import argparse
import difflib
import re
from copy import copy
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError, create_model
from pydantic_settings import BaseSettings, CliApp, SettingsConfigDict, SettingsError

from emojisummary.sections import SECTIONS, Section, Shared
from emojisummary.stage import UserError

DEFAULTS = Path(__file__).parent.parent / "config.yaml"


class CommandLine(BaseSettings):
    """Lets flags win over the config. Environment variables are not read: TYPE or LIMIT may mean anything."""

    model_config = SettingsConfigDict(cli_kebab_case=False, cli_implicit_flags=True, nested_model_default_partial_update=True)

    @classmethod
    def settings_customise_sources(cls, settings_cls, init_settings, **others):
        return (init_settings,)


def read_settings(section: str, flags: list[str], description: str | None = None) -> Any:
    """The settings of one stage: its section and the shared keys in one flat object.

    Raises UserError for an unknown key, a wrong type or a broken file: key, value and what was expected.
    """
    recipe, flags = take_recipe(flags)
    config = read_config(recipe)
    stage = create_model(
        section,
        __base__=(Shared, SECTIONS[section], CommandLine),
        __doc__=f"{description or ''}\n--config FILE: a recipe, only what differs from config.yaml",
        **_as_defaults(Shared, config),
        **_as_defaults(SECTIONS[section], config[section]),
    )
    texts, flags = _take_texts(flags) if "text" in stage.model_fields else ([], _repeated(flags))
    flags = [
        re.sub(r"^--(\w)(?==|$)", r"-\1", flag) for flag in flags
    ]  # the library wants a single dash before a single letter
    asks_for_help = {"-h", "--help"} & set(flags)
    try:
        settings = CliApp.run(stage, cli_args=flags, cli_exit_on_error=bool(asks_for_help))
    except ValidationError as error:
        raise UserError(_explain(error, "command line", "--")) from None
    except SettingsError as error:
        reason = str(error).removeprefix("error parsing CLI: ")
        raise UserError(f"command line: {reason} (--help lists all flags)") from None
    if texts:
        settings.text = texts
    return settings


def take_recipe(flags: list[str]) -> tuple[str | None, list[str]]:
    """The value of --config, and the other flags."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    parser.add_argument("--config")
    try:
        known, others = parser.parse_known_args(flags)
    except argparse.ArgumentError as error:
        raise UserError(f"command line: {error}") from None
    return known.config, others


def _take_texts(flags: list[str]) -> tuple[list[str], list[str]]:
    """The texts to answer, and the other flags. The library would split texts at their commas."""
    texts, others, takes_value = [], [], False
    for position, flag in enumerate(flags):
        if flag == "--":
            return texts + flags[position + 1 :], others
        is_text = not takes_value and not flag.startswith("-")
        (texts if is_text else others).append(flag)
        takes_value = not is_text and not takes_value and "=" not in flag and not flag.endswith(("debug", "json"))
    return texts, others


def _repeated(flags: list[str]) -> list[str]:
    """Flags with several values as several flags: `--export merged gguf` -> `--export merged --export gguf`."""
    repeated = []
    for flag in flags:
        follows_value = len(repeated) > 1 and not repeated[-1].startswith("-") and repeated[-2].startswith("--")
        if follows_value and not flag.startswith("-"):
            repeated.append(repeated[-2])
        repeated.append(flag)
    return repeated


def read_config(recipe: str | None = None) -> dict:
    """config.yaml with the recipe laid over it: shared keys at the top level, sections below; all of it checked."""
    config = merge(_read_yaml(DEFAULTS), _read_yaml(Path(recipe)) if recipe else {})
    where = recipe or DEFAULTS.name
    missing = SECTIONS.keys() - config.keys()
    if missing:
        raise UserError(f"{where}: section `{min(missing)}` is missing.")
    sections = {name: config[name] for name in SECTIONS}
    shared = {key: value for key, value in config.items() if key not in SECTIONS}
    checked = _check(Shared, shared, where, "")
    for name, values in sections.items():
        checked[name] = _check(SECTIONS[name], values, where, f"{name}.")
    return checked


def _check(model: type[Section], values: dict, where: str, prefix: str) -> dict:
    try:
        checked = model.model_validate(values)
    except ValidationError as error:
        raise UserError(_explain(error, where, prefix, known=[*model.model_fields, *SECTIONS])) from None
    return {name: getattr(checked, name) for name in model.model_fields}


def _read_yaml(path: Path) -> dict:
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}).") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"{path} is not valid YAML: {' '.join(str(error).split())}") from None
    if not isinstance(values, dict):
        raise UserError(f"{path}: expected `key: value` lines, found {values!r}.")
    return values


MAPS_TAKEN_WHOLE = {"teachers", "texts"}  # naming teachers in a recipe replaces the default ones


def merge(base: dict, changes: dict) -> dict:
    """A config with a recipe laid over it: maps key by key, all else taken whole."""
    merged = dict(base)
    for key, value in changes.items():
        both_maps = isinstance(value, dict) and isinstance(base.get(key), dict)
        merged[key] = merge(base[key], value) if both_maps and key not in MAPS_TAKEN_WHOLE else value
    return merged


def _as_defaults(model: type[Section], values: dict) -> dict:
    """The model's fields again, with the config's values as their defaults: --help shows them."""
    fields = {}
    for name, field in model.model_fields.items():
        field = copy(field)
        field.default = values[name]
        fields[name] = (field.rebuild_annotation(), field)
    return fields


def _explain(error: ValidationError, where: str, prefix: str, known: list[str] = ()) -> str:
    errors = error.errors()
    first = next((e for e in errors if e["type"] == "extra_forbidden"), errors[0])  # a misspelt key is also a missing one
    key = prefix + ".".join(map(str, first["loc"]))
    if first["type"] == "extra_forbidden":
        close = difflib.get_close_matches(str(first["loc"][-1]), known, n=1)
        return f"{where}: unknown key `{key}`." + (f" Did you mean `{close[0]}`?" if close else "")
    if first["type"] == "missing":
        return f"{where}: key `{key}` is missing."
    return f"{where}: `{key}` is {first['input']!r}. {first['msg']}."
