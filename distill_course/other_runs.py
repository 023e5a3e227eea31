"""Other runs of the course on this machine: let them know that this process trains, and count those that do."""
import contextlib
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path

from distill_kit.data.cache import cache_folder, remove


@contextlib.contextmanager
def announced() -> Iterator[None]:
    """Open a context in which other processes on this machine know that this process trains a student.

    A locked file in the cache folder stands for it; the system frees the lock when a process dies. Without write access
    nobody knows.
    """
    from filelock import FileLock
    path = _folder() / f"{socket.gethostname()}-{os.getpid()}-{time.monotonic_ns()}"
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(OSError, NotImplementedError):
            path.parent.mkdir(parents=True, exist_ok=True)
            stack.callback(remove, path)  # once it is free again
            stack.enter_context(FileLock(path, timeout=1))
        yield


def others_training() -> int:
    """Count other processes on this machine that train a student now; what a killed process left is removed."""
    from filelock import FileLock, Timeout
    training, paths = set(), []
    with contextlib.suppress(OSError):
        paths = [path for path in _folder().glob(f"{socket.gethostname()}-*") if path.is_file()]
    for path in paths:
        process = path.name.removeprefix(socket.gethostname()).split("-")[1]
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


def _folder() -> Path:
    return cache_folder() / "training"
