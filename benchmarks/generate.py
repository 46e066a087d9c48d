"""How well stages 2 and 3 use a server: rows a second against a stand-in whose capacity is known.

    python benchmarks/generate.py               # a minute or two
    python benchmarks/generate.py --rows 400

prints  rows/s of a sequential loop; of stage 2 and 3 with one host of 8 slots and 50 ms an answer, as a share of its capacity;
        of stage 2 with two such hosts; our CPU time per row; and the time and memory of a start with nothing to do
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from emojisummary.artifacts import artifact_name, read_emoji, write_text, yaml_line
from emojisummary.grading import FORM
from emojisummary.models import connect
from emojisummary.settings import read_settings
from emojisummary.tasks import TASKS
from tests.stand_in import in_process

ROOT = Path(__file__).parent.parent
SLOTS, LATENCY = 8, 0.05  # seconds
HOST = ("--slots", str(SLOTS), "--latency", str(LATENCY), "--reply", "yes")
CAPACITY = SLOTS / LATENCY  # answers a second
MANY = 60_000  # rows


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1600)
    rows = parser.parse_args().rows
    with ExitStack() as stack:
        one, two = (stack.enter_context(in_process(*HOST)) for _ in range(2))
        loop = sequential(one, rows // 20)
        print(f"one after the other: {loop:.1f} rows/s (n = {rows // 20})")
        for stage, schema in (("generate", False), ("validate", True)):
            rate, cpu = served(stage, [one], rows, schema)
            print(
                f"{stage}, one host: {rate:.0f} rows/s, {rate / CAPACITY:.0%} of its capacity, {rate / loop:.1f} times "
                f"the loop; our CPU {1000 * cpu:.1f} ms a row (n = {rows})"
            )
        both, _ = served("generate", [one, two], rows, False)
        single, _ = served("generate", [one], rows, False)
        print(f"generate, two hosts: {both:.0f} rows/s, {both / single:.2f} times one host in the same run (n = {rows})")
    print(nothing_to_do())


def requests(rows, schema):
    form = {"schema": FORM} if schema else {}
    return ({"id": f"{n:012x}", "messages": [{"role": "user", "content": f"Text {n}?"}], **form} for n in range(rows))


def model(stage, hosts, folder):
    settings = read_settings(stage, ["--runs_folder", folder, "--ollama.hosts", json.dumps(hosts)])
    return connect("ollama/stand-in", None, settings)


def served(stage, hosts, rows, schema):
    """Rows a second and CPU seconds a row of the provider under a stage's settings."""
    began, cpu = time.perf_counter(), time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        answered = sum(1 for _ in model(stage, hosts, folder).answer(requests(rows, schema)))
    assert answered == rows
    return rows / (time.perf_counter() - began), (time.process_time() - cpu) / rows


def sequential(host, rows):
    """Rows a second of a loop over the official client."""
    from ollama import Client

    client = Client(host=host)
    began = time.perf_counter()
    for request in requests(rows, schema=False):
        client.chat("stand-in", request["messages"])
    return rows / (time.perf_counter() - began)


def nothing_to_do():
    """Stage 2 where all of 60,000 rows are there."""
    with tempfile.TemporaryDirectory() as folder:
        shared = ["--runs_folder", folder, "--run", "full"]
        run = Path(folder) / "full"
        subprocess.run([sys.executable, "1_emoji.py", *shared], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
        table, languages = read_emoji(run), ["english", "german", "french", "spanish"]
        each = -(-MANY // (4 * len(table)))
        amount = {"min": each, "max": each, "exponent": 1}
        flags = [
            *shared,
            "--teachers",
            json.dumps({"ollama/stand-in": languages}),
            "--texts",
            json.dumps({"paragraph": amount}),
        ]
        texts = read_settings("generate", flags).texts["paragraph"]
        count = 0
        for language in languages:
            topics = TASKS["summary"].topics(table, language, "paragraph", "ollama/stand-in", texts, 7)
            rows = [{**topic, "text": f"Text {topic['id']}", "answer": topic["emoji"]} for topic in topics]
            write_text(
                run / "generated" / artifact_name(language, "paragraph", "ollama/stand-in"), "".join(map(yaml_line, rows))
            )
            count += len(rows)
        began = time.perf_counter()
        subprocess.run([sys.executable, "2_generate.py", *flags], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
        seconds = time.perf_counter() - began
        memory = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
        return f"stage 2 with {count:,} rows there and nothing to do: {seconds:.1f} s, at most {memory:.0f} MB (n = 1)"


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main()
