"""Turn any text into the perfect emoji.

>>> from emojisummary import load
>>> load("runs/demo").predict("We won the cup!", top=3)["emoji"]  # doctest: +SKIP
'🏆'
"""

from pathlib import Path

PATHS = ("base", "general_rows", "llama_cpp")  # keys of the section `train`


def load(run: str | Path, device: str = "cpu"):
    """The student trained in a run's folder, ready to answer: `load("runs/demo").predict("some text", top=5)`.

    Raises UserError where the folder holds no trained student.
    """
    from emojisummary.models import trained
    from emojisummary.stage import UserError

    if not Path(run).is_dir():
        raise UserError(f"{run}: no such run. It's the folder of a trained one, such as runs/demo, which `make demo` makes.")
    return trained(Path(run), device)


def fine_tune(
    dataset_path: str | None = None,
    epochs: float = 2,
    base: str = "tiny",
    run: str = "gpt2",
    runs_folder: str = "runs",
    **train,
):
    """Fine-tunes a language model on the names and descriptions of emoji, by recipes/gpt2.yaml, and returns it.

    `dataset_path` is a list of emoji: `emoji_df.csv` as on Kaggle, Unicode's `emoji-test.txt`, or a TSV like
    data/16_all_emoji.tsv (None: all that we know). `base` is `gpt2` or another causal language model of the hub or a folder;
    `tiny` builds a small GPT-2 from scratch. `train` are more keys of the section `train`: `learning_rate=5e-5`,
    `export=["merged"]`, `tiny={"vocab_size": 400}`. The run's recipe.yaml says what it was made by.
    Raises UserError for a wrong key or value, before any work, and where a stage ends with an error; it has said which one.
    """
    import subprocess
    import sys

    from emojisummary.artifacts import read_yaml, write_yaml
    from emojisummary.settings import merge, read_config
    from emojisummary.stage import UserError

    root, folder = Path(__file__).parent.parent, Path(runs_folder).resolve()
    recipe = read_yaml(root / "recipes" / "gpt2.yaml") | {"run": run, "runs_folder": str(folder)}
    if dataset_path:
        recipe["emoji"] = {"tables": [str(Path(dataset_path).resolve())]}
    for key, value in {"num_train_epochs": epochs, "base": base, **train}.items():
        change = from_everywhere(value) if key in PATHS else value
        for part in reversed(key.split(".")):
            change = {part: change}
        recipe["train"] = merge(recipe["train"], change)
    file = folder / run / "recipe.yaml"
    write_yaml(file, recipe)
    read_config(str(file))
    for stage in ("1_emoji", "2_generate", "3_validate", "4_combine", "4_combine_eval", "5_train"):
        command = [sys.executable, f"{stage}.py", "--config", str(file)]
        if subprocess.run(command, cwd=root, check=False).returncode:
            raise UserError(f"{stage}.py ended with an error.")
    return load(folder / run)


def from_everywhere(path):
    """The whole path of a file or folder that is there; anything else, a name on the hub say, as it is."""
    return str(Path(path).resolve()) if path and path != "tiny" and Path(path).exists() else path


def generate_emoji(text: str, run: str = "runs/gpt2") -> str:
    """The emoji that the model of a run gives for a text.

    Raises UserError where the run has no trained model, or the text is empty.
    """
    from emojisummary.stage import UserError

    answer = load(run).predict(text)
    if "error" in answer:
        raise UserError(f"{text!r} could not be answered: {answer['error']}.")
    return answer["emoji"]
