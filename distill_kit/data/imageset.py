"""Images as plain data: a uint8 tensor, labels, class names; and functions from one set to another.

Nothing here trains, draws or touches the disk. Every function returns a new set and does not change its argument; what
is random takes a seed and never reads or moves torch's global random state.
"""
from dataclasses import dataclass, replace
from difflib import get_close_matches

import numpy as np
import torch
from torch import Tensor

from ..losses import NO_LABEL
from ..schedules import check_whole
from .folder import PARTS, TEST, TRAIN, VALIDATION

CUT, KINDS = ("pool", VALIDATION, TEST), ("images", "labels")  # the parts of a data set, and what they hold
SIZES = 8, 96  # pixels a side that the networks of the kit are made for
VALIDATION_SHARE, TEST_SHARE = 0.1, 0.2  # of each class, set aside where there are no images for it


@dataclass(frozen=True, eq=False)  # tensors cannot be compared as numbers are
class ImageSet:
    """Labelled images on the CPU. A part is taken as of a tensor: by a slice, a mask or an index tensor.

        >>> images = load_dataset("shapes10").pool
        >>> len(images[:100]), images.images.shape[1:], images.classes[images.labels[0]]
        (100, torch.Size([3, 32, 32]), 'fish')

    images: uint8 [N, 3, H, W], 0 to 255.
    labels: int64 [N], a class number, or -100 where the label is not known.
    classes: class names; a label is a place in this tuple.
    source: where the images come from, in words fit to be printed.
    probabilities: float32 [N, K], the true class probabilities, where they are known (Shapes-10), else None.
    """
    images: Tensor
    labels: Tensor
    classes: tuple[str, ...]
    source: str
    probabilities: Tensor | None = None

    def __post_init__(self):
        if self.images.dtype != torch.uint8 or self.images.ndim != 4 or self.images.shape[1] != 3:
            raise ValueError(f"images must be uint8 [N, 3, H, W]; got {self.images.dtype} {list(self.images.shape)}")
        if self.labels.shape != self.images.shape[:1]:
            raise ValueError(f"labels must be one per image, [{len(self.images)}]; got {list(self.labels.shape)}")
        known = self.labels.numpy()[self.labels.numpy() != NO_LABEL]
        if len(known) and not 0 <= known.min() <= known.max() < len(self.classes):
            raise ValueError(f"labels must be {NO_LABEL} or 0 to {len(self.classes) - 1}; "
                             f"got {known.min()} to {known.max()}")

    def __len__(self) -> int:
        return len(self.images)

    def class_counts(self) -> list[int]:
        """Count the images of each class; those without a label are left out."""
        return self.labels[self.labels != NO_LABEL].bincount(minlength=len(self.classes)).tolist()

    def __getitem__(self, rows) -> "ImageSet":
        """Return the set of these rows: a slice, or an int64 or bool tensor."""
        tensors = {name: value for name, value in vars(self).items() if isinstance(value, Tensor)}
        return replace(self, **{name: _take(value, rows) for name, value in tensors.items()})


@dataclass(frozen=True, eq=False)
class Dataset:
    """A data set cut in three: training sets come from `pool`, choices from `validation`, last figures from `test`."""
    name: str
    pool: ImageSet
    validation: ImageSet
    test: ImageSet
    notice: str  # what was found and, where that is not the best there is, how to get better
    details: dict | None = None  # of a folder: what was there and what was done to it, for `python -m distill_kit data`


def split(name: str, training: ImageSet, test: ImageSet, notice: str = "") -> Dataset:
    """Cut a tenth of the training images off as validation: the same share of each class, always the same images."""
    return Dataset(name, *set_aside(training, VALIDATION_SHARE), test, notice)


def set_aside(images: ImageSet, share: float, left: int = 1) -> tuple[ImageSet, ImageSet]:
    """Return images without a share of each class, and that share: one image at least where more than `left` are there.

    The cut depends only on the labels and their order, so every student and every teacher agrees on it.
    """
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(0)).numpy()
    labels = images.labels.numpy()[order]
    chosen = np.zeros(len(images), dtype=bool)
    for label in range(len(images.classes)):
        rows = order[labels == label]
        chosen[rows[: max(0, min(max(1, int(share * len(rows) + 0.5)), len(rows) - left))]] = True
    shuffled = order[chosen[order]]  # so that the first 2,000 are a fair sample of the 5,000
    return images[torch.from_numpy(~chosen)], images[torch.from_numpy(shuffled)]


def check_cut(size: int | None = None, validation_share: float | None = None, test_share: float | None = None) -> None:
    """Raise ValueError for what cannot be asked of any folder of images."""
    if size is not None and (type(size) is not int or not SIZES[0] <= size <= SIZES[1]):
        raise ValueError(f"size must be {SIZES[0]} to {SIZES[1]} pixels, a whole number; got {size!r}")
    for name, share in (("validation_share", validation_share), ("test_share", test_share)):
        if share is not None and not 0 < share < 1:
            raise ValueError(f"{name} must be above 0 and below 1; got {share}")


