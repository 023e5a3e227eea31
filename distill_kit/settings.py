"""Settings of a run: everything that makes it what it is, as plain data."""
from dataclasses import dataclass, fields

from .changes import change_of
from .data.imageset import check_cut
from .losses import check_alpha, check_temperature
from .models import STUDENTS
from .openmp import cores
from .optimizers import OPTIMIZERS
from .schedules import SHAPES, check_learning_rate, check_whole

DEFAULT_EPOCHS, QUICK_EPOCHS = 14, 8
MOST_EPOCHS = 100_000  # days, even of a tiny student: more is a slip of the hand
KINDS = {  # of fields: what is taken where a file or a code brings it, and its name
    int: (int, "a whole number"), int | None: (int | None, "a whole number or None"), str: (str, "text"),
    str | None: (str | None, "text or None"), float: (float | int, "a number"),
    float | None: (float | int | None, "a number or None"), tuple[str, ...]: (tuple, "a tuple of names")}


@dataclass(frozen=True)
class Settings:
    """What makes a run what it is. The defaults are the default run; epochs=8 makes it the quick one.

        >>> Settings(temperature=2.0, alpha=0.5, epochs=8, seed=1).labels_only
        False

    Raises ValueError, naming field and value, for what is wrong whatever the data, and for more threads than cores.
    What depends on data or device (data, device, precision, leave_out, labelled, more images than there are) is checked
    where they are known.
    """
    data: str = "auto"
    size: int | None = None         # of the images of a folder, in pixels; this and the shares: see load_dataset
    validation_share: float | None = None
    test_share: float | None = None
    images: int = 5_000             # training images, drawn from the pool
    epochs: int = DEFAULT_EPOCHS    # of images // batch_size steps each
    temperature: float = 4.0
    final_temperature: float | None = None
    alpha: float = 0.1              # weight of the hard term; 1 is cross-entropy without a teacher
    final_alpha: float | None = None
    schedule: str = "linear"        # how alpha and temperature go to their final values
    learning_rate: float = 1e-2     # at its highest, after one epoch of warm-up; AdamW's (see optimizers.Muon)
    batch_size: int = 256
    optimizer: str = "muon"         # or "adamw", as the article has it: batch_size=64 suits it better
    label_noise: float = 0.0        # share of labels drawn at random
    labelled: int | None = None     # this many images keep their label, the others only enter the soft term
    leave_out: str | None = None    # a class that the student never sees
    student: str = "default"
    seed: int = 0                   # weights, batch order, view offsets, noise
    data_seed: int = 0              # which training images
    device: str | None = None
    precision: str = "auto"
    threads: int | None = None      # of the CPU; None: torch's own number
    changes: tuple[str, ...] = ()   # names of registered changes (changes.py)

    def __post_init__(self):
        check_whole("epochs", self.epochs, 1, MOST_EPOCHS)
        for name, least in (("images", 1), ("batch_size", 1), ("seed", 0), ("data_seed", 0)):
            check_whole(name, getattr(self, name), least)
        for field in fields(self):
            kind, words = KINDS[field.type]
            if isinstance(value := getattr(self, field.name), bool) or not isinstance(value, kind):
                raise ValueError(f"{field.name} must be {words}; got {value!r}")
        for name, check in (("temperature", check_temperature), ("alpha", check_alpha)):
            check(getattr(self, name))
            if (final := getattr(self, f"final_{name}")) is not None:
                check(final, f"final_{name}")
        if self.threads is not None and not 1 <= self.threads <= cores():
            raise ValueError(f"threads must be 1 to {cores()}, the cores at hand, or None; got {self.threads}")
        check_learning_rate(self.learning_rate)
        check_cut(self.size, self.validation_share, self.test_share)
        if not 0 <= self.label_noise <= 1:
            raise ValueError(f"label_noise must be 0 to 1; got {self.label_noise}")
        for name, known in (("student", STUDENTS), ("schedule", SHAPES), ("optimizer", OPTIMIZERS)):
            if (value := getattr(self, name)) not in known:
                raise ValueError(f"{name} must be one of {', '.join(known)}; got {value!r}")
        for name in self.changes:
            change_of(name)

    @property
    def labels_only(self) -> bool:
        """Has the teacher no say at all?"""
        return self.alpha == 1 and self.final_alpha in (None, 1)

    @property
    def drawn(self) -> tuple[int, int, str | None]:
        """Which training images: runs that agree in this can share their materials."""
        return self.images, self.data_seed, self.leave_out
