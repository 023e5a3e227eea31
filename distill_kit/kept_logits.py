"""A teacher's logits, made when first needed and then kept: in memory for a process, on the disk for the next one.

On the disk they are addressed by what an image shows and not by where it stands. An image's address is a hash of its
pixels, so nothing that is done to a data set can misalign its logits: shuffling, subsetting, other labels, a class left
out. A store belongs to one teacher (its weights), one set of views, one precision and one kind of machine; anything
else is another store. Each process adds only files of its own, whole or not at all. So any number of processes may
share a store without locks, and one that is killed loses what it had not yet added.
"""
import secrets
import time
import warnings
from hashlib import blake2b, sha256

import numpy as np
import torch
from torch import Tensor

from .data.cache import Arrays, cache_folder, read_arrays, remove, remove_leftovers, write_arrays
from .devices import send
from .losses import check_numbers
from .models import ConvNet
from .teachers import Teacher
from .views import ViewBank

FORMAT = "1"         # part of every key: raise it when what is stored changes its meaning


class KeptLogits:
    """Logits of a teacher by image and view, float16 [N, V, C] in memory.

    images: the bank's, uint8 [N, 3, H, W]. Given them, logits are also kept on the disk, where the teacher is of the
    kit's family, and read from there by a later run.
    """

    def __init__(self, teacher: Teacher, bank: ViewBank, count: int, images: Tensor | None = None):
        self.teacher, self.bank = teacher, bank
        self.seconds = 0.0  # spent in the teacher so far
        self._known = torch.zeros(count, len(bank.views), dtype=torch.bool)
        self._values: Tensor | None = None  # without a store its width is known with the first answer
        self._unsaved: list[tuple[Tensor, Tensor]] = []
        self._store = None if images is None else LogitStore.of(teacher, bank.views)
        if self._store is not None:
            self._addresses = addresses(images)
            self._known, values = self._store.read(self._addresses)
            self._values = values.to(bank.device)

    def take(self, rows: Tensor, views: Tensor) -> Tensor:
        """Logits float16 [n, C] of image `rows[k]` in view `views[k]` (int64 [n]), on the bank's device."""
        if not self._known.all():  # only then is a GPU asked which images these are
            r, v = rows.cpu(), views.cpu()
            if (missing := ~self._known[r, v]).any():
                self._make(r[missing], v[missing])
        return self._values[send(rows, self.bank.device), send(views, self.bank.device)]

    @property
    def known(self) -> float:
        """Share of all logits that are there."""
        return self._known.float().mean().item()

    def complete(self, progress: bool = False) -> None:
        """Ask the teacher for all that is not known yet; progress: show a bar."""
        from tqdm import tqdm
        views, rows = (~self._known).T.nonzero(as_tuple=True)                            # view by view
        with tqdm(total=len(rows), desc="asking the teacher", unit=" images", leave=False, delay=1,
                  disable=not progress) as bar:
            for r, v in zip(rows.split(640), views.split(640)):  # between two moves of the bar
                if len(r):
                    self._make(r, v)
                    bar.update(len(r))
        self.save()

    def __getstate__(self) -> dict:
        """What another process is sent: not a teacher of another kind, which may be no plain data."""
        return {**self.__dict__, "teacher": self.teacher if self._store is not None else None, "_unsaved": []}

    def _make(self, rows: Tensor, views: Tensor) -> None:
        if self.teacher is None:
            raise RuntimeError("the teacher's logits for some images are missing: call complete() first")
        started = time.perf_counter()
        for some, logits in self.teacher.in_blocks(lambda some: self.bank.take(rows[some], views[some]), len(rows)):
            check_numbers(logits, "teacher logits")
            if self._values is None:
                self._values = logits.new_zeros(*self._known.shape, logits.shape[1])
            r, v = rows[some], views[some]
            self._values[send(r, self.bank.device), send(v, self.bank.device)] = logits
            self._known[r, v] = True
        self.seconds += time.perf_counter() - started
        self._unsaved.append((rows, views))
        if sum(len(rows) for rows, _ in self._unsaved) >= len(self._known):  # as many as one view of all images
            self.save()

    def save(self) -> None:
        """Add to the disk what is not there yet. A process that ends without it loses less than one view of all."""
        unsaved, self._unsaved = self._unsaved, []
        if self._store is None or not unsaved:
            return
        rows, views = (torch.cat(parts) for parts in zip(*unsaved))
        logits = self.take(rows, views).cpu()
        self._store.add(self._addresses[rows.numpy()], views.numpy(), logits.numpy())


