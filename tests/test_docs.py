"""What the documents say is done, in a copy of the project: a task of one's own."""

import re
import shutil
import subprocess
import sys

import yaml

from tests.conftest import ROOT

BLOCK = re.compile(r"```\w+ (\S+)\n(.*?)```", re.DOTALL)
COPIED = ("emojisummary", "config.yaml", "data")
STAGES = ["1_emoji", "2_generate", "3_validate", "4_combine", "4_combine_eval", "5_train"]


def test_a_task_of_ones_own_costs_a_file_an_entry_and_its_data(tmp_path):
    for name in COPIED:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copyfile
        copy(ROOT / name, tmp_path / name)
    for script in ROOT.glob("[0-9]_*.py"):
        shutil.copyfile(script, tmp_path / script.name)
    blocks = BLOCK.findall((ROOT / "docs" / "add-a-task.md").read_text())
    assert len(blocks) == 4
    for name, content in blocks:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(content)
    entries = tmp_path / "emojisummary" / "tasks" / "__init__.py"
    entry = 'from emojisummary.tasks.weather import Weather\n\nTASKS = {"weather": Weather(), '
    entries.write_text(entries.read_text().replace("TASKS = {", entry))

    for stage in STAGES:
        flags = ["--config", "recipes/weather.yaml", "--num_train_epochs", "1"][: 4 if stage == "5_train" else 2]
        done = subprocess.run(
            [sys.executable, f"{stage}.py", *flags], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
    made = yaml.safe_load((tmp_path / "runs" / "weather" / "model" / "made.yaml").read_text())
    assert made["settings"]["task"] == "weather"
    cards = (tmp_path / "runs" / "weather" / "model" / "cards.tsv").read_text().split("\n")[1:]
    assert {card[: card.index("\t")] for card in cards if card} == {"☀️", "🌧️", "❄️", "🌫️", "⛈️"}
