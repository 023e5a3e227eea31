"""A hundred runs of the lab, one after another: does memory grow, do threads; how soon is a run given up?

    python benchmarks/lab_runs.py [--runs 100] [--epochs 8] [--beside 1]
    python benchmarks/lab_runs.py --kernels 6    as many Jupyter kernels at once, each with a lab and then a second one

Writes benchmarks/lab_runs.json, on a GPU lab_runs-cuda.json, beside busy programs lab_runs-beside.json; of kernels
lab_kernels.json and a line in docs/teaching.md: what each holds, and its share of what several hold (Linux). Of a
hundred runs every fifth is given up in its middle for the next.
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
from shared import ROOT, write_json, write_part

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
    parser.add_argument("--kernels", type=int, default=0)
    options = parser.parse_args()
    if options.kernels:
        in_kernels(options)
        return
    loops = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(options.beside)]
    try:
        measure(options)
    finally:
        for loop in loops:
            loop.kill()


CELL = """
from distill_course.lab import Lab
from distill_kit.data import load_dataset
dataset = globals().get("dataset") or load_dataset({data!r}, progress=False)
lab = Lab({name!r}, dataset, epochs={epochs}, folder={name!r})
labs = [*globals().get("labs", []), lab]
display(lab)
lab.session.train()
lab.session.join()
assert lab.session.live.state == "finished", lab.session.live.state
"""


def in_kernels(options: argparse.Namespace) -> None:
    """Let Jupyter kernels train a lab each at once, then a second lab each, and write what memory they take."""
    import jupyter_client
    with tempfile.TemporaryDirectory() as folder:
        started = [jupyter_client.manager.start_new_kernel(cwd=folder) for _ in range(options.kernels)]
        try:
            report = {"kernels": options.kernels, "epochs of each": options.epochs, "machine": machine(choose_device())}
            for which, name in (("a lab", "plain"), ("a second lab", "labels")):
                cell = CELL.format(name=name, data=options.data, epochs=options.epochs)
                began = time.perf_counter()
                asked = [(client, client.execute(cell)) for _, client in started]
                statuses = [client.get_shell_msg(timeout=600)["content"]["status"] for client, _ in asked]
                memory = [psutil.Process(manager.provisioner.process.pid).memory_full_info() for manager, _ in started]
                report[which] = {"finished": statuses.count("ok"), "seconds": round(time.perf_counter() - began, 1),
                                 "megabytes of each": [round(taken.rss / 1e6) for taken in memory],
                                 "its share of them": [round(taken.pss / 1e6) for taken in memory]}
                print(which, report[which], flush=True)
        finally:
            for manager, client in started:
                client.stop_channels()
                manager.shutdown_kernel(now=True)
    write_json("lab_kernels.json", report)
    write_part(ROOT / "docs" / "teaching.md", "kernels", kernels_in_words(report))


def kernels_in_words(report: dict) -> str:
    """Say, as an item of docs/teaching.md, what memory a kernel takes."""
    whole, share = "megabytes of each", "its share of them"
    first, second = ({key: statistics.median(report[which][key]) for key in (whole, share)}
                     for which in ("a lab", "a second lab"))
    return (f"- A kernel with a lab holds {first[whole] / 1000:.2f} GB; where {report['kernels']} share a machine, "
            f"{first[share] / 1000:.2f} GB each,\n  for the images are there once for all of them. A second lab of a "
            f"kernel takes {second[share] - first[share]:.0f} MB more (CIFAR-10, two cores, `python "
            f"benchmarks/lab_runs.py --kernels {report['kernels']}`).")


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
