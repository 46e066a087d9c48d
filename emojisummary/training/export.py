"""What else is made of a trained language model, each only where it isn't up to date, all in runs/<run>/model/export/:

    merged/            the base with the adapter in it, as transformers saves it
    <run>-q8_0.gguf    for llama.cpp, LM Studio, Ollama
    emoji.gbnf         keeps it to the emoji in llama.cpp: llama-cli -m <run>-q8_0.gguf --grammar-file emoji.gbnf
    Modelfile          for Ollama: ollama create <run> -f Modelfile
    emoji.schema.json  keeps it to the emoji in Ollama, as `format` of a request
    README.md          a model card: data, metrics, licences

A merged model and a GGUF file must answer as the trained model does (parity.py), or they are refused.
"""

import json
import os
import shutil
import tempfile
from functools import cached_property
from pathlib import Path

from emojisummary.artifacts import is_stamped, read_yaml, stamp, write_text, write_yaml
from emojisummary.grammar import gbnf, schema
from emojisummary.models.llm import LanguageModel
from emojisummary.models.weights import load_model
from emojisummary.stage import UserError
from emojisummary.tasks import TASKS
from emojisummary.training.gguf_file import check_convertible, write_gguf
from emojisummary.training.modelfile import is_one_question, modelfile, ollama_template, rendered_prompt, with_values
from emojisummary.training.parity import Said, by_llama_cpp, by_transformers, chats_of, gate

NEEDS = {"merged": ("merged",), "gguf": ("merged", "gguf"), "ollama": ("merged", "gguf", "ollama")}


class Export:
    """The exports of one trained model. `texts` are what it's asked when exports are compared with it."""

    def __init__(self, model: Path, settings, texts: list[str], made_from: str):
        self.model, self.settings, self.texts = model, settings, texts
        self.made_from = f"{made_from} {settings.parity.model_dump()}"
        self.about = read_yaml(model / "student.yaml")
        self.folder = model / "export"
        self.merged = self.folder / "merged"
        self.gguf = self.folder / f"{settings.run}-{settings.gguf_type}.gguf"

    def make(self, wanted: list[str]) -> None:
        parts = {part for name in wanted for part in NEEDS[name]}
        for part in ("merged", "gguf", "ollama"):  # each needs the one before
            if part in parts:
                getattr(self, f"make_{part}")()
        if limits := self.student.task.only_emoji:
            write_text(self.folder / "emoji.gbnf", gbnf(self.about["emoji"], *limits))
            write_text(self.folder / "emoji.schema.json", json.dumps(schema(self.about["emoji"], *limits), ensure_ascii=False))
        write_text(self.folder / "README.md", card(self.model, self.settings))

    @cached_property
    def student(self) -> LanguageModel:
        """What renders the prompts: the trained model without its weights."""
        from transformers import AutoTokenizer

        tokenizer, task = AutoTokenizer.from_pretrained(self.model), TASKS[self.about["task"]]
        return LanguageModel(self.settings.run, None, tokenizer, task, self.about["emoji"], self.about["max_length"])

    @cached_property
    def chats(self) -> list:
        return chats_of(self.student, self.texts, self.settings.parity.prompts)

    @cached_property
    def trained(self) -> list[Said]:
        """What the model says as it was trained: an adapter beside its base, in 4 bits if it was in training."""
        model = load_model(self.model, roomy_device(self.model), merge=False, load_in_4bit=self.about["load_in_4bit"])
        return by_transformers(model, self.student.tokenizer, self.chats)

    def make_merged(self) -> None:
        if self._is_done(self.merged):
            return
        part = self.folder / "merged.part"
        shutil.rmtree(part, ignore_errors=True)
        load_model(self.model, dtype="auto").save_pretrained(part)
        self.student.tokenizer.save_pretrained(part)
        if self.chats:
            self._gate("merged", lambda: by_transformers(load_model(part, roomy_device(part), dtype="auto"), *self._asked))
        shutil.rmtree(self.merged, ignore_errors=True)
        os.replace(part, self.merged)
        self._done(self.merged, self.as_trained)

    def make_gguf(self) -> None:
        if self._is_done(self.gguf):
            return
        part = self.gguf.with_name(self.gguf.name + ".part")
        write_gguf(self.merged, part, self.settings.gguf_type, self.settings.llama_cpp)
        if self.chats:
            self._gate(self.gguf.name, lambda: by_llama_cpp(part, *self._asked))
        os.replace(part, self.gguf)
        self._done(self.gguf, self.as_trained)

    def make_ollama(self) -> None:
        path = self.folder / "Modelfile"
        if path.exists() and self.gguf.name in path.read_text() and self._is_done(path):
            return
        tokenizer, chats = self.student.tokenizer, list(filter(is_one_question, self.chats))
        template = ollama_template(tokenizer)
        for chat in chats:
            rendered, prompt = with_values(template, chat), rendered_prompt(tokenizer, chat)
            if rendered != prompt.removeprefix(tokenizer.bos_token or ""):
                raise UserError(f"Modelfile: its template renders {rendered!r}, in training it was {prompt!r}.")
        write_text(path, modelfile(self.gguf.name, template, self.student))
        self._done(path, f"renders {len(chats)} prompts as in training" if chats else "not compared with the model")

    @property
    def _asked(self) -> tuple:
        return self.student.tokenizer, self.chats

    def _gate(self, name: str, answers) -> None:
        """Compares. One model after the other is in memory: the trained one answers first, and is gone when `answers` loads."""
        trained = self.trained
        write_yaml(self.folder / f"{name}.parity.yaml", gate(name, trained, answers(), self.settings.parity))

    def _is_done(self, path: Path) -> bool:
        if done := is_stamped(path, self.made_from):
            print(f"{path}: up to date")
        return done

    @property
    def as_trained(self) -> str:
        return f"answers {len(self.chats)} prompts as the trained model does" if self.chats else "not compared with the model"

    def _done(self, path: Path, checked: str) -> None:
        stamp(path, self.made_from)
        print(f"{path}: {checked}")


