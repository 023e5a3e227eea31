"""This code against an older commit's, on the same machine, in turn.

    python benchmarks/against.py COMMIT [--rounds 5] [--precision float32 bfloat16] [--only seconds students]

The commit is checked out beside this tree, into a folder that is removed in the end. Each of the two works in processes
of its own, with a cache of its own, which hold nothing but what that commit has: its students, its recipe, its teacher.

    seconds     the quick and the default run, their images and the teacher's answers at hand
    first       a fresh process on an empty cache, from its start to the last point of the quick run's curve
    answers     the teacher's answers to eight views of 5,000 images
    students    test accuracy and what the teacher adds to it, in points: quick and default run, seeds 0 to 4

Needs CIFAR-10. Images are read as learners have them, from the official batches, which are written anew from what is at
hand: decoding thousands of small files would hide the rest. Writes benchmarks/against.json. Standard output is for
people; ratios are medians of the rounds' ratios, old over new.
"""
import argparse
import json
import os
import pickle
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

HERE = Path(__file__).resolve().parents[1]
RUNS = {"quick": 8, "default": 14}  # epochs
SEEDS = range(5)
WHAT = ("seconds", "first", "answers", "students")


# ---- what runs in a process of either tree, and knows only what both trees have

def serve() -> None:
    """Answer a request a line of standard input, as JSON."""
    from distill_kit import Materials, Run, Settings, load_dataset, load_teacher
    from distill_kit.teachers import Teacher

    dataset = load_dataset("cifar10", progress=False)
    teacher, kept = load_teacher(dataset)[0], {}

    def run(what: dict):
        settings = Settings(**what)
        if settings.precision not in kept:
            kept[settings.precision] = Materials.of(settings, dataset, teacher)
        made = Run(settings, kept[settings.precision])
        for _ in made.rows():
            pass
        return made

    def answered(precision: str) -> float:
        images, frozen = dataset.pool.images[:5_000], Teacher(teacher, "cpu", precision)
        started = time.perf_counter()
        for _ in range(8):
            frozen.about(images)
        return time.perf_counter() - started

    for line in sys.stdin:
        what, asked = json.loads(line)
        if what == "answers":
            answer = answered(asked)
        else:
            made = run(asked)
            answer = made.report()["test_accuracy"] if what == "students" else made.history[-1]["seconds"]
        print(json.dumps(answer), flush=True)


