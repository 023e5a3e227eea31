"""What diagnosis costs: the extra columns of a run's rows, the probes, and a diagnosis itself.

    python benchmarks/diagnosis_cost.py [--pairs 7]

Trains the quick run with and without the columns that diagnosis added, in turns; writes diagnosis_cost.json.
"""
import argparse
import json
import statistics
import time
from contextlib import contextmanager, nullcontext
from pathlib import Path

import torch

from distill_kit import Materials, Run, Settings, load_dataset, load_teacher, signals, training
from distill_kit.devices import machine
from distill_kit.diagnosis import diagnose, probe, reference_for


class PlainTally(signals.Tally):
    """Loss with its terms, accuracy and agreement, and nothing else: what a row had before."""

    @staticmethod
    @torch.no_grad()
    def of(terms, logits, teacher_logits, labels, temperature=1.0):
        predicted = logits.argmax(dim=1)
        labelled, rows = (labels >= 0).sum(), len(labels)
        agreed = labelled * torch.nan if teacher_logits is None else (predicted == teacher_logits.argmax(dim=1)).sum()
        nothing = labelled * 0.0
        return torch.stack([terms.total * rows, terms.hard * labelled, terms.soft * rows,
                            (predicted == labels).sum(), agreed, labelled, torch.full_like(labelled, rows),
                            nothing, nothing, nothing])

    def label_mix(self):
        return None


@contextmanager
def without_signals():
    kept = {name: getattr(training, name) for name in ("Tally", "matrices", "counting_dead_units")}
    training.Tally, training.matrices = PlainTally, lambda student: []
    training.counting_dead_units = lambda student, found: nullcontext()
    try:
        yield
    finally:
        for name, value in kept.items():
            setattr(training, name, value)


def seconds_of(settings: Settings, materials: Materials) -> tuple[float, Run]:
    run = Run(settings, materials)
    for _ in run.rows():
        pass
    return run.history[-1]["seconds"], run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=7)
    dataset = load_dataset()
    settings = Settings(epochs=8)
    materials = Materials.of(settings, dataset, load_teacher(dataset)[0])
    materials.complete()
    _, run = seconds_of(settings, materials)  # warms up
    pairs = []
    for number in range(parser.parse_args().pairs):
        both = {}
        for extra in ((True, False), (False, True))[number % 2]:
            with nullcontext() if extra else without_signals():
                both[extra] = seconds_of(settings, materials)[0]
        pairs.append(both)
        print(f"with {both[True]:.2f} s, without {both[False]:.2f} s", flush=True)
    started = time.perf_counter()
    probes = probe(run)
    probing = time.perf_counter() - started
    times = []
    for _ in range(100):
        started = time.perf_counter()
        diagnose(run.history, probes, reference_for(dataset.name))
        times.append(1_000 * (time.perf_counter() - started))
    report = {"machine": machine(materials.device), "precision": materials.precision, "data": dataset.pool.source,
              "seconds_with": [round(pair[True], 3) for pair in pairs],
              "seconds_without": [round(pair[False], 3) for pair in pairs],
              "median_ratio": round(statistics.median(pair[True] / pair[False] for pair in pairs), 4),
              "probe_seconds": round(probing, 3), "diagnose_milliseconds": round(statistics.median(times), 3),
              "epochs": len(run.history)}
    print(json.dumps(report, indent=1))
    Path(__file__).with_suffix(".json").write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
