"""A folder of images as people have it: which folders are parts and which are classes, and which files are images.

    <train>/<class>/, <test>/<class>/   also Training/, Testing/, and with val/, valid/ or validation/; in any case
    <class>/                            no parts: load_dataset sets images aside for validation and test
all of it, or a part, one folder too deep as well, and images in folders inside a class folder.

Names that begin with an index, `<index>_<class>.png`, are put in the order of the index, over all classes: the official
order of CIFAR-10. Other names are ordered by class, then name.
"""
import os
from collections import Counter
from collections.abc import Collection, Iterator
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

from ..files import printable

PARTS = TRAIN, VALIDATION, TEST = "train", "validation", "test"
NAMES = {"train": TRAIN, "training": TRAIN, "val": VALIDATION, "valid": VALIDATION, "validation": VALIDATION,
         "test": TEST, "testing": TEST}  # in lower case
OUTSIDE = "outside class folders"  # a reason to pass a file over

# One image file: index in its name (-1: none), class number, path from the root, bytes, time of change in nanoseconds.
# Plain tuples: 60,000 of them are listed at every load.
File = tuple[int, int, str, int, int]


class Listing(NamedTuple):
    """The image files of a folder, in the order in which they are decoded."""
    root: Path
    classes: tuple[str, ...]      # names of folders
    files: dict[str, list[File]]  # of each part that is there
    passed_over: dict[str, int]   # reasons, with the number of files or folders
    remarks: tuple[str, ...]      # on where things lie, where that is not plain

    def fingerprint(self) -> str:
        """Hash the listing: it changes with any file's name, size or time, and with the order."""
        return sha256(repr((self.classes, self.files)).encode("utf-8", "surrogateescape")).hexdigest()


def list_images(root: Path, endings: Collection[str]) -> Listing:
    """List the image files of a folder: those with one of these endings. Only names, sizes and times are read.

    Raises FileNotFoundError where no class folders with training images are there, ValueError where there is only one
    or where another part has a class of its own.
    """
    passed_over, remarks = Counter(), {}
    parts = _parts(root, passed_over, remarks)
    listed = {part: {name: list(_images(root, f"{prefix}{name}/", endings, passed_over, remarks))
                     for name in class_folders(root / prefix)} for part, prefix in parts.items()}
    classes = tuple(name for name, files in listed[TRAIN].items() if files)
    passed_over["empty class folders"] += sum(not files for part in listed.values() for files in part.values())
    strangers = [f"{parts[part]}{name}" for part in listed for name, files in listed[part].items()
                 if files and name not in classes]
    if strangers:
        raise ValueError(f"every class in {printable(root)} needs training images; without them: "
                         f"{in_few_words(strangers)}.")
    if len(classes) < 2:
        raise ValueError(f"{printable(root / parts[TRAIN])} must hold a folder of images for each class, two at least; "
                         f"got {in_few_words(classes) or 'none'}. Passed over: {counted(+passed_over) or 'nothing'}.")
    files = {}
    for part, of_class in listed.items():
        indexed = all(file[0] >= 0 for each in of_class.values() for file in each)  # in every name, or it is no order
        files[part] = sorted((file[0] if indexed else -1, label, *file[1:])
                             for label, name in enumerate(classes) for file in of_class.get(name, ()))
        if not files[part]:
            raise ValueError(f"{printable(root / parts[part])} holds class folders and no image in them; put images "
                             "there, or remove it and some are set aside.")
    return Listing(root, classes, files, dict(+passed_over), tuple(remarks))


def class_folders(part: Path) -> tuple[str, ...]:
    """List the folders in a folder, sorted, but for those of a tool."""
    return tuple(_scan(part)[0])


def in_few_words(names: Collection[str], most: int = 5) -> str:
    """Write the first few of many names, fit to be printed."""
    return ", ".join(map(printable, list(names)[:most])) + (f" and {len(names) - most} more" * (len(names) > most))


def counted(passed_over: dict[str, int]) -> str:
    """Write the reasons to pass files over, with their numbers, fit to be printed."""
    return ", ".join(f"{printable(reason)} ({count:,})" for reason, count in passed_over.items())


