"""Data sets: CIFAR-10 from wherever it lies, Shapes-10, or a folder of your own images.

    from distill_kit.data import load_dataset, subset
    dataset = load_dataset()           # the best at hand; dataset.notice says which
    images = subset(dataset.pool, 5000)
"""
import os
from contextlib import suppress
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path

from ..files import printable
from ..losses import NO_LABEL
from . import cache, imageset, official
from .download import download_cifar10
from .folder import TEST, TRAIN, in_few_words, list_images
from .imageset import Dataset, ImageSet, class_number, keep_labels, leave_out, split, subset, with_label_noise
from .official import CLASSES as CIFAR10_CLASSES
from .places import Place, data_folders, download_folder, find_cifar10, find_cifar100, in_short
from .shapes10 import load_shapes10

__all__ = ["CIFAR10_CLASSES", "NO_LABEL", "Dataset", "ImageSet", "class_number", "data_folders", "download_cifar10",
           "download_folder", "find_cifar10", "keep_labels", "leave_out", "load_dataset", "split", "subset",
           "with_label_noise"]

NAMES = ("auto", "cifar10", "shapes10")
HOW_TO_GET_CIFAR10 = ("To get CIFAR-10 (170 MB): python -m distill_kit data --download; if you have it already, set "
                      "DISTILL_KIT_DATA to the folder that holds it.")


def load_dataset(name_or_folder: str | Path = "auto", *, download: bool = False, progress: bool = True,
                 size: int | None = None, validation_share: float | None = None,
                 test_share: float | None = None) -> Dataset:
    """Load a data set, cut into pool, validation and test; its `notice` says in words what was taken.

        >>> dataset = load_dataset("shapes10")
        >>> dataset.pool.images.shape, dataset.pool.labels.shape
        (torch.Size([22498, 3, 32, 32]), torch.Size([22498]))

    name_or_folder:
        "auto": CIFAR-10 if it is at hand (official batches, their archive, an image folder cifar10/), else Shapes-10.
            It is looked for in $DISTILL_KIT_DATA, or in ./data and the checkout's data/ where that is not set.
        "cifar10", "shapes10": that data set.
        a folder: your own images, in any format that Pillow decodes, as train/<class>/ and test/<class>/ (val/<class>/
            as well, if there is one) or only <class>/; or a folder with CIFAR-10 or CIFAR-100.
    download: fetch CIFAR-10 if "auto" or "cifar10" does not find it. Nothing is fetched otherwise.
    progress: a bar on standard error for what takes more than a second.

    For a folder of your own images, which are turned as their EXIF orientation says; what is transparent becomes white:
    size: scale every image until its shorter side has so many pixels, 8 to 96, and cut it to a square. None: images of
        one size stay as they are where they are squares of 8 to 96 pixels; else it is 32.
    validation_share, test_share: how much of each class is set aside, of the folder that has to be cut up. None: a
        tenth for validation where there is no val/, a fifth for test where there is no test/. Always the same images.

    Raises FileNotFoundError for what is not there, ValueError for what is there but wrong: images that cannot be read,
    test images of a class without training images. Both name it and say what to do. With `download` also what
    `download_cifar10` raises.
    """
    if not isinstance(name_or_folder, (str, Path)) or not str(name_or_folder).strip():
        raise ValueError(f"data must be one of {', '.join(NAMES)} or a folder; got {name_or_folder!r}")
    cut = {"size": size, "validation_share": validation_share, "test_share": test_share}
    imageset.check_cut(**cut)
    if name_or_folder not in NAMES:
        return _from_folder(Path(os.path.expanduser(name_or_folder)), str(name_or_folder), progress, cut)
    _refuse(cut, str(name_or_folder))
    return load_shapes10() if name_or_folder == "shapes10" else _cifar10_or(name_or_folder, download, progress)


def _cifar10_or(wanted: str, download: bool, progress: bool) -> Dataset:
    folders = data_folders()
    dataset, problems = _first_readable(find_cifar10(folders), progress)
    if dataset is None and download:
        dataset = _read_cifar(Place("archive", download_cifar10(progress=progress)), progress)
    if dataset is not None:
        return dataset
    here = [in_short(folder) + ", which is not there" * (not os.path.isdir(folder)) for folder in folders]
    missing = " ".join([f"No CIFAR-10 in the folder {' or '.join(here)}.", *problems])
    if wanted == "cifar10":
        raise FileNotFoundError(f"{missing} {HOW_TO_GET_CIFAR10} Or take data that needs no download: shapes10.")
    shapes = load_shapes10()
    return replace(shapes, notice=f"{shapes.notice} {missing} {HOW_TO_GET_CIFAR10}")


