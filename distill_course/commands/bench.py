"""How fast is the kit on this machine? Each thing timed in turn, round after round, so that all share the weather.

Figures are medians over the rounds; ratios are medians of the rounds' ratios.
"""
import statistics
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace

from torch import nn

from distill_kit import data, teachers
from distill_kit.data.imageset import Dataset
from distill_kit.devices import choose_device
from distill_kit.kept_logits import KeptLogits
from distill_kit.run import Materials, Run
from distill_kit.schedules import check_whole
from distill_kit.settings import DEFAULT_EPOCHS, QUICK_EPOCHS, Settings
from distill_kit.teachers import Teacher
from distill_kit.views import VIEWS, ViewBank

from ..machine import counted, machine
from ..sweep.crew import finished
from ..teacher_training import ALL_VIEWS
from .bench_loops import Kit, article_loops
from .commands import MOST_SEEDS, answer, rows_of, say

PASSED_VIEWS = ALL_VIEWS[:8]


def run_bench(options) -> int:
    """Measure how fast the kit is on this machine."""
    check_whole("seeds", options.seeds, 1, MOST_SEEDS)
    dataset = data.load_dataset(options.data)
    say(dataset.notice)
    teacher, _ = teachers.load_teacher(dataset)
    report = measure(dataset, teacher, seeds=options.seeds, device=options.device, precision=options.precision)
    memory = report["peak_memory_bytes"]
    answer(options, report, [
        *rows_of("bench", **report, threads=counted(report["machine"]["threads"], "thread")),
        ("memory", memory and f"{memory / 1e9:.2f} GB")])
    return 0


def measure(dataset: Dataset, teacher: nn.Module, *, rounds: int = 5, seeds: int = 5, device: str | None = None,
            precision: str = "auto", others: Callable[[Materials], dict[str, Callable]] = lambda materials: {}) -> dict:
    """Measure every figure of `bench`, as plain data; on standard error it says what is being timed.

    others: gives further loops by name that are timed in turn with the kit's, each to return its seconds an image.
    """
    settings = Settings(data=dataset.name, device=str(choose_device(device)), precision=precision)
    materials = Materials.of(settings, dataset, teacher)
    say("timing the teacher, eight views of the training images ...")
    pass_seconds = time_a_pass(materials, teacher)
    materials.complete()
    run = Run(settings, materials)
    kit = Kit(run)
    loops = {"bare_step": kit.bare_step, "loop": kit.loop,
             "loop_with_validation": lambda: kit.loop(materials.watched), **article_loops(run), **others(materials)}
    clocks, parts = defaultdict(list), defaultdict(list)
    for number in range(rounds):
        say(f"timing loops, round {number + 1} of {rounds} ...")
        for name, seconds_an_image in loops.items():
            clocks[name].append(seconds_an_image())
        for name, seconds_a_step in kit.parts():
            parts[name].append(seconds_a_step)
    runs = {name: timed_runs(settings, epochs, materials, seeds)
            for name, epochs in (("default_run", DEFAULT_EPOCHS), ("quick_run", QUICK_EPOCHS))}
    say("timing memory of a fresh process ...")
    speeds = {name: 1 / statistics.median(values) for name, values in clocks.items()}

    def ratio(name: str, other: str) -> float:
        return statistics.median(b / a for a, b in zip(clocks[name], clocks[other]))

    cold = runs["default_run"]["seconds"] + pass_seconds * len(VIEWS) / len(PASSED_VIEWS)
    images = DEFAULT_EPOCHS * len(run.batches) * settings.batch_size
    return {
        "ratio_to_bare_step": ratio("loop", "bare_step"),
        "ratio_to_article_loop": ratio("loop_with_validation", "article_loop_with_validation"),
        "ratio_to_article_training": ratio("loop", "article_loop"),
        "ratio_to_article_loop_cold": images / speeds["article_loop_with_validation"] / cold,
        **{f"{name}_{figure}": value for name, figures in runs.items() for figure, value in figures.items()},
        "teacher_pass_seconds": pass_seconds,
        "teacher_images_per_second": len(materials.training) * len(PASSED_VIEWS) / pass_seconds,
        "peak_memory_bytes": peak_memory(settings), "images_per_second": speeds,
        "step_milliseconds": {name: 1000 * statistics.median(values) for name, values in parts.items()},
        "precision": materials.precision, "data": dataset.pool.source, "rounds": rounds, "seeds": seeds,
        "machine": machine(materials.device)}


def time_a_pass(materials: Materials, teacher: nn.Module) -> float:
    """Time the teacher on eight views of the training images, nothing kept before: seconds."""
    bank = ViewBank(materials.training.images, PASSED_VIEWS, materials.device)
    logits = KeptLogits(Teacher(teacher, materials.device, materials.precision), bank, len(materials.training))
    logits.complete()
    return logits.seconds


def timed_runs(settings: Settings, epochs: int, materials: Materials, seeds: int) -> dict:
    """Return median seconds and mean test accuracy of whole runs with kept logits."""
    made = []
    for seed in range(seeds):
        say(f"timing a run of {epochs} epochs, seed {seed + 1} of {seeds} ...")
        made.append(finished(replace(settings, epochs=epochs, seed=seed), materials).report())
    return {"seconds": statistics.median(report["seconds"] for report in made),
            "test_accuracy": statistics.mean(report["test_accuracy"] for report in made)}


def peak_memory(settings: Settings) -> int | None:
    """Measure the most bytes that a fresh process of `distill` held; None on Windows, which does not say."""
    if sys.platform == "win32":
        return None
    # Linux counts in ru_maxrss what the process held before it became this program, so its own status is asked.
    code = ("import pathlib, re, resource, sys; from distill_kit.__main__ import main; status = main(sys.argv[1:]); "
            "own = pathlib.Path('/proc/self/status'); print(re.search(r'VmHWM:\\s+(\\d+)', own.read_text())[1] "
            "if own.exists() else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss); sys.exit(status)")
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run([sys.executable, "-c", code, "distill", "--data", settings.data, "--json",
                               "--out", folder, "--precision", settings.precision, "--device", settings.device],
                              capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"the run whose memory was to be measured failed: {done.stderr.strip()[-300:]}")
    return int(done.stdout.splitlines()[-1]) * (1 if sys.platform == "darwin" else 1024)
