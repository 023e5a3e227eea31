"""Cells of the atlas, drawn at random and trained anew with fresh seeds: do their means lie where the atlas says?

    python benchmarks/stored/anew.py [--cells 40] [--workers 2]

Each new mean of SEEDS is held against the cell's 95 % prediction interval. Writes benchmarks/atlas_anew.json. Runs are
trained as a sweep, as make.py's are: the same command goes on where it was interrupted.
"""
import argparse
import json
import math
import random
import statistics
from dataclasses import replace

import make
from part import BENCHMARKS, cifar10

from distill_course.comparisons import ATLAS
from distill_course.shipped import read_stored
from distill_course.statistics import t_quantile
from distill_course.sweep.stock import Stock

FILE = BENCHMARKS / "atlas_anew.json"
SEEDS = (1_000, 1_001, 1_002)  # none of which the atlas has
DRAWN_BY = 22                  # the seed of the draw


def prediction(values: list[float], count: int) -> tuple[float, float]:
    """Compute where the mean of `count` new values lies 19 times of 20, after values that spread like these."""
    half = t_quantile(len(values)) * statistics.stdev(values) * math.sqrt(1 / len(values) + 1 / count)
    return statistics.fmean(values) - half, statistics.fmean(values) + half


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cells", type=int, default=40)
    parser.add_argument("--workers", type=int)
    options = parser.parse_args()
    stock, content = Stock(), read_stored("atlas")
    everything = [(name, run) for name, part in ATLAS.items() for run in part.plan(cifar10(stock), seeds=1)]
    drawn = random.Random(DRAWN_BY).sample(everything, options.cells)
    runs = {f"{name}: {run.arm}, seed {seed}": replace(run.cell, **{
        field: replace(own, seed=seed) for field in ("settings", "taught_by") if (own := getattr(run, field))})
        for name, run in drawn for seed in SEEDS}
    results = make.trained("stored-atlas-anew", runs, stock, options.workers, None)
    cells = {}
    for name, run in drawn:
        before = [each["test_accuracy"] for each in content[name]["arms"][run.arm]]
        new = [results[f"{name}: {run.arm}, seed {seed}"]["report"]["test_accuracy"] for seed in SEEDS]
        low, high = prediction(before, len(new))
        cells[f"{name}: {run.arm}"] = {"before": before, "new": new, "low": round(low, 4), "high": round(high, 4),
                                       "inside": low <= statistics.fmean(new) <= high}
    inside = sum(cell["inside"] for cell in cells.values())
    FILE.write_text(json.dumps({"drawn_by": DRAWN_BY, "inside": inside, "of": len(cells), "cells": cells}, indent=1)
                    + "\n", encoding="utf-8")
    print(f"{inside} of {len(cells)} new means lie in their prediction intervals")


if __name__ == "__main__":
    main()
