"""A crew: on a CPU processes that each train a student in a thread of its own, side by side; on a GPU this process.

Two students in two processes take less time than one after the other in two threads, and each is, bit for bit, what a
single thread would have trained. A GPU trains one student after the other: four at once, each in a stream of its own,
took nearly as long, and eight took longer (benchmarks/gpu.json).
"""
import multiprocessing
import os
import sys
import threading
import time
import warnings
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, CancelledError, Future, wait
from copy import copy, deepcopy
from dataclasses import asdict
from pathlib import Path
from pickle import PicklingError

import torch
from pebble import ProcessExpired, ProcessPool

from distill_kit.devices import choose_device
from distill_kit.history import EPOCH, plain
from distill_kit.run import Materials, Run
from distill_kit.settings import Settings

from ..diagnosis import probe
from ..machine import machine
from ..run_folders import write_result
from .plan import VERSION, Planned
from .stock import Source, Stock, materials_of

TRIES = 5  # attempts per run when its process dies
MEMORY = "Is there enough memory? Fewer workers need less."
NO_WORKER = ("no worker process could begin. A script must call this below `if __name__ == \"__main__\":`, for each "
             f"process reads the script again. If it does: {MEMORY}")


def trained(runs: Sequence[Planned], stock: Stock, workers: int | None = None, progress: bool = True
            ) -> Iterator[tuple[int, dict]]:
    """Train runs; yield the place and the result (`result_of`) of each as it finishes. Leave the `for` to stop them.

        >>> for place, result in trained([planned("", {"seed": seed}) for seed in range(5)], Stock()):
        ...     print(place, result["report"]["test_accuracy"])

    A run that fails has a sentence under "error" in place of figures. workers: see Crew.
    """
    from tqdm.auto import tqdm
    stock.check(runs)
    waiting, left = iter(enumerate(runs)), len(runs)
    with Crew(workers) as crew, tqdm(total=left, desc="training students", unit="student", leave=False, delay=0.5,
                                     disable=not progress) as bar:
        while left:
            while crew.free and (following := next(waiting, None)) is not None:
                crew.start(*following, stock.source(following[1], progress))
            for place, result in crew.wait():
                left -= 1
                bar.update()
                yield place, result


class Crew:
    """So many runs at once, until the `with` ends: then what still runs is stopped, on a GPU waited for.

    workers: processes; as many as torch has threads where None. On a GPU one run follows the other.
    """

    def __init__(self, workers: int | None = None):
        if getattr(multiprocessing.current_process(), "_inheriting", False):
            sys.exit(1)  # a worker that reads a script without the guard: NO_WORKER is said where it was begun
        self.workers = torch.get_num_threads() if workers is None else workers
        if type(self.workers) is not int or self.workers < 1:
            raise ValueError(f"workers must be 1 or more, or None for as many as threads; got {workers!r}")
        self._context = torch.multiprocessing.get_context("spawn")  # with which tensors are shared and not copied
        # A pool for each worker: in one of several, a process that dies while it reads its task keeps the others from
        # theirs.
        self._begun, self._idle, self._running = self._context.Event(), [], {}

    def __enter__(self) -> "Crew":
        return self

    def __exit__(self, *_) -> None:
        for pool in [*self._idle, *(pool for pool, *_ in self._running.values() if pool)]:
            pool.stop()
            pool.join()

    @property
    def free(self) -> bool:
        """Can another run begin? Not before what came out of the last one was taken."""
        return len(self._running) < self.workers and not any(future.done() for future in self._running)

    def start(self, ticket, run: Planned, source: Source, path: Path | None = None, tries: int = 1) -> None:
        """Train a run; its result comes from `wait` with the ticket. path: where it is also written, as JSON."""
        if choose_device(run.settings.device).type == "cpu":
            self._idle = [pool for pool in self._idle if pool.active]  # the process of another may have died meanwhile
            pool = self._idle.pop() if self._idle else ProcessPool(1, initializer=_begin, initargs=[self._begun],
                                                                   context=self._context)
            future = pool.schedule(result_of, args=[run, source, path])
        else:
            future, pool = Future(), None
            future.set_result(result_of(run, source, path))
        self._running[future] = pool, tries, ticket, run, source, path

    def wait(self, seconds: float = 1.0) -> list[tuple[object, dict]]:
        """Return tickets and results that came since, waiting so long for the first.

        Raises OSError where a result could not be written. A run whose process dies is trained again from the start,
        TRIES times at most.
        """
        if not self._running:
            time.sleep(seconds)
        results = []
        # A pool that breaks does not tell of what had not reached its process.
        lost = [future for future, (pool, *_) in self._running.items() if pool and not pool.active and future.cancel()]
        for future in lost or wait(self._running, seconds, FIRST_COMPLETED).done:
            pool, tries, ticket, run, source, path = self._running.pop(future)
            try:
                results.append((ticket, future.result()))
                self._idle += [pool] if pool else []
            except (ProcessExpired, BrokenExecutor, CancelledError) as error:
                pool.stop()
                pool.join()
                if not self._begun.is_set() and tries > 1:  # not twice by chance
                    raise RuntimeError(NO_WORKER) from None
                how = f"its process ended with status {getattr(error, 'exitcode', 'unknown')}"
                if tries < TRIES:
                    warnings.warn(f"Run {ticket}: {how}; it is trained again from the start.", stacklevel=3)
                    self.start(ticket, run, source, path, tries + 1)
                else:
                    results.append((ticket, {"error": f"{how}, {TRIES} times. {MEMORY}"}))
            except (AttributeError, PicklingError, TypeError) as error:
                self._idle.append(pool)
                results.append((ticket, {"error": f"its teacher cannot be sent to a process ({error})"}))
        return results


