"""Many students at once: on a CPU side by side, in processes of one thread each.

Two students in two processes take less time than one after the other in two threads, and each is, bit for bit, the one
that a single thread would have trained alone. It is what comparisons with several seeds stand on.
"""
import contextlib
import os
import warnings
from collections.abc import Iterable, Iterator, Sequence
from multiprocessing.connection import Connection, wait
from typing import NamedTuple

import torch
from torch import nn

from .data.imageset import Dataset
from .run import Materials, Run, Settings

REPORT, FAILED = "report", "failed"  # kinds of rows, beside history.EPOCH
TRIES = 2                            # of a setting whose process ended without a word


class Worker(NamedTuple):
    process: torch.multiprocessing.Process
    pipe: Connection


def train_many(settings: Iterable[Settings], dataset: Dataset, teacher: nn.Module, *, workers: int | None = None,
               progress: bool = True) -> Iterator[dict]:
    """Train one student per setting; yield their rows as they are made, each with the setting's place under "index".

    An epoch's row is that of `Run.rows`; a student's last row has the kind "report" and the figures of `Run.report`, or
    the kind "failed" and a sentence under "error". Rows of different students come mixed; those of one are in order.
    The teacher is asked first, for all the students, in this process. Leave the `for` to stop them all.
    workers: processes at once; as many as threads where None. On a GPU students are trained one after the other.
    """
    settings = list(settings)
    shared = _materials(settings, dataset, teacher, progress)
    with _Bar(sum(one.epochs for one in settings), progress) as bar:
        for row in _rows(settings, shared, workers or torch.get_num_threads()):
            bar.follow(row)
            yield row


def reports(rows: Iterable[dict], count: int) -> list[dict]:
    """The reports among the rows of `train_many`, in the settings' order. Raises RuntimeError for a failed one."""
    found: list[dict] = [{}] * count
    for row in rows:
        if row["kind"] == FAILED:
            raise RuntimeError(f"setting {row['index']}: {row['error']}")
        if row["kind"] == REPORT:
            found[row["index"]] = row
    return found


def _materials(settings: Sequence[Settings], dataset: Dataset, teacher: nn.Module,
               progress: bool) -> dict[tuple, Materials]:
    """One for each choice of images, with all that the teacher will be asked."""
    shared: dict[tuple, Materials] = {}
    for one in settings:
        if _key(one) not in shared:
            shared[_key(one)] = Materials.of(one, dataset, teacher)
        Run(one, shared[_key(one)])  # a bad setting is refused before anything has begun
    for one in settings:
        shared[_key(one)].complete(not one.labels_alone, progress)
    return shared


def _key(settings: Settings) -> tuple:
    return settings.images, settings.data_seed, settings.leave_out, settings.device, settings.precision


def _rows(settings: Sequence[Settings], shared: dict[tuple, Materials], count: int) -> Iterator[dict]:
    if any(materials.device.type != "cpu" for materials in shared.values()):
        for index, one in enumerate(settings):
            yield from _train(index, one, shared)
        return
    waiting, tries = list(range(len(settings)))[::-1], [0] * len(settings)
    free: list[Worker] = []
    busy: dict[Connection, tuple[Worker, int]] = {}
    try:
        while waiting or busy:
            while waiting and len(busy) < count:
                worker, index = free.pop() if free else _start(settings, shared), waiting.pop()
                tries[index] += 1
                busy[worker.pipe] = worker, index
                with contextlib.suppress(OSError):  # it was killed while it had nothing to do: seen below
                    worker.pipe.send(index)
            for pipe in wait(list(busy)):
                worker, index = busy[pipe]
                try:
                    row = pipe.recv()
                except (EOFError, ConnectionError):
                    worker.process.join()
                    del busy[pipe]
                    how = f"its process ended with status {worker.process.exitcode}"
                    if tries[index] == TRIES:
                        yield {"kind": FAILED, "index": index,
                               "error": f"{how}, {TRIES} times. Is there enough memory? Fewer workers need less."}
                        continue
                    warnings.warn(f"Setting {index}: {how}; its student is trained again from the start.", stacklevel=3)
                    waiting.append(index)
                else:
                    if row["kind"] in (REPORT, FAILED):
                        del busy[pipe]
                        free.append(worker)
                    yield row
    finally:
        for worker in [*free, *(worker for worker, _ in busy.values())]:
            worker.process.kill()
            worker.process.join()


def _start(settings: Sequence[Settings], shared: dict[tuple, Materials]) -> Worker:
    context = torch.multiprocessing.get_context("spawn")  # with which tensors are shared and not copied
    here, there = context.Pipe()
    process = context.Process(target=_work, args=(there, settings, shared), daemon=True)
    before = os.environ.get("OMP_NUM_THREADS")
    os.environ["OMP_NUM_THREADS"] = "1"  # read when torch is imported there
    try:
        process.start()
    finally:
        os.environ.pop("OMP_NUM_THREADS") if before is None else os.environ.update(OMP_NUM_THREADS=before)
    there.close()  # the process has its own; left open here, its end would never be seen
    return Worker(process, here)


def _work(pipe: Connection, settings: Sequence[Settings], shared: dict[tuple, Materials]) -> None:
    """In a process of its own: train whichever setting is asked for, until nobody asks any more."""
    torch.set_num_threads(1)
    while True:
        index = pipe.recv()
        for row in _train(index, settings[index], shared):
            pipe.send(row)


def _train(index: int, settings: Settings, shared: dict[tuple, Materials]) -> Iterator[dict]:
    try:
        run = Run(settings, shared[_key(settings)])
        for row in run.rows():
            yield {**row, "index": index}
        yield {"kind": REPORT, "index": index, **run.report()}
    except (ValueError, RuntimeError) as error:
        yield {"kind": FAILED, "index": index, "error": str(error)}


class _Bar:
    """One progress bar over all students: epochs done of epochs asked for; a student trained again counts anew."""

    def __init__(self, epochs: int, shown: bool):
        from tqdm import tqdm
        self.bar = tqdm(total=epochs, desc="training students", unit="epoch", leave=False, delay=0.5,
                        disable=not shown)
        self.done: dict[int, int] = {}

    def __enter__(self):
        return self

    def follow(self, row: dict) -> None:
        if "epoch" in row:
            self.done[row["index"]] = row["epoch"]
            self.bar.update(sum(self.done.values()) - self.bar.n)

    def __exit__(self, *error):
        self.bar.close()
