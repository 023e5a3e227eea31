"""Arrays that can be computed again, kept on the disk: decoded images, a teacher's logits.

A file appears whole or not at all, and is believed only if its key and its checksum are right; so the folder may be
deleted at any time, and any number of processes may share it.
"""
import os
import time
import warnings
import zipfile
from collections.abc import Callable
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

import numpy as np

from ..files import UNFINISHED, replacing

FORMAT = "2"  # part of every key: raise it when what is stored changes its meaning
OLD_SECONDS = 3600  # a temporary file of this age was left by a process that was killed
PAGE = 4096  # bytes: smaller arrays are not worth a mapping
WAIT_SECONDS = 600  # for another process that makes the same thing

Arrays = dict[str, np.ndarray]


def cache_folder() -> Path:
    """Return $DISTILL_KIT_CACHE, else the user's cache folder. It may not exist yet, and may be deleted at any time."""
    if named := os.environ.get("DISTILL_KIT_CACHE"):
        return Path(os.path.expanduser(named))
    from platformdirs import user_cache_path
    return user_cache_path("distill_kit", appauthor=False)


def cached(source: Path, fingerprint: str, make: Callable[[], Arrays]) -> Arrays:
    """Return what `make()` returns, from the cache if it was made before for this source and fingerprint.

    source: the file or folder that the arrays are made from; only its newest entry is kept.
    fingerprint: changes whenever `make()` would return something else.
    Processes that ask at once wait for the process that makes it; the memory that the arrays take is shared by all of
    them. Without write access: a warning, and no cache.
    """
    source_key = sha256(os.path.realpath(source).encode("utf-8", "surrogateescape")).hexdigest()[:16]
    key = sha256(f"{FORMAT} {source_key} {fingerprint}".encode()).hexdigest()[:32]
    folder = cache_folder() / "images"
    path = folder / f"{source_key}-{key}.npz"

    if (arrays := read_arrays(path, key, mapped=True)) is not None:
        return arrays
    from filelock import FileLock, Timeout

    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / f"{source_key}.lock", timeout=WAIT_SECONDS).acquire()
    except (OSError, NotImplementedError, Timeout) as error:
        warnings.warn(_no_cache(folder, error), stacklevel=2)
        return make()
    with lock:
        if (arrays := read_arrays(path, key, mapped=True)) is None:  # another process made it while this one waited?
            arrays = make()
            try:
                write_arrays(path, key, arrays)
                _tidy(folder, source_key, keep=path)
                arrays = read_arrays(path, key, mapped=True) or arrays
            except OSError as error:
                warnings.warn(_no_cache(folder, error), stacklevel=2)
    return arrays


def _no_cache(folder: Path, error: Exception) -> str:
    return (f"Decoded images cannot be kept in {folder} ({error}), so the next load decodes them again; "
            "set DISTILL_KIT_CACHE to a folder that you can write to.")


def read_arrays(path: Path, key: str, mapped: bool = False) -> Arrays | None:
    """Read the arrays of an intact file with this key, else None.

    mapped: let them lie in the file, of which all processes share the pages; what is written to them stays in this
        process. Otherwise they have memory of their own, and the file may go.
    """
    try:
        # A zip: each array is checked against its crc32 as it is read.
        with open(path, "rb") as stream, np.load(stream, allow_pickle=False) as file:
            if mapped and (broken := file.zip.testzip()):
                raise ValueError(f"{broken} in {path} is altered")
            arrays = {name: _map(stream, info) if mapped and info.file_size > PAGE else file[name]
                      for name, info in zip(file.files, file.zip.infolist())}
    except Exception:  # not there, or cut or altered, which may raise anything: it is made again
        return None
    return arrays if str(arrays.pop("key", "")) == _sealed(key, arrays) else None


def _map(stream, info: zipfile.ZipInfo) -> np.ndarray:
    """Map an array in an open zip: it lies behind the zip's header of 30 bytes and two names, and behind numpy's."""
    stream.seek(info.header_offset + 26)  # where the header says how long the names are
    stream.seek(np.frombuffer(stream.read(4), "<u2").sum(), os.SEEK_CUR)
    np.lib.format.read_magic(stream)
    shape, is_fortran, dtype = np.lib.format.read_array_header_1_0(stream)
    if info.compress_type != zipfile.ZIP_STORED or is_fortran:
        raise ValueError(f"{info.filename} does not lie there as it does in memory")
    # Numbers of several bytes do not lie where torch may expect them: a zip aligns nothing.
    return np.array(np.memmap(stream, dtype, "c", stream.tell(), shape), copy=None if dtype.itemsize == 1 else True)


def write_arrays(path: Path, key: str, arrays: Arrays) -> None:
    """Write arrays, all or nothing. Raises OSError."""
    with replacing(path) as file:
        np.savez(file, key=np.array(_sealed(key, arrays)), **arrays)


def _sealed(key: str, arrays: Arrays) -> str:
    """Write a key with the arrays' names: a zip does not notice that its list of files was altered."""
    return " ".join([key, *sorted(arrays)])


def _tidy(folder: Path, source_key: str, keep: Path) -> None:
    """Remove the entries that `keep` replaces, and what processes left that were killed as they wrote.

    Whoever holds the lock of a source is the only one that writes for it, so its unfinished files are dead; those of
    other sources are judged by their age.
    """
    for path in {*folder.glob(f"{source_key}-*"), *folder.glob(f".{source_key}-*")} - {keep}:
        remove(path)
    remove_leftovers(folder)


def remove_leftovers(folder: Path) -> None:
    """Remove what processes left that were killed as they wrote; a young file may still be written."""
    for path in folder.glob(f".*{UNFINISHED}"):
        with suppress(OSError):  # it is gone
            if time.time() - path.stat().st_mtime > OLD_SECONDS:
                remove(path)


def remove(path: Path) -> None:
    """Remove a file, if that can be done."""
    with suppress(OSError):  # another user's, or open elsewhere on Windows: harmless, and a later run tries again
        path.unlink(missing_ok=True)
