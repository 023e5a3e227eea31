"""Public names that are fetched from their modules when first used: the import itself costs next to nothing."""
from collections.abc import Callable
from importlib import import_module


def fetched(package: str, homes: dict[str, str], *present: str) -> tuple[Callable, Callable]:
    """Make `__getattr__` and `__dir__` of a package (PEP 562, 2017).

        >>> __getattr__, __dir__ = fetched(__name__, {"load_dataset": "data"})

    homes: the module of each name. present: further public names, which are there already.
    """
    def fetch(name: str):
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(import_module(f".{homes[name]}", package), name)
    return fetch, lambda: sorted([*present, *homes])
