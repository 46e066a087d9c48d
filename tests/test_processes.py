"""Several processes that train one model together."""

import subprocess
import sys

import torch
from accelerate.commands.config.config_args import load_config_from_file

from emojisummary.artifacts import read_yaml, write_csv, write_yaml
from emojisummary.models.weights import best_dtype, four_bits
from emojisummary.training.common import is_complete, newest_checkpoint
from tests.conftest import ROOT, run_here
from tests.tiny_base import EMOJI, ROWS, SMALL, TABLE, VALIDATION

FLAGS = ["--student", "llm", *SMALL, "--num_train_epochs", "2", "--per_device_train_batch_size", "4"]
TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2", "--"]


ROWS_OF_TABLE = [row for row in ROWS if row["answer"] != "👍🏽"][::2]  # a skin tone is learned as the emoji without it


def write_run(folder):
    """A run that is ready for training, with 24 rows: three updates of eight in each of two passes."""
    write_csv(folder / "training_data.csv", ("text", "answer", "also"), ROWS_OF_TABLE[:24])
    write_csv(folder / "validation_data.csv", ("text", "answers", "split"), [row | {"split": "dev"} for row in VALIDATION])
    write_yaml(folder / "emoji_data.yaml", {emoji: TABLE[emoji] for emoji in EMOJI})


def files(folder):
    return {path.relative_to(folder) for path in folder.rglob("*") if path.is_file()}


def test_two_processes_train_what_one_does_with_as_many_rows_in_an_update(tmp_path):
    """On the CPU. Each has its part of every update; the main one alone prints and writes."""
    from safetensors.torch import load_file

    one, two = tmp_path / "one", tmp_path / "two"
    write_run(one)
    write_run(two)
    command = [str(ROOT / "5_train.py"), "--runs_folder", str(tmp_path), *FLAGS]
    alone = run_here([*command, "--run", "one", "--gradient_accumulation_steps", "2"])
    assert alone.returncode == 0, alone.stderr
    both = subprocess.run([*TORCHRUN, *command, "--run", "two"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert both.returncode == 0, both.stderr

    chance = {path for path in files(one) if path.name == "rng_state.pth"}
    assert len(chance) == 2, "a checkpoint for each measurement"
    assert files(two) == files(one) - chance | {path.with_stem(f"rng_state_{rank}") for path in chance for rank in (0, 1)}
    trained, together = (load_file(run / "model" / "model.safetensors") for run in (one, two))
    untrained = load_file(one / "model" / "base" / "model.safetensors")
    assert all(torch.allclose(weights, together[name], atol=1e-4) for name, weights in trained.items())
    assert not any(torch.allclose(weights, untrained[name], atol=1e-2) for name, weights in trained.items())
    assert both.stdout.count("24 rows, 8 validation texts") == 1
    logs = [read_yaml(run / "model" / "trainer_state.json")["log_history"] for run in (one, two)]
    measured = [[(entry["step"], entry["eval_mrr"]) for entry in log if "eval_mrr" in entry] for log in logs]
    assert measured[0] == measured[1]
    assert len(measured[0]) == 2


def test_a_checkpoint_of_another_number_of_processes_is_not_gone_on_from(tmp_path, monkeypatch):
    monkeypatch.setenv("LOCAL_RANK", "0")
    monkeypatch.setenv("RANK", "0")
    folder = tmp_path / "checkpoint-5"
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert newest_checkpoint(tmp_path, "rows") is None
    folder.mkdir()
    for name in ("adapter_model.safetensors", "trainer_state.json", "scheduler.pt", "rng_state_0.pth"):
        (folder / name).write_text("{}")
    torch.save({}, folder / "optimizer.bin")
    assert not is_complete(folder), "the second process hadn't saved yet"
    (folder / "rng_state_1.pth").write_text("")
    assert newest_checkpoint(tmp_path, "rows") == folder
    monkeypatch.setenv("WORLD_SIZE", "1")
    assert newest_checkpoint(tmp_path, "rows") is None


def test_weights_in_4_bits_can_be_spread_by_accelerate(monkeypatch):
    """FSDP was not run: there's no GPU here. Its config is read as `accelerate launch` does it."""
    config = load_config_from_file(str(ROOT / "recipes" / "fsdp.yaml"))
    assert config.distributed_type == "FSDP"
    assert config.fsdp_config["fsdp_use_orig_params"] is False
    assert four_bits().bnb_4bit_quant_storage == torch.uint8
    monkeypatch.setenv("ACCELERATE_USE_FSDP", "true")
    assert four_bits().bnb_4bit_quant_storage == four_bits().bnb_4bit_compute_dtype == best_dtype()
