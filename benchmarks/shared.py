"""What several benchmarks share: a run to its end, means and spreads, and files that are written anew."""
import json
import statistics
from pathlib import Path

from torch import nn

from distill_course.sweep.crew import trained as side_by_side
from distill_course.sweep.plan import Planned
from distill_course.sweep.stock import Stock
from distill_kit.data.imageset import Dataset
from distill_kit.run import Materials, Run
from distill_kit.settings import Settings

ROOT = Path(__file__).resolve().parents[1]
BENCHMARKS = ROOT / "benchmarks"


def trained(settings: Settings, materials: Materials) -> Run:
    """Train a run to its end and return it."""
    run = Run(settings, materials)
    for _ in run.rows():
        pass
    return run


def results(runs: list[Planned], dataset: Dataset, teacher: nn.Module, **how) -> list[dict]:
    """Train runs side by side (`sweep.crew.trained`) and return the results in their order. Raises RuntimeError where
    any failed. how: workers, progress.
    """
    made: list[dict] = [{}] * len(runs)
    for place, result in side_by_side(runs, Stock(dataset, teacher), **how):
        if "error" in result:
            raise RuntimeError(f"run {place}: {result['error']}")
        made[place] = result
    return made


def spread(values: list[float]) -> dict:
    """Compute mean, standard deviation, least and number of values; every single value stays."""
    return {"n": len(values), "mean": round(statistics.mean(values), 2), "sd": round(statistics.stdev(values), 2),
            "least": round(min(values), 2), "values": [round(value, 2) for value in values]}


def read_json(name: str) -> dict:
    """Read a JSON file of this folder."""
    return json.loads((BENCHMARKS / name).read_text(encoding="utf-8"))


def write_json(name: str, report: dict) -> None:
    """Write a JSON file into this folder."""
    (BENCHMARKS / name).write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


def write_part(page: Path, mark: str, text: str) -> None:
    """Write anew what stands in a page between <!-- mark --> and <!-- /mark -->."""
    begin, end = f"<!-- {mark} -->\n", f"<!-- /{mark} -->"
    before, _, rest = page.read_text(encoding="utf-8").partition(begin)
    page.write_text(f"{before}{begin}{text.strip()}\n{end}{rest.partition(end)[2]}", encoding="utf-8")
