"""Where data sets lie: the folders that are looked in, and the copies of CIFAR-10 found there, the best first."""
import os
from os.path import isdir, isfile  # unlike Path's they never raise
from pathlib import Path
from typing import NamedTuple

from ..files import printable
from .folder import class_folders
from .official import ARCHIVE, BATCHES, CIFAR100, CLASSES, TEST_BATCH, TRAIN_BATCHES


class Place(NamedTuple):
    """A copy of CIFAR-10, or CIFAR-100, that seems to be there; it has not been read yet."""
    kind: str  # "batches", "archive", "folder" or "cifar100"
    path: Path


def data_folders() -> list[Path]:
    """List the folders that are looked in: only $DISTILL_KIT_DATA if set, else ./data and the checkout's data/."""
    if named := os.environ.get("DISTILL_KIT_DATA"):
        return [Path(os.path.expanduser(named))]
    return list(dict.fromkeys([Path.cwd() / "data", *([here / "data"] if (here := checkout()) else [])]))


def download_folder() -> Path:
    """Return where a download goes: $DISTILL_KIT_DATA if it is set, else the checkout's data/, else ./data."""
    return data_folders()[-1]


def find_cifar10(folders: list[Path] | None = None) -> list[Place]:
    """List the copies of CIFAR-10 in these folders (default: `data_folders()`), the best first. Only reads names."""
    folders = data_folders() if folders is None else folders
    return [Place(kind, path) for kind, seems, paths in (
        ("batches", _has_batches, [path for folder in folders for path in (folder / BATCHES, folder)]),
        ("archive", isfile, [folder / ARCHIVE for folder in folders]),
        ("folder", _has_split, [folder / "cifar10" for folder in folders]),
        ("folder", _is_cifar10_folder, folders)) for path in paths if seems(path)]


def find_cifar100(root: Path) -> list[Place]:
    """List the unpacked copies of CIFAR-100 in a folder, or the folder itself if it is one."""
    return [Place("cifar100", path) for path in (root, root / CIFAR100)
            if isfile(path / "meta") and isfile(path / "train")]


def in_short(path: Path) -> str:
    """Write a path for people: from the current folder or the home folder on, where it lies in one of them."""
    path = Path(os.path.abspath(path))
    for base, sign in ((Path.cwd(), ""), (Path.home(), "~/")):
        if path.is_relative_to(base):
            return printable(sign + path.relative_to(base).as_posix())
    return printable(path)


def checkout() -> Path | None:
    """Return the folder of the clone that this file lies in; None for an installed package."""
    root = Path(__file__).resolve().parents[2]
    return root if (root / "start.py").is_file() else None


def _has_batches(path: Path) -> bool:
    return any(isfile(path / name) for name in (*TRAIN_BATCHES, TEST_BATCH))


def _has_split(path: Path) -> bool:
    return isdir(path / "train") or isdir(path / "test")


def _is_cifar10_folder(path: Path) -> bool:
    """Is the folder itself the image folder of CIFAR-10? Its classes could also be another data set's."""
    return isdir(path / "train") and class_folders(path / "train") == CLASSES and any(
        name.partition("_")[0].isdecimal() for name in os.listdir(path / "train" / CLASSES[0]))
