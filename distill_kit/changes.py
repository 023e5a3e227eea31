"""Changes to a run: functions from its parts (run.Parts) to the parts that the loop is given, known by name.

The kit has none of its own. Whoever has one registers it; `Settings(changes=("no_warmup",))` then asks for it.
"""
from collections.abc import Callable

CHANGES: dict[str, Callable] = {}  # from run.Parts to run.Parts, by name


def register(name: str, change: Callable) -> None:
    """Make a change known by a name.

        >>> from dataclasses import replace
        >>> register("loose", lambda parts: replace(parts, clip_norm=100.0))
        >>> Settings(changes=("loose",))
    """
    CHANGES[name] = change


def change_of(name: str) -> Callable:
    """Look up a change. Raises ValueError for a name that is not registered in this process."""
    if not isinstance(name, str) or name not in CHANGES:
        known = ", ".join(CHANGES) or "none is registered yet"
        raise ValueError(f"changes must be registered ones ({known}); got {name!r}. Those of the course are registered "
                         "by `import distill_course.habits` and `import distill_course.diagnosis`; one of your own has "
                         "to be registered in every process that trains with it.")
    return CHANGES[name]