def roomy_device(folder: Path) -> str:
    """The GPU where the weights of the folder fit into what is free there, else the CPU. An adapter's base counts as small: it
    was trained there."""
    import torch

    size = sum(file.stat().st_size for file in folder.glob("*.safetensors"))
    return "cuda" if torch.cuda.is_available() and torch.cuda.mem_get_info()[0] > 1.3 * size else "cpu"


def rehearse(model, tokenizer, settings) -> None:
    """Raises UserError for an export that can't be made of this model: before it's trained, not hours later."""
    if not {"gguf", "ollama"} & set(settings.export):
        return
    check_engine(settings)
    base = model.get_base_model() if hasattr(model, "get_base_model") else model
    with tempfile.TemporaryDirectory() as place:
        tokenizer.save_pretrained(place)
        config = base.config.to_dict() | {"architectures": [type(base).__name__]}
        (Path(place) / "config.json").write_text(json.dumps(config, default=str))
        check_convertible(Path(place), settings.gguf_type, settings.llama_cpp)


def check_engine(settings) -> None:
    """Raises UserError where a GGUF file is to be compared with the model and there's no llama.cpp to ask."""
    try:
        import xllamacpp  # noqa: F401
    except ImportError as error:
        if settings.parity.prompts:
            raise UserError(
                f"A GGUF file is compared with the trained model by llama.cpp, which can't be imported ({error}). "
                "pip install xllamacpp, or go without: --parity.prompts 0"
            ) from None


def card(model: Path, settings) -> str:
    """A model card: what it does, what it learned from, how well, and whose licences it's under."""
    made, about = read_yaml(model / "made.yaml"), read_yaml(model / "student.yaml")
    teachers, languages = ", ".join(made["teacher"]), ", ".join(made["language"])
    if about["student"] == "retriever":
        base, prompt = f"the sentence encoder {Path(settings.encoder).name}", []
    else:
        base = "a small model from scratch" if about["base"] == "tiny" else Path(about["base"]).name
        prompt = [f"- System prompt: {TASKS[about['task']].system}"]
    does = "Answers a text with one emoji. " if about["student"] == "retriever" or TASKS[about["task"]].ranks else ""
    lines = [
        f"# {settings.run}",
        "",
        f"{does}Trained with EmojiSummary from {base}, by the command `{made['command']}`.",
        "",
        f"- Data: {made['rows']:,} rows in {languages}, written by {teachers}. They are synthetic.",
        *prompt,
        "- On the validation texts of the part `dev`, by which the checkpoint was chosen: "
        + ", ".join(f"{name} {value:.3f}" for name, value in made["metrics"].items()),
        "- Versions: " + ", ".join(f"{name} {version}" for name, version in made["versions"].items()),
        f"- Licences: those of the base ({base}) and of the teachers ({teachers}) hold for this model, too. The",
        "  phrasebook's texts are CC0. Read the others' before you pass the model on: some want their name in yours.",
    ]
    return "\n".join(lines) + "\n"