class Tree:
    """A checked-out tree: processes of it are asked for what they measure."""

    def __init__(self, root: Path, data: Path, cache: Path):
        self.environment = {**os.environ, "PYTHONPATH": str(root), "DISTILL_KIT_DATA": str(data),
                            "DISTILL_KIT_CACHE": str(cache)}
        self.process = None

    def start(self, **environment: str) -> subprocess.Popen:
        return subprocess.Popen([sys.executable, __file__, "--serve"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                text=True, env={**self.environment, **environment}, cwd=tempfile.gettempdir())

    def ask(self, what: str, asked) -> float:
        self.process = self.process or self.start()
        return asked_of(self.process, what, asked)

    def first(self, precision: str) -> float:
        """Seconds of a fresh process on an empty cache."""
        with tempfile.TemporaryDirectory() as cache:
            started = time.perf_counter()
            process = self.start(DISTILL_KIT_CACHE=cache)
            asked_of(process, "seconds", {"epochs": RUNS["quick"], "precision": precision})
            seconds = time.perf_counter() - started
            process.stdin.close()
            process.wait()
        return seconds

    def close(self) -> None:
        if self.process is not None:
            self.process.stdin.close()
            self.process.wait()
            self.process = None


def asked_of(process: subprocess.Popen, what: str, asked) -> float:
    process.stdin.write(json.dumps([what, asked]) + "\n")
    process.stdin.flush()
    return json.loads(process.stdout.readline() or "null")


# ---- the two in turn

def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("commit")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--precision", nargs="+", default=["float32"])
    parser.add_argument("--only", nargs="+", choices=WHAT, default=WHAT)
    options = parser.parse_args()
    if options.rounds < 1:
        parser.error(f"--rounds must be 1 or more; got {options.rounds}")
    commit = described(options.commit)
    if not commit:
        parser.error(f"there is no commit {options.commit!r} here; git log lists them")
    from shared import write_json

    from distill_course.machine import machine
    from distill_kit.devices import choose_device
    report = {"commit": commit, "machine": machine(choose_device("cpu")), "rounds": options.rounds}
    with both(options.commit) as trees:
        for precision in options.precision:
            report[precision] = measured(trees, precision, options)
            print(f"{precision}:\n" + "\n".join(lines(report[precision])), flush=True)
    write_json("against.json", report)


def measured(trees: dict[str, Tree], precision: str, options: argparse.Namespace) -> dict:
    """Measure what was asked for."""
    figures = {}
    for what in options.only:
        if what == "students":
            figures[what] = students(trees, precision)
        else:
            figures |= in_turn(trees, precision, what, options.rounds)
        for tree in trees.values():
            tree.close()
    return figures


def in_turn(trees: dict[str, Tree], precision: str, what: str, rounds: int) -> dict:
    """Time both trees, round after round; a round before the first warms them up where that can be."""
    names = list(RUNS) if what == "seconds" else [what]
    seconds = {name: {of: [] for of in trees} for name in names}
    for number in range(rounds + (what == "seconds")):
        for name in names:
            for of, tree in trees.items():
                if what == "first":
                    taken = tree.first(precision)
                elif what == "answers":
                    taken = tree.ask(what, precision)
                else:
                    taken = tree.ask(what, {"epochs": RUNS[name], "precision": precision})
                if number or what != "seconds":
                    seconds[name][of].append(round(taken, 3))
                print(f"{precision} {name} {of}: {taken:.2f} s", file=sys.stderr)
    return {name: {**taken, "ratio": round(statistics.median(map(ratio, taken["old"], taken["new"])), 3)}
            for name, taken in seconds.items()}


def ratio(old: float, new: float) -> float:
    return old / new


def students(trees: dict[str, Tree], precision: str) -> dict:
    """Train both trees' students, with and without the teacher."""
    figures = {}
    for name, epochs in RUNS.items():
        for of, tree in trees.items():
            what = {"epochs": epochs, "precision": precision}
            taught, alone = ([100 * tree.ask("students", {**what, "seed": seed, **more}) for seed in SEEDS]
                             for more in ({}, {"alpha": 1.0}))
            gains = [round(a - b, 2) for a, b in zip(taught, alone)]
            figures[f"{name} {of}"] = {
                "accuracy": round(statistics.mean(taught), 2), "gain": round(statistics.mean(gains), 2), "gains": gains}
            print(f"{precision} {name} {of}: {figures[f'{name} {of}']}", file=sys.stderr)
    return figures


def lines(figures: dict) -> Iterator[str]:
    """Write figures for people."""
    for name, taken in figures.items():
        if name == "students":
            for arm, found in taken.items():
                yield (f"  {arm}: test accuracy {found['accuracy']:.2f} %, gain {found['gain']:+.2f} points "
                       f"({min(found['gains']):+.2f} to {max(found['gains']):+.2f}, {len(found['gains'])} seeds)")
        else:
            old, new = (statistics.median(taken[of]) for of in ("old", "new"))
            yield f"  {name}: {old:.2f} s before, {new:.2f} s now, {taken['ratio']:.2f} times as fast"


@contextmanager
def both(commit: str) -> Iterator[dict[str, Tree]]:
    """Check the commit out, write the official batches, and open both trees."""
    with tempfile.TemporaryDirectory() as folder:
        root, data = Path(folder, "old"), Path(folder, "data")
        archive = subprocess.run(["git", "archive", commit], cwd=HERE, stdout=subprocess.PIPE, check=True).stdout
        root.mkdir()
        subprocess.run(["tar", "-x", "-C", str(root)], input=archive, check=True)
        write_batches(data / "cifar-10-batches-py")
        trees = {"old": Tree(root, data, Path(folder, "old cache")), "new": Tree(HERE, data, Path(folder, "new cache"))}
        try:
            yield trees
        finally:
            for tree in trees.values():
                tree.close()


def write_batches(folder: Path) -> None:
    """Write CIFAR-10 as it is at hand in the form of the official batches; which images go where does not matter."""
    import torch

    from distill_kit.data import load_dataset
    dataset = load_dataset("cifar10")
    training = [torch.cat([getattr(part, what) for part in (dataset.pool, dataset.validation)])
                for what in ("images", "labels")]
    folder.mkdir(parents=True)
    parts = [*zip(*(values.chunk(5) for values in training)), (dataset.test.images, dataset.test.labels)]
    for name, (images, labels) in zip([*(f"data_batch_{number}" for number in range(1, 6)), "test_batch"], parts):
        content = {"data": images.flatten(1).numpy(), "labels": labels.tolist()}
        (folder / name).write_bytes(pickle.dumps(content, protocol=2))


def described(commit: str) -> str:
    done = subprocess.run(["git", "rev-parse", "--short", commit], cwd=HERE, capture_output=True, text=True)
    return done.stdout.strip() if done.returncode == 0 else ""


if __name__ == "__main__":
    serve() if "--serve" in sys.argv else main()
