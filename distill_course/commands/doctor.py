"""Is this machine ready for the course? Facts, problems with their mend, and how long a slider's run will take."""
import contextlib
import importlib.metadata
import platform
import tempfile
import time
from pathlib import Path

import psutil
import torch
from packaging.requirements import Requirement

from distill_kit import openmp
from distill_kit.batches import Batch
from distill_kit.data import data_folders, find_cifar10
from distill_kit.data.cache import cache_folder
from distill_kit.data.places import checkout
from distill_kit.devices import choose_device, choose_precision
from distill_kit.history import EPOCH
from distill_kit.memory import keep_freed_memory
from distill_kit.models import STUDENTS, make_model
from distill_kit.neighbours import Load, Room
from distill_kit.optimizers import OPTIMIZERS
from distill_kit.schedules import constant
from distill_kit.settings import QUICK_EPOCHS, Settings
from distill_kit.training import train

from ..run_folders import runs_folder

LEAST_MEMORY = 2e9  # bytes; a default run stays under 1.2 GB, the notebook server needs the rest


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
    return (f"no CIFAR-10 in {' or '.join(map(str, folders))}; Shapes-10 is used. "
            "To get CIFAR-10 (170 MB): python -m distill_kit data --download")


def slider_run_seconds(device, precision: str, budget: float = 2.0) -> float:
    """Estimate the seconds of a quick run with kept logits, from `budget` seconds of its own training step."""
    keep_freed_memory()
    settings = Settings()
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(256, (256, 3, 32, 32), dtype=torch.uint8, generator=generator)
    size = settings.batch_size
    images = (pixels[:size].float() / 255).contiguous(memory_format=torch.channels_last).to(device)
    batch = Batch(images, torch.zeros(size, dtype=torch.int64, device=device), torch.zeros(size, 10, device=device))
    student = make_model(STUDENTS["default"], pixels).to(device)
    rows = train(student, [batch] * 10_000, None, epochs=1, optimizer=OPTIMIZERS[settings.optimizer](student),
                 learning_rate=constant(1e-3), temperature=constant(4.0), alpha=constant(0.1), every=10,
                 precision=precision)
    with Room(device), contextlib.closing(rows):
        next(rows)  # the first ten steps warm up
        started = time.perf_counter()
        last = next(row for row in rows if time.perf_counter() - started > budget or row["kind"] == EPOCH)
    per_step = (time.perf_counter() - started) / (last["steps"] - 10)
    validation = 2_000 / size / 3  # only forward: about a third of a step
    return QUICK_EPOCHS * (settings.images // size + validation) * per_step


def _cannot_write(name: str, folder: Path) -> str | None:
    nearest = next(place for place in (folder, *folder.absolute().parents) if place.exists())
    try:
        with tempfile.TemporaryFile(dir=nearest):
            return None
    except OSError as error:
        return f"Cannot write to {folder} ({error.strerror}). Set {name} to a folder of yours."


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None
