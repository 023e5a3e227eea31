"""Where to compute, and with how many bits."""
import contextlib
import functools
import re
from collections.abc import Iterable
from pathlib import Path

import torch

PRECISIONS = {"float32": None, "bfloat16": torch.bfloat16, "float16": torch.float16}


def choose_device(device: str | torch.device | None = None) -> torch.device:
    """Return the requested device. None picks CUDA if available, else the CPU.

    Apple's mps is used only on request: nobody has measured it to be faster on networks this small.
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
        present = ", ".join(name for name, is_there in there.items() if is_there)
        raise ValueError(f"device {str(device)!r} was asked for and is not here (here: {present}). "
                         "Leave device out and it is chosen.")
    return chosen


def choose_precision(precision: str = "auto", device: torch.device = torch.device("cpu")) -> str:
    """Return the requested precision. "auto" picks what the hardware is fastest in.

    That is bfloat16 where it is in hardware, float16 on CUDA devices that only know that, else float32.

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
def cpu_has_bfloat16() -> bool:
    """Look for bfloat16 in the processor's flags: never timed, so the same machine always answers the same.

    Only Linux lists them in a file; elsewhere the answer is no. Without the instructions bfloat16 is many times slower.
    """
    with contextlib.suppress(OSError):
        return bool(re.search("^flags.* (avx512|amx)_bf16", Path("/proc/cpuinfo").read_text(), re.MULTILINE))
    return False


def send(tensor: torch.Tensor, device: torch.device) -> torch.Tensor:
    """Copy a tensor to the device. The caller does not wait for the copy; the device does, before it is used."""
    return tensor.to(device, non_blocking=True)


def numbers_on(device: torch.device, *numbers: float) -> Iterable:
    """Return the numbers as they are; on CUDA as scalar tensors, which a recorded step can read anew each time."""
    return send(torch.tensor(numbers, dtype=torch.float32), device) if device.type == "cuda" else numbers


def casting(device: torch.device, precision: str):
    """Open a context in which matrix products run in `precision`; weights and sums stay float32."""
    dtype = PRECISIONS[precision]
    return contextlib.nullcontext() if dtype is None else torch.autocast(device.type, dtype)
