"""`distill --seeds N`: for each seed a student with the teacher and one by labels only, and what the teacher is worth.

All students of a study lie in one folder, each in a folder of its own with its report once it is finished. study.json
says what they were trained on; a study that is started again trains only what has no report.
"""
import json
import math
import statistics
from collections import Counter
from dataclasses import asdict, replace
from pathlib import Path

from torch import Tensor

from distill_kit.files import replace_file
from distill_kit.history import plain
from distill_kit.run import Materials, Run, new_run_folder
from distill_kit.settings import Settings
from distill_kit.weights import fingerprint

from ..comparisons import Results, paired
from ..other_runs import announced
from ..progress import training_bar
from ..statistics import by_luck, in_words, pairs_needed
from .commands import answer, complain, say
from .distill import report_of

TAUGHT, UNTAUGHT = "teacher", "labels"  # the arms
WORDS = {TAUGHT: "with the teacher", UNTAUGHT: "by labels only"}
FREE = ("seed", "data", "device", "precision", "threads")  # may differ, or stand in `studied` as what came of them
KEYS = {"arm": str, "seed": int, "val_accuracy": float | int | None, "test_accuracy": float | int | None,
        "findings": list}  # of a report, at the least


def run_seeds(options, settings: Settings, seeds: int, materials: Materials) -> int:
    """Train what is not finished yet, and hold the pairs against each other."""
    plan = [(arm, each) for seed in range(settings.seed, settings.seed + seeds)
            for arm, each in pair_of(replace(settings, seed=seed)).items()]
    steps = [settings.epochs * len(Run(each, materials).batches) for _, each in plan[:2]][0]  # a bad setting: no folder
    given = getattr(options, "out", None)
    folder = Path(given) if given else new_run_folder(settings)
    open_study(folder, studied(settings, materials))
    say(f"The students go to {folder}. If this is interrupted, --out {folder} goes on with it.")
    runs = []
    with announced(), training_bar(len(plan) * steps, "training students") as on_row:
        for number, (arm, each) in enumerate(plan):
            own = folder / f"{arm}-{each.seed}"
            if not (own / "report.json").is_file():
                run = Run(each, materials)
                for row in run.rows(every=5, folder=own):
                    on_row({**row, "steps": number * steps + row["steps"]}, f", student {number + 1} of {len(plan)}")
                report = {"arm": arm, "seed": each.seed, **report_of(run, own)[0]}
                replace_file(own / "report.json", json.dumps(plain(report)).encode())
            moved = {"folder": str(own), "history": str(own / "history.jsonl")}  # the folder may have been, meanwhile
            runs.append({**read_json(own / "report.json", KEYS), **moved})
    return answer_seeds(options, {**outcome(runs), "test_images": len(materials.test), "folder": str(folder),
                                  "data": materials.training.source, "settings": asdict(settings), "runs": runs})


def pair_of(settings: Settings) -> dict[str, Settings]:
    """Return both arms of a seed."""
    return {TAUGHT: settings, UNTAUGHT: replace(settings, alpha=1.0, final_alpha=None)}


def studied(settings: Settings, materials: Materials) -> dict:
    """Say what students of a study have in common: settings, images, teacher, machine. Plain data, to be compared."""
    parts = {part: getattr(materials, part) for part in ("training", "validation", "test")}
    teacher = materials.logits.teacher.module
    images = fingerprint({"classes": str(materials.training.classes)}, {
        f"{part} {what}": getattr(images, what) for part, images in parts.items() for what in ("images", "labels")})
    weights = fingerprint({"network": str(teacher)}, {
        name: value for name, value in teacher.state_dict().items() if isinstance(value, Tensor)})
    return plain({**{name: value for name, value in asdict(settings).items() if name not in FREE},
                  "the teacher": weights[:16], "the data set": images[:16],
                  "device": materials.device.type, "precision": materials.precision})


def open_study(folder: Path, now: dict) -> None:
    """Write study.json, or hold what is there against it. Raises ValueError for another study: nothing is mixed."""
    path = folder / "study.json"
    if not path.is_file():
        replace_file(path, json.dumps(now).encode())
    before = read_json(path, dict.fromkeys(now, object))
    for name in (name for name in now if before[name] != now[name]):
        raise ValueError(f"out must be a new folder or one of the same study; {folder} holds students for which {name} "
                         f"was {before[name]!r}, and now it is {now[name]!r}")


