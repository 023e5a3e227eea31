"""A part of the stored results: which runs it takes, which file holds it, and what is kept of a run."""
import datetime
import json
from collections.abc import Iterable
from pathlib import Path

import distill_course
from distill_course.machine import counted
from distill_course.sweep.plan import VERSION, Planned, planned, read_plan
from distill_course.sweep.stock import Stock
from distill_kit.data.imageset import Dataset
from distill_kit.settings import Settings

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
BENCHMARKS = ROOT / "benchmarks"
ASSETS = Path(distill_course.__file__).parent / "assets"


class Part:
    """What is made of some runs. Runs have names; where two are the same run, it is trained once.

    file: that holds it. planned_in: where its runs are planned. content: what the file holds of this part, plain data.
    """
    file: Path
    planned_in = "benchmarks/stored/plan.toml"
    workers: int | None = None  # at once; 1 where seconds are among the figures

    def runs(self, stock: Stock) -> dict[str, Planned]:
        """Plan the runs; none where the part is made of others' results."""
        return {}

    def content(self, results: dict[str, dict], stock: Stock):
        """Make the content of the runs' results, which have the names that the runs have."""
        raise NotImplementedError

    def read(self):
        """Read the content that ships; empty where there is none yet."""
        return read(self.file)

    def write(self, content, results: dict[str, dict]) -> None:
        """Write the content into the file, and what else is made of it."""
        write(self.file, content)

    def held(self, content) -> list[str]:
        """List the names of the runs that a content was made of."""
        return []

    def cells(self, content) -> dict[str, list[float]]:
        """Return figures of a content by their cell, a seed each."""
        return {}

    def luck(self, content) -> dict[str, float]:
        """Return by how much two runs of a cell with a single seed differ by luck, 19 times of 20, where known."""
        return {}

    def named(self, cell: str) -> str | None:
        """Return the name under which cells of notebooks rest on a cell of figures; None where they rest on none."""
        return None

    def marks(self, content) -> list[dict]:
        """List what says version, date and machine in a content."""
        return [content]


def read(path: Path) -> dict:
    """Read a JSON file; an empty dict where there is none."""
    try:
        content = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
        return {**content}
    except (TypeError, ValueError) as error:
        raise ValueError(f"{path} is no stored result ({error}); git checkout brings the one that ships") from None


def write(path: Path, content, line_after: str | None = None) -> None:
    """Write a JSON file: indented, or with a line's end behind the comma of each `line_after`."""
    text = json.dumps(content, indent=1) if line_after is None else json.dumps(content, separators=(",", ":")).replace(
        line_after, line_after.replace(",", ",\n", 1))
    path.write_text(text + "\n", encoding="utf-8")


def made(results: Iterable[dict]) -> dict:
    """Return the marks of what is made of these results: machine, date, version."""
    return {"machine": "; ".join(sorted({machine_of(result) for result in results})),
            "date": datetime.date.today().isoformat(), "version": VERSION}


def machine_of(result: dict) -> str:
    """Say on what a run was trained: "1 thread (AMD EPYC) in bfloat16"."""
    machine = result["machine"]
    return (f"{counted(result['threads'], 'thread')} "
            f"({machine['processor'] if machine['device'] == 'cpu' else machine['device']}) in "
            f"{result['report']['precision']}")


def of_plan(part: str) -> dict[str, Planned]:
    """Return the runs of a part of plan.toml by their names: "ARM, seed 3"."""
    runs = [planned(arm.partition(": ")[2], values) for arm, values in read_plan(HERE / "plan.toml")
            if arm.partition(": ")[0] == part]
    return {f"{run.arm}, seed {run.settings.seed}": run for run in runs}


def cifar10(stock: Stock) -> Dataset:
    """Return the images of most parts."""
    return stock.dataset(Planned(Settings(data="cifar10")))
