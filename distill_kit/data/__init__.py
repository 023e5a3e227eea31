"""Data sets: CIFAR-10 from wherever it lies, Shapes-10, or a folder of your own images.

    from distill_kit.data import load_dataset, subset
    dataset = load_dataset()           # the best at hand; dataset.notice says which
    images = subset(dataset.pool, 5000)
"""
import os
from collections.abc import Callable
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path

import torch

from ..losses import NO_LABEL
from . import cache, folder, official
from .imageset import Dataset, ImageSet, class_number, keep_labels, leave_out, split, subset, with_label_noise
from .official import CLASSES as CIFAR10_CLASSES
from .official import TEST_COUNT, TRAIN_COUNT, NotOfficial
from .places import Place, data_folders, download_folder, find_cifar10, in_short

__all__ = ["CIFAR10_CLASSES", "NO_LABEL", "Dataset", "ImageSet", "class_number", "data_folders", "download_cifar10",
           "download_folder", "find_cifar10", "keep_labels", "leave_out", "load_dataset", "split", "subset",
           "with_label_noise"]

NAMES = ("auto", "cifar10", "shapes10")
HOW_TO_GET_CIFAR10 = ("To get CIFAR-10 (170 MB): python -m distill_kit data --download; if you have it already, set "
                      "DISTILL_KIT_DATA to the folder that holds it.")


def load_dataset(name_or_folder: str | Path = "auto", *, download: bool = False, progress: bool = True) -> Dataset:
    """Load a data set, cut into pool, validation and test; its `notice` says in words what was taken.

        >>> dataset = load_dataset("shapes10")
        >>> dataset.pool.images.shape, dataset.pool.labels.shape
        (torch.Size([22498, 3, 32, 32]), torch.Size([22498]))

    name_or_folder:
        "auto": CIFAR-10 if it is at hand (official batches, their archive, an image folder cifar10/), else Shapes-10.
            It is looked for in $DISTILL_KIT_DATA, or in ./data and the checkout's data/ where that is not set.
        "cifar10", "shapes10": that data set.
        a folder: your own images, {train,test}/<class>/*.{png,jpg,jpeg}, all of one size; or a folder with CIFAR-10.
    download: fetch CIFAR-10 if "auto" or "cifar10" does not find it. Nothing is fetched otherwise.
    progress: a bar on standard error for what takes more than a second.

    Raises FileNotFoundError for what is not there, ValueError for what is there but wrong: an image that cannot be
    read or has another size, class folders that differ between train/ and test/. Both name it and say what to do.
    With `download` also what `download_cifar10` raises.
    """
    if not isinstance(name_or_folder, (str, Path)) or not str(name_or_folder).strip():
        raise ValueError(f"data must be one of {', '.join(NAMES)} or a folder; got {name_or_folder!r}")
    if name_or_folder == "shapes10":
        return _shapes10()
    if name_or_folder in ("auto", "cifar10"):
        return _cifar10_or(name_or_folder, download, progress)
    return _from_folder(Path(name_or_folder).expanduser(), str(name_or_folder), progress)


def download_cifar10(folder: str | Path | None = None, progress: bool = True,
                     on_progress: Callable[[int, int], None] | None = None) -> Path:
    """Fetch the official archive and return its path; on_progress is called with (bytes so far, bytes in all).

    Raises ConnectionError or another OSError; see `download.download_cifar10`.
    """
    from .download import download_cifar10 as fetch  # urllib and ssl are imported only here
    return fetch(folder, progress, on_progress)


def _cifar10_or(wanted: str, download: bool, progress: bool) -> Dataset:
    folders = data_folders()
    dataset, problems = _first_readable(find_cifar10(folders), progress)
    if dataset is None and download:
        dataset = _read_cifar10(Place("archive", download_cifar10(progress=progress)), progress)
        problems = []
    if dataset is not None:
        return dataset
    missing = " ".join([f"No CIFAR-10 in the folder {' or '.join(map(in_short, folders))}.", *problems])
    if wanted == "cifar10":
        raise FileNotFoundError(f"{missing} {HOW_TO_GET_CIFAR10} Or take data that needs no download: shapes10.")
    shapes = _shapes10()
    named = os.environ.get("DISTILL_KIT_DATA")
    lost = f"DISTILL_KIT_DATA names {named}, and there is no such folder. " if named and not folders[0].is_dir() else ""
    return replace(shapes, notice=f"{lost}{shapes.notice} {missing} {HOW_TO_GET_CIFAR10}")