def image_sets(arrays: dict[str, np.ndarray], names: tuple[str, ...], classes: tuple[str, ...],
               source: str) -> dict[str, ImageSet]:
    """Make an ImageSet of each of the named parts of decoded arrays that is there; nothing is copied."""
    return {name: ImageSet(*(torch.from_numpy(arrays[f"{name}_{what}"]) for what in KINDS), classes,
                           source) for name in names if f"{name}_labels" in arrays}


def cut_up(name: str, arrays: dict[str, np.ndarray], classes: tuple[str, ...], source: str, notice: str,
           validation_share: float | None = None, test_share: float | None = None) -> Dataset:
    """Make a data set of decoded arrays; validation and test images are set aside where they have no part of their own.

    Raises ValueError for a share where there is such a part, and for too few images.
    """
    parts = image_sets(arrays, PARTS, classes, source)
    for part, share in ((VALIDATION, validation_share), (TEST, test_share)):
        if share is not None and part in parts:
            raise ValueError(f"{part}_share must be left out: {source} have a {part} folder; got {share}")
    share, of_test = validation_share or VALIDATION_SHARE, test_share or TEST_SHARE
    if not {VALIDATION, TEST} & set(parts) and share + of_test >= 1:
        raise ValueError(f"validation_share and test_share must be below 1 together; got {share} and {of_test}")
    if TEST not in parts:
        parts[TRAIN], parts[TEST] = set_aside(parts[TRAIN], of_test, left=2)
        share /= 1 - of_test
    if VALIDATION in parts:  # shuffled, so that the first of them are a fair sample
        parts[VALIDATION] = subset(parts[VALIDATION], len(parts[VALIDATION]))
    else:
        parts[TRAIN], parts[VALIDATION] = set_aside(parts[TRAIN], share)
    if empty := [part for part in PARTS if not len(parts[part])]:
        raise ValueError(f"{len(arrays['train_labels'])} training images are too few: none is left as {empty[0]} image "
                         f"({source}); three in a class are the least.")
    return Dataset(name, parts[TRAIN], parts[VALIDATION], parts[TEST], notice)


def as_cut(arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Lay arrays out as `cut_up` cuts them, to be kept so: then no part of what was kept has to be copied."""
    classes = tuple(map(str, range(arrays[f"{TRAIN}_labels"].max(initial=0) + 1)))
    dataset = cut_up("", arrays, classes, "CIFAR-10", "")
    parts = {f"{part}_{what}": getattr(vars(dataset)[part], what).numpy() for part in CUT for what in KINDS}
    return {name: array for name, array in arrays.items() if not name.startswith(TRAIN)} | parts


def subset(images: ImageSet, count: int, seed: int = 0) -> ImageSet:
    """Draw `count` images without replacement, the same for a seed; a smaller count is a part of a larger one.

    Raises ValueError if there are fewer than `count`.
    """
    check_whole("count", count, 1, len(images))
    return images[torch.randperm(len(images), generator=torch.Generator().manual_seed(seed))[:count]]


def with_label_noise(images: ImageSet, share: float, seed: int = 0) -> ImageSet:
    """Draw the labels of a share of the labelled images anew, evenly over all classes (so one in K stays right).

    The true probabilities are kept: it is the label that lies, not the image.
    """
    if not 0 <= share <= 1:
        raise ValueError(f"share of redrawn labels must be 0 to 1; got {share}")
    generator = torch.Generator().manual_seed(seed)
    labelled = (images.labels != NO_LABEL).nonzero().squeeze(1)
    chosen = labelled[torch.randperm(len(labelled), generator=generator)[: round(share * len(labelled))]]
    drawn = torch.randint(len(images.classes), (len(chosen),), generator=generator)
    return replace(images, labels=images.labels.index_copy(0, chosen, drawn))


def keep_labels(images: ImageSet, count: int, seed: int = 0) -> ImageSet:
    """Let only `count` images, drawn at random, keep their label; the others get -100 and stay in the set."""
    check_whole("labelled", count, 0, len(images))
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(seed))
    return replace(images, labels=images.labels.index_fill(0, order[count:], NO_LABEL))


def leave_out(images: ImageSet, name: str) -> ImageSet:
    """Take a class out. It keeps its number and its name, so a student still has its logit."""
    return images[images.labels != class_number(images.classes, name)]


def class_number(classes: tuple[str, ...], name: str) -> int:
    """Return the number of a class. Raises ValueError with the near names if there is none of that name."""
    if name in classes:
        return classes.index(name)
    near = get_close_matches(name, classes)
    raise ValueError(f"no class named {name!r}" + (f"; did you mean {near[0]!r}?" if near else ".")
                     + f" The classes are: {', '.join(classes)}.")


def _take(values: Tensor, rows) -> Tensor:
    """Return values[rows]. Numpy copies an image at a time, torch byte by byte: 30 ms against 250 for 45,000 images."""
    return torch.from_numpy(values.numpy()[rows.numpy()]) if isinstance(rows, Tensor) else values[rows]
