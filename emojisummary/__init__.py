"""Turn any text into the perfect emoji.

>>> from emojisummary import load
>>> load("runs/demo").predict("We won the cup!", top=3)["emoji"]  # doctest: +SKIP
'🏆'
"""

from pathlib import Path


def load(run: str | Path, device: str = "cpu"):
    """The student trained in a run's folder, ready to answer: `load("runs/demo").predict("some text", top=5)`.

    Raises UserError where the folder holds no trained student.
    """
    from emojisummary.models import trained

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
    `tiny` builds a small GPT-2 from scratch. `train` are more keys of the section `train`: `learning_rate=5e-5`.
    Raises UserError where a stage ends with an error; it has said which one.
    """
    import json
    import subprocess
    import sys

    from emojisummary.stage import UserError

    root = Path(__file__).parent.parent
    shared = ["--config", str(root / "recipes" / "gpt2.yaml"), "--run", run, "--runs_folder", str(Path(runs_folder).resolve())]
    flags = {"1_emoji": ["--tables", json.dumps([str(Path(dataset_path).resolve())])] if dataset_path else []}
    flags["5_train"] = ["--num_train_epochs", str(epochs), "--base", base]
    flags["5_train"] += [part for key, value in train.items() for part in (f"--{key}", str(value))]
    for stage in ("1_emoji", "2_generate", "3_validate", "4_combine", "4_combine_eval", "5_train"):
        done = subprocess.run([sys.executable, f"{stage}.py", *shared, *flags.get(stage, [])], cwd=root, check=False)
        if done.returncode:
            raise UserError(f"{stage}.py ended with an error.")
    return load(str(Path(runs_folder) / run))


def generate_emoji(text: str, run: str = "runs/gpt2") -> str:
    """The emoji that the model of a run gives for a text.

    Raises UserError where the run has no trained model, or the text is empty.
    """
    from emojisummary.stage import UserError

    answer = load(run).predict(text)
    if "error" in answer:
        raise UserError(f"{text!r} could not be answered: {answer['error']}.")
    return answer["emoji"]
