"""The runs of the course's game: distill_course/assets/gallery.json, from the first half of benchmarks/diagnosis.py.

    python benchmarks/stored/gallery.py

Nothing is trained: the runs lie in benchmarks/diagnosis-dev.jsonl.gz.
"""
import argparse
import json
import sys
from pathlib import Path
from random import Random

from asset import asset, write_asset

from distill_course.diagnosis import faulty
from distill_course.gallery.game import HEALTHY
from distill_kit import Settings

sys.path.append(str(Path(__file__).resolve().parents[1]))  # behind the libraries
from diagnosis import done

FAULTS = ("t_squared_missing", "softmax_for_log_softmax", "teacher_rows_shuffled", "weak_teacher", "false_labels",
          "batches_in_class_order", "too_few_images", "too_few_epochs", "learning_rate_too_high",
          "learning_rate_too_low", "dead_units", "student_in_eval_mode")
HEALTHY_RUNS = 4
SHOWN = ("epochs", "images", "batch_size", "optimizer", "learning_rate")


def gallery() -> list[dict]:
    """Take the first clear run of each fault, and the first healthy ones, on CIFAR-10, in a drawn order."""
    entries = [entry for entry in done("dev").values() if entry["data"] == "cifar10"]
    taken = [next(entry for entry in entries if entry["fault"] == name and entry["strength"] == "clear")
             for name in FAULTS]
    taken += [entry for entry in entries if not entry["fault"]][:HEALTHY_RUNS]
    Random(5).shuffle(taken)
    return [patient(entry) for entry in taken]


def patient(entry: dict) -> dict:
    """Turn a stored run into one of the game."""
    settings = Settings(**entry["settings"])
    if entry["fault"]:
        settings = faulty(settings, entry["fault"], entry["strength"])
    rows = [{name: float(f"{value:.4g}") if isinstance(value, float) else value for name, value in row.items()}
            for row in entry["rows"]]
    return {"truth": entry["fault"] or HEALTHY, "strength": entry["strength"], "data": entry["data"],
            "settings": {name: getattr(settings, name) for name in SHOWN}, "probes": entry["probes"], "rows": rows}


def main() -> None:
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    runs = gallery()
    write_asset("gallery", "[" + ",\n".join(json.dumps(run, separators=(",", ":")) for run in runs) + "]")
    print(f"{len(runs)} runs, {asset('gallery').stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
