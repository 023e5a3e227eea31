"""Pixels of image files: whatever Pillow reads becomes a square of RGB bytes, all of one size."""
import json
import warnings
from collections import Counter
from contextlib import suppress
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from ..files import printable, reason
from .cache import Arrays
from .folder import Listing, in_few_words
from .imageset import SIZES

DEFAULT_SIZE = 32     # of images that have not one size
MOST_BYTES = 2 << 30  # decoded, as bytes; beyond it a set of images would fill the memory of a laptop
VERSION = 3           # of what is decoded, part of the key under which it is kept
# A PostScript file is a program that Pillow would have run; the others it knows and cannot decode.
NOT_DECODED = {"EPS", "BUFR", "GRIB", "HDF5", "MPEG", "WMF"}
Image.init()  # so that Pillow knows all its formats
FORMATS = tuple(name for name in Image.ID if name not in NOT_DECODED)
ENDINGS = {ending for ending, name in Image.registered_extensions().items() if name in FORMATS}  # of names of files


def decode(listing: Listing, size: int | None = None, progress: bool = True) -> Arrays:
    """Decode a listing: for each part `train_images` uint8 [N, 3, S, S] and `train_labels` int64 [N]; and `details`.

    size: S. Other images are scaled until their shorter side has S pixels, and cut in the middle. None leaves images
        of one size as they are where they are squares within SIZES; else it is DEFAULT_SIZE.
    progress: a bar on standard error, if it takes more than a second.
    details: JSON. size, scaled (or taken as they are?), shortest and longest side, how many are transparent in places,
        formats and modes with their counts.
    Raises ValueError naming the files that cannot be read.
    """
    from tqdm.auto import tqdm

    paths = {part: [listing.root / file[2] for file in files] for part, files in listing.files.items()}
    every, unread = [path for each in paths.values() for path in each], {}
    with warnings.catch_warnings(), tqdm(total=2 * len(every), desc="reading images", unit=" images", unit_scale=0.5,
                                         delay=1, disable=not progress) as bar:
        warnings.simplefilter("ignore")  # of odd metadata
        warnings.simplefilter("error", Image.DecompressionBombWarning)

        def tried(read, path, *arguments):
            bar.update()
            try:
                return read(path, *arguments) if path not in unread else None
            except Exception as error:  # a cut or altered file may raise anything
                unread[path] = error

        heads = [head for path in every if (head := tried(_head, path)) is not None]
        sides = {side for head in heads for side in head[0]}
        if size is None:
            size = min(sides) if len(sides) == 1 and SIZES[0] <= min(sides) <= SIZES[1] else DEFAULT_SIZE
        if (needed := len(every) * 3 * size**2) > MOST_BYTES:
            raise ValueError(f"{len(every):,} images of {size} x {size} in {printable(listing.root)} would take "
                             f"{needed / 2**30:.0f} GB of memory ({MOST_BYTES >> 30} at most); ask for a smaller size.")
        decoded = {}
        for part, files in paths.items():
            images = decoded[f"{part}_images"] = np.zeros((len(files), 3, size, size), dtype=np.uint8)
            decoded[f"{part}_labels"] = np.array([file[1] for file in listing.files[part]], dtype=np.int64)
            for row, path in enumerate(files):
                if (square := tried(_square, path, size)) is not None:
                    images[row] = square.transpose(2, 0, 1)
    if unread:
        reasons = [f"{path.relative_to(listing.root)} ({reason(error).replace(f' {str(path)!r}', '')})"
                   for path, error in unread.items()]
        raise ValueError(f"{len(unread)} of {len(every):,} images in {printable(listing.root)} cannot be read: cut, "
                         f"altered, too large or not what their ending says. Mend or remove {in_few_words(reasons)}.")
    details = {"size": size, "scaled": sides != {size}, "sides": [min(sides), max(sides)],
               "transparent": sum(head[3] for head in heads),
               **{name: Counter(head[place] for head in heads) for place, name in ((1, "modes"), (2, "formats"))}}
    return {**decoded, "details": np.array(json.dumps(details))}


def _head(path: Path) -> tuple[tuple[int, int], str, str, bool]:
    """Read of an image width and height, mode, format and whether it may be transparent; nothing is decoded."""
    with Image.open(path, formats=FORMATS) as image:
        return image.size, image.mode, image.format, _has_alpha(image)


def _has_alpha(image) -> bool:
    """May an image be transparent in places?"""
    return image.mode[-1] in "Aa" or "transparency" in image.info


def _square(path: Path, size: int) -> np.ndarray:
    """Decode an image, turned as its EXIF orientation says, on white, cut to a square: uint8 [size, size, 3]."""
    with Image.open(path, formats=FORMATS) as image:
        image.draft(None, (2 * size, 2 * size))  # a large JPEG is decoded at half its size, a quarter or an eighth
        image.load()
        with suppress(Exception):  # odd metadata turn nothing
            image = ImageOps.exif_transpose(image)
        if image.mode[0] in "IF":
            values = np.asarray(image)
            if image.mode == "F" or values.min() < 0 or values.max() >= 1 << 16:
                raise ValueError(f"its values, of mode {image.mode}, are not of 8 or 16 bits")
            bits = 0 if image.mode == "I" and values.max() < 256 else 8  # 32 bits may hold 8 or 16
            image = Image.fromarray((values >> bits).astype(np.uint8))  # scaled; Pillow would clip them
        if _has_alpha(image):
            image = image.convert("RGBA")
            image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
        return np.asarray(ImageOps.fit(image.convert("RGB"), (size, size), Image.LANCZOS))
