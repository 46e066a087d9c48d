"""Whether a kill loses anything: stages 2 and 3 against a busy stand-in, killed at random moments, each time run again.

    python benchmarks/kills.py               # 50 kills, a few minutes
    python benchmarks/kills.py --kills 2     # fewer: only to see that it works

prints  for each stage: rows, how many of them are missing or there twice, how often the server was asked for what it had
        answered before, and how long before the kill, at most, such an answer had been sent: it was still on its way. (What
        was sent between two runs arrives nowhere.)
"""

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import httpx

sys.path.insert(0, str(Path(__file__).parent.parent))

from emojisummary.artifacts import artifact_name, read_csv, read_rows
from tests.stand_in import in_process

ROOT = Path(__file__).parent.parent
MODEL, HOST = "ollama/stand-in", ("--slots", "8", "--latency", "0.1")
ROWS = 1500
LONGEST = 0.4  # seconds of work before a kill


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=50)
    kills = parser.parse_args().kills
    with tempfile.TemporaryDirectory() as folder:
        run, shared = Path(folder) / "kills", ["--runs_folder", folder, "--run", "kills"]
        subprocess.run([sys.executable, "1_emoji.py", *shared], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
        shared += ["--type", "paragraph", "--limit", str(ROWS), "--ollama.hosts"]
        chance = random.Random(7)

        texts = json.dumps({"paragraph": {"min": 1, "max": 1, "exponent": 1}})
        file = run / "generated" / artifact_name("english", "paragraph", MODEL)
        with in_process(*HOST) as url:
            command = ["2_generate.py", *shared, url, "--teachers", json.dumps({MODEL: ["english"]}), "--texts", texts]
            lives = kill(command, file, kills // 2, chance)
            rows, refused = read_rows(file, made_by=""), file.with_suffix(".unusable.jsonl")
            unusable = [json.loads(line) for line in refused.read_text().splitlines()] if refused.exists() else []
            report("stage 2", lives, [*rows, *unusable], ROWS, url)

        file = run / "graded" / artifact_name("english", "paragraph", MODEL, MODEL)
        with in_process(*HOST, "--reply", "yes") as url:
            command = ["3_validate.py", *shared, url, "--graders", MODEL, "--grade_own", "--canaries", "0"]
            lives = kill(command, file, kills - kills // 2, chance)
            report("stage 3", lives, read_csv(file, ("id",)), len(rows), url)


def kill(command, file, kills, chance):
    """Runs the command until it has been killed so often at work, or is done; then to its end.

    Returns when each run that was killed began and ended.
    """
    part, lives = file.with_name(file.name + ".part"), []
    while len(lives) < kills:
        before, began = size(part), time.time()
        process = subprocess.Popen([sys.executable, *command], cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while process.poll() is None and size(part) <= before:
            time.sleep(0.002)
        time.sleep(chance.uniform(0, LONGEST))
        if process.poll() is not None:
            break
        lives.append((began, time.time()))
        process.kill()
        process.wait()
    subprocess.run([sys.executable, *command], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    return lives


def size(path):
    return path.stat().st_size if path.exists() else 0


def report(stage, lives, rows, expected, url):
    ids = Counter(row["id"] for row in rows)
    log = [record for record in httpx.get(f"{url}/stand-in/log").json() if record["answered"]]
    first = {record["key"]: record["sent"] for record in reversed(log)}
    again = [first[record["key"]] for record in log if record["sent"] > first[record["key"]]]
    ages = [killed - sent for sent in again for began, killed in lives if began < sent < killed]
    print(
        f"{stage}, {len(lives)} kills: {len(rows):,} rows, {expected - len(ids)} missing, {len(rows) - len(ids)} there twice; "
        f"asked again for {len(again)} answers of {len(log):,}, sent {1000 * max(ages, default=0):.1f} ms before a kill at most"
    )


if __name__ == "__main__":
    main()
