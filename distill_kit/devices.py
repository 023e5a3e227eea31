"""Where to compute, and with how many bits."""
import contextlib
import ctypes
import functools
import os
import sys
from collections.abc import Iterable
from pathlib import Path

import torch

PRECISIONS = {"float32": None, "bfloat16": torch.bfloat16, "float16": torch.float16}


def choose_device(device: str | torch.device | None = None) -> torch.device:
    """The device asked for; CUDA if there is one, else the CPU, where nothing is asked.

    Apple's mps is taken when asked for and never by itself: nobody has measured it to be faster on networks this small.
    Raises ValueError if the device is unknown or not there.
    """
    if device is None:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        chosen = torch.device(device)
    except RuntimeError:
        raise ValueError(f"device must be 'cpu', 'cuda', 'cuda:N' or 'mps'; got {device!r}") from None
    there = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if not there.get(chosen.type, False) or (chosen.index or 0) >= max(torch.cuda.device_count(), 1):
        found = ", ".join(name for name, present in there.items() if present)
        raise ValueError(f"device {str(device)!r} was asked for and is not here (here: {found}). "
                         "Leave device out and it is chosen.")
    return chosen


def choose_precision(precision: str = "auto", device: torch.device = torch.device("cpu")) -> str:
    """"auto": bfloat16 where the hardware multiplies it; float16 on CUDA devices that know that alone; else float32.

    Raises ValueError for an unknown name.
    """
    if precision == "auto":
        if device.type == "cuda":  # `is_bf16_supported` also says yes where it is emulated, which is slow (T4)
            capability = torch.cuda.get_device_capability(device)
            return "bfloat16" if capability >= (8, 0) else "float16" if capability >= (7, 0) else "float32"
        return "bfloat16" if device.type == "cpu" and cpu_has_bfloat16() else "float32"
    if precision not in PRECISIONS:
        raise ValueError(f"precision must be auto, {', '.join(PRECISIONS)}; got {precision!r}")
    return precision


@functools.cache
def keep_freed_memory() -> bool:
    """Let the C library keep up to half a gigabyte that the process has freed; whether it was told to.

    A step frees tens of megabytes that the next one needs again. glibc hands such blocks back to the system and has
    them cleared anew, page by page: a tenth of a student's training on a CPU. And all threads share one arena: the lab
    trains in threads of its own, each of which would begin another. Nothing is done elsewhere than on Linux with glibc,
    nor where the environment says how malloc is to behave.
    """
    libc = ctypes.CDLL(None) if sys.platform == "linux" else None
    if not hasattr(libc, "mallopt") or any(name.startswith("MALLOC_") for name in os.environ):
        return False
    mmap_threshold, trim_threshold, arena_max = -3, -1, -8  # M_MMAP_THRESHOLD, M_TRIM_THRESHOLD, M_ARENA_MAX
    return all(libc.mallopt(option, value) == 1 for option, value in
               ((mmap_threshold, 32 << 20), (trim_threshold, 512 << 20), (arena_max, 1)))


def give_back_memory() -> None:
    """What `keep_freed_memory` kept goes back to the system, in some milliseconds. Call it when training is over."""
    if keep_freed_memory():
        ctypes.CDLL(None).malloc_trim(0)


@functools.cache
def cpu_has_bfloat16() -> bool:
    """Read from the processor's flags, never timed: the same machine always answers the same.

    Only Linux lists them in a file; elsewhere the answer is no. Without the instructions bfloat16 is many times slower.
    """
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return False
    flags = next((line.split(":", 1)[1].split() for line in text.splitlines() if line.startswith("flags")), [])
    return "avx512_bf16" in flags or "amx_bf16" in flags


def send(tensor: torch.Tensor, device: torch.device) -> torch.Tensor:
    """The tensor on the device. The caller does not wait until it is there; the device does, before it is used."""
    return tensor.to(device, non_blocking=True)


def numbers_on(device: torch.device, *numbers: float) -> Iterable:
    """The numbers; on CUDA as tensors of one number each, so that a step is the same work whatever they are.

    That is what a CUDA graph asks for, whose work is recorded once.
    """
    return send(torch.tensor(numbers, dtype=torch.float32), device) if device.type == "cuda" else numbers


def casting(device: torch.device, precision: str):
    """A context in which matrix products run in `precision`; weights and sums stay float32."""
    dtype = PRECISIONS[precision]
    return contextlib.nullcontext() if dtype is None else torch.autocast(device.type, dtype)


def machine(device: torch.device) -> dict:
    """What the figures were taken on."""
    import platform

    import psutil
    name = platform.processor() or platform.machine()
    if Path("/proc/cpuinfo").exists():
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        name = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), name)
    return {"processor": name, "device": torch.cuda.get_device_name(device) if device.type == "cuda" else str(device),
            "cores": psutil.cpu_count(logical=False), "threads": torch.get_num_threads(),
            "instructions": torch.backends.cpu.get_cpu_capability(), "memory_bytes": psutil.virtual_memory().total,
            "system": platform.system(), "python": platform.python_version(), "torch": torch.__version__}
