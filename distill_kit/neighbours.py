"""Other programs on the same cores: how much they take, and how to train beside them."""
import contextlib
import copy
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

import torch
from torch import nn

from .devices import casting
from .openmp import cores, may_change_waiting, prepare, rest_threads
from .views import ViewBank

TAKEN = 0.5         # cores that may be missing before fewer threads are tried
LOOK_SECONDS = 0.2  # the shortest look at what others do
PROBED = 128        # images of a step that is tried
ROUNDS = 2          # steps with each number of threads, after one that warms up


class Load:
    """What other programs do to the cores of this process, from the moment that it is made."""

    def __init__(self):
        self._before = _clocks()

    def taken(self) -> float:
        """Return the cores that others have kept busy since then, in the mean; waits until LOOK_SECONDS are over."""
        time.sleep(max(0.0, self._before[0] + LOOK_SECONDS - time.monotonic()))
        wall, busy, own = (after - before for before, after in zip(self._before, _clocks()))
        return max(0.0, busy - own) / wall


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

    def __init__(self, device: torch.device, taken: float | None = None, threads: int | None = None):
        """Set up the watch; it begins with the `with`.

        device: where the training computes; on a GPU there is nothing to do. taken: cores that other programs are known
        to keep busy now. threads: of the training, torch's own number if None.
        """
        super().__init__(name="distill_kit room", daemon=True)
        self._taken, self._over, self._ready = taken or 0.0, threading.Event(), threading.Event()
        self._threads = (threads or torch.get_num_threads()) if device.type == "cpu" else 1

    def __enter__(self) -> "Room":
        if self._threads > 1 and sys.platform == "linux" and may_change_waiting():
            self.start()
            self._ready.wait()
        return self

    def __exit__(self, *_) -> None:
        self._over.set()
        if self.is_alive():
            self.join()

    def run(self) -> None:
        """Watch, in a thread of its own, until the training is over."""
        try:
            self._make_or_leave(self._taken)
        finally:
            self._ready.set()  # whatever happens here, the training goes on
        load = Load()
        while not self._over.wait(LOOK_SECONDS):
            self._make_or_leave(load.taken())
            load = Load()

    def _make_or_leave(self, taken: float) -> None:
        if not enough_free(taken, self._threads):
            torch.ones(200_000).exp_()  # large enough to be shared: this thread's team is made, and sleeps
        elif enough_free(2 * taken, self._threads):  # not to and fro
            rest_threads()


class Choice(NamedTuple):
    """The threads of a run, and why."""
    threads: int
    taken: float | None  # cores that other programs kept busy; None where nobody looked
    seconds: float       # spent on trying


def choose_threads(wish: int | None, load: Load, student: nn.Module, bank: ViewBank, precision: str) -> Choice:
    """Choose the threads of a run that begins now: the wish or, on a CPU, as many as are best beside other programs.

    Where enough cores are free, that is all of torch's threads. Else it is the number with which steps of a copy of
    the student, on PROBED images of the bank, take least time: all, as many as cores are free, or one. On other
    systems than Linux, and where the user has set OMP_NUM_THREADS, nobody looks, and torch's number stays.
    """
    threads = wish or torch.get_num_threads()
    if wish or threads == 1 or bank.device.type != "cpu" or sys.platform != "linux" or prepare():
        return Choice(threads, None, 0.0)
    taken, began = load.taken(), time.perf_counter()
    if enough_free(taken, threads):
        return Choice(threads, taken, 0.0)
    student = copy.deepcopy(student).train()
    rows = torch.arange(PROBED) % bank.count
    images = bank.take(rows, torch.zeros_like(rows))

    def step() -> None:
        with casting(bank.device, precision):
            student(images).float().sum().backward()
    with Room(bank.device, taken):
        threads = fastest({threads, min(threads, max(1, round(cores() - taken))), 1}, step)
    return Choice(threads, taken, time.perf_counter() - began)


def fastest(numbers: set[int], step: Callable[[], object]) -> int:
    """Find the number of threads with which ROUNDS steps take least time, tried in turn; torch's own number is kept."""
    seconds: dict[int, list[float]] = {number: [] for number in sorted(numbers)}
    with using_threads(torch.get_num_threads()):
        for _ in range(1 + ROUNDS):
            for number, times in seconds.items():
                torch.set_num_threads(number)
                began = time.perf_counter()
                step()
                times.append(time.perf_counter() - began)
    return min(seconds, key=lambda number: sum(seconds[number][1:]))


@contextlib.contextmanager
def using_threads(number: int) -> Iterator[None]:
    """Open a context in which torch computes with so many threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def next_with(threads: int, rows: Iterator[dict]) -> dict | None:
    """Compute the next row with so many threads; between rows the caller has its own. Returns None at the end."""
    with using_threads(threads):
        return next(rows, None)
