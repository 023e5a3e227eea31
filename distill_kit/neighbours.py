"""Other programs on the same cores: how much they take, how to train beside them, which of them are runs too."""
import contextlib
import copy
import os
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

import torch
from torch import nn

from .data.cache import cache_folder
from .devices import casting
from .openmp import cores, may_change_waiting, prepare, rest_threads
from .views import ViewBank

TAKEN = 0.5         # cores: so much may be missing before a number of threads is too many
LOOK_SECONDS = 0.2  # the shortest look at what others do
PROBED = 128        # images of a step that is tried
ROUNDS = 2          # steps with each number of threads, after one that warms up


class Load:
    """What other programs do to the cores of this process, from the moment that this is made."""

    def __init__(self):
        self._before = _clocks()

    def taken(self) -> float:
        """Cores that others have kept busy since then, in the mean; waits until LOOK_SECONDS are over."""
        time.sleep(max(0.0, self._before[0] + LOOK_SECONDS - time.monotonic()))
        wall, busy, own = (after - before for before, after in zip(self._before, _clocks()))
        return max(0.0, busy - own) / wall


def _clocks() -> tuple[float, float, float]:
    """Seconds of the wall clock, of the cores' work, of this process's work."""
    import psutil
    times = psutil.cpu_times(percpu=True)
    if hasattr(os, "sched_getaffinity"):  # in a container that has 2 cores of 64, the other 62 do not count
        times = [times[core] for core in os.sched_getaffinity(0) if core < len(times)]
    busy = sum(core.user + core.system + getattr(core, "nice", 0.0) + getattr(core, "irq", 0.0)
               + getattr(core, "softirq", 0.0) for core in times)
    return time.monotonic(), busy, time.process_time()


def enough_free(taken: float, threads: int) -> bool:
    """Do others, who take so many cores, leave enough for so many threads?"""
    return cores() - taken > threads - TAKEN


class Room(threading.Thread):
    """A context in which this process makes room for other programs while they want its cores.

    An operation on several threads ends when the last one is through. GNU's OpenMP lets those that wait spin for
    milliseconds. Alone that is fastest; but beside others they spin on a core that the one they wait for could have.
    Where an OpenMP knows of more threads than there are cores, it lets them sleep at once instead. So while others take
    cores, a thread that watches them keeps a team of its own, which does nothing. What is computed stays the same.
    """

    def __init__(self, device: torch.device, taken: float | None = None, threads: int | None = None):
        """device: where the training computes: on a GPU there is nothing to do.

        taken: cores that others are known to keep busy now; threads: of the training, torch's own number if None.
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
    threads: int
    taken: float | None  # cores that other programs kept busy; None where nobody looked
    seconds: float       # spent on trying


def choose_threads(wish: int | None, load: Load, student: nn.Module, bank: ViewBank, precision: str) -> Choice:
    """The threads for a run that begins now: the wish or, on a CPU, those that are best beside what others do there.

    All of torch's threads where enough cores are free. Else the number with which steps of a copy of the student, on
    PROBED images of the bank, take least time: all, as many as cores are free, or one. On other systems than Linux, and
    where the user has set OMP_NUM_THREADS, nobody looks: torch's number stays.
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
    """The number of threads with which ROUNDS steps take least time, tried in turn; torch's own number is kept."""
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
    """A context in which torch computes with so many threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def next_with(threads: int, rows: Iterator[dict]) -> dict | None:
    """The next row, computed with so many threads; between rows the caller has its own. None at the end."""
    with using_threads(threads):
        return next(rows, None)


@contextlib.contextmanager
def announced() -> Iterator[None]:
    """A context in which other processes on this machine that share the cache folder know that this one trains.

    A locked file stands for it; the system frees the lock when a process dies. Without write access nothing is told.
    """
    from filelock import FileLock
    lock = None
    with contextlib.suppress(OSError, NotImplementedError):
        _folder().mkdir(parents=True, exist_ok=True)
        lock = FileLock(_folder() / f"{_host()}-{os.getpid()}-{time.monotonic_ns()}", timeout=1)
        lock.acquire()
    try:
        yield
    finally:
        if lock is not None:
            lock.release()
            with contextlib.suppress(OSError):
                os.unlink(lock.lock_file)


def others_training() -> int:
    """How many other processes on this machine train a student at this moment; what a killed one left is removed."""
    from filelock import FileLock, Timeout
    training, paths = set(), []
    with contextlib.suppress(OSError):
        paths = [path for path in _folder().glob(f"{_host()}-*") if path.is_file()]
    for path in paths:
        process = path.name.removeprefix(_host()).split("-")[1]
        if process == str(os.getpid()):
            continue
        try:
            with FileLock(path, timeout=0):
                pass
            path.unlink(missing_ok=True)
        except Timeout:
            training.add(process)
        except (OSError, NotImplementedError):  # another user's: it cannot be asked, and the next can
            continue
    return len(training)


def _folder():
    return cache_folder() / "training"


def _host() -> str:
    return socket.gethostname()
