"""Whether the models fit a card of 8 GB, and how fast they're trained there: `make bench-gpu`.

    python benchmarks/gpu.py                       # both sizes, both back ends, and plain TRL
    python benchmarks/gpu.py 3B hf                 # one of them

Weights are random, in the true shapes of Llama 3.2 3B and Llama 3.1 8B: they take as much memory and time as trained ones, and
nothing has to be downloaded. They are made on the first run, in the computer's memory (runs/bench-gpu/, 16 GB for the 8B), and
loaded in 4 bits. Memory on the card is limited to 8 GB.

writes  benchmarks/results/gpu.md: date, card, versions, settings, rows per second, peak of memory
"""

import subprocess
import sys
import time
from datetime import date
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

LIMIT = 8e9  # bytes
STEPS = 20
SHAPES = {
    "3B": {"hidden_size": 3072, "intermediate_size": 8192, "num_hidden_layers": 28, "num_attention_heads": 24,
           "num_key_value_heads": 8, "tie_word_embeddings": True},
    "8B": {"hidden_size": 4096, "intermediate_size": 14336, "num_hidden_layers": 32, "num_attention_heads": 32,
           "num_key_value_heads": 8, "tie_word_embeddings": False},
}  # fmt: skip
KINDS = ("unsloth", "hf", "plain")
HEAD = """# Training on a GPU

Written by `make bench-gpu`: random weights in the true shapes, 4 bits, r 32, all linear layers, adamw_8bit, 16 rows an update,
memory limited to 8 GB.

"""


def folder_of(size: str) -> Path:
    return ROOT / "runs" / "bench-gpu" / size


def make_base(size: str) -> None:
    """Fills a folder with random weights of that size, and a tokenizer; once."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    from benchmarks.train import VOCABULARY, rows
    from emojisummary.training.tiny import train_tokenizer

    folder = folder_of(size)
    if (folder / "config.json").exists():
        return
    tokenizer = train_tokenizer([row["text"] for row in rows(200)], 600)
    config = LlamaConfig(vocab_size=VOCABULARY + 256, max_position_embeddings=1024, **SHAPES[size])
    torch.set_default_dtype(torch.bfloat16)
    model = LlamaForCausalLM(config)
    torch.set_default_dtype(torch.float32)
    tokenizer.save_pretrained(folder)
    model.save_pretrained(folder)


def measure(size: str, kind: str) -> None:
    """Trains a few steps in this process and prints a row of the table."""
    from emojisummary.settings import read_settings
    from emojisummary.training.backends import choose

    flags = ["--student", "llm", "--base", str(folder_of(size)), "--backend", "unsloth" if kind == "unsloth" else "hf"]
    settings = read_settings("train", ["--config", str(ROOT / "recipes" / "ollama-8gb.yaml"), *flags])
    backend = choose(settings)
    import torch
    from trl import SFTConfig, SFTTrainer

    from benchmarks.train import rows
    from emojisummary.models.llm import LanguageModel
    from emojisummary.tasks import TASKS
    from emojisummary.training.bases import load_base
    from emojisummary.training.common import trainer_arguments
    from emojisummary.training.labels import lessons_of, to_dataset
    from emojisummary.training.llm import EmojiTrainer

    torch.cuda.set_per_process_memory_fraction(min(LIMIT / torch.cuda.get_device_properties(0).total_memory, 1))
    model, tokenizer = load_base(settings, backend, [], [])
    student = LanguageModel("benchmark", model, tokenizer, TASKS["summary"], ["🍕"], settings.max_length)
    dataset = to_dataset(lessons_of(rows(16 * (STEPS + 1)), student.task), student)
    if kind == "plain":
        dataset = dataset.map(lambda row: {"labels": row["input_ids"]})
    changes = {"eval_strategy": "no", "save_strategy": "no", "load_best_model_at_end": False, "num_train_epochs": 1}
    given = trainer_arguments(settings, ROOT / "runs" / "bench-gpu" / "trainer", len(dataset), None) | changes
    given |= {} if kind == "unsloth" else {"gradient_checkpointing": True}
    given |= {"loss_type": "nll"} if kind == "plain" else {}
    what = {"args": SFTConfig(**given, max_length=None), "train_dataset": dataset, "processing_class": tokenizer}
    if kind == "plain":
        trainer = SFTTrainer(model=model, **what)
    else:
        trainer = EmojiTrainer(model=model, student=student, validation=[], **what)
    start = time.perf_counter()
    trainer.train()
    speed = len(dataset) / (time.perf_counter() - start)
    print(f"RESULT | {size} | {kind} | {speed:.1f} | {torch.cuda.max_memory_reserved() / 1e9:.2f} |")


def main(sizes: list[str], kinds: list[str]) -> None:
    import torch

    if not torch.cuda.is_available():
        sys.exit("error: no CUDA GPU here. Nothing was measured, and benchmarks/results/gpu.md stays as it is.")
    from emojisummary.artifacts import package_versions, write_text

    table = ["| size | back end | rows/s | peak of memory, GB |", "|---|---|---|---|"]
    for size in sizes:
        subprocess.run([sys.executable, __file__, "base", size], check=True)  # not where Unsloth must come before transformers
        for kind in kinds:
            done = subprocess.run(
                [sys.executable, __file__, "measure", size, kind], capture_output=True, text=True, check=False
            )
            found = [line.removeprefix("RESULT ") for line in done.stdout.splitlines() if line.startswith("RESULT")]
            failed = (done.stderr.strip().splitlines() or ["?"])[-1][:120].replace("|", "/")
            table += found or [f"| {size} | {kind} | failed: {failed} | |"]
            print(table[-1], flush=True)
    versions = package_versions("torch", "transformers", "trl", "peft", "bitsandbytes", "unsloth")
    what = f"{date.today()}, {torch.cuda.get_device_name()}, " + ", ".join(f"{name} {v}" for name, v in versions.items())
    write_text(ROOT / "benchmarks" / "results" / "gpu.md", HEAD + what + "\n\n" + "\n".join(table) + "\n")


if __name__ == "__main__":
    if sys.argv[1:2] == ["base"]:
        make_base(sys.argv[2])
    elif sys.argv[1:2] == ["measure"]:
        measure(*sys.argv[2:])
    else:
        main(sys.argv[1:2] or list(SHAPES), sys.argv[2:3] or list(KINDS))
