"""Threads of torch on a CPU: how many a container allows, and how they wait for each other.

Nothing heavy is imported here: `import distill_kit` runs `prepare`, if possible before torch is loaded.
"""
import ctypes
import functools
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

WAITING = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")  # whoever sets one of these has said how threads are to wait


@functools.cache
def prepare() -> None:
    """Keep torch to the threads that a container allows, in this process and in those that it starts. Works once.

    Where the user has set the number of threads, it stays as it is.
    """
    if sys.platform == "linux" and "OMP_NUM_THREADS" not in os.environ and (threads := allowed_threads()) < cores():
        os.environ["OMP_NUM_THREADS"] = str(threads)  # read when torch is loaded
        if (torch := sys.modules.get("torch")) is not None:
            torch.set_num_threads(min(threads, torch.get_num_threads()))


def may_change_waiting() -> bool:
    """May the kit change how threads wait? Not where the user has set it, nor with another OpenMP than GNU's."""
    return not any(name in os.environ for name in WAITING) and _pause_openmp() is not None


def cores() -> int:
    """Count the logical cores that this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def allowed_threads() -> int:
    """Count the threads that a container's quota keeps busy, rounded to the nearest; without a quota the cores."""
    quota = cpu_quota()
    return cores() if quota is None else max(1, min(cores(), int(quota + 0.5)))


def cpu_quota(proc: Path = Path("/proc/self/cgroup"), mounts: Path = Path("/sys/fs/cgroup")) -> float | None:
    """Read how many cores' time the control groups of this process may use (cgroup v1 or v2); None without a limit."""
    quotas = []
    with suppress(OSError):
        for _, controllers, group in (line.split(":", 2) for line in proc.read_text().splitlines()):
            names = ("cpu.cfs_quota_us", "cpu.cfs_period_us") if controllers else ("cpu.max",)  # v1, v2
            if controllers and "cpu" not in controllers.split(","):
                continue
            for root in (mounts / controllers, mounts / "cpu", mounts / "unified"):
                inside = root / group.strip("/")
                for folder in (inside, *inside.parents):  # any of them may be the narrowest
                    with suppress(OSError, ValueError):  # no such file: a group of another mount; "max": no limit
                        quota, period = " ".join((folder / name).read_text() for name in names).split()
                        quotas.append(int(quota) / int(period))
    return min((quota for quota in quotas if quota > 0), default=None)  # v1 writes -1 for no limit


def rest_threads() -> bool:
    """End the helper threads that OpenMP keeps for the calling thread; its next large operation starts new ones.

    Each thread that computes has helpers of its own. Where there are more of them than cores, GNU's OpenMP lets the
    helpers of all sleep between two operations, and a training of many short operations takes 1.3 times as long.

    Returns True if an OpenMP runtime was found and paused.
    """
    pause = _pause_openmp()
    return pause is not None and pause(1) == 0  # omp_pause_soft, OpenMP 5.0: what the program has set is kept


@functools.cache
def _pause_openmp() -> Callable[[int], int] | None:
    """Find the function that pauses torch's own copy of libgomp; None for another OpenMP, or none."""
    import torch
    library = Path(torch.__file__).parent / "lib" / "libgomp.so.1"
    return getattr(ctypes.CDLL(str(library)), "omp_pause_resource_all", None) if library.exists() else None
