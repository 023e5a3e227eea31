"""Is this machine ready for the course? Facts, problems with their mend, and how long a slider's run will take."""
import importlib.metadata
import platform
import statistics
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import psutil
import torch
from packaging.requirements import Requirement
from torch import nn

from distill_kit import openmp
from distill_kit.data import HOW_TO_GET_CIFAR10, Dataset, ImageSet, data_folders, find_cifar10
from distill_kit.data.cache import cache_folder
from distill_kit.data.places import checkout
from distill_kit.devices import choose_device, choose_precision
from distill_kit.neighbours import Load
from distill_kit.run import WATCHED, Materials, Run
from distill_kit.settings import QUICK_EPOCHS, Settings

from ..machine import threads_in_words
from ..run_folders import runs_folder
from .bench import Kit
from .commands import answer, rows_of
from .sentences import say

LEAST_MEMORY = 2e9  # bytes; a default run stays under 1.2 GB, the notebook server needs the rest


def run_doctor(options) -> int:
    """Say whether this machine is ready for the course."""
    say("Looking at this machine, and training on noise for two seconds to time it ...")
    report = examine(options.device)
    words = {**report, "memory": {name: size / 1e9 for name, size in report["memory"].items()},
             "threads": threads_in_words(report["threads"], report["cores_taken"])}
    answer(options, report, [*rows_of("doctor", **words), *(("note", note) for note in report["notes"]),
                             ("verdict", "ready" if report["ok"] else " ".join(report["problems"]))])
    return 0 if report["ok"] else 1


def examine(device: str | None = None) -> dict:
    """Collect what `doctor` reports, as plain data.

    cores: those that this process may run on; cpu_quota: of which a container may use so many, None where all;
    cores_taken: those that other programs keep busy now; threads: torch's.
    notes: what sweeps lack, and the course where the kit was installed without it, which is no problem.
    """
    taken, _ = Load().cores()
    kit = requirements("kit")
    course, sweep = ([need for need in requirements(part) if need not in kit] for part in ("course", "sweep"))
    problems, notes = lacks("kit", kit), lacks("course", course)
    if checkout():  # who has the notebooks wants them to run
        problems, notes = problems + notes, []
    notes += lacks("sweep", sweep)
    memory = psutil.virtual_memory()
    if memory.total < LEAST_MEMORY:
        problems.append(f"{memory.total / 1e9:.1f} GB of memory; the course needs {LEAST_MEMORY / 1e9:.0f} GB.")
    places = {"DISTILL_KIT_CACHE": cache_folder(), "DISTILL_KIT_RUNS": runs_folder()}
    problems += [problem for name, folder in places.items() if (problem := _cannot_write(name, folder))]
    chosen = choose_device(device)
    precision = choose_precision("auto", chosen)
    seconds = slider_run_seconds(chosen, precision)
    return {"ok": not problems, "problems": problems, "notes": notes, "python": platform.python_version(),
            "packages": {need.name: _version(need.name) for need in kit + course + sweep}, "device": str(chosen),
            "precision": precision, "threads": torch.get_num_threads(), "cores": openmp.cores(),
            "cpu_quota": openmp.cpu_quota(), "cores_taken": round(taken, 1),
            "memory": {"total": memory.total, "available": memory.available}, "data": data_at_hand(),
            "slider_run_seconds": round(seconds, 1)}


def requirements(part: str) -> list[Requirement]:
    """List what a part ("kit", "course", "sweep") needs on this Python.

    A checkout's list, else what the installed package asks for.
    """
    lines = (here / "requirements" / f"{part}.txt").read_text(encoding="utf-8").splitlines() if (here := checkout()) \
        else importlib.metadata.requires("distill_kit")
    needs = [Requirement(words) for line in lines if (words := line.partition("#")[0].strip())]
    return [need for need in needs if need.marker is None or need.marker.evaluate({"extra": part})]


def lacks(part: str, needs: list[Requirement]) -> list[str]:
    """Say which packages are missing or too old, with their mend; nothing where all are there."""
    wanting = [f"{need.name}{need.specifier}" + (f" (here: {version})" if version else "") for need in needs
               if not (version := _version(need.name)) or not need.specifier.contains(version, prereleases=True)]
    how = "-r requirements.txt" if checkout() else "distill_kit" if part == "kit" else f'"distill_kit[{part}]"'
    return [f"The {part} needs {', '.join(wanting)}: pip install {how}"] if wanting else []


def data_at_hand() -> str:
    """Say what "auto" would load; nothing is decoded or fetched."""
    folders = data_folders()
    if places := find_cifar10(folders):
        return f"CIFAR-10 ({places[0].kind}) at {places[0].path}"
    return f"no CIFAR-10 in {' or '.join(map(str, folders))}; Shapes-10 is used. {HOW_TO_GET_CIFAR10}"


def slider_run_seconds(device, precision: str, budget: float = 2.0) -> float:
    """Estimate the seconds of a quick run with kept logits, from `budget` seconds of its own training step on noise."""
    settings = Settings(images=512, device=str(device), precision=precision)
    pixels = torch.randint(256, (512, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    noise = ImageSet(pixels, torch.zeros(512, dtype=torch.int64), tuple("0123456789"), "noise")
    teacher = nn.Sequential(nn.Flatten(), nn.AvgPool1d(307))  # to ten logits: any teacher that is quick
    run = Run(settings, Materials.of(settings, Dataset("noise", noise, noise, noise, ""), teacher))
    with run.room:
        kit, seconds, started = Kit(run), [], time.perf_counter()
        while not seconds or time.perf_counter() - started < budget:
            seconds.append(kit.bare_step())
    trained, validated = Settings().images // settings.batch_size * settings.batch_size, WATCHED
    return QUICK_EPOCHS * (trained + validated / 3) * statistics.mean(seconds)  # only forward: about a third of a step


def _cannot_write(name: str, folder: Path) -> str | None:
    nearest = next(place for place in (folder, *folder.absolute().parents) if place.exists())
    try:
        with tempfile.TemporaryFile(dir=nearest):
            return None
    except OSError as error:
        return f"Cannot write to {folder} ({error.strerror}). Set {name} to a folder of yours."


def _version(name: str) -> str | None:
    with suppress(importlib.metadata.PackageNotFoundError):
        return importlib.metadata.version(name)
    return None
