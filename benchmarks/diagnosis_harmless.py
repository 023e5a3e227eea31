"""What the faults that are called harmless cost: each at its gross strength, and the same runs without it.

    python benchmarks/diagnosis_harmless.py [--seeds 5] [--data cifar10 shapes10]

Writes diagnosis_harmless.json. A fault that is nothing but a setting (a temperature) is held against that setting's
default.
"""
import argparse
from dataclasses import replace
from statistics import mean

from shared import results, write_json

from distill_course.diagnosis import FAULTS, faulty
from distill_course.sweep.plan import Planned
from distill_kit import Settings, load_dataset, load_teacher


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--data", nargs="+", default=["cifar10", "shapes10"])
    options = parser.parse_args()
    report: dict[str, dict] = {}
    for data in options.data:
        dataset = load_dataset(data)
        teacher = load_teacher(dataset)[0]
        for name in [name for name, fault in FAULTS.items() if fault.harmless]:
            usual = {setting: getattr(Settings, setting) for setting in FAULTS[name].itself}
            ill = [faulty(Settings(data=data, seed=seed), name, "gross") for seed in range(200, 200 + options.seeds)]
            runs = [Planned(settings) for settings in (*ill, *(replace(each, changes=(), **usual) for each in ill))]
            shares = [result["report"]["val_accuracy"] for result in results(runs, dataset, teacher)]
            pairs = list(zip(shares, shares[len(ill):]))
            report.setdefault(name, {})[data] = {"with": [a for a, _ in pairs], "without": [b for _, b in pairs]}
            print(data, name, f"{100 * mean(a - b for a, b in pairs):+.2f} points", flush=True)
    write_json("diagnosis_harmless.json", report)


if __name__ == "__main__":
    main()
