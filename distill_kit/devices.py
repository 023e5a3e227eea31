"""Where to compute, and with how many bits."""
import contextlib
import functools
from pathlib import Path

import torch

PRECISIONS = {"float32": None, "bfloat16": torch.bfloat16}


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
    """"auto": bfloat16 where the hardware multiplies it, else float32. Raises ValueError for an unknown name."""
    if precision == "auto":
        if device.type == "cuda":  # `is_bf16_supported` also says yes where it is emulated, which is slow (T4)
            fast = torch.cuda.get_device_capability(device) >= (8, 0)
        else:
            fast = device.type == "cpu" and cpu_has_bfloat16()
        return "bfloat16" if fast else "float32"
    if precision not in PRECISIONS:
        raise ValueError(f"precision must be auto, {' or '.join(PRECISIONS)}; got {precision!r}")
    return precision


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


def casting(device: torch.device, precision: str):
    """A context in which matrix products run in `precision`; weights and sums stay float32."""
    dtype = PRECISIONS[precision]
    return contextlib.nullcontext() if dtype is None else torch.autocast(device.type, dtype)
