"""Memory that a training frees: what glibc's malloc is told to do with it."""
import ctypes
import functools
import os
import sys


@functools.cache
def keep_freed_memory() -> bool:
    """Let the C library keep up to half a gigabyte that the process has freed. Returns whether it does.

    A step frees tens of megabytes that the next one needs again. glibc returns such blocks to the system and has them
    cleared page by page when they come back: a tenth of a student's training on a CPU. All threads are made to share
    one arena, since each thread that trains would begin another. Only Linux with glibc is told so, and only where the
    environment does not say how malloc is to behave.
    """
    libc = ctypes.CDLL(None) if sys.platform == "linux" else None
    if not hasattr(libc, "mallopt") or any(name.startswith("MALLOC_") for name in os.environ):
        return False
    mmap_threshold, trim_threshold, arena_max = -3, -1, -8  # M_MMAP_THRESHOLD, M_TRIM_THRESHOLD, M_ARENA_MAX
    return all(libc.mallopt(option, value) == 1 for option, value in
               ((mmap_threshold, 32 << 20), (trim_threshold, 512 << 20), (arena_max, 1)))


def give_back_memory() -> None:
    """Return to the system what `keep_freed_memory` kept. Call it when training is over; it takes some milliseconds."""
    if keep_freed_memory():
        ctypes.CDLL(None).malloc_trim(0)
