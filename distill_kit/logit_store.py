"""A teacher's logits on the disk, addressed by what an image shows and not by where it stands.

An image's address is a hash of its pixels, so nothing that is done to a data set can misalign its logits: shuffling,
subsetting, other labels, a class left out. A store belongs to one teacher (its weights), one set of views, one
precision and one kind of machine; anything else is another store. Each process only ever adds files of its own, whole
or not at all, so any number may share a store without locks, and one that is killed loses what it had not yet added.
"""
import os
import secrets
import warnings
from hashlib import blake2b, sha256

import numpy as np
import torch
from torch import Tensor

from .batches import Teacher
from .data.cache import cache_folder, read_arrays, remove, remove_leftovers, write_arrays
from .models import ConvNet

FORMAT = "1"      # part of every key: raise it when what is stored changes its meaning
MANY_FILES = 24   # are read slowly: they are then written together in one


def addresses(images: Tensor) -> np.ndarray:
    """uint64 [N]: a hash of the pixels of each of uint8 images [N, 3, H, W]."""
    rows = images.cpu().contiguous().flatten(1).numpy()                                  # (N, 3 * H * W)
    digests = b"".join(blake2b(row, digest_size=8).digest() for row in rows)
    return np.frombuffer(digests, dtype="<u8")


class LogitStore:
    """What one teacher says of images in given views; float16, as it is first used.

    folder: made when something is first added. Where it cannot be written, one warning, and nothing is kept.
    """

    def __init__(self, key: str, views: int):
        self.key, self.views = key, views
        self.folder = cache_folder() / "logits" / key
        self._writable = True

    @classmethod
    def of(cls, teacher: Teacher, views: tuple) -> "LogitStore | None":
        """The store of a teacher of the kit's own family; None for any other module, whose weights alone do not say
        what it computes."""
        module = teacher.module
        if type(module) is not ConvNet or module._forward_hooks or module._forward_pre_hooks:
            return None
        digest = sha256(f"{FORMAT} {module.architecture} {views} {teacher.precision} {teacher.device.type} "
                        f"{torch.__version__} {torch.backends.cpu.get_cpu_capability()}".encode())
        for name, value in module.state_dict().items():
            digest.update(name.encode() + value.cpu().contiguous().numpy().tobytes())
        return cls(digest.hexdigest()[:32], len(views))

    def read(self, wanted: np.ndarray) -> tuple[Tensor, Tensor] | None:
        """For images at these addresses [N]: which views are known, bool [N, V], and their logits, float16 [N, V, C].

        None where nothing is stored. Files that are cut, altered or of another store are removed.
        """
        paths = sorted(self.folder.glob("*.npz"))
        remove_leftovers(self.folder)
        files = [(path, read_arrays(path, self.key)) for path in paths]
        for path, arrays in files:
            if arrays is None:
                remove(path)
        files = [(path, arrays) for path, arrays in files if arrays is not None]
        if not files:
            return None
        address, view, logits = (np.concatenate([arrays[name] for _, arrays in files])
                                 for name in ("addresses", "views", "logits"))
        unique, which = np.unique(address, return_inverse=True)
        row_of = np.full((len(unique), self.views), -1)                                  # (images stored, V)
        row_of[which, view] = np.arange(len(address))
        if len(files) > MANY_FILES:
            rows = row_of[row_of >= 0]
            if self.add(address[rows], view[rows], logits[rows]):
                for path, _ in files:
                    remove(path)
        place = np.searchsorted(unique, wanted).clip(max=len(unique) - 1)
        rows = np.where((unique[place] == wanted)[:, None], row_of[place], -1)           # (N, V)
        return torch.from_numpy(rows >= 0), torch.from_numpy(logits[rows])               # unknown ones hold anything

    def add(self, address: np.ndarray, view: np.ndarray, logits: np.ndarray) -> bool:
        """Keep logits float16 [n, C] of images at addresses [n] in views [n]; says whether they are kept."""
        if not self._writable or not len(address):
            return False
        path = self.folder / f"{os.getpid()}-{secrets.token_hex(8)}.npz"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            write_arrays(path, self.key, {"addresses": address, "views": view.astype(np.uint8), "logits": logits})
        except OSError as error:
            self._writable = False
            warnings.warn(f"The teacher's logits cannot be kept in {self.folder} ({error}); the run goes on, and the "
                          "next one asks the teacher again. Make room, or set DISTILL_KIT_CACHE to a folder of yours.",
                          stacklevel=2)
        return self._writable

