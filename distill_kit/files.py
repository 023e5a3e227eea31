"""Writing files so that they are whole or not there."""
import os
import tempfile
from pathlib import Path


def replace_file(path: Path, content: bytes) -> None:
    """Write `content` to `path` at once: a reader, or a process killed meanwhile, sees the old file or the new one.

    Raises OSError with one sentence if the place cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
    except OSError as error:
        raise OSError(f"cannot write to {path.parent}: {error.strerror}. Choose another folder.") from error
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())  # before the rename, or a power cut could leave an empty file under the final name
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
