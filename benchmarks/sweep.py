"""What a sweep costs beside its runs, and what a second worker is worth.

    python benchmarks/sweep.py ledger [--storage URL]   a claim of five runs: the first and the last of 5,000 planned
    python benchmarks/sweep.py workers [--rounds 3]     a grid with one worker and with two, of one core each, in turn

Writes what it finds into benchmarks/sweep.json.
"""
import argparse
import os
import subprocess
import sys
import tempfile
import time
from statistics import median

from shared import BENCHMARKS, read_json, write_json

from distill_course.machine import machine_in_words
from distill_course.sweep.ledger import Ledger

PLANNED, GROUP, RUN_SECONDS = 5_000, 5, 10
GRID = ["--data", "shapes10", "--temperature", "1,4", "--alpha", "0.1,0.9", "--seeds", "5", "--epochs", "4"]


def ledger(url: str | None) -> dict:
    """Claim and enter 5,000 runs, five at a time, whose results are as long as those of a quick run."""
    row = {f"column {number}": 0.123456789 for number in range(25)}
    result = {"arm": "", "settings": {"seed": 0}, "report": {"val_accuracy": 0.5}, "machine": {}, "threads": 1,
              "rows": [row] * 8}
    with tempfile.TemporaryDirectory() as folder:
        study = Ledger(f"benchmark-{time.time_ns()}", url or f"sqlite:///{folder}/study.db")
        times = []
        with study.at_work():
            for first in range(0, PLANNED, GROUP):
                keys = tuple(f"{first + more:016x}" for more in range(GROUP))
                started = time.perf_counter()
                study.claim(keys, {"temperature": (float(first), 0.0, float(PLANNED))})
                study.enter(next(iter(study.held)), dict.fromkeys(keys, result), {})
                times.append(1_000 * (time.perf_counter() - started))
    first, last = median(times[:50]), median(times[-50:])
    return {"storage": study.shown.partition(":")[0], "first claims, ms": round(first, 1),
            "last claims, ms": round(last, 1),
            "share of a ten-second run": round(max(first, last) / GROUP / 1_000 / RUN_SECONDS, 5)}


def workers(rounds: int) -> dict:
    """Time the same grid with one worker and with two, in turn."""
    seconds: dict[int, list[float]] = {1: [], 2: []}
    for number in [number for _ in range(rounds) for number in seconds]:
        with tempfile.TemporaryDirectory() as folder:
            started = time.perf_counter()
            command = ["-m", "distill_kit", "sweep", "--study", "grid", "--workers", str(number), *GRID, "--json"]
            subprocess.run([sys.executable, *command], check=True, capture_output=True, cwd=BENCHMARKS.parent,
                           env={**os.environ, "DISTILL_KIT_RUNS": folder})
            seconds[number].append(round(time.perf_counter() - started, 1))
        print(seconds, flush=True)
    return {"seconds": {str(number): own for number, own in seconds.items()},
            "times as fast": round(median(seconds[1]) / median(seconds[2]), 2)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("ledger", "workers"))
    parser.add_argument("--storage")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    report = ledger(options.storage) if options.what == "ledger" else workers(options.rounds)
    known = read_json("sweep.json") if (BENCHMARKS / "sweep.json").exists() else {}
    name = f"ledger, {report['storage']}" if options.what == "ledger" else "workers"
    write_json("sweep.json", {**known, name: {**report, "machine": machine_in_words()}})
    print(report)


if __name__ == "__main__":
    main()
