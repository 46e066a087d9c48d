"""A small world for the pipeline: 25 emoji, some 290 texts, and the real scripts run as a user runs them."""

import contextlib
import io
import os
import runpy
import signal
import subprocess
import sys
import traceback
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

import pytest
import yaml
from filelock import FileLock

ROOT = Path(__file__).parent.parent
SMALL = Path(__file__).parent / "small"
STAGES = ["1_emoji", "2_generate", "3_validate", "4_combine", "4_combine_eval", "5_train", "6_plot", "7_evaluate"]
RECIPE = {
    "run": "small",
    "emoji": {"tables": [str(SMALL / "emoji.tsv")]},
    "generate": {
        "phrasebook": str(SMALL / "phrasebook"),
        "texts": {
            "keywords": {"min": 2, "max": 2, "exponent": 1},
            "paragraph": {"min": 10, "max": 10, "exponent": 1},
            "conversation": {"min": 2, "max": 2, "exponent": 1},
        },
    },
    "validate": {"rank_at_most": 20},
    "validation_set": str(SMALL / "validation_set.yaml"),
    "train": {"num_train_epochs": 2, "evaluations": 4, "ngram_weights": [0.25], "tiny": {"vocab_size": 400, "hidden_size": 32}},
    "evaluate": {"resamples": 200, "examples": 2},
}


@dataclass
class World:
    """A folder of runs of its own, and the scripts to fill it."""

    folder: Path
    run: str = "small"

    def path(self, name: str = "") -> Path:
        return self.folder / "runs" / self.run / name

    def command(self, stage: str, *flags: str) -> list[str]:
        shared = ["--config", str(self.folder / "recipe.yaml"), "--run", self.run]
        return [sys.executable, str(ROOT / f"{stage}.py"), *shared, *flags]

    def __call__(self, stage: str, *flags: str, code: int = 0, text: str = "", **options) -> subprocess.CompletedProcess:
        """Runs a stage and checks its exit code: as a script in this process, which saves the time that Python takes to start
        and torch to load, or with a `text` to read or other options in one of its own."""
        command = self.command(stage, *flags)
        if text or options:
            done = subprocess.run(command, cwd=ROOT, input=text, capture_output=True, text=True, check=False, **options)
        else:
            done = run_here(command[1:])
        assert done.returncode == code, done.stdout + done.stderr
        return done

    def bytes(self, *patterns: str) -> dict[str, bytes]:
        """Relative path -> content of all files that fit the patterns."""
        found = (path for pattern in patterns for path in self.path().glob(pattern) if path.is_file())
        return {str(path.relative_to(self.path())): path.read_bytes() for path in found}


STREAMS = []  # libraries keep the standard error that they found when they were loaded: it must stay open


def run_here(argv: list[str]) -> subprocess.CompletedProcess:
    """Runs a script in this process as Python would: its exit code, and what it printed."""
    output, errors = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True) for _ in range(2))
    STREAMS.extend((output, errors))
    with (
        mock.patch.object(sys, "argv", argv),
        mock.patch.object(sys, "stdin", io.StringIO()),
        contextlib.chdir(ROOT),
        contextlib.redirect_stdout(output),
        contextlib.redirect_stderr(errors),
    ):
        code = _exit_code(argv[0])
    printed = (stream.buffer.getvalue().decode() for stream in (output, errors))
    return subprocess.CompletedProcess(argv, code, *printed)


def _exit_code(script: str) -> int:
    try:
        runpy.run_path(script, run_name="__main__")
    except SystemExit as end:
        if isinstance(end.code, str):
            print(end.code, file=sys.stderr)
            return 1
        return end.code or 0
    except Exception:  # noqa: BLE001 - Python itself would print it
        traceback.print_exc()
        return 1
    return 0


def make_world(folder: Path, run: str = "small") -> World:
    recipe = RECIPE | {"runs_folder": str(folder / "runs")}
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "recipe.yaml").write_text(yaml.safe_dump(recipe, allow_unicode=True))
    return World(folder, run)


@pytest.fixture
def world(tmp_path) -> World:
    """A world in which nothing has run yet."""
    return make_world(tmp_path)


@pytest.fixture(scope="session")
def finished(tmp_path_factory) -> World:
    """A world in which all stages have run, made once for all test processes. Tests only read it."""
    shared = tmp_path_factory.getbasetemp()
    shared = shared.parent if "PYTEST_XDIST_WORKER" in os.environ else shared
    with FileLock(shared / "finished.lock"):
        world = make_world(shared / "finished")
        for stage in STAGES if not (shared / "finished" / "done").exists() else ():
            world(stage)
        (shared / "finished" / "done").touch()
    return world


def pytest_configure():
    signal.signal(signal.SIGINT, signal.default_int_handler)  # the background jobs of a shell ignore Ctrl-C, and their children
    os.environ.setdefault("OMP_NUM_THREADS", "1")
