"""What healthy runs come to: distill_course/assets/reference.json, against which `diagnose` holds a run's accuracy.

    python benchmarks/stored/reference.py [--seeds 5] [--epochs 8] [--data cifar10 shapes10]

Trains the quick run with each seed on each data set. Needs CIFAR-10, unless --data leaves it out; what is stored of the
other data set then stays as it is.
"""
import argparse
import json
from dataclasses import replace
from statistics import mean, stdev

from asset import read_asset, write_asset

from distill_kit import Materials, Run, Settings, load_dataset, load_teacher
from distill_kit.settings import QUICK_EPOCHS

FIRST_SEED = 50


def measure(name: str, seeds: int, epochs: int) -> dict:
    """Measure one data set: best validation accuracy, mean and spread over seeds, and the shipped teacher's."""
    dataset = load_dataset(name)
    settings = Settings(data=name, epochs=epochs)
    materials = Materials.of(settings, dataset, load_teacher(dataset)[0])
    histories = [list(Run(replace(settings, seed=seed), materials).rows())
                 for seed in range(FIRST_SEED, FIRST_SEED + seeds)]
    best = [max(row["val_accuracy"] for row in history) for history in histories]
    final = histories[0][-1]
    return {"data": dataset.pool.source, "accuracy": round(mean(best), 4), "spread": round(stdev(best), 4),
            "runs": seeds, "steps": final["steps"], "teacher_accuracy": round(final["val_teacher_accuracy"], 4)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=QUICK_EPOCHS)
    parser.add_argument("--data", nargs="+", default=["cifar10", "shapes10"])
    options = parser.parse_args()
    entries = read_asset("reference")
    for name in options.data:
        entries[name] = measure(name, options.seeds, options.epochs)
        print(entries[name], flush=True)
    write_asset("reference", json.dumps(entries, indent=1))


if __name__ == "__main__":
    main()
