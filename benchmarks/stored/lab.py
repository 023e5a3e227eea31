"""What the lab knows beforehand: how its figures differ from seed to seed, and one run for each stop of its sliders.

    python benchmarks/stored/lab.py [--data cifar10] [--seeds 20] [--only alpha labels]

Writes distill_course/assets/lab-stored.json after every run, and goes on from what is there. It holds, for each
experiment, mean and spread of what it measures, at its first values; then, with seed 0, its presets, and every stop of
the controls in MOVED while the others stay.
"""
import argparse
import datetime
import json
import statistics
import tempfile

from asset import read_asset, write_asset

from distill_course.lab.experiments import EXPERIMENTS, Experiment
from distill_course.lab.lab_run import LabRun
from distill_course.lab.session import Session
from distill_course.lab.share import code_of
from distill_kit import load_dataset, load_teacher

MOVED = {"temperature": ["temperature"], "alpha": ["alpha"], "labels": ["labelled"],
         "plain": ["temperature", "alpha", "learning_rate", "images", "label_noise", "student"]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="cifar10")
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--only", nargs="*", default=list(EXPERIMENTS), metavar="NAME", help="experiments")
    options = parser.parse_args()
    dataset = load_dataset(options.data)
    teacher, _ = load_teacher(dataset)
    stored = read_asset("lab-stored")
    of_data = stored.setdefault(dataset.name, {"source": dataset.pool.source, "experiments": {}})
    of_data["date"] = datetime.date.today().isoformat()

    def save() -> None:
        write_asset("lab-stored", json.dumps(stored, separators=(",", ":")).replace('},"', '},\n"'))

    for name in options.only:
        experiment = EXPERIMENTS[name]
        place = of_data["experiments"].setdefault(name, {"noise": None, "runs": {}})
        with tempfile.TemporaryDirectory() as folder:
            session = Session(experiment, dataset, teacher, folder=folder, quiet=0.0)
            for values in what_to_store(experiment):
                if code_of(experiment, values, 0) not in place["runs"]:
                    try:
                        live = trained(session, values, 0)
                    except FloatingPointError as error:  # a bad setting is there to show just that
                        print(session.code(), error, flush=True)
                        continue
                    place["runs"][session.code()] = {"shares": [round(share, 4) for share in live.shares],
                                                     "best": round(live.best, 4)}
                    save()
                    print(session.code(), place["runs"][session.code()]["best"], flush=True)
            if place["noise"] is None or place["noise"]["n"] < options.seeds:
                place["noise"] = noise(session, options.seeds)
                save()
                print(name, place["noise"], flush=True)


def what_to_store(experiment: Experiment) -> list[dict]:
    """List the values of the controls that are trained with seed 0."""
    first = experiment.first_values
    moved = [{**first, control.name: stop} for control in experiment.controls
             if control.name in MOVED.get(experiment.name, ()) for stop in control.stops]
    return [*({**first, **preset.values} for preset in experiment.presets), *moved]


def trained(session: Session, values: dict, seed: int) -> LabRun:
    """Train a run of the lab, and what it is held against."""
    session.seed = seed
    session.move(**values)
    session.join()
    return session.live


def noise(session: Session, seeds: int) -> dict:
    """Measure how the experiment's first values and their baseline differ from seed to seed."""
    best = [(trained(session, session.experiment.first_values, seed).best, session.baseline.best)
            for seed in range(seeds)]
    values, baselines = zip(*best)
    return {"n": seeds, "mean": statistics.mean(values), "sd": statistics.stdev(values),
            "baseline mean": statistics.mean(baselines), "baseline sd": statistics.stdev(baselines)}


if __name__ == "__main__":
    main()