def _from_folder(root: Path, given: str, progress: bool) -> Dataset:
    if not root.is_dir():
        if root.exists():
            raise ValueError(f"data must be a folder or one of {', '.join(NAMES)}; {given} is a file")
        raise FileNotFoundError(f"no data set and no folder named {given!r}{_near(root, given)} "
                                f"The names are {', '.join(NAMES)}; anything else is a folder of images.")
    dataset, problems = _first_readable(find_cifar10([root]), progress)
    if dataset is not None:
        return dataset
    if problems:
        raise ValueError(" ".join(problems))
    return _read_image_folder(root, progress)


def _first_readable(places: list[Place], progress: bool) -> tuple[Dataset | None, list[str]]:
    """Read the first copy of CIFAR-10 that is what it should be; say what was wrong with those before it."""
    problems = []
    for place in places:
        try:
            dataset = _read_cifar10(place, progress)
        except NotOfficial as error:
            problems.append(str(error))
        else:
            return replace(dataset, notice=" ".join([dataset.notice, *problems])), problems
    return None, problems


def _read_cifar10(place: Place, progress: bool) -> Dataset:
    if place.kind == "folder":
        return _read_image_folder(place.path, progress, cifar10=True)
    if place.kind == "batches":
        arrays = official.read_batches(place.path)
    else:
        status = place.path.stat()
        fingerprint = f"{official.MD5} {status.st_size} {status.st_mtime_ns}"
        arrays = cache.cached(place.path, fingerprint, lambda: official.read_archive(place.path))
    return _cifar10(arrays, "CIFAR-10, official images", place.path)


def _read_image_folder(root: Path, progress: bool, cifar10: bool = False) -> Dataset:
    listing = folder.list_images(root)
    if cifar10 and listing.classes != CIFAR10_CLASSES:
        odd = sorted(set(listing.classes) ^ set(CIFAR10_CLASSES))
        raise ValueError(f"{root} must hold the ten class folders of CIFAR-10; "
                         f"missing or unknown: {', '.join(odd[:5])}.")
    size = (32, 32) if cifar10 else None
    arrays = cache.cached(root, listing.fingerprint(), lambda: folder.decode(listing, size, progress))
    if cifar10:
        return _cifar10(arrays, f"CIFAR-10, {'JPEG' if listing.has_jpeg() else 'PNG'} copy", root)
    name = root.resolve().name
    name = str(root) if name.lower().replace("-", "") in NAMES else name  # a folder of that name is not that data set
    return _cut(name, arrays, listing.classes, f"images in {root}", f"Images in {root}: {_counts(arrays)}.")


def _cifar10(arrays: cache.Arrays, source: str, place: Path) -> Dataset:
    notice = f"{source}: {_counts(arrays)}, from {in_short(place)}."
    if len(arrays["train_labels"]) < TRAIN_COUNT or len(arrays["test_labels"]) < TEST_COUNT:
        notice += f" These are fewer than the official {TRAIN_COUNT:,} and {TEST_COUNT:,}, so figures will differ."
    if "JPEG" in source:
        notice += " JPEG loses detail: students and teachers score a few points less than on the official images."
    return _cut("cifar10", arrays, CIFAR10_CLASSES, source, notice)


def _counts(arrays: cache.Arrays) -> str:
    return f"{len(arrays['train_labels']):,} training and {len(arrays['test_labels']):,} test images"


def _cut(name: str, arrays: cache.Arrays, classes: tuple[str, ...], source: str, notice: str) -> Dataset:
    training, test = (ImageSet(torch.from_numpy(arrays[f"{part}_images"]), torch.from_numpy(arrays[f"{part}_labels"]),
                               classes, source) for part in ("train", "test"))
    dataset = split(name, training, test, notice)
    if not len(dataset.validation):
        raise ValueError(f"{len(training)} training images are too few to set a tenth of each class aside for "
                         f"validation ({source}); five in a class are the least.")
    return dataset


def _shapes10() -> Dataset:
    from .shapes10 import load_shapes10
    return load_shapes10()


def _near(root: Path, given: str) -> str:
    """End a sentence with "; did you mean ...?" or a full stop: names of data sets, folders beside the missing one."""
    near = get_close_matches(given.lower(), NAMES, n=2)
    try:
        beside = [path.name for path in root.parent.iterdir() if path.is_dir()]
    except OSError:
        beside = []
    near += [str(root.parent / name) for name in get_close_matches(root.name, beside, n=2)]
    return f"; did you mean {' or '.join(map(repr, near))}?" if near else "."
