"""What diagnosis costs: the extra columns of a run's rows, the probes, and a diagnosis itself.

    python benchmarks/diagnosis_cost.py [--pairs 7] [--epochs 8] [--data auto] [--images 5000]

Trains the quick run with and without the columns that diagnosis added, in turns; writes diagnosis_cost.json.
"""
import argparse
import json
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

import torch
from shared import trained, write_json

from distill_course.diagnosis import diagnose, probe, reference_for
from distill_course.machine import machine
from distill_kit import Materials, Settings, figures, load_dataset, load_teacher, training
from distill_kit.settings import QUICK_EPOCHS


class Plain(figures.Tally):
    """Loss with its terms, accuracy and agreement, and nothing else: what a row had before."""

    def add(self, terms, logits, teacher_logits, labels, temperature) -> None:
        predicted, count, labelled = logits.argmax(dim=1), len(labels), (labels >= 0).sum()
        agreed = labelled * torch.nan if teacher_logits is None else (predicted == teacher_logits.argmax(dim=1)).sum()
        hard, nothing = terms.hard * labelled, labelled * 0.0
        self._summed.append(torch.stack(figures.Sums(
            total=terms.total * count, hard=hard, labelled_hard=hard, soft=terms.soft * count,
            correct=(predicted == labels).sum(), agreed=agreed, labelled=labelled,
            images=torch.full_like(labelled, count), teacher_correct=nothing, entropy=nothing,
            teacher_entropy=nothing)))


PLAIN = (  # where a name is looked up, and what stands there instead
    (figures, "Tally", Plain), (training, "Tally", Plain),
    (figures, "matrices", lambda student: []), (figures, "label_mix", lambda *_, **__: None),
    (training, "counting_dead_units", lambda student, counted: nullcontext()))


@contextmanager
def without_signals() -> Iterator[None]:
    """Open a context in which a run does not compute what diagnosis added to its rows."""
    kept = [(module, name, getattr(module, name)) for module, name, _ in PLAIN]
    for module, name, plain in PLAIN:
        setattr(module, name, plain)
    try:
        yield
    finally:
        for module, name, value in kept:
            setattr(module, name, value)


def milliseconds_to_diagnose(history: list[dict], probes: dict, data: str, times: int = 100) -> float:
    """Time a diagnosis: the median of many."""
    took = []
    for _ in range(times):
        started = time.perf_counter()
        diagnose(history, probes, reference_for(data))
        took.append(1_000 * (time.perf_counter() - started))
    return statistics.median(took)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=7)
    parser.add_argument("--epochs", type=int, default=QUICK_EPOCHS)
    parser.add_argument("--data", default="auto")
    parser.add_argument("--images", type=int, default=Settings.images)
    options = parser.parse_args()
    dataset = load_dataset(options.data)
    settings = Settings(epochs=options.epochs, images=options.images)
    materials = Materials.of(settings, dataset, load_teacher(dataset)[0])
    materials.complete()
    run = trained(settings, materials)  # warms up
    pairs = []
    for number in range(options.pairs):
        seconds = {}
        for extra in ((True, False), (False, True))[number % 2]:
            with nullcontext() if extra else without_signals():
                seconds[extra] = trained(settings, materials).history[-1]["seconds"]
        pairs.append(seconds)
        print(f"with {seconds[True]:.2f} s, without {seconds[False]:.2f} s", flush=True)
    started = time.perf_counter()
    probes = probe(run)
    probing = time.perf_counter() - started
    report = {"machine": machine(materials.device), "precision": materials.precision, "data": dataset.pool.source,
              "seconds_with": [round(pair[True], 3) for pair in pairs],
              "seconds_without": [round(pair[False], 3) for pair in pairs],
              "median_ratio": round(statistics.median(pair[True] / pair[False] for pair in pairs), 4),
              "probe_seconds": round(probing, 3),
              "diagnose_milliseconds": round(milliseconds_to_diagnose(run.history, probes, dataset.name), 3),
              "epochs": len(run.history)}
    print(json.dumps(report, indent=1))
    write_json("diagnosis_cost.json", report)


if __name__ == "__main__":
    main()
