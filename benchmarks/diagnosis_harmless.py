"""What the faults that are called harmless cost: each at its gross strength, and the same runs without it.

    python benchmarks/diagnosis_harmless.py [--seeds 5]

Writes diagnosis_harmless.json. A fault that is a setting alone (a temperature) is held against that setting's default.
"""
import argparse
import json
from dataclasses import replace
from pathlib import Path
from statistics import mean

from distill_kit import Materials, Run, Settings, load_dataset, load_teacher
from distill_kit.diagnosis import FAULTS

DATA = ("cifar10", "shapes10")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5)
    seeds, found = range(200, 200 + parser.parse_args().seeds), {}
    for data in DATA:
        dataset = load_dataset(data)
        teacher = load_teacher(dataset)[0]

        def share(settings: Settings) -> float:
            run = Run(settings, Materials.of(settings, dataset, teacher))
            for _ in run.rows():
                pass
            return run.report()["val_accuracy"]
        for name in [name for name, fault in FAULTS.items() if fault.harmless]:
            ill = [Settings(data=data, fault=name, fault_strength="gross", seed=seed) for seed in seeds]
            own = {setting: getattr(Settings, setting) for setting in FAULTS[name].itself}
            pairs = [(share(one), share(replace(one, fault=None, **own))) for one in ill]
            found.setdefault(name, {})[data] = {"with": [a for a, _ in pairs], "without": [b for _, b in pairs]}
            print(data, name, f"{100 * mean(a - b for a, b in pairs):+.2f} points", flush=True)
    Path(__file__).with_suffix(".json").write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
