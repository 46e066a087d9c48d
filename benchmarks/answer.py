"""How fast a trained student answers, and how fast the scripts say what they take.

    python benchmarks/answer.py                 # after `make demo`; another run: benchmarks/answer.py runs/small
    python benchmarks/answer.py runs/small 1    # each once: only to see that it works

prints  seconds for 1,000 short texts, after loading and by the script with --input, and for one text with loading; milliseconds
        for one text from a loaded student (median of 200); and the slowest `--help` (median of 5 each)
"""

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from emojisummary import load
from emojisummary.artifacts import read_csv

RUN = sys.argv[1] if len(sys.argv) > 1 else "runs/demo"
TIMES = int(sys.argv[2]) if len(sys.argv) > 2 else 5


def seconds(call) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def main():
    texts = [row["text"] for row in read_csv(Path(RUN) / "training_data.csv", ("text",)) if len(row["text"]) < 120][:1000]
    student = load(RUN)
    student.predict(texts[:2])
    bulk = [seconds(lambda: student.predict(texts)) for _ in range(TIMES)]
    print(f"{len(texts):,} short texts, loaded: {statistics.median(bulk):.2f} s (n = {TIMES})")
    single = [seconds(lambda text=text: student.predict(text)) for text in texts[: 40 * TIMES]]
    print(f"one text, loaded: {1000 * statistics.median(single):.1f} ms (n = {40 * TIMES})")
    command = [sys.executable, "7_evaluate_inference.py", "--model", RUN]
    whole = [seconds(lambda: subprocess.run([*command, "pizza"], check=True, capture_output=True)) for _ in range(TIMES)]
    print(f"one text with loading: {statistics.median(whole):.2f} s (n = {TIMES})")
    with tempfile.NamedTemporaryFile("w", suffix=".txt", encoding="utf-8") as file:
        file.write("\n".join(" ".join(text.split()) for text in texts))
        file.flush()
        took = seconds(lambda: subprocess.run([*command, "--input", file.name], check=True, capture_output=True))
    print(f"{len(texts):,} short texts with --input, loading included: {took:.2f} s (n = 1)")
    helps = {}
    for script in sorted(Path().glob("[0-9]_*.py")):
        call = [sys.executable, script, "--help"]
        helps[script.name] = statistics.median(
            seconds(lambda c=call: subprocess.run(c, check=True, capture_output=True)) for _ in range(TIMES)
        )
    slowest = max(helps, key=helps.get)
    print(f"slowest --help: {slowest} {helps[slowest]:.2f} s (n = {TIMES})")


if __name__ == "__main__":
    main()
