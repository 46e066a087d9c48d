"""The overfitting study: what more passes over the same rows do to a language model.

    make study
    python -m emojisummary.study --config recipes/overfitting.yaml

reads   runs/<run>/: emoji_data.yaml, training_data.csv and validation_data.csv of stages 1 to 4
writes  runs/<run>-<epochs>/model/ for each number of epochs, with 5_train.py; then, in runs/<run>/, study.yaml with all
        figures, plots/overfitting.png and study.md: the table, the answers, and what follows from them

The untuned base is the yardstick: a model that has learned too much answers with emoji where nobody asked for any (leaks), says
something else than before (KL divergence), and says always the same (distinct-2).
"""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from statistics import mean

from emojisummary.artifacts import read_csv, read_emoji, read_tsv, write_text, write_yaml
from emojisummary.emojis import Lookup
from emojisummary.metrics import distinct, words
from emojisummary.models.llm import LanguageModel
from emojisummary.settings import read_config, take_recipe
from emojisummary.stage import UserError, run
from emojisummary.study_text import as_markdown, draw
from emojisummary.tasks import TASKS
from emojisummary.training.common import mean_scores
from emojisummary.validation import split

ROOT = Path(__file__).parent.parent
ARTIFACTS = ("emoji_data.yaml", "training_data.csv", "validation_data.csv")
ANSWER = 48  # tokens of an answer to a general prompt


def main(settings):
    recipe, _ = take_recipe(sys.argv[1:])
    if read_config(recipe)["train"]["student"] != "llm":
        raise UserError("The study is of a language model. Name a recipe that trains one: --config recipes/overfitting.yaml")
    folders = {epochs: train(epochs, settings) for epochs in settings.epochs}
    prompts = [row["prompt"] for _, row in read_tsv(Path(settings.general_prompts), ("prompt",))][: settings.limit]
    texts = [row["text"] for _, row in read_tsv(Path(settings.emoji_prompts), ("text",))][: settings.limit]
    validation = split(read_csv(settings.folder / "validation_data.csv", ("text", "answers")), "test")[: settings.limit]
    emoji_of = Lookup(read_emoji(settings.folder))

    base = LanguageModel.untuned(next(iter(folders.values())) / "model", "untuned")
    measured = {0: measure(base, base, prompts, texts, validation, emoji_of)}
    for epochs, folder in folders.items():
        model = LanguageModel.load(folder / "model", f"{epochs} epochs")
        measured[epochs] = losses(folder) | measure(model, base, prompts, texts, validation, emoji_of)
        print(f"{epochs} epochs: " + ", ".join(f"{key} {value}" for key, value in measured[epochs].items() if key != "answers"))

    metric = TASKS[settings.task].in_training
    best = recommended(measured, metric, len(validation))
    study = {"task": settings.task, "metric": metric, "recommended": best, "epochs": measured}
    write_yaml(settings.folder / "study.yaml", study)
    draw(study, settings.folder / "plots" / "overfitting.png")
    write_text(settings.folder / "study.md", as_markdown(study, settings))
    print(f"{settings.folder / 'study.md'}: {best} epochs are recommended")


def train(epochs, settings) -> Path:
    """The run of so many epochs, trained unless it's up to date already."""
    folder = Path(settings.runs_folder) / f"{settings.run}-{epochs}"
    folder.mkdir(parents=True, exist_ok=True)
    for name in ARTIFACTS:
        if not (settings.folder / name).exists():
            raise UserError(f"{settings.folder / name} is missing. Make it with stages 1 to 4, or all of it with: make study")
        shutil.copyfile(settings.folder / name, folder / name)
    recipe, _ = take_recipe(sys.argv[1:])
    command = [sys.executable, str(ROOT / "5_train.py"), *(["--config", recipe] if recipe else [])]
    command += ["--runs_folder", settings.runs_folder, "--run", folder.name, "--num_train_epochs", str(epochs)]
    if settings.limit:
        command += ["--limit", str(settings.limit), "--eval_rows", str(settings.limit)]
    done = subprocess.run(command, check=False)
    if done.returncode:
        raise UserError(f"The training of {epochs} epochs stopped; the same command goes on with it.")
    return folder


def losses(folder: Path) -> dict[str, float]:
    """The last logged losses of a training, in nats a token."""
    log = json.loads((folder / "model" / "trainer_state.json").read_text())["log_history"]
    last = {key: [entry[key] for entry in log if key in entry][-1] for key in ("loss", "eval_loss")}
    return {"train_loss": round(last["loss"], 4), "validation_loss": round(last["eval_loss"], 4)}


def measure(model, base, prompts, texts, validation, emoji_of) -> dict:
    """The figures of one model, and its answers."""
    task = model.task
    answers = model.write(chats(prompts), max_new_tokens=ANSWER)
    given = task.ask(model, [row["text"] for row in validation])
    return {
        **{name: round(value, 4) for name, value in mean_scores(task, validation, given).items()},
        "leak_rate": round(mean(bool(emoji_of.split(answer)) for answer in answers), 4),
        "kl_to_base": round(divergence(base, model, prompts), 4),
        "distinct-2": distinct([words(answer) for answer in answers], 2),
        "answers": {
            "emoji": {text: task.shown(one)[0] for text, one in zip(texts, task.ask(model, texts), strict=True)},
            "general": dict(zip(prompts, answers, strict=True)),
        },
    }


def chats(prompts: list[str]) -> list:
    return [[{"role": "user", "content": prompt}] for prompt in prompts]


def divergence(base, model, prompts: list[str]) -> float:
    """KL(base || model) of the next token, in nats: the mean over the tokens that the base says to the prompts."""
    import torch

    found = []
    for chat, said in zip(chats(prompts), base.write(chats(prompts), max_new_tokens=ANSWER), strict=True):
        prompt = base.tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=True)
        before, answer = (base.tokenizer(part, add_special_tokens=False)["input_ids"] for part in (prompt, said))
        ids = torch.tensor([before + (answer or [base.tokenizer.eos_token_id])])
        with torch.inference_mode():
            ours, theirs = (
                one.model(input_ids=ids.to(one.model.device)).logits[0, len(before) - 1 : -1].float().cpu().log_softmax(-1)
                for one in (base, model)
            )
        found.append((ours.exp() * (ours - theirs)).sum(-1).mean().item())
    return mean(found)


def recommended(measured: dict[int, dict], metric: str | None, n: int) -> int:
    """The fewest epochs that are within one standard error of the best score (Breiman et al., 1984); without a score of the
    task in training, those of the lowest validation loss.

    >>> recommended({0: {}, 1: {"accuracy@1": 0.2}, 2: {"accuracy@1": 0.4}, 5: {"accuracy@1": 0.41}}, "accuracy@1", 100)
    2
    """
    trained = {epochs: figures for epochs, figures in measured.items() if epochs}
    if metric is None:
        return min(trained, key=lambda epochs: trained[epochs]["validation_loss"])
    best = max(figures[metric] for figures in trained.values())
    enough = best - (best * (1 - best) / n) ** 0.5
    return min(epochs for epochs, figures in trained.items() if figures[metric] >= enough)


if __name__ == "__main__":
    run(main, "study")
