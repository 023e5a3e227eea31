"""Make the stored results again, all or some: those that ship in distill_course/assets and in benchmarks.

    python benchmarks/stored/make.py [WHAT ...] [--workers 2] [--storage URL] [--compare]
    python benchmarks/stored/make.py --list

WHAT: atlas (or a part, atlas/surface), comparisons (or one of them, comparisons/temperature), reference, diagnosis
(or diagnosis/dev, diagnosis/unseen), gallery, first_run, recipes, people; all of them where left out. Runs are trained
by sweeps of the names stored-WHAT, under runs/sweeps: the same command goes on where it was interrupted, and with the
same --storage (a PostgreSQL database) several machines share the runs. A file is written when all of its part's runs
are there, and what has moved by more than luck is said. --compare trains as well, but only says so and writes no file.
"""
import argparse
import os
import re
import sys
from pathlib import Path

from course import Comparison, People, Reference
from part import Part
from published import FirstRun, Recipes
from settle import again, settled
from sick import Gallery, Half

from distill_course.commands.sweep import agree
from distill_course.comparisons import ATLAS, COMPARISONS
from distill_course.run_folders import runs_folder
from distill_course.sweep.carry_out import carry_out
from distill_course.sweep.ledger import Ledger
from distill_course.sweep.plan import VERSION, keyed
from distill_course.sweep.stock import Stock

sys.path.append(str(Path(__file__).resolve().parents[2]))  # behind the libraries
from notebooks.rests import to_read_again

PARTS: dict[str, Part] = {
    **{f"{'atlas' if name in ATLAS else 'comparisons'}/{name}": Comparison(name) for name in COMPARISONS},
    "reference": Reference(), "diagnosis/dev": Half("dev"),
    "diagnosis/unseen": Half("unseen"), "gallery": Gallery(), "first_run": FirstRun(),
    "recipes": Recipes(), "people": People()}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="*", metavar="WHAT", help="parts; all where left out")
    parser.add_argument("--workers", type=int, help="runs at once; as many as torch has threads where left out")
    parser.add_argument("--storage", help="of the sweeps; a SQLite file in the folder of each where left out")
    parser.add_argument("--compare", action="store_true", help="train, but write no file: only say what has moved")
    parser.add_argument("--list", action="store_true", help="say what ships, and by which code it was made")
    options = parser.parse_args()
    try:
        names = [name for what in options.what or [""] for name in named(what)]
        if options.list:
            print(*(listed(name, PARTS[name]) for name in names), sep="\n")
            return 0
        stock = Stock()
        return max(make(name, PARTS[name], stock, options) for name in names)
    except (OSError, RuntimeError, ValueError) as error:
        print(f"make.py: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("make.py: interrupted; the same command goes on", file=sys.stderr)
        return 130


def named(what: str) -> list[str]:
    """List the parts that a word means. Raises ValueError where it means none."""
    names = [name for name in PARTS if what in ("", name, name.partition("/")[0])]
    if not names:
        wholes, parts = dict.fromkeys(name.partition("/")[0] for name in PARTS), [name for name in PARTS if "/" in name]
        raise ValueError(f"WHAT must be one of {'; '.join([*wholes, *parts])}; got {what!r}")
    return names


def make(name: str, part: Part, stock: Stock, options: argparse.Namespace) -> int:
    """Train what a part lacks, say what has moved, and write it; returns 0, or 1 where runs failed."""
    runs = part.runs(stock)
    print(f"{name}: {len(set(runs.values()))} runs", flush=True)
    results = trained(study_of(name), runs, stock, part.workers or options.workers, options.storage) if runs else {}
    if missing := runs.keys() - results.keys():
        print(f"{name}: nothing is written, for {len(missing)} runs have no result: {', '.join(sorted(missing)[:3])}")
        return 1
    before, now = part.read(), part.content(results, stock)
    figures = part.cells(before), part.cells(now), part.luck(before)
    print(*(f"{name}: {line}" for line in settled(*figures)), *to_read(part, *figures), sep="\n")
    if not options.compare:
        part.write(now, results)
        print(f"{name}: written to {part.file}", flush=True)
    return 0


def to_read(part: Part, before: dict, now: dict, luck: dict) -> list[str]:
    """List the sentences of notebooks that rest on figures which have moved."""
    moved = {part.named(pair.cell) for pair in again(before, now, luck) if not pair.within} - {None}
    return [f"READ AGAIN  {cell}" for cell in to_read_again(moved)]


def trained(study: str, runs: dict, stock: Stock, workers: int | None, storage: str | None) -> dict[str, dict]:
    """Carry the runs out as a sweep; returns the results by the runs' names. What failed is said, and has none."""
    plan = keyed(dict.fromkeys(runs.values()), stock.fingerprints)
    stock.check(plan.values())
    folder = runs_folder() / "sweeps" / study
    ledger = Ledger(study, storage or f"sqlite:///{folder.absolute() / 'study.db'}")
    agree(ledger, [*plan], extend=True)
    failed = carry_out(plan, ledger, folder / "results", stock, workers)
    for sentence in dict.fromkeys(failed.values()):
        print(f"{study}: {sentence}", file=sys.stderr)
    for clash in ledger.clashes:
        print(f"{study}: {clash}", file=sys.stderr)
    by_run = {run: ledger.results[key] for key, run in plan.items() if key in ledger.results}
    return {name: by_run[run] for name, run in runs.items() if run in by_run}


def study_of(name: str) -> str:
    """Name the sweep of a part: "stored-comparisons-class-never-seen"."""
    return f"stored-{re.sub(r'[^a-z0-9_]+', '-', name)}"


def listed(name: str, part: Part) -> str:
    """Say what a part's file holds: runs of which plan, made when, on what machine, and whether by the code at hand."""
    content, where = part.read(), os.path.relpath(part.file)
    if not content:
        return f"{name}: not there yet ({where})"
    marks = part.marks(content)
    words = [sorted({str(mark[key]) for mark in marks if mark.get(key)}) or [f"{key} not stored"]
             for key in ("date", "machine")]
    other = sorted({mark.get("version", 0) for mark in marks} - {VERSION})
    code = f"other code (version {other[0]}, this is {VERSION}): make it again" if other else \
        f"this code (version {VERSION})"
    runs = f"{len(held)} runs of {part.planned_in}" if (held := part.held(content)) else part.planned_in
    return f"{name}: made by {code}, {runs}, {words[0][-1]}, {'; '.join(words[1])}, in {where}"


if __name__ == "__main__":
    sys.exit(main())
