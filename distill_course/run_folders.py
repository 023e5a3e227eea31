"""Folders that runs are written to, a new one for each."""
import itertools
import os
import time
from contextlib import suppress
from pathlib import Path

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