def addresses(images: Tensor) -> np.ndarray:
    """Hashes of the pixels of images uint8 [N, 3, H, W]: uint64 [N]."""
    rows = images.cpu().contiguous().flatten(1).numpy()                                  # (N, 3 * H * W)
    digests = b"".join(blake2b(row, digest_size=8).digest() for row in rows)
    return np.frombuffer(digests, dtype="<u8")


class LogitStore:
    """A folder with the logits of one teacher for images in given views, float16 as they are first used.

    folder: made when something is first added. Where it cannot be written, one warning, and nothing is kept.
    """

    def __init__(self, key: str, views: int, classes: int):
        self.key, self.views, self.classes = key, views, classes
        self.folder = cache_folder() / "logits" / key

    @classmethod
    def of(cls, teacher: Teacher, views: tuple) -> "LogitStore | None":
        """Make the store of a teacher of the kit's family.

        Returns None for any other module, whose weights do not say what it computes.
        """
        module = teacher.module
        if type(module) is not ConvNet or module._forward_hooks or module._forward_pre_hooks:
            return None
        digest = sha256(f"{FORMAT} {module.architecture} {views} {teacher.precision} {teacher.device.type} "
                        f"{torch.__version__} {torch.backends.cpu.get_cpu_capability()}".encode())
        for name, value in module.state_dict().items():
            digest.update(name.encode() + value.cpu().contiguous().numpy().tobytes())
        return cls(digest.hexdigest()[:32], len(views), module.architecture.num_classes)

    def read(self, wanted: np.ndarray) -> tuple[Tensor, Tensor]:
        """Read which views of the images at these addresses [N] are known, bool [N, V], and their logits [N, V, C].

        Unknown ones are 0. Files that are cut, altered or of another store are removed.
        """
        remove_leftovers(self.folder)
        unique, which = np.unique(wanted, return_inverse=True)
        known = np.zeros((len(unique), self.views), dtype=bool)                          # (images that differ, V)
        logits = np.zeros((*known.shape, self.classes), dtype=np.float16)
        for path in sorted(self.folder.glob("*.npz")):
            if not self._wrote(arrays := read_arrays(path, self.key)):
                remove(path)
                continue
            place = np.searchsorted(unique, arrays["addresses"]).clip(max=len(unique) - 1)
            here = unique[place] == arrays["addresses"]                                  # (n,)
            at = place[here], arrays["views"][here]
            known[at], logits[at] = True, arrays["logits"][here]
        return torch.from_numpy(known[which]), torch.from_numpy(logits[which])

    def _wrote(self, arrays: Arrays | None) -> bool:
        """Are these what `add` writes: addresses uint64 [n], views uint8 [n], logits float16 [n, C]?"""
        kinds = {name: (array.dtype, array.shape) for name, array in (arrays or {}).items()}
        n = kinds.get("views", (None, ()))[1][:1]
        return kinds == {"addresses": (np.uint64, n), "views": (np.uint8, n), "logits": (np.float16, (*n, self.classes))
                         } and (arrays["views"] < self.views).all()

    def add(self, address: np.ndarray, view: np.ndarray, logits: np.ndarray) -> None:
        """Keep logits float16 [n, C] of images at addresses [n] in views [n], where that can be done."""
        path = self.folder / f"{secrets.token_hex(8)}.npz"
        try:
            write_arrays(path, self.key, {"addresses": address, "views": view.astype(np.uint8), "logits": logits})
        except OSError as error:
            warnings.warn(f"The teacher's logits cannot be kept in {self.folder} ({error}); the run goes on, and the "
                          "next one asks the teacher again. Make room, or set DISTILL_KIT_CACHE to a folder of yours.",
                          stacklevel=2)
