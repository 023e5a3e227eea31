"""Train the course's comparisons, once, so that their results can ship with the course.

    python benchmarks/stored/comparisons.py [NAME ...]

Trains all of them where none is named, about half an hour on two cores. Writes
distill_course/assets/comparisons.json after each.
"""
import argparse
import json
import time

from asset import read_asset, write_asset

from distill_course.comparisons import COMPARISONS, paired, train
from distill_kit import load_dataset, load_teacher


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(COMPARISONS))
    names = parser.parse_args().names or list(COMPARISONS)
    dataset = load_dataset("cifar10")
    teacher, _ = load_teacher(dataset)
    for name in names:
        started = time.perf_counter()
        results = train(name, dataset, teacher, progress=False)
        stored = read_asset("comparisons")
        stored[name] = {"arms": results.arms, "source": results.source, "machine": results.machine,
                        "date": results.date}
        write_asset("comparisons", json.dumps(stored, separators=(",", ":")).replace('},{"seed"', '},\n{"seed"'))
        print(f"{name} ({time.perf_counter() - started:.0f} s)", *paired(results), sep="\n    ", flush=True)


if __name__ == "__main__":
    main()
