"""Files: written so that they are whole or not there, and their names fit to be printed."""
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

UNFINISHED = ".part"  # ending of a file that is being written, or that a killed process left


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """Open a file that takes the place of `path` when the `with` ends: a reader sees the old file or the new one.

        >>> with replacing(pathlib.Path("figures.json")) as file:
        ...     file.write(b"{}")

    Its folder is made. Raises OSError with one sentence if the place cannot be written, and leaves nothing.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f".{path.name}.{secrets.token_hex(8)}{UNFINISHED}")
        file = open(part, "xb")  # noqa: SIM115 (closed below; and not tempfile, whose files nobody else may read)
    except OSError as error:
        raise OSError(f"cannot write to {path.parent}: {error.strerror}. Choose another folder.") from error
    try:
        with file:
            yield file
            file.flush()
            os.fsync(file.fileno())  # before the rename, or a power cut could leave an empty file under the final name
        os.replace(part, path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def replace_file(path: Path, content: bytes) -> None:
    """Write `content` to `path` at once; see `replacing`."""
    with replacing(path) as file:
        file.write(content)


def reason(error: Exception) -> str:
    """Write why something failed in one line: some errors have many, and some of Python's own not a word."""
    return printable(" ".join(str(error).split())) or type(error).__name__


def printable(name: object) -> str:
    """Write a name for people: what would break the line or cannot be printed is escaped.

        >>> printable("two\nlines")
        'two\\nlines'
    """
    return "".join(letter if letter.isprintable() else letter.encode("unicode_escape").decode() for letter in str(name))
