"""Writing files so that they are whole or not there."""
import os
import secrets
from pathlib import Path


def replace_file(path: Path, content: bytes) -> None:
    """Write `content` to `path` at once: a reader, or a process killed meanwhile, sees the old file or the new one.

    Raises OSError with one sentence if the place cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f".{path.name}.{secrets.token_hex(8)}.part")
        file = open(part, "xb")  # not tempfile, whose files nobody else may read
    except OSError as error:
        raise OSError(f"cannot write to {path.parent}: {error.strerror}. Choose another folder.") from error
    try:
        with file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())  # before the rename, or a power cut could leave an empty file under the final name
        os.replace(part, path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
