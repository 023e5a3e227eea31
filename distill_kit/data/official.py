"""The official CIFAR-10 for Python: six pickled batches, unpacked in a folder or in their archive. And CIFAR-100's.

Pickles can run code, so they are read by an unpickler that admits nothing but what a numpy array is made of, and the
archive only once its md5 is the official one.
"""
import pickle
import tarfile
from hashlib import md5
from io import BytesIO
from pathlib import Path

import numpy as np

from ..files import printable, reason
from .cache import Arrays

BATCHES = "cifar-10-batches-py"
ARCHIVE = "cifar-10-python.tar.gz"
MD5 = "c58f30108f718f92721af3b95e74349a"
TRAIN_BATCHES = tuple(f"data_batch_{number}" for number in range(1, 6))
TEST_BATCH = "test_batch"
CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
TRAIN_COUNT, TEST_COUNT = 50_000, 10_000
CIFAR100 = "cifar-100-python"

Batch = tuple[np.ndarray, np.ndarray]  # images uint8 [N, 3, 32, 32], labels int64 [N]


class NotOfficial(ValueError):
    """The data in the place of the official data is cut, altered or incomplete."""


def read_batches(folder: Path) -> Arrays:
    """Read an unpacked copy, in the official order: `train_images` uint8 [N, 3, 32, 32] and so on.

    Raises NotOfficial (a ValueError) naming a batch that is missing, cut or altered.
    """
    batches = {}
    for name in (*TRAIN_BATCHES, TEST_BATCH):
        try:
            batches[name] = _read_batch(BytesIO((folder / name).read_bytes()), folder / name)
        except OSError as error:
            raise NotOfficial(f"{folder / name} cannot be read ({error.strerror}); unpack {ARCHIVE} again.") from None
    return _join(batches)


def read_cifar100(folder: Path) -> tuple[Arrays, tuple[str, ...]]:
    """Read CIFAR-100 with its fine labels from an unpacked copy, and their names. Raises NotOfficial."""
    arrays = {}
    try:
        meta, *files = (BytesIO((folder / name).read_bytes()) for name in ("meta", "train", "test"))
        classes = tuple(map(printable, _ArraysOnly(meta, encoding="latin1").load()["fine_label_names"]))
    except Exception as error:  # a cut or altered pickle may raise anything
        raise NotOfficial(f"{folder} is no whole CIFAR-100 ({reason(error)}); unpack it again.") from None
    for part, file in zip(("train", "test"), files):
        images, labels = _read_batch(file, folder / part, "fine_labels", classes)
        arrays |= {f"{part}_images": np.array(images), f"{part}_labels": labels}
    return arrays, classes


def read_archive(path: Path) -> Arrays:
    """Read the same straight from the archive: nothing is unpacked. Raises NotOfficial unless the md5 is right."""
    check_md5(path)  # so all that is expected is in it
    with tarfile.open(path, "r:gz") as archive:  # in the archive's order: going back would decompress it all over again
        return _join({name: _read_batch(archive.extractfile(member), f"{path}/{name}") for member in archive
                      if (name := member.name.rpartition("/")[2]) in (*TRAIN_BATCHES, TEST_BATCH)})


def check_md5(path: Path) -> None:
    """Raise NotOfficial unless the file is the official archive, byte for byte."""
    digest = md5(usedforsecurity=False)
    try:
        with open(path, "rb") as file:
            while chunk := file.read(1 << 20):
                digest.update(chunk)
    except OSError as error:
        raise NotOfficial(f"{path} cannot be read ({error.strerror}).") from None
    if digest.hexdigest() != MD5:
        raise NotOfficial(f"{path} is cut, altered or another file: its md5 is {digest.hexdigest()}, "
                          f"that of the official archive {MD5}.")


REBUILD = np.empty(0).__reduce__()[0]  # its module has another name in numpy 1 and 2
ADMITTED = {("numpy", "ndarray"): np.ndarray, ("numpy", "dtype"): np.dtype,
            ("numpy.core.multiarray", "_reconstruct"): REBUILD, ("numpy._core.multiarray", "_reconstruct"): REBUILD,
            ("_codecs", "encode"): lambda text, encoding: text.encode(encoding)}


class _ArraysOnly(pickle.Unpickler):
    """An unpickler that admits numpy arrays of plain numbers, and calls nothing else that a pickle names."""

    def find_class(self, module, name):
        if (module, name) in ADMITTED:
            return ADMITTED[module, name]
        raise pickle.UnpicklingError(f"it names {module}.{name}, which no batch of images needs")


def _read_batch(file, place, labels_of: str = "labels", classes: tuple[str, ...] = CLASSES) -> Batch:
    try:
        batch = _ArraysOnly(file, encoding="latin1").load()  # written by Python 2
        images, labels = np.asarray(batch["data"]), np.asarray(batch[labels_of], dtype=np.int64)
        if images.dtype != np.uint8 or images.shape != (len(labels), 3 * 32 * 32) or labels.ndim != 1:
            raise ValueError(f"it holds {images.dtype} {list(images.shape)} and {len(labels)} labels")
        if len(labels) and not 0 <= labels.min() <= labels.max() < len(classes):
            raise ValueError(f"it holds labels from {labels.min()} to {labels.max()}")
    except Exception as error:  # a cut or altered pickle may raise anything
        raise NotOfficial(f"{place} is no batch of CIFAR-{len(classes)} ({reason(error)}); get it again.") from None
    return images.reshape(-1, 3, 32, 32), labels


def _join(batches: dict[str, Batch]) -> Arrays:
    test_images, test_labels = batches[TEST_BATCH]
    return {"train_images": np.concatenate([batches[name][0] for name in TRAIN_BATCHES]),
            "train_labels": np.concatenate([batches[name][1] for name in TRAIN_BATCHES]),
            "test_images": np.array(test_images), "test_labels": test_labels}
