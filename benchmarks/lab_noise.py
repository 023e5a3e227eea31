"""How much the lab's figures differ from seed to seed: what its sentence calls luck.

    python benchmarks/lab_noise.py [--data cifar10] [--seeds 5]

Writes distill_kit/assets/lab-noise.json: for each experiment, at its first values, mean and spread of what it
measures.
"""
import argparse
import json
import statistics
import tempfile
from pathlib import Path

import distill_kit
from distill_kit.data import load_dataset
from distill_kit.lab.experiments import EXPERIMENTS
from distill_kit.lab.session import Session
from distill_kit.teachers import load_teacher

PATH = Path(distill_kit.__file__).parent / "assets" / "lab-noise.json"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="cifar10")
    parser.add_argument("--seeds", type=int, default=5)
    options = parser.parse_args()
    dataset = load_dataset(options.data)
    teacher, _ = load_teacher(dataset)
    stored = json.loads(PATH.read_text()) if PATH.exists() else {}
    found = stored.setdefault(dataset.name, {"data": dataset.pool.source})
    for experiment in EXPERIMENTS.values():
        with tempfile.TemporaryDirectory() as folder:
            session = Session(experiment, dataset, teacher, folder=folder, quiet=0.0)
            best = []
            for seed in range(options.seeds):
                session.seed = seed
                session.train()
                session.join()
                best.append((session.live.best, session.baseline.best))
        values, baselines = zip(*best)
        found[experiment.name] = {"n": options.seeds, "mean": statistics.mean(values), "sd": statistics.stdev(values),
                                  "baseline mean": statistics.mean(baselines),
                                  "baseline sd": statistics.stdev(baselines)}
        print(experiment.name, found[experiment.name], flush=True)
        PATH.write_text(json.dumps(stored, indent=1) + "\n")


if __name__ == "__main__":
    main()
