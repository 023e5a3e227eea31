"""Checkpoints: a killed run goes on after its last finished epoch, and ends with the same student, bit for bit.

While a run trains, a file of tensors lies beside its history: weights, the best ones so far, what the optimiser keeps;
the rows are in its header. The order of the images is not: it comes from a seed, so the epochs that lie behind are gone
through again without training. That brings changes (changes.py) to where they were, too.
"""
import json
import re
import warnings
from collections import deque
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import asdict
from pathlib import Path

import torch
from torch import Tensor, nn

from .data.imageset import Dataset
from .files import replace_file
from .history import EPOCH, Row, best_row, plain
from .run import Materials, Run
from .weights import fingerprint, read_sealed, sealed

CHECKPOINT = "checkpoint.safetensors"
OTHERS = {"the student": "the students are those of another version", "the data set": "the images are others",
          "the teacher": "the teacher is another one (--teacher names it; a function must give the same weights)"}
WHERE = {"data", "device", "precision", "threads"}  # settings that say where a run trains, and not what


def resumable(run: Run, folder: Path | str, every: int | None = None) -> Iterator[Row]:
    """Train a run as `run.rows(every, folder)` does, so that it may be killed: called again, it goes on.

        >>> for row in resumable(Run(settings, materials), "runs/mine"):
        ...     print(row["epoch"], row["val_accuracy"])

    folder: holds a checkpoint from then on; remove it once you have what the run was for, its report say. Where it
        holds one already, the rows are those after it.

    Raises ValueError for a checkpoint that is cut, altered or of another student. Warns where device, precision or
    number of threads are others than before. In float16 the last digits may differ, too: its scale (step.py) begins
    anew.
    """
    path, what = Path(folder, CHECKPOINT), identity(run)
    if path.is_file():
        restore(run, path, what)
    for row in run.rows(every, folder):
        if row["kind"] == EPOCH and "stopped" not in row:
            replace_file(path, sealed({"identity": json.dumps(what), "rows": json.dumps(run.history)}, moving(run)))
        yield row


def identity(run: Run) -> dict:
    """Say what makes a student what it is: settings, images, teacher, what computes. Plain data, to be compared."""
    materials = run.materials
    return plain({"the student": asdict(run.student.architecture), **asdict(run.settings), "data": None,
                  "the data set": of_images(materials, "training"), "device": materials.device.type,
                  "the teacher": of_network(materials.logits.teacher.module), "precision": materials.precision,
                  "threads": run.threads})


def of_images(images: Materials | Dataset, training: str = "pool") -> str:
    """Hash all images and labels; training: the name of the part that is not validation or test."""
    return fingerprint({"classes": str(images.validation.classes)}, {
        f"{part} {what}": getattr(getattr(images, part), what) for part in (training, "validation", "test")
        for what in ("images", "labels")})[:16]


def of_network(network: nn.Module) -> str:
    """Hash a network's layers and weights."""
    return fingerprint({"network": re.sub("0x[0-9a-f]+", "", str(network))}, {  # without places in memory
        name: value for name, value in network.state_dict().items() if isinstance(value, Tensor)})[:16]


def differences(before: dict, now: dict) -> dict[str, str]:
    """Say in what two identities differ: words by name."""
    return {name: OTHERS.get(name) or f"{name} was {before.get(name)!r} and is {now[name]!r}"
            for name in now if before.get(name) != now[name]}


def moving(run: Run) -> dict[str, Tensor]:
    """Name all tensors that training moves: weights, the best weights, what the optimiser keeps; they are no copies."""
    best = {f"best {name}": value for name, value in run.best["weights"].items()}
    kept = {f"{what} of {name}": value for name, parameter in run.student.named_parameters()
            for what, value in run.parts.optimizer.state.get(parameter, {}).items()}
    return {**run.student.state_dict(), **best, **kept}


def restore(run: Run, path: Path, now: dict) -> None:
    """Bring a run that has not begun to where the checkpoint at `path` was written; raises as `resumable` does.

    now: the run's identity.
    """
    header, tensors = read_sealed(path)
    try:
        before, rows = json.loads(header["identity"]), json.loads(header["rows"])
        other = differences(before, now)
        if other.keys() - WHERE:
            raise ValueError(f"it is of another student, for which {', '.join(other.values())}")
        fill(run, rows, tensors)
    except (AttributeError, IndexError, KeyError, RecursionError, TypeError, ValueError) as error:
        raise ValueError(f"nothing can go on from {path}: {error}. Train the student anew.") from None
    if other:
        warnings.warn(f"The run goes on in another way than before ({', '.join(other.values())}): its figures may "
                      "differ in the last digits from those of a run that was not interrupted.", stacklevel=3)
    for _ in rows:  # what alters the batches may have a state of its own, which moves with them
        deque(run.batches.epoch() if run.parts.batches is run.batches else run.parts.batches, maxlen=0)


def fill(run: Run, rows: list[Row], tensors: dict[str, Tensor]) -> None:
    """Give a run the rows of its first epochs, and what moved in them. Raises ValueError where they do not fit."""
    odd = [name for row in rows for name, kind in Row.__annotations__.items()
           if name in row and not isinstance(row[name], kind | int)]
    steps = [(number, number * len(run.parts.batches)) for number in range(1, run.settings.epochs + 1)]
    if odd or [(row["epoch"], row["steps"]) for row in rows] != steps[:len(rows)]:
        raise ValueError(f"its rows are not those of first epochs {', '.join(odd)[:60]}".strip())
    for parameter in run.student.parameters():
        parameter.grad = torch.zeros_like(parameter) if parameter.requires_grad else None
    run.parts.optimizer.step()  # which makes what it keeps, of the right kind and in the right place
    best = best_row(rows)
    run.best.update(rank=(best["val_accuracy"], -best["val_hard"]), weights=deepcopy(run.student.state_dict()))
    for name, value in moving(run).items():
        if tensors[name].shape != value.shape or not tensors[name].isfinite().all():
            raise ValueError(f"{name} does not fit this student, or is not finite")
        value.copy_(tensors[name])
    run.history = rows
