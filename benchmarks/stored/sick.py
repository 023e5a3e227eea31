"""The stored runs whose faults are known: both halves of benchmarks/diagnosis.py, and the runs of the course's game."""
import gzip
import json
import sys
from itertools import groupby
from random import Random

from part import ASSETS, BENCHMARKS, Part, made

from distill_course.diagnosis import faulty
from distill_course.gallery.game import HEALTHY
from distill_course.sweep.plan import Planned, planned
from distill_course.sweep.stock import Stock
from distill_kit import Settings
from distill_kit.history import plain

sys.path.append(str(BENCHMARKS))  # behind the libraries
import diagnosis
import diagnosis_page


class Half(Part):
    """The runs from which thresholds come (dev), or those by which they are judged (unseen)."""
    planned_in = "benchmarks/diagnosis.py"

    def __init__(self, half: str):
        self.half, self.file = half, diagnosis.packed(half)

    def runs(self, stock: Stock) -> dict[str, Planned]:
        """Plan the cases of the half; names are their numbers."""
        return {str(case["number"]): planned(name_of(case), {
            **case["settings"], "data": case["data"], "fault": case["fault"], "fault_strength": case["strength"],
            "probes": True}) for case in diagnosis.cases(self.half)}

    def content(self, results: dict[str, dict], stock: Stock) -> list[dict]:
        """List the cases with their rows and probes."""
        return [{**case, "probes": short(result["probes"]), "seconds": result["report"]["seconds"],
                 "rows": [short(row) for row in result["rows"]], **made([result])}
                for case in diagnosis.cases(self.half) for result in [results[str(case["number"])]]]

    def read(self) -> list[dict]:
        """Read the half."""
        return list(diagnosis.done(self.half).values())

    def write(self, content: list[dict], results: dict[str, dict]) -> None:
        """Write the half, packed, and what is said of it: diagnosis.json and docs/diagnosis.md."""
        lines = "".join(json.dumps(entry) + "\n" for entry in content)
        self.file.write_bytes(gzip.compress(lines.encode(), mtime=0))
        diagnosis.write_score()
        diagnosis_page.PAGE.write_text(diagnosis_page.text(), encoding="utf-8")

    def held(self, content: list[dict]) -> list[str]:
        """List the numbers."""
        return [str(entry["number"]) for entry in content]

    def cells(self, content: list[dict]) -> dict[str, list[float]]:
        """Return the best validation accuracies of each fault's runs, on each data set."""
        entries = sorted(content, key=lambda entry: (name_of(entry), entry["number"]))
        return {name: [max(row.get("val_accuracy") or 0.0 for row in entry["rows"]) for entry in group]
                for name, group in groupby(entries, name_of)}

    def marks(self, content: list[dict]) -> list[dict]:
        """Return the entries."""
        return content


def name_of(case: dict) -> str:
    """Name data set and fault of a case."""
    return f"{case['data']}, {case['fault'] or HEALTHY}"


def short(figures: dict) -> dict:
    """Round to six digits, and replace NaN, which JSON does not have."""
    return plain({name: float(f"{value:.6g}") if isinstance(value, float) else value
                  for name, value in figures.items()})


FAULTS = ("t_squared_missing", "softmax_for_log_softmax", "teacher_rows_shuffled", "weak_teacher", "false_labels",
          "batches_in_class_order", "too_few_images", "too_few_epochs", "learning_rate_too_high",
          "learning_rate_too_low", "dead_units", "student_in_eval_mode")
HEALTHY_RUNS = 4
SHOWN = ("epochs", "images", "batch_size", "optimizer", "learning_rate")


class Gallery(Part):
    """The runs of the course's game, from the first half: the first clear run of each of FAULTS, and healthy ones."""
    file, planned_in = ASSETS / "gallery.json", "benchmarks/diagnosis-dev.jsonl.gz"

    def content(self, results: dict[str, dict], stock: Stock | None) -> dict:
        """Choose the runs on CIFAR-10, in a drawn order."""
        entries = [entry for entry in diagnosis.done("dev").values() if entry["data"] == "cifar10"]
        taken = [next(entry for entry in entries if entry["fault"] == name and entry["strength"] == "clear")
                 for name in FAULTS]
        taken += [entry for entry in entries if not entry["fault"]][:HEALTHY_RUNS]
        Random(5).shuffle(taken)
        marks = {key: taken[0][key] for key in ("machine", "date", "version") if key in taken[0]}
        return {**marks, "runs": [patient(entry) for entry in taken]}

    def write(self, content: dict, results: dict[str, dict]) -> None:
        """Write the game, a run a line."""
        runs = [json.dumps(run, separators=(",", ":")) for run in content["runs"]]
        marks = json.dumps({key: value for key, value in content.items() if key != "runs"})[1:-1]
        self.file.write_text(f'{{{marks}, "runs": [' + ",\n".join(runs) + "]}\n", encoding="utf-8")

    def held(self, content: dict) -> list[str]:
        """List what the runs have."""
        return [run["truth"] for run in content["runs"]]


def patient(entry: dict) -> dict:
    """Turn a stored run into one of the game."""
    settings = Settings(**entry["settings"])
    if entry["fault"]:
        settings = faulty(settings, entry["fault"], entry["strength"])
    rows = [{name: float(f"{value:.4g}") if isinstance(value, float) else value for name, value in row.items()}
            for row in entry["rows"]]
    return {"truth": entry["fault"] or HEALTHY, "strength": entry["strength"], "data": entry["data"],
            "settings": {name: getattr(settings, name) for name in SHOWN}, "probes": entry["probes"], "rows": rows}
