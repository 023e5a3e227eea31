"""What ships with the course as data: results (JSON, made by benchmarks/stored) and tables of words (TOML)."""
import functools
import json
import sys
from importlib.resources import files

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


@functools.cache
def read_stored(name: str) -> dict | list:
    """Read a JSON file of the assets; it is the same object each time, which nobody should change."""
    return json.loads((files(__package__) / "assets" / f"{name}.json").read_text(encoding="utf-8"))


def elsewhere() -> str:
    """Say what a quick run takes on several kinds of machines, as benchmarks/neighbours.py wrote it."""
    return ", ".join(f"{seconds:.{int(seconds < 1)}f} s on {kind}" for kind, seconds in read_stored("machines").items())


def read_table(name: str) -> dict[str, dict]:
    """Read a TOML file of the assets: its tables by their names. A list that is a table's own value becomes a tuple."""
    table = tomllib.loads((files(__package__) / "assets" / f"{name}.toml").read_text(encoding="utf-8"))
    return {key: {field: tuple(value) if isinstance(value, list) else value for field, value in entry.items()}
            for key, entry in table.items()}
