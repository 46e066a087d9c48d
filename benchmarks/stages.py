"""How long the stages of `make demo` take, one after the other, and how long the same again with nothing left to do.

    python benchmarks/stages.py               # ten minutes or so
    python benchmarks/stages.py --limit 60    # flags go to every stage: only to see that it works

prints  for each stage seconds, the highest memory so far, and seconds of the second time; the sums of stages 1 to 4 and of all
"""

import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent
STAGES = ("1_emoji", "2_generate", "3_validate", "4_combine", "4_combine_eval", "5_train", "6_plot", "7_evaluate")
GIB = 2**20  # of the kibibytes that Linux counts in


def seconds(stage: str, flags: list[str]) -> float:
    start = time.perf_counter()
    subprocess.run([sys.executable, f"{stage}.py", *flags], cwd=ROOT, check=True, capture_output=True)
    return time.perf_counter() - start


def main():
    first, again = {}, {}
    with tempfile.TemporaryDirectory() as runs:
        flags = ["--runs_folder", runs, *sys.argv[1:]]
        for stage in STAGES:
            first[stage] = seconds(stage, flags)
            memory = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / GIB
            print(f"{stage:<15} {first[stage]:6.1f} s, {memory:.2f} GiB", flush=True)
        for stage in STAGES:
            again[stage] = seconds(stage, flags)
    print("again: " + ", ".join(f"{stage} {took:.1f} s" for stage, took in again.items()))
    to_4 = sum(took for stage, took in first.items() if stage[0] < "5")
    print(f"stages 1 to 4: {to_4:.0f} s; all: {sum(first.values()):.0f} s; again: {sum(again.values()):.0f} s (n = 1)")


if __name__ == "__main__":
    main()