def read_json(path: Path, keys: dict) -> dict:
    """Read an object with these keys and types. Raises ValueError, naming the file, for anything else."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        value = None
    if not isinstance(value, dict) or not all(
            key in value and isinstance(value[key], kind) for key, kind in keys.items()):
        raise ValueError(f"{path} is cut, altered or of another version. Choose another folder (--out); or, if it is a "
                         "report.json, remove it: its student is then trained again.")
    return value


def outcome(runs: list[dict]) -> dict:
    """Hold both arms against each other: shares from 0 to 1, of the seeds with which both came to an end.

    luck: by how much two single runs of equally good settings may differ, 19 times of 20. pairs_needed: to find a
    difference of this size in four of five tries. Both, like sd and interval, are not finite below two pairs.
    """
    ended = [{run["seed"] for run in runs if run["arm"] == arm and run["test_accuracy"] is not None} for arm in WORDS]
    seeds = sorted(set.intersection(*ended))
    arms = {arm: [run for run in runs if run["arm"] == arm and run["seed"] in seeds] for arm in WORDS}
    made = {"seeds": seeds, "arms": {arm: figures([run["test_accuracy"] for run in own]) for arm, own in arms.items()}}
    if not seeds:
        return {**made, "difference": None, "interval": None, "may_be_luck": True}
    (pair,) = paired(Results(arms, "test_accuracy"), UNTAUGHT)
    enough = len(seeds) > 1
    return {**made, "difference": pair.mean / 100, "interval": [pair.low / 100, pair.high / 100],
            "differences": [points / 100 for points in pair.differences], "may_be_luck": pair.may_be_luck,
            "luck": by_luck(*(arm["sd"] for arm in made["arms"].values()), len(seeds)) if enough else math.nan,
            "pairs_needed": pairs_needed(pair.differences, pair.mean) if enough else None,
            "best": max(arms[TAUGHT], key=lambda run: run["val_accuracy"])["folder"]}


def figures(values: list[float]) -> dict:
    """Return the values of an arm, their mean and their standard deviation."""
    return {"test_accuracy": values, "mean": statistics.mean(values) if values else None,
            "sd": statistics.stdev(values) if len(values) > 1 else math.nan}


def answer_seeds(options, report: dict) -> int:
    """Answer with the pairs, their difference, and what luck can do."""
    runs, arms = report["runs"], report["arms"]
    needed, names = report.get("pairs_needed"), Counter(each["name"] for run in runs for each in run["findings"])
    pairs = zip(report["seeds"], *(arms[arm]["test_accuracy"] for arm in WORDS))
    answer(options, report, [
        ("measured on", f"{report['test_images']:,} test images, {100 / report['test_images']:.2g} points each "
                        f"({report['data']}); the interval tells of other seeds, not of other images"),
        *((f"seed {seed}", f"{taught:.1%} {WORDS[TAUGHT]}, {untaught:.1%} {WORDS[UNTAUGHT]}: "
                           f"{100 * (taught - untaught):+.1f} points") for seed, taught, untaught in pairs),
        *((WORDS[arm], f"{own['mean']:.1%} in the mean; from seed to seed {100 * own['sd']:.1f} points (standard "
                       "deviation)") for arm, own in arms.items() if len(report["seeds"]) > 1),
        ("difference", in_words([100 * gain for gain in report["differences"]]) if report["seeds"] else "no pair"),
        *([("luck", f"two runs of equally good settings differ by up to {100 * report['luck']:.1f} points, 19 times of "
                    f"20; {needed} pairs find a difference of this size in four of five tries")] if needed else []),
        *(("finding", f"{name}, in {count} of {len(runs)} students") for name, count in names.most_common()),
        ("students", report["folder"]),
        *([("the best one", f"{report['best']}, by validation accuracy")] if report["seeds"] else [])])
    stopped = [run["stopped"] for run in runs if run.get("stopped")]
    if stopped:
        return complain(f"{len(stopped)} of {len(runs)} students were not finished, and their pairs are left out: "
                        f"{stopped[0]}", 1)
    return 0
