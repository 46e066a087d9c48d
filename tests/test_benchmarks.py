"""The benchmarks that a CPU can run still run, on a few rows: what they measure is not looked at here."""

import subprocess
import sys

import pytest

from tests.conftest import ROOT


@pytest.mark.parametrize(
    ("command", "said"),
    [(["generate.py", "--rows", "40"], "rows there and nothing to do"), (["train.py", "16"], "times as fast")],
)
def test_a_benchmark_runs(command, said):
    done = subprocess.run(
        [sys.executable, f"benchmarks/{command[0]}", *command[1:]], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert said in done.stdout


def test_where_unsloth_is_measured_nothing_has_loaded_transformers_before():
    code = """
import sys
from benchmarks import gpu
from emojisummary.training import backends
backends.choose = lambda settings: sys.exit("transformers" in sys.modules)
gpu.measure("3B", "unsloth")
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
