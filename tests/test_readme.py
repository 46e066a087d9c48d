"""The README's commands work: run here, or by .ci/run."""

import os
import re
import shlex

import pytest

from tests.conftest import ROOT, STAGES

README = (ROOT / "README.md").read_text(encoding="utf-8")
CI = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```\n(.*?)```", README, re.DOTALL)
LINES = [line.removeprefix("$ ") for block in BLOCKS for line in block.splitlines()]
COMMANDS = re.findall(r"`(python [^`]+)`", README) + [line for line in LINES if re.match(r"(\.venv/bin/)?python ", line)]
MAKE = set(re.findall(r"\bmake [a-z-]+", "\n".join(LINES))) | set(re.findall(r"`(make [a-z-]+)`", README))


TESTED = {  # the commands that a test runs, at a size that it can bear: where, and what shows it
    "make study": ("tests/test_other_tasks.py", "study.py"),
    "make demo-llm": ("tests/test_training.py", '"--student", "llm"'),
}


@pytest.mark.parametrize("command", sorted(MAKE))
def test_a_make_command_is_a_target_that_ci_or_a_test_runs(command):
    assert f"\n{command.removeprefix('make ')}:" in MAKEFILE
    if command not in CI:
        file, shows = TESTED[command]
        assert shows in (ROOT / file).read_text()


def test_the_makefile_runs_all_stages_in_order():
    assert re.search(r"STAGES = (.*)", MAKEFILE)[1].split() == [f"{stage}.py" for stage in STAGES]


@pytest.mark.parametrize("command", sorted(set(COMMANDS)))
def test_a_python_command_works(finished, tmp_path, command):
    _, script, *flags = shlex.split(command.replace("<folder>", "tests"), comments=True)
    if script.startswith("benchmarks/"):
        assert script in CI
        return
    if "--config" in flags or "--base" in flags or ("5_train" in script and flags):
        stage = finished(script.removesuffix(".py"), *flags, "--help")  # CI's demos run them
        assert "--run" in stage.stdout
        return
    (tmp_path / "texts.jsonl").write_text('{"text": "pizza"}\n')
    (tmp_path / "my.csv").write_text("text,answers\nwoof,🐶\n")
    ours = (".jsonl", ".csv")  # the reader's own, unless they ship
    flags = [str(tmp_path / flag) if flag.endswith(ours) and not (ROOT / flag).exists() else flag for flag in flags]
    finished(script.removesuffix(".py"), *flags)


def test_the_python_example_works(finished, capsys):
    code = re.search(r"```python\n(.*?)```", README, re.DOTALL)[1].replace("runs/demo", str(finished.path()))
    exec(compile(code, "README.md", "exec"), {})


def test_files_that_the_readme_links_to_exist():
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        assert target.startswith("http") or os.path.exists(ROOT / target), target
