"""A hundred runs of the lab, one after another: does memory grow, do threads; how soon is a run given up?

    python benchmarks/lab_runs.py [--runs 100] [--epochs 8] [--beside 1]

Writes benchmarks/lab_runs.json, on a GPU lab_runs-cuda.json, beside busy programs lab_runs-beside.json. Every fifth run
is given up in its middle for the next.
"""
import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import psutil
import torch

from distill_course.lab import Lab
from distill_course.lab.worker import RUNNING, STOPPED
from distill_course.machine import machine
from distill_kit.data import load_dataset
from distill_kit.devices import choose_device
from distill_kit.settings import QUICK_EPOCHS

FOLDER = Path(__file__).parent
SETTLED = 10  # runs after which memory has what it needs: baseline, teacher's answers, buffers


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="cifar10")
    parser.add_argument("--runs", type=int, default=100, help="at least 10")
    parser.add_argument("--epochs", type=int, default=QUICK_EPOCHS)
    parser.add_argument("--beside", type=int, default=0, help="so many busy programs run at the same time")
    options = parser.parse_args()
    loops = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(options.beside)]
    try:
        measure(options)
    finally:
        for loop in loops:
            loop.kill()


def measure(options: argparse.Namespace) -> None:
    """Let the lab train its runs, and write what was taken after each."""
    process, dataset, device = psutil.Process(), load_dataset(options.data), choose_device()
    megabytes, threads, given_up, on_gpu = [], [], [], []
    with tempfile.TemporaryDirectory() as folder:
        lab = Lab("plain", dataset, folder=folder, epochs=options.epochs)
        temperatures = lab.session.experiment.controls[0].stops
        for number in range(options.runs):
            lab.session.move(temperature=temperatures[number % len(temperatures)])
            if number % 5 == 4:
                live = lab.session.live
                while live.state != RUNNING or live.progress < 0.3:
                    time.sleep(0.005)
                began = time.perf_counter()
                lab.session.move(temperature=temperatures[(number + 1) % len(temperatures)])
                while live.state != STOPPED:
                    time.sleep(0.001)
                given_up.append(time.perf_counter() - began)
            lab.session.join()
            megabytes.append(process.memory_info().rss / 1e6)
            threads.append(threading.active_count())
            if device.type == "cuda":
                on_gpu.append(torch.cuda.memory_reserved() / 1e6)
            print(number + 1, f"{megabytes[-1]:.0f} MB", threads[-1], flush=True)
    report = {"runs": options.runs, "epochs of each": options.epochs, "busy programs beside": options.beside,
              "machine": machine(device),
              "megabytes after each": [round(value, 1) for value in megabytes],
              "megabytes grown since run 10": round(megabytes[-1] - megabytes[SETTLED - 1], 1),
              "megabytes grown since run 1": round(megabytes[-1] - megabytes[0], 1),
              "threads after the first and the last": [threads[0], threads[-1]],
              "seconds until a run is given up": {"median": round(statistics.median(given_up), 4),
                                                  "most": round(max(given_up), 4), "n": len(given_up)}}
    if on_gpu:
        report["megabytes held on the GPU after each"] = [round(value, 1) for value in on_gpu]
    name = f"lab_runs{'-beside' * bool(options.beside)}{'' if device.type == 'cpu' else f'-{device.type}'}.json"
    (FOLDER / name).write_text(json.dumps(report) + "\n")
    print({name: value for name, value in report.items() if not name.endswith("each")})


if __name__ == "__main__":
    main()
