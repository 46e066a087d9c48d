"""A small world for the pipeline: 25 emoji, some 290 texts, and the real scripts run as a user runs them."""

import contextlib
import hashlib
import io
import os
import runpy
import shlex
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

from emojisummary.artifacts import read_tsv
from tests.stand_in import StandIn, in_form

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

    def once(self, command: str, *flags: str) -> str:
        """What a command like `1_emoji.py --limit 3` prints. It's run the first time that any test process asks for it; the
        flags that only make it smaller, or say where a server is, don't tell commands apart."""
        printed = self.folder / "printed" / hashlib.sha256(command.encode()).hexdigest()
        with FileLock(self.folder / "lock"):
            if not printed.exists():
                script, *own = shlex.split(command)
                done = self(script.removesuffix(".py"), *own, *flags)
                printed.parent.mkdir(exist_ok=True)
                printed.write_text(done.stdout)
        return printed.read_text()

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
def shared(tmp_path_factory) -> Path:
    """A folder that all test processes share."""
    folder = tmp_path_factory.getbasetemp()
    return folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder


@pytest.fixture(scope="session")
def finished(shared) -> World:
    """A world in which all stages have run, made once for all test processes. Tests only read it."""
    with FileLock(shared / "finished.lock"):
        world = make_world(shared / "finished")
        for stage in STAGES:
            world.once(f"{stage}.py")
    return world


# --- the other tasks ---

SIZE = {"num_train_epochs": 1, "evaluations": 1, "eval_rows": 4, "tiny": {"vocab_size": 600, "hidden_size": 32}}
FEW = {"5_train": ["--limit", "8"], "7_evaluate": ["--limit", "2"]}
SERVED = "openai/stand-in"  # a model on a server, as judge and as a control
ASIDE = {  # against whom the student is measured, beside what the task's recipe says
    "combination": {"models": ["most-frequent"]},
    "chat": {"judge": SERVED},
    "story": {"models": ["untuned", SERVED], "judge": SERVED},
}


def make_other_world(task: str, folder: Path) -> World:
    """The recipe of one of the other tasks, at a size that a test can bear."""
    recipe = yaml.safe_load((ROOT / "recipes" / f"{task}.yaml").read_text())
    recipe["runs_folder"] = str(folder / "runs")
    recipe["evaluate"] = recipe["evaluate"] | {"resamples": 100} | ASIDE[task]
    recipe["validate"] = recipe["validate"] | {"graders": ["rules"], "canaries": 0}
    recipe["combine"] = recipe.get("combine", {}) | {"quorum": 1}
    recipe["train"] = recipe["train"] | SIZE | {"tiny": recipe["train"]["tiny"] | SIZE["tiny"]}
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "recipe.yaml").write_text(yaml.safe_dump(recipe, allow_unicode=True))
    return World(folder, recipe["run"])


def told(request: dict) -> str:
    """What the server of these worlds says: a combination to whoever asks for emoji and nothing else, else a story. A judge
    prefers the first answer, in both orders: a tie."""
    adapted = [row["instruction"] for _, row in read_tsv(ROOT / "data/combination/novel.tsv", ("instruction",))]
    wants_emoji = any(instruction in request["messages"][-1]["content"] for instruction in adapted)
    return in_form(request, "💃🎶" if wants_emoji else "A hedgehog read all day in a castle, and then slept.")


@pytest.fixture(scope="session")
def learned(shared):
    """learned(task): a world in which all stages of another task have run, made once for all test processes. Tests only read
    it, and add to it what they ask for with `once`."""

    def world_of(task: str) -> World:
        with FileLock(shared / f"{task}.lock"), StandIn(reply=told) as server:
            world = make_other_world(task, shared / task)
            for stage in STAGES:
                world.once(f"{stage}.py", *FEW.get(stage, []), *(hosts(server) if stage == "7_evaluate" else []))
        return world

    return world_of


def hosts(server: StandIn) -> list[str]:
    return ["--openai.hosts", f"{server.url}/v1"]


def pytest_configure():
    signal.signal(signal.SIGINT, signal.default_int_handler)  # the background jobs of a shell ignore Ctrl-C, and their children
    os.environ.setdefault("OMP_NUM_THREADS", "1")
