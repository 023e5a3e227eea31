"""What the faults that are called harmless cost: each at its gross strength, and the same runs without it.

    python benchmarks/diagnosis_harmless.py [--seeds 5]

Writes diagnosis_harmless.json. A fault that is a setting alone (a temperature) is held against that setting's default.
"""
import argparse
import json
from dataclasses import replace
from pathlib import Path
from statistics import mean

from distill_kit import Settings, load_dataset, load_teacher
from distill_kit.diagnosis import FAULTS
from distill_kit.many import reports, train_many

DATA = ("cifar10", "shapes10")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5)
    seeds = range(200, 200 + parser.parse_args().seeds)
    harmless, found = [name for name, fault in FAULTS.items() if fault.harmless], {}
    for data in DATA:
        dataset = load_dataset(data)
        ill = [Settings(data=data, fault=name, fault_strength="gross", seed=seed) for name in harmless for seed in seeds]
        well = [replace(one, fault=None, **{setting: getattr(Settings, setting) for setting in FAULTS[one.fault].itself})
                for one in ill]
        told = reports(train_many([*ill, *well], dataset, load_teacher(dataset)[0]), 2 * len(ill))
        shares = [report["val_accuracy"] for report in told]
        for place, name in enumerate(harmless):
            mine = slice(place * len(seeds), (place + 1) * len(seeds))
            pairs = list(zip(shares[:len(ill)][mine], shares[len(ill):][mine]))
            found.setdefault(name, {})[data] = {"with": [a for a, _ in pairs], "without": [b for _, b in pairs]}
            print(data, name, f"{100 * mean(a - b for a, b in pairs):+.2f} points", flush=True)
    Path(__file__).with_suffix(".json").write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
