"""Stage 5: trains the student on the rows, turned round: from text to emoji.

    python 5_train.py
    python 5_train.py --config recipes/tiny.yaml
    python 5_train.py --config recipes/tiny.yaml --export merged gguf ollama     # after training, or with it
    accelerate launch 5_train.py --config recipes/ollama-8gb.yaml                # a language model on several GPUs

reads   runs/<run>/training_data.csv, validation_data.csv (its part `dev`), emoji_data.yaml
writes  runs/<run>/model/: the best checkpoint as a student, with checkpoints/ to go on from, trainer_state.json
        and export/

Stopped or killed, the same command goes on from the newest whole checkpoint. What is up to date isn't trained again.
"""

import gc
import subprocess
import sys

from emojisummary.artifacts import file_hash, fingerprint, is_stamped, package_versions, read_csv, read_emoji, stamp, write_yaml
from emojisummary.emojis import Lookup
from emojisummary.processes import is_main, is_sharded, number, only_main_prints
from emojisummary.stage import UserError, run
from emojisummary.tasks import TASKS
from emojisummary.training.backends import choose
from emojisummary.training.rows import decisive, training_rows
from emojisummary.validation import split

LIBRARIES = ("torch", "transformers", "sentence-transformers", "trl", "peft", "bitsandbytes", "unsloth")


def main(settings):
    only_main_prints()
    folder, model = settings.folder, settings.folder / "model"
    files = [folder / name for name in ("training_data.csv", "validation_data.csv", "emoji_data.yaml")]
    table = read_emoji(folder)
    task = TASKS[settings.task]
    rows, problems = training_rows(read_csv(files[0], ("text", "answer"), "python 4_combine.py"), task, Lookup(table))
    judged_by = read_csv(files[1], ("text", "answers"), "python 4_combine_eval.py", filled=("answers",))
    validation = split(judged_by, "dev")[: settings.eval_rows]
    if not validation:
        raise UserError(f"{files[1]} has no text of the part `dev`: the best checkpoint is chosen by them.")
    check(settings, task)
    made_from = fingerprint(files, decisive(settings))
    if is_stamped(model / "student.yaml", made_from):
        print(f"{model}: up to date")
        afterwards(settings, model, rows, validation, made_from)
        return

    rows = rows[: settings.limit]
    print(
        f"{len(rows):,} rows, {len(validation):,} validation texts" + "".join(f"; {n:,} rows {p}" for p, n in problems.items())
    )
    what = (rows, validation, table, task, settings, model, made_from)
    if settings.student == "retriever":
        from emojisummary.training.retriever import train

        metrics = train(*what)
    else:
        backend = choose(settings)  # before training.llm imports the libraries that Unsloth rewrites
        from emojisummary.training.llm import train

        metrics = train(*what, backend)
    if not is_main():
        return

    write_yaml(model / "made.yaml", {
        "command": " ".join(sys.argv),
        "metrics": metrics,
        "rows": len(rows),
        **{key: sorted({row.get(key) or "unknown" for row in rows}) for key in ("language", "teacher")},
        "settings": settings.own(),
        "versions": package_versions(*LIBRARIES),
        "files": {path.name: file_hash(path) for path in files},
    })  # fmt: skip
    stamp(model / "student.yaml", made_from)
    print(f"{model}: " + ", ".join(f"{name} {value:.3f}" for name, value in metrics.items()))
    if settings.export:
        again()
    else:
        afterwards(settings, model, rows, validation, made_from)


def check(settings, task):
    """Refuses settings that don't go together, before any work."""
    if settings.student == "llm":
        if settings.export and is_sharded():
            raise UserError("With FSDP, no process has a whole model to export: train, then `python 5_train.py --export ...`.")
    elif task.in_training != "accuracy@1":
        raise UserError(f"A retriever answers with one emoji: the task {task.name} needs --student llm.")
    elif settings.export:
        raise UserError("export is for `student: llm`: a retriever is exported already, its encoder lies in model/encoder.")
    elif number() > 1:
        raise UserError("A retriever is trained by one process, in minutes: python 5_train.py")


def afterwards(settings, model, rows, validation, made_from):
    if settings.export and is_main():
        from emojisummary.training.export import Export

        Export(model, settings, [row["text"] for row in [*validation, *rows]], made_from).make(settings.export)
    if settings.push_to_hub and is_main():
        from emojisummary.training.hub import push

        print(f"{model}: uploaded to {push(model, settings)}")


def again():
    """Runs this command once more, in a process of its own, which finds the training done and does what comes afterwards.

    Where Unsloth has trained, no plain model can be built any more. Leaves with that process's exit code, unless it's 0.
    """
    import torch

    gc.collect()  # trainer and model point at each other
    torch.cuda.empty_cache()
    sys.stdout.flush()
    code = subprocess.run([sys.executable, *sys.argv], check=False).returncode
    if code < 0:
        raise UserError(f"The export was ended by signal {-code}: is memory short? The same command tries again.")
    if code:
        sys.exit(code)


if __name__ == "__main__":
    run(main, "train")