def _begin(begun) -> None:
    """Prepare a worker process, which pebble keeps from interrupts: it ends with the one that began it."""
    begun.set()
    sys.stdout = sys.stderr  # what a teacher prints is no answer of a command
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    multiprocessing.parent_process().join()
    os._exit(1)


def result_of(run: Planned, source: Source, path: Path | None = None) -> dict:
    """Train a run; return plain data: report, rows, probes, and what they were computed by. An error is a sentence.

    The number of threads is the run's own, or 1 in a worker process, whatever else the machine does.
    """
    try:
        if multiprocessing.parent_process() is not None:
            torch.set_num_threads(run.settings.threads or 1)
        made = result_from(run, source)
    except Exception as error:  # whatever it is, the other runs go on
        return {"error": str(error) if isinstance(error, ValueError | RuntimeError) else
                f"{type(error).__name__}: {error}"}
    if path is not None:
        write_result(path, made)
    return made


def result_from(run: Planned, source: Source) -> dict:
    """Train a run and return its result; raises what training raises."""
    if isinstance(source, Materials):  # whose tensors all runs share, and a forward pass may move the teacher's
        source, source.logits = copy(source), copy(source.logits)
        source.logits.teacher = deepcopy(source.logits.teacher)
    else:
        dataset, teacher = source[0], deepcopy(source[1])
        if run.taught_by is not None:
            teacher = finished(run.taught_by, materials_of(run.taught_by, run.views, dataset, teacher)).student
        source = materials_of(run.settings, run.views, dataset, teacher)
    trained = finished(run.settings, source, run.measure)
    return plain({
        **asdict(run), "version": VERSION, "report": trained.report(), "rows": trained.history,
        "probes": probe(trained) if run.probes else None,
        "source": trained.training.source, "machine": machine(source.device), "threads": trained.threads})


def finished(settings: Settings, materials: Materials, measure: str | None = None) -> Run:
    """Train a run to its end. measure: of lab.measures.MEASURES, taken after each epoch into a column of its name."""
    run = Run(settings, materials)
    for row in run.rows():
        if measure is not None and row["kind"] == EPOCH:
            from ..lab.measures import MEASURES
            row[measure] = MEASURES[measure].of(run, row)
    return run
