"""Other programs on the same cores: how much they take, and how to train beside them."""
import os
import statistics
import sys
import threading
import time
from collections.abc import Iterator

import torch

from .openmp import cores, may_change_waiting, rest_threads

TAKEN = 0.5         # cores that others may keep busy before room is made
LOOK_SECONDS = 0.2  # the shortest look at what others do


class Load:
    """What other programs do to the cores of this process, from the moment that it is made."""

    def __init__(self):
        self._before = _clocks()

    def cores(self) -> tuple[float, float]:
        """Return the cores that others, and that this process have kept busy since then, in the mean.

        Waits until LOOK_SECONDS are over.
        """
        time.sleep(max(0.0, self._before[0] + LOOK_SECONDS - time.monotonic()))
        wall, busy, own = (after - before for before, after in zip(self._before, _clocks()))
        return max(0.0, busy - own) / wall, own / wall


def _clocks() -> tuple[float, float, float]:
    """Read seconds of the wall clock, of the cores' work, of this process's work."""
    import psutil
    times = psutil.cpu_times(percpu=True)
    if hasattr(os, "sched_getaffinity"):  # in a container that has 2 cores of 64, the other 62 do not count
        times = [times[core] for core in os.sched_getaffinity(0) if core < len(times)]
    busy = sum(core.user + core.system + getattr(core, "nice", 0.0) + getattr(core, "irq", 0.0)
               + getattr(core, "softirq", 0.0) for core in times)
    return time.monotonic(), busy, time.process_time()


def enough_free(taken: float, threads: int) -> bool:
    """Do others, who keep `taken` cores busy, leave enough for so many threads?"""
    return cores() - taken > threads - TAKEN


class Room(threading.Thread):
    """A context in which this process makes room for other programs while they want its cores.

    An operation on several threads ends when its last thread is through. GNU's OpenMP lets the others spin for
    milliseconds while they wait. On an idle machine that is fastest; beside other programs they spin on a core that
    the last thread could have. Where OpenMP knows of more threads than there are cores, it lets them sleep at once
    instead. So while other programs take cores, a thread that watches them keeps a team of its own, which does
    nothing. What is computed stays the same.
    """

    def __init__(self, device: torch.device, threads: int | None = None):
        """Set up the watch; it begins with the `with`.

        device: where the training computes; on a GPU nobody looks. threads: of the training, torch's own number if
        None; where it is 1, and where the user has said how threads wait, there is only looking.
        """
        super().__init__(name="distill_kit room", daemon=True)
        self._looks: list[tuple[float, float]] = []
        self._over = threading.Event()
        self._on_cpu, self._threads = device.type == "cpu", threads or torch.get_num_threads()

    @property
    def cores(self) -> tuple[float, ...]:
        """Cores that other programs, and that this process have kept busy so far, in the mean; () if nobody looked."""
        return tuple(map(statistics.fmean, zip(*self._looks)))

    def __enter__(self) -> "Room":
        if self._on_cpu:
            self.start()
        return self

    def __exit__(self, *_) -> None:
        self._over.set()
        if self.is_alive():
            self.join()

    def run(self) -> None:
        """Watch, in a thread of its own, until the training is over."""
        makes_room = self._threads > 1 and sys.platform == "linux" and may_change_waiting()
        load = Load()
        while not self._over.wait(LOOK_SECONDS):
            (taken, had), load = load.cores(), Load()
            self._looks.append((taken, had))
            if makes_room and not enough_free(taken, self._threads):
                torch.ones(200_000).exp_()  # large enough to be shared: this thread's team is made, and sleeps
            elif makes_room and enough_free(2 * taken, self._threads):  # not to and fro
                rest_threads()


def next_with(threads: int, rows: Iterator[dict]) -> dict | None:
    """Compute the next row with so many threads; between rows the caller has its own. Returns None at the end."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        return next(rows, None)
    finally:
        torch.set_num_threads(before)
