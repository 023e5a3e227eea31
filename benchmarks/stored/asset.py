"""Where the course's stored assets lie."""
import json
from pathlib import Path

import distill_course

FOLDER = Path(distill_course.__file__).parent / "assets"


def asset(name: str) -> Path:
    """Return the path of an asset's JSON file."""
    return FOLDER / f"{name}.json"


def read_asset(name: str) -> dict:
    """Read an asset as it is now; an empty dict where there is none yet."""
    return json.loads(asset(name).read_text(encoding="utf-8")) if asset(name).exists() else {}


def write_asset(name: str, text: str) -> None:
    """Write an asset's text, with a line's end behind it."""
    asset(name).write_text(text + "\n", encoding="utf-8")
