"""What healthy runs came to, measured (benchmarks/diagnosis.py): without it, a deficit is not called one."""
import functools
import json
from importlib.resources import files

from .finding import Reference


@functools.cache
def references() -> dict[str, Reference]:
    """By the name of the data set."""
    text = (files("distill_kit") / "assets" / "reference.json").read_text(encoding="utf-8")
    return {name: Reference(**entry) for name, entry in json.loads(text).items()}


def reference_for(data: str | None) -> Reference | None:
    """data: a data set's name ("cifar10"), or the source that a history names ("CIFAR-10, JPEG copy")."""
    if data is None:
        return None
    said = data.lower().replace("-", "")
    return next((reference for name, reference in references().items() if said.startswith(name)), None)
