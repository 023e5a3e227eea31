"""A folder of images, {train,test}/<class>/<name>.{png,jpg,jpeg}: list the files, then decode them.

Names that begin with an index, `<index>_<class>.png`, are put in the order of the index, over all classes: the official
order of CIFAR-10. Other names are ordered by class, then name.
"""
import os
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

import numpy as np

from .cache import Arrays

ENDINGS = (".png", ".jpg", ".jpeg")
MOST_BYTES = 2 << 30  # decoded, as bytes; beyond it a folder of photographs would fill the memory of a laptop

# One image file: index in its name (-1: none), class number, name, bytes, time of change in nanoseconds. Plain tuples:
# 60,000 of them are listed at every load.
File = tuple[int, int, str, int, int]


class Listing(NamedTuple):
    """The image files of a folder, in the order in which they are decoded."""
    root: Path
    classes: tuple[str, ...]
    train: list[File]
    test: list[File]

    def fingerprint(self) -> str:
        """Hash the listing: it changes with any file's name, size or time, and with the order."""
        return sha256(repr((self.classes, self.train, self.test)).encode("utf-8", "surrogateescape")).hexdigest()

    def has_jpeg(self) -> bool:
        """Is any of the files no PNG?"""
        return any(not name.lower().endswith(".png") for _, _, name, _, _ in self.train + self.test)

    def paths(self, part: str) -> list[str]:
        """List the paths of a part, "train" or "test"."""
        folders = [os.path.join(self.root, part, name) for name in self.classes]
        return [os.path.join(folders[label], name) for _, label, name, _, _ in getattr(self, part)]

    def labels(self, part: str) -> np.ndarray:
        """List the labels of a part: int64 [N]."""
        return np.array([label for _, label, _, _, _ in getattr(self, part)], dtype=np.int64)


def list_images(root: Path) -> Listing:
    """List the image files under root/train and root/test. Only names, sizes and times are read.

    Raises FileNotFoundError if either folder is missing, ValueError if their class folders differ or one is empty.
    """
    for part, other in (("train", "test"), ("test", "train")):
        if not (root / part).is_dir():
            also = f", only {other}/" if (root / other).is_dir() else ""
            raise FileNotFoundError(f"{root} holds no {part}/{also}; an image folder needs train/<class>/ and "
                                    f"test/<class>/ with {', '.join(ENDINGS)} files.")
    train_classes, test_classes = class_folders(root / "train"), class_folders(root / "test")
    if train_classes != test_classes:
        only = [f"{part}/{name}" for part, mine, others in (("train", train_classes, test_classes),
                                                            ("test", test_classes, train_classes))
                for name in mine if name not in others]
        raise ValueError(f"train/ and test/ in {root} must hold the same class folders; only once there: "
                         f"{', '.join(only[:5])}{' ...' if len(only) > 5 else ''}.")
    if len(train_classes) < 2:
        raise ValueError(f"{root / 'train'} must hold a folder for each class, two at least; "
                         f"got {', '.join(train_classes) or 'none'}.")
    return Listing(root, train_classes, _list_split(root / "train", train_classes),
                   _list_split(root / "test", test_classes))


def class_folders(part: Path) -> tuple[str, ...]:
    """List the class names in train/ or test/, sorted: a label is a place among them."""
    with os.scandir(part) as entries:
        names = [entry.name for entry in entries if entry.is_dir()]
    return tuple(sorted(name for name in names if not name.startswith((".", "__"))))  # those are a tool's, no classes


def decode(listing: Listing, size: tuple[int, int] | None = None, progress: bool = True) -> Arrays:
    """Decode a listing: `train_images` uint8 [N, 3, H, W], `train_labels` int64 [N], and the same for test.

    size: (height, width) that every image must have; by default that of the first.
    progress: a bar on standard error, if it takes more than a second.
    Raises ValueError naming a file that cannot be read or has another size.
    """
    from tqdm.auto import tqdm

    paths = {part: listing.paths(part) for part in ("train", "test")}
    size = size or _pixels(paths["train"][0], None).shape[:2]
    needed = (len(paths["train"]) + len(paths["test"])) * 3 * size[0] * size[1]
    if needed > MOST_BYTES:
        raise ValueError(f"the images in {listing.root}, {size[0]} x {size[1]}, would take {needed / 2**30:.0f} GB of "
                         f"memory ({MOST_BYTES >> 30} at most); make them smaller: the kit is made for 32 x 32.")
    decoded = {}
    with tqdm(total=len(paths["train"]) + len(paths["test"]), desc="decoding images", unit=" images", delay=1,
              disable=not progress) as bar:
        for part in ("train", "test"):
            images = np.empty((len(paths[part]), 3, *size), dtype=np.uint8)
            for row, path in enumerate(paths[part]):
                images[row] = _pixels(path, size).transpose(2, 0, 1)
                bar.update()
            decoded[f"{part}_images"] = images
            decoded[f"{part}_labels"] = listing.labels(part)
    return decoded


def _list_split(part: Path, classes: tuple[str, ...]) -> list[File]:
    files = []
    for label, folder in enumerate(classes):
        before = len(files)
        with os.scandir(part / folder) as entries:
            for entry in entries:
                name = entry.name
                if name.lower().endswith(ENDINGS) and not name.startswith("."):
                    index, status = name.partition("_")[0], entry.stat()
                    files.append((int(index) if index.isdecimal() else -1, label, name,
                                  status.st_size, status.st_mtime_ns))
        if len(files) == before:
            raise ValueError(f"{part / folder} holds no image ({', '.join(ENDINGS)}).")
    if any(file[0] < 0 for file in files):  # an order by index needs one in every name
        files = [(-1, *file[1:]) for file in files]
    return sorted(files)


def _pixels(path: str, size: tuple[int, int] | None) -> np.ndarray:
    """Read an image: uint8 [H, W, 3]."""
    from PIL import Image

    try:
        with Image.open(path, formats=("JPEG", "PNG")) as image:
            width, height = image.size  # known before anything is decoded
            mode = image.mode
            right = size in (None, (height, width)) and not mode.startswith(("I", "F"))
            if right:
                return np.asarray(image.convert("RGB"))
    except Exception as error:  # a cut or altered file may raise anything
        raise ValueError(f"{path} cannot be read as an image: it is cut, altered or no PNG or JPEG "
                         f"({error}).") from None
    if mode.startswith(("I", "F")):
        raise ValueError(f"{path} has more than 8 bits a channel ({mode}); save it with 8.")
    raise ValueError(f"{path} is {height} x {width} (height x width); {size[0]} x {size[1]} is expected: "
                     "all images of a set have one size.")
