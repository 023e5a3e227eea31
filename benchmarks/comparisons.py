"""Train the course's comparisons, once, so that their results can ship with the kit.

    python benchmarks/comparisons.py [NAME ...]      all of them where none is named; about half an hour on two cores

Writes distill_kit/assets/comparisons.json after each.
"""
import argparse
import json
import time
from pathlib import Path

import distill_kit
from distill_kit.comparisons import COMPARISONS, paired, train
from distill_kit.data import load_dataset
from distill_kit.teachers import load_teacher

PATH = Path(distill_kit.__file__).parent / "assets" / "comparisons.json"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", default=list(COMPARISONS), metavar="NAME")
    dataset = load_dataset("cifar10")
    teacher, _ = load_teacher(dataset)
    for name in parser.parse_args().names:
        started = time.perf_counter()
        results = train(name, dataset, teacher, progress=False)
        found = json.loads(PATH.read_text()) if PATH.exists() else {}
        found[name] = {"arms": results.arms, "source": results.source, "machine": results.machine, "date": results.date}
        PATH.write_text(json.dumps(found, separators=(",", ":")).replace('},{"seed"', '},\n{"seed"') + "\n")
        print(f"{name} ({time.perf_counter() - started:.0f} s)", *paired(results), sep="\n    ", flush=True)


if __name__ == "__main__":
    main()
