"""Is this machine ready for the course? Facts, problems with their mend, and how long a slider's run will take."""
import importlib.metadata
import os
import platform
import sys
import tempfile
import time
from pathlib import Path

from . import openmp

PACKAGES = ("torch", "torchvision", "torchmetrics", "numpy", "scipy", "pillow", "matplotlib", "tqdm", "safetensors",
            "filelock", "platformdirs", "psutil", "jupyterlab", "ipywidgets", "ipykernel", "pytest", "nbval",
            "jupytext")
LEAST_MEMORY = 2e9  # bytes; a default run stays under 1.2 GB, the notebook server needs the rest


def examine(device: str | None = None) -> dict:
    """Everything `doctor` reports, as plain data.

    cores: those that this process may run on; cpu_quota: of which a container may use so many, None where all;
    cores_taken: those that other programs keep busy now; threads: torch's, of which a run takes fewer beside them.
    """
    import psutil
    from .devices import choose_device, choose_precision
    from .neighbours import Load
    taken = Load().taken()
    problems = []
    packages = {name: _version(name) for name in PACKAGES}
    problems += [f"The package {name} is missing: pip install -r requirements.txt" for name, version in packages.items()
                 if version is None]
    if sys.version_info < (3, 10):
        problems.append(f"Python {platform.python_version()} is too old; the kit needs 3.10 or newer.")
    memory = psutil.virtual_memory()
    if memory.total < LEAST_MEMORY:
        problems.append(f"{memory.total / 1e9:.1f} GB of memory; the course needs {LEAST_MEMORY / 1e9:.0f} GB.")
    problems += [problem for name, folder in _places().items() if (problem := _cannot_write(name, folder))]
    chosen = choose_device(device)
    precision = choose_precision("auto", chosen)
    seconds = slider_run_seconds(chosen, precision)
    return {"ok": not problems, "problems": problems, "python": platform.python_version(), "packages": packages,
            "device": str(chosen), "precision": precision, "threads": _threads(),
            "cores": openmp.cores(), "cpu_quota": openmp.cpu_quota(), "cores_taken": round(taken, 1),
            "memory": {"total": memory.total, "available": memory.available}, "data": data_at_hand(),
            "slider_run_seconds": round(seconds, 1)}


def data_at_hand() -> str:
    """What "auto" would load, in words; nothing is decoded or fetched."""
    from .data import data_folders, find_cifar10
    folders = data_folders()
    places = find_cifar10(folders)
    if places:
        return f"CIFAR-10 ({places[0].kind}) at {places[0].path}"
    return (f"no CIFAR-10 in {' or '.join(map(str, folders))}; Shapes-10 is used. "
            "To get CIFAR-10 (170 MB): python -m distill_kit data --download")


def slider_run_seconds(device, precision: str, budget: float = 2.0) -> float:
    """Seconds of a quick run with kept logits, estimated from `budget` seconds of its own training step."""
    import torch
    from .batches import Batch
    from .devices import keep_freed_memory
    from .models import STUDENTS, make_model
    from .neighbours import Load, Room, choose_threads, using_threads
    from .optimizers import OPTIMIZERS
    from .run import QUICK_EPOCHS, Settings
    from .schedules import constant
    from .training import train
    from .views import ViewBank
    keep_freed_memory()
    settings = Settings()
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(256, (256, 3, 32, 32), dtype=torch.uint8, generator=generator)
    size = settings.batch_size
    images = (pixels[:size].float() / 255).contiguous(memory_format=torch.channels_last).to(device)
    batch = Batch(images, torch.zeros(size, dtype=torch.int64, device=device), torch.zeros(size, 10, device=device))
    student = make_model(STUDENTS["default"], pixels).to(device)
    choice = choose_threads(None, Load(), student, ViewBank(pixels, device=device), precision)
    steps, started = 0, None
    with using_threads(choice.threads), Room(device, choice.taken):
        for row in train(student, [batch] * 10_000, None, epochs=1, optimizer=OPTIMIZERS[settings.optimizer](student),
                         learning_rate=constant(1e-3), temperature=constant(4.0), alpha=constant(0.1), every=10,
                         precision=precision):
            if started is None:  # the first ten steps warm up
                started = time.perf_counter()
                continue
            steps += 10
            if time.perf_counter() - started > budget:
                break
    per_step = (time.perf_counter() - started) / max(steps, 1)
    validation = 2_000 / size / 3  # forward alone: about a third of a step
    return QUICK_EPOCHS * (settings.images // size + validation) * per_step


def _places() -> dict[str, Path]:
    from .data.cache import cache_folder
    return {"DISTILL_KIT_CACHE": cache_folder(), "DISTILL_KIT_RUNS": Path(os.environ.get("DISTILL_KIT_RUNS") or "runs")}


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


def _threads() -> int:
    import torch
    return torch.get_num_threads()