def _scan(folder: Path, passed_over: Counter | None = None) -> tuple[list[str], list[os.DirEntry]]:
    """List names of folders, sorted, and files; count what is hidden, links that lead nowhere or back, and pipes."""
    folders, files, passed_over = [], [], Counter() if passed_over is None else passed_over
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.is_symlink() and (reason := _goes_astray(folder, entry)):
                    passed_over[reason] += 1
                elif entry.name.startswith(".") or entry.is_dir() and entry.name.startswith("__"):  # a tool's
                    passed_over["hidden"] += 1
                elif entry.is_dir():
                    folders.append(entry.name)
                elif entry.is_file():
                    files.append(entry)
                else:
                    passed_over["neither files nor folders"] += 1
    except OSError as error:
        raise OSError(f"{printable(folder)} cannot be read: {error.strerror}.") from error
    return sorted(folders), files


def _goes_astray(folder: Path, link: os.DirEntry) -> str:
    """Say why a link is not followed; nothing where it is."""
    if not os.path.exists(link):
        return "links that lead nowhere"
    is_back = link.is_dir() and Path(os.path.realpath(folder)).is_relative_to(os.path.realpath(link))
    return "links that lead back" if is_back else ""


def _parts(root: Path, passed_over: Counter, remarks: dict) -> dict[str, str]:
    """Say where the parts lie, as paths from the root that are empty or end in /. Class folders alone are TRAIN."""
    prefix, parts = _down(root, "", passed_over, remarks), {}
    folders, files = _scan(root / prefix, passed_over)
    passed_over[OUTSIDE] += len(files)
    for name in folders:
        part = NAMES.get(name.lower())
        if part is None or not _scan(root / prefix / name)[0]:  # a class may be called "train"
            continue
        if part in parts:
            raise ValueError(f"{printable(root)} holds {in_few_words([parts[part], name + '/'])}, which mean the "
                             "same part; keep one of them.")
        parts[part] = _down(root, f"{prefix}{name}/", passed_over, remarks)
    if not parts and set(map(str.lower, folders)) - set(NAMES):
        remarks |= {f"{name}/ holds no class folders and is taken as a class": None for name in folders
                    if name.lower() in NAMES}
        return {TRAIN: prefix}
    if TRAIN not in parts:
        here = in_few_words([f"{name}/" for name in folders]) or "no folder"
        raise FileNotFoundError(f"{printable(root / prefix)} holds {here}; an image folder needs train/<class>/ and "
                                "test/<class>/, or only <class>/, with images in each.")
    passed_over["other folders beside the parts"] += len(folders) - len(parts)
    for prefix in parts.values():
        passed_over[OUTSIDE] += len(_scan(root / prefix, passed_over)[1])
    return parts


def _down(root: Path, start: str, passed_over: Counter, remarks: dict) -> str:
    """Go down where a folder holds no more than one other, which holds folders: all lies one folder too deep."""
    prefix = start
    while True:
        here = Counter()
        folders, files = _scan(root / prefix, here)
        if len(folders) != 1 or folders[0].lower() in NAMES or not _scan(root / prefix / folders[0])[0]:
            break
        passed_over.update(here)
        passed_over[OUTSIDE] += len(files)
        prefix = f"{prefix}{folders[0]}/"
    if prefix != start:
        remarks[f"everything lies in {prefix}"] = None
    return prefix


def _images(root: Path, prefix: str, endings: Collection[str], passed_over: Counter, remarks: dict) -> Iterator[tuple]:
    """Yield index, path, bytes and time of each image in a class folder and in the folders inside it."""
    inside = [prefix]
    for prefix in inside:  # grows as folders are seen
        folders, files = _scan(root / prefix, passed_over)
        for entry in files:
            ending = os.path.splitext(entry.name)[1].lower()
            if ending in endings:
                index, status = entry.name.partition("_")[0], entry.stat()
                yield int(index) if index.isdecimal() else -1, prefix + entry.name, status.st_size, status.st_mtime_ns
            else:
                passed_over[f"{ending} files" if ending else "files without an ending"] += 1
        for name in folders:
            if name.lower() in NAMES:
                raise ValueError(f"{printable(root / prefix)} is a class folder with {name}/ in it; put the parts "
                                 f"outside: {name}/<class>/.")
            if os.path.islink(root / prefix / name):  # it may lead back by another link
                passed_over["linked folders in class folders"] += 1
                continue
            remarks["images in folders inside class folders are taken, too"] = None
            inside.append(f"{prefix}{name}/")
