"""Many students at once: on a CPU side by side, in processes of one thread each.

Two students in two processes take less time than one after the other in two threads, and each is, bit for bit, what a
single thread would have trained. Comparisons with several seeds stand on it.
"""
import multiprocessing
import sys
import warnings
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, CancelledError, wait

import torch
from torch import nn

from distill_kit.data.imageset import Dataset
from distill_kit.run import Materials, Run
from distill_kit.settings import Settings

from . import diagnosis, habits  # noqa: F401 (register, in workers too, the changes that settings name)

REPORT, FAILED = "report", "failed"  # kinds of rows, beside history.EPOCH
TRIES = 5                            # attempts per setting when its process dies
NEED_TEACHER = {"teacher_in_train_mode"}  # changes that ask the teacher itself, which worker processes do not have
NO_WORKER = ("no worker process could begin. A script must call this below `if __name__ == \"__main__\":`, for each "
             "process reads the script again. If it does: is there enough memory? Fewer workers need less.")


def train_many(settings: Iterable[Settings], dataset: Dataset, teacher: nn.Module, *, workers: int | None = None,
               progress: bool = True) -> Iterator[dict]:
    """Train a student per setting; yield their rows as students finish, each with the setting's place under "index".

    The epoch rows of a student come in order, then a row of the kind "report" with the figures of `Run.report`, or of
    the kind "failed" with a sentence under "error". The teacher is asked first, for all students, in this process.
    Leave the `for` to stop them all. A student whose process dies is trained again from the start, TRIES times at most.
    workers: processes at once; as many as threads where None. On a GPU students are trained one after the other.
    """
    from tqdm import tqdm
    if getattr(multiprocessing.current_process(), "_inheriting", False):
        sys.exit(1)  # a worker that reads a script without the guard: NO_WORKER is said where it was begun
    settings, workers = list(settings), torch.get_num_threads() if workers is None else workers
    if type(workers) is not int or workers < 1:
        raise ValueError(f"workers must be 1 or more, or None for as many as threads; got {workers!r}")
    shared = _materials(settings, dataset, teacher, progress)
    with tqdm(total=len(settings), desc="training students", unit="student", leave=False, delay=0.5,
              disable=not progress) as bar:
        for row in _rows(settings, shared, workers):
            bar.update(row["kind"] in (REPORT, FAILED))
            yield row


def _materials(settings: Sequence[Settings], dataset: Dataset, teacher: nn.Module,
               progress: bool) -> dict[tuple, Materials]:
    """Build materials for each choice of images, with all that the teacher will be asked."""
    shared: dict[tuple, Materials] = {}
    for each in settings:
        if _key(each) not in shared:
            shared[_key(each)] = Materials.of(each, dataset, teacher)
        materials = shared[_key(each)]
        if materials.device.type == "cpu" and (asked := needs_teacher(each.changes)):
            raise ValueError(f"changes must not name {asked} where worker processes train: they have no teacher to "
                             "ask. Train it with Run")
        Run(each, materials)  # a bad setting is refused before anything has begun
    for each in settings:
        shared[_key(each)].complete(not each.labels_only, progress)
    return shared


def needs_teacher(changes: Iterable[str]) -> str:
    """Name a change, or a fault with its strength, that asks the teacher itself; "" where none does."""
    return next((change for change in changes if change.partition(":")[0] in NEED_TEACHER), "")


def _key(settings: Settings) -> tuple:
    return settings.drawn, settings.device, settings.precision


def _rows(settings: Sequence[Settings], shared: dict[tuple, Materials], workers: int) -> Iterator[dict]:
    if any(materials.device.type != "cpu" for materials in shared.values()):
        for index, each in enumerate(settings):
            yield from _train(index, each, shared)
        return
    from pebble import ProcessExpired, ProcessPool
    context = torch.multiprocessing.get_context("spawn")  # with which tensors are shared and not copied
    begun, tries, running, pools = context.Event(), [0] * len(settings), {}, []

    def start(index: int) -> None:
        if not (pools and pools[-1].active):  # a pool whose processes died before they had anything to do is broken
            pools.append(ProcessPool(workers, initializer=_begin, initargs=(settings, shared, begun), context=context))
        tries[index] += 1
        running[pools[-1].schedule(_work, args=[index])] = index, len(pools)
    try:
        for index in range(len(settings)):
            start(index)
        while running:
            done = wait(running, 1.0, return_when=FIRST_COMPLETED).done
            if not done and not pools[-1].active:  # what had not reached the processes is never told that they are lost
                done = [future for future in running if future.cancel()]
            for future in done:
                index, pool_number = running.pop(future)
                try:
                    yield from future.result()
                except (ProcessExpired, BrokenExecutor, CancelledError) as error:
                    if not begun.is_set() and pool_number > 1:  # not twice by chance
                        raise RuntimeError(NO_WORKER) from None
                    how = f"its process ended with status {getattr(error, 'exitcode', 'unknown')}"
                    if tries[index] == TRIES:
                        yield {"kind": FAILED, "index": index, "error": f"{how}, {TRIES} times. Is there enough "
                                                                        "memory? Fewer workers need less."}
                        continue
                    warnings.warn(f"Setting {index}: {how}; its student is trained again from the start.",
                                  stacklevel=3)
                    start(index)
    finally:
        for pool in pools:
            pool.stop()
            pool.join()


_given: tuple[Sequence[Settings], dict[tuple, Materials]] = (), {}  # in a worker process: what it was given


def _begin(settings: Sequence[Settings], shared: dict[tuple, Materials], begun) -> None:
    global _given
    begun.set()
    _given = settings, shared
    torch.set_num_threads(1)


def _work(index: int) -> list[dict]:
    return list(_train(index, _given[0][index], _given[1]))


def _train(index: int, settings: Settings, shared: dict[tuple, Materials]) -> Iterator[dict]:
    try:
        run = Run(settings, shared[_key(settings)])
        for row in run.rows():
            yield {**row, "index": index}
        yield {"kind": REPORT, "index": index, **run.report()}
    except Exception as error:  # whatever it is, the other students go on
        plain = isinstance(error, ValueError | RuntimeError)
        yield {"kind": FAILED, "index": index, "error": f"{error}" if plain else f"{type(error).__name__}: {error}"}
