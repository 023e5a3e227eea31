"""The machine that figures are taken on, as data and in words."""
import platform
from pathlib import Path

import torch

from distill_kit.devices import choose_device, choose_precision
from distill_kit.neighbours import TAKEN
from distill_kit.openmp import cores, cpu_quota


def counted(number: int, what: str) -> str:
    """Write a number with its word: "1 thread", "2 threads"."""
    return f"{number} {what}{'' if number == 1 else 's'}"


def threads_in_words(threads: int, taken: float) -> str:
    """Write the number of threads, and what keeps them from cores: a container's limit, other programs (taken)."""
    words, quota = [counted(threads, "thread")], cpu_quota()
    if quota is not None:
        words.append(f"this container may use {quota:g} of {cores()} cores")
    if taken > TAKEN:
        words.append(f"other programs keep {taken:.1f} of {cores()} cores busy")
    return "; ".join(words)


def machine(device: torch.device) -> dict:
    """Describe the machine that figures are taken on, as plain data."""
    import psutil
    name = platform.processor() or platform.machine()
    if Path("/proc/cpuinfo").exists():
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        name = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), name)
    return {"processor": name, "device": torch.cuda.get_device_name(device) if device.type == "cuda" else str(device),
            "cores": psutil.cpu_count(logical=False), "threads": torch.get_num_threads(),
            "instructions": torch.backends.cpu.get_cpu_capability(), "memory_bytes": psutil.virtual_memory().total,
            "system": platform.system(), "python": platform.python_version(), "torch": torch.__version__}


def machine_in_words() -> str:
    """Say on what figures are computed: "2 threads (AMD EPYC) in bfloat16"."""
    about = machine(choose_device())
    return f"{counted(about['threads'], 'thread')} ({about['processor']}) in {choose_precision(device=choose_device())}"
