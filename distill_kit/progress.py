"""A progress bar over the steps of a training, with the accuracy so far and the time left."""
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from .history import Row


@contextmanager
def training_bar(steps: int, what: str, shown: bool = True) -> Iterator[Callable[..., None]]:
    """Open a bar, in a notebook or on standard error; yields a function that follows the rows of a training.

        >>> with training_bar(steps=152, what="training the student") as follow:
        ...     for row in run.rows(every=5):
        ...         follow(row)
    """
    from tqdm.auto import tqdm
    accuracy = ""
    with tqdm(total=steps, desc=what, unit="step", leave=False, delay=0.5, mininterval=0.5, disable=not shown) as bar:
        def follow(row: Row, more: str = "") -> None:
            nonlocal accuracy
            bar.update(row["steps"] - bar.n)
            if row.get("val_accuracy") is not None:
                accuracy = f", validation {row['val_accuracy']:.1%}"
            bar.set_postfix_str(f"epoch {row['epoch']}{accuracy}{more}", refresh=False)
        yield follow
