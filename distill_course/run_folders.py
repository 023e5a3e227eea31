"""Folders that runs are written to, a new one for each, and results in them."""
import hashlib
import itertools
import json
import os
import time
from contextlib import suppress
from pathlib import Path

from distill_kit.files import replace_file
from distill_kit.settings import Settings


def runs_folder() -> Path:
    """Name the folder that runs go to where none is given: $DISTILL_KIT_RUNS, else ./runs."""
    return Path(os.environ.get("DISTILL_KIT_RUNS") or "runs")


def new_run_folder(settings: Settings, parent: Path | str | None = None) -> Path:
    """Make <time>-<seed>-<pid>/ under `parent` or `runs_folder()`; never one that was there before.

    Raises OSError with one sentence if it cannot be made.
    """
    parent = Path(parent) if parent else runs_folder()
    name = f"{time.strftime('%Y%m%d-%H%M%S')}-{settings.seed}-{os.getpid()}"
    try:
        parent.mkdir(parents=True, exist_ok=True)
        for attempt in itertools.count():
            with suppress(FileExistsError):
                folder = parent / (f"{name}-{attempt}" if attempt else name)
                folder.mkdir()
                return folder
    except OSError as error:
        raise OSError(f"cannot write runs to {parent}: {error.strerror}. Choose another folder (--out).") from error


def write_result(path: Path, result: dict) -> None:
    """Write a result as JSON, whole or not at all, with a mark: a file that is altered or renamed is noticed."""
    replace_file(path, json.dumps({**result, "sha256": mark_of(path.stem, result)}).encode())


def read_result(path: Path) -> dict | None:
    """Read what `write_result` wrote; None where there is none. Raises ValueError where it is cut, altered, renamed."""
    if not path.exists():
        return None
    with suppress(AttributeError, KeyError, OSError, RecursionError, TypeError, ValueError):
        result = json.loads(path.read_text(encoding="utf-8"))
        if result.pop("sha256") == mark_of(path.stem, result):
            return result
    raise ValueError(f"{path} is cut, altered or of another run")


def mark_of(name: str, result: dict) -> str:
    """Hash the name of a result's file, without its ending, and what is in it."""
    return hashlib.sha256(f"{name} {json.dumps(result)}".encode()).hexdigest()
