"""A folder of your own images as a data set: listed, decoded once, cut up, and described in words."""
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from ..files import printable
from .cache import Arrays, cached
from .folder import TEST, VALIDATION, Listing, counted, in_few_words, list_images
from .imageset import Dataset, as_cut, cut_up
from .pixels import ENDINGS, VERSION, decode

NOT_OWN = ("auto", "cifar10", "shapes10", "cifar100")  # a folder of such a name is not that data set


def read_own(root: Path, progress: bool = True, size: int | None = None, validation_share: float | None = None,
             test_share: float | None = None) -> Dataset:
    """Read a folder of images; see `load_dataset`. `details` of the data set says what was there and what was done."""
    listing = list_images(root, ENDINGS)
    arrays, details = decoded(listing, size, progress)
    name, shown = printable(root.resolve().name), printable(root)
    name = shown if name.lower().replace("-", "") in NOT_OWN else name
    classes = tuple(map(printable, listing.classes))
    dataset = cut_up(name, arrays, classes, f"images in {shown}", "", validation_share, test_share)
    cut = len(arrays["train_labels"])
    set_aside = [f"{len(images):,} of {cut:,} images ({len(images) / cut:.0%}) were set aside for {part}"
                 for part, images in ((VALIDATION, dataset.validation), (TEST, dataset.test))
                 if f"{part}_labels" not in arrays]
    details |= {"layout": [*map(printable, listing.remarks), *set_aside],
                "passed_over": {printable(reason): count for reason, count in listing.passed_over.items()}}
    return replace(dataset, notice=" ".join(_notice(shown, dataset, details)), details=details)


def decoded(listing: Listing, size: int | None, progress: bool, cut: bool = False) -> tuple[Arrays, dict]:
    """Decode a listing, cut up as CIFAR-10 is where asked to, or fetch what that made before; and the details."""
    arrays = cached(listing.root, f"{VERSION} {size} {'cut' if cut else 'whole'} {listing.fingerprint()}",
                    lambda: (as_cut if cut else dict)(decode(listing, size, progress)))
    return arrays, json.loads(str(arrays["details"]))


def _notice(shown: str, dataset: Dataset, details: dict) -> Iterator[str]:
    yield (f"Images in {shown}: {len(dataset.pool):,} training, {len(dataset.validation):,} validation and "
           f"{len(dataset.test):,} test images of {len(dataset.pool.classes)} classes.")
    if details["layout"]:
        words = "; ".join(details["layout"])
        yield f"{words[0].upper()}{words[1:]}."
    if details["scaled"]:
        yield (f"They have {' to '.join(map(str, dict.fromkeys(details['sides'])))} pixels a side: scaled to "
               f"{details['size']} on the shorter one and cut in the middle (size asks for another).")
    if details["transparent"]:
        yield f"What is transparent in {details['transparent']:,} of them is white here."
    if details["passed_over"]:
        yield f"Passed over: {counted(details['passed_over'])}."
    for part, images in ((VALIDATION, dataset.validation), (TEST, dataset.test)):
        if lacking := [name for name, count in zip(images.classes, images.class_counts()) if not count]:
            yield f"No {part} image: {in_few_words(lacking)}."
