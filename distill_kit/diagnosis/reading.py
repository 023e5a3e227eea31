"""A history that somebody's own loop wrote: which of its columns can be used, and what was probably meant."""
from collections.abc import Sequence
from difflib import get_close_matches

from .needs import NEEDS

USED = tuple(dict.fromkeys([column for columns in NEEDS.values() for column in columns] + [
    "train_hard", "val_hard", "val_soft", "learning_rate", "alpha"]))
# Not looked at here, and no mistake:
BESIDE = ("kind", "epoch", "steps", "seconds", "best", "stopped", "threads", "cores_taken")
ALSO_CALLED = {"loss": "train_loss", "training": "train", "validation": "val", "valid": "val", "dev": "val",
               "acc": "accuracy", "lr": "learning_rate"}


def usable_columns(rows: Sequence[dict]) -> tuple[list[str], list[str]]:
    """The columns that rules can read, and a sentence on each that none knows.

    Raises ValueError, naming column and value, where there is no such column, where one holds text, and where an
    accuracy is no share from 0 to 1.
    """
    names = dict.fromkeys(name for row in rows for name in row)
    used = [name for name in names if name in USED]
    unknown = [_remark(name) for name in names if name not in (*USED, *BESIDE) and _meant(name)]
    if not used:
        raise ValueError(f"the history must have a column that is known, train_loss, val_loss or val_accuracy, say; it "
                         f"has {', '.join(names) or 'none'}. {' '.join(unknown)}".strip())
    for number, row in enumerate(rows, start=1):
        for name in used:
            value = row.get(name)
            if value is not None and (isinstance(value, bool) or not isinstance(value, int | float)):
                raise ValueError(f"{name} must be a number, or null where it is none; epoch {number} has {value!r}")
            if value is not None and name.endswith("accuracy") and value > 1:
                raise ValueError(f"{name} must be a share from 0 to 1; epoch {number} has {value:g}. Divide by 100.")
    return used, unknown


def _meant(name: str) -> str | None:
    """The column that a name comes nearest to, if any does."""
    words = [ALSO_CALLED.get(word, word) for word in name.lower().replace("-", " ").replace("_", " ").split()]
    words = "_".join(words).replace("train_train_loss", "train_loss").replace("val_train_loss", "val_loss")
    return next(iter(get_close_matches(words, USED, n=1, cutoff=0.8)), None)


def _remark(name: str) -> str:
    return f"Column {name!r} is not read; did you mean {_meant(name)!r}?"
