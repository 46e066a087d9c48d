"""How fast a language model is trained on a CPU, and in how much memory: our settings against plain ones.

    python benchmarks/train.py           # 96 rows
    python benchmarks/train.py 16        # fewer: only to see that it works

Both train the same LoRA adapter beside the same small Llama with a vocabulary of 128,000 tokens on the same rows, each in a
process of its own. `plain` is what fine-tuning scripts commonly do: loss on the whole chat, logits for every token, rows in
random order, two at a time, four times before an update. `ours` is `5_train.py`: the answer alone is learned, logits are
computed for it alone, rows of like length stand together.

prints  for each: rows per second from the second update on, and by how much memory grew while it trained
"""

import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

VOCABULARY, ROWS = 128_000, 96
WORDS = ("the", "pizza", "party", "rain", "love", "puppy", "city", "night", "song", "coffee", "train", "window", "letter")


def rows(count: int) -> list[dict]:
    """Texts of 4 to 60 words, always the same, with one of five emoji."""
    lengths = [4 + number * 37 % 57 for number in range(count)]
    texts = [" ".join(WORDS[(n * 7 + i * 5 + i * i) % len(WORDS)] for i in range(length)) for n, length in enumerate(lengths)]
    return [{"text": text, "answer": "🍕🎉💙🐶🌧"[n % 5]} for n, text in enumerate(texts)]


def model_and_tokenizer(texts: list[str]):
    """A Llama of 256 numbers a token and 4 layers; most of the vocabulary is never used, as in life."""
    from peft import LoraConfig, get_peft_model
    from transformers import LlamaConfig, LlamaForCausalLM, set_seed

    from emojisummary.training.tiny import train_tokenizer

    set_seed(7)
    tokenizer = train_tokenizer([*texts, "🍕🎉💙🐶🌧"], 600)
    config = LlamaConfig(
        vocab_size=VOCABULARY, hidden_size=256, intermediate_size=688, num_hidden_layers=4, num_attention_heads=4,
        max_position_embeddings=1024, tie_word_embeddings=True, pad_token_id=tokenizer.pad_token_id,
        bos_token_id=tokenizer.bos_token_id, eos_token_id=tokenizer.eos_token_id,
    )  # fmt: skip
    adapter = LoraConfig(task_type="CAUSAL_LM", r=32, lora_alpha=32, target_modules="all-linear")
    return get_peft_model(LlamaForCausalLM(config), adapter), tokenizer


def arguments(kind: str) -> dict:
    if kind == "plain":
        return {"loss_type": "nll", "per_device_train_batch_size": 2, "gradient_accumulation_steps": 4}
    return {"per_device_train_batch_size": 8}


def measure(kind: str, count: int) -> None:
    """Trains one epoch in this process and prints rows per second and growth of memory in MB."""
    from transformers import TrainerCallback
    from trl import SFTConfig, SFTTrainer

    from emojisummary.models.llm import LanguageModel
    from emojisummary.tasks import TASKS
    from emojisummary.training.labels import lessons_of, to_dataset
    from emojisummary.training.llm import EmojiTrainer

    class Clock(TrainerCallback):
        ends = ()

        def on_step_end(self, *args, **kwargs):
            self.ends = (*self.ends, time.perf_counter())

    data = rows(count)
    model, tokenizer = model_and_tokenizer([row["text"] for row in data])
    student = LanguageModel("benchmark", model, tokenizer, TASKS["summary"], ["🍕"], max_length=512)
    dataset, more = to_dataset(lessons_of(data, student.task), student), {}
    if kind == "plain":
        trainer_class, dataset = SFTTrainer, dataset.map(lambda row: {"labels": row["input_ids"]})
    else:
        trainer_class, more = EmojiTrainer, {"student": student, "validation": []}
    with tempfile.TemporaryDirectory() as folder:
        shared = {"output_dir": folder, "max_length": None, "bf16": False, "gradient_checkpointing": False, "report_to": "none",
                  "save_strategy": "no", "num_train_epochs": 1, "disable_tqdm": True, "data_seed": 7}  # fmt: skip
        args, clock = SFTConfig(**shared, **arguments(kind)), Clock()
        trainer = trainer_class(
            model=model, args=args, train_dataset=dataset, processing_class=tokenizer, callbacks=[clock], **more
        )
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        trainer.train()
    grew = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    seconds = [end - start for start, end in zip(clock.ends, clock.ends[1:], strict=False)]
    print(f"RESULT {8 / statistics.mean(seconds):.3f} {grew:.0f}")


def main(count: int) -> None:
    results = {}
    for kind in ("plain", "ours"):
        done = subprocess.run([sys.executable, __file__, kind, str(count)], capture_output=True, text=True, check=False)
        lines = [line for line in done.stdout.splitlines() if line.startswith("RESULT")]
        if not lines:
            sys.exit(done.stderr)
        results[kind] = speed, grew = [float(number) for number in lines[0].split()[1:]]
        print(f"{kind:5}  {speed:6.2f} rows/s, memory grew by {grew:,.0f} MB", flush=True)
    plain, ours = results["plain"], results["ours"]
    print(f"{ours[0] / plain[0]:.1f} times as fast, in {100 * ours[1] / plain[1]:.0f} % of the memory")


if __name__ == "__main__":
    if sys.argv[1:2] in (["plain"], ["ours"]):
        measure(sys.argv[1], int(sys.argv[2]))
    else:
        main(int(sys.argv[1]) if len(sys.argv) > 1 else ROWS)