def _refuse(cut: dict, data: str) -> None:
    """Raise ValueError where something is asked of CIFAR or Shapes-10 that only other folders of images can do."""
    for name, value in cut.items():
        if value is not None:
            raise ValueError(f"{name} is for folders of your own images; leave it out with {data}. Got {value}")


def _from_folder(root: Path, given: str, progress: bool, cut: dict) -> Dataset:
    if not os.path.isdir(root):
        if os.path.exists(root):
            raise ValueError(f"data must be a folder or one of {', '.join(NAMES)}; {printable(given)} is a file")
        raise FileNotFoundError(f"no data set and no folder named {given!r}{_near(root, given)} "
                                f"The names are {', '.join(NAMES)}; anything else is a folder of images.")
    dataset, problems = _first_readable(find_cifar10([root]) + find_cifar100(root), progress)
    if dataset is not None:
        _refuse(cut, dataset.name)
        return dataset
    if problems:
        raise ValueError(" ".join(problems))
    from .own_images import read_own
    return read_own(root, progress, **cut)


def _first_readable(places: list[Place], progress: bool) -> tuple[Dataset | None, list[str]]:
    """Read the first copy of CIFAR-10 that is what it should be; say what was wrong with those before it."""
    problems = []
    for place in places:
        try:
            dataset = _read_cifar(place, progress)
            return replace(dataset, notice=" ".join([dataset.notice, *problems])), problems
        except official.NotOfficial as error:
            problems.append(printable(error))
    return None, problems


def _read_cifar(place: Place, progress: bool) -> Dataset:
    if place.kind == "folder":
        return _cifar10_folder(place.path, progress)
    if place.kind == "cifar100":
        arrays, classes = official.read_cifar100(place.path)
        counts = _counts(len(arrays["train_labels"]), len(arrays["test_labels"]))
        notice = f"CIFAR-100, official images: {counts}, from {in_short(place.path)}."
        return imageset.cut_up("cifar100", arrays, classes, "CIFAR-100, official images", notice)
    source = "CIFAR-10, official images"
    if place.kind == "batches":
        return _cifar10(imageset.as_cut(official.read_batches(place.path)), source, place.path)
    status = place.path.stat()
    fingerprint = f"{official.MD5} {status.st_size} {status.st_mtime_ns}"
    arrays = cache.cached(place.path, fingerprint, lambda: imageset.as_cut(official.read_archive(place.path)))
    return _cifar10(arrays, source, place.path)


def _cifar10_folder(root: Path, progress: bool) -> Dataset:
    listing = list_images(root, (".png", ".jpg", ".jpeg"))
    if listing.classes != CIFAR10_CLASSES or TEST not in listing.files:
        odd = sorted(set(listing.classes) ^ set(CIFAR10_CLASSES)) or ["test"]
        raise ValueError(f"{printable(root)} must hold the ten class folders of CIFAR-10 in train/ and test/; "
                         f"missing or unknown: {in_few_words(odd)}.")
    listing = listing._replace(files={part: listing.files[part] for part in (TRAIN, TEST)})
    from .own_images import decoded
    arrays, details = decoded(listing, None, progress, cut=True)
    if details["sides"] != [32, 32]:
        raise ValueError(f"{printable(root)} must hold images of 32 x 32 pixels, as CIFAR-10 has; got sides of "
                         f"{' to '.join(map(str, details['sides']))}.")
    return _cifar10(arrays, f"CIFAR-10, {'JPEG' if 'JPEG' in details['formats'] else 'PNG'} copy", root)


def _cifar10(arrays: cache.Arrays, source: str, place: Path) -> Dataset:
    parts = imageset.image_sets(arrays, imageset.CUT, CIFAR10_CLASSES, source)
    of_training, of_test = len(parts["pool"]) + len(parts["validation"]), len(parts["test"])
    notice = f"{source}: {_counts(of_training, of_test)}, from {in_short(place)}."
    training, test = official.TRAIN_COUNT, official.TEST_COUNT
    if of_training < training or of_test < test:
        notice += f" These are fewer than the official {training:,} and {test:,}, so figures will differ."
    if "JPEG" in source:
        notice += " JPEG loses detail: students and teachers score a few points less than on the official images."
    return Dataset("cifar10", **parts, notice=notice)


def _counts(training: int, test: int) -> str:
    return f"{training:,} training and {test:,} test images"


def _near(root: Path, given: str) -> str:
    """End a sentence with "; did you mean ...?" or a full stop: names of data sets, folders beside the missing one."""
    near = get_close_matches(given.lower(), NAMES, n=2)
    with suppress(OSError, ValueError):  # a folder above it that is not there, or cannot be
        beside = [path.name for path in root.parent.iterdir() if path.is_dir()]
        near += [str(root.parent / name) for name in get_close_matches(root.name, beside, n=2)]
    return f"; did you mean {' or '.join(map(repr, dict.fromkeys(near)))}?" if near else "."
