"""`distill`: train a student, and diagnose it; with --seeds N, pairs of students, and what the teacher is worth.

A pair is a student with the teacher and one by labels only. All students of a study lie in one folder, each in a folder
of its own with its report once it is finished, which says of what study it is; a study that is started again trains
only what has no report.
"""
import time
from dataclasses import asdict, fields, replace
from pathlib import Path
from shlex import quote
from statistics import mean, stdev

from distill_kit import data
from distill_kit.checkpoints import CHECKPOINT, WHERE, differences, identity, resumable
from distill_kit.files import replacing
from distill_kit.history import load_history, plain
from distill_kit.openmp import cores
from distill_kit.progress import training_bar
from distill_kit.run import Materials, Run
from distill_kit.schedules import check_whole
from distill_kit.settings import Settings

from ..machine import counted
from ..other_teachers import named_teacher
from ..run_folders import new_run_folder, read_result, write_result
from ..settings import fitted, settings_of
from ..statistics import by_luck, in_words, interval, pairs_needed
from ..sweep.stock import cut_of
from . import commands
from .commands import answer, balanced, report_of, rows_of
from .sentences import complain, say

BESIDE_RESUME = {*WHERE, "resume", "teacher", "json", "command", "known", "answers"}
ARMS = {"teacher": {}, "labels": {"alpha": 1.0, "final_alpha": None}}  # how their settings differ
WORDS = ("with the teacher", "by labels only")


def run_distill(options) -> int:
    """Train a student, and diagnose it; or pairs of students, where seeds are asked for."""
    settings, seeds = settings_asked(options), getattr(options, "seeds", 1)
    started = time.perf_counter()
    dataset = data.load_dataset(settings.data, **cut_of(settings))
    load_seconds = time.perf_counter() - started
    say(dataset.notice)
    asked, settings = settings, fitted(settings, dataset, vars(options))
    if settings != asked:
        say(f"The student learns from all {settings.images:,} images that are there to train with, in batches of "
            f"{settings.batch_size}.")
    named = getattr(options, "teacher", None) or commands.newest_teacher(dataset)
    teacher, _ = named_teacher(dataset, named)
    by = f" --teacher {quote(named)}" if named else ""
    materials = Materials.of(settings, dataset, teacher)
    del dataset  # lets the images go that this run does not need
    if seeds > 1:
        return run_seeds(options, settings, seeds, materials, by)
    run = Run(settings, materials)  # checks settings and images: no folder is left behind if they are bad
    folder = Path(options.resume) if hasattr(options, "resume") else new_run_folder(
        settings, getattr(options, "out", None))
    say(f"The run is written to {folder}. If it is interrupted, it goes on by: python -m distill_kit distill --resume "
        f"{quote(str(folder))}{by}")
    with training_bar(settings.epochs * len(run.batches), "training the student") as on_row:
        for row in resumable(run, folder, every=5):
            known = 1 if settings.labels_only else materials.logits.known
            on_row(row, f", the teacher has answered {known:.0%}" if known < 1 else "")
    report, found = report_of(run, folder)
    report["load_seconds"] = load_seconds
    if not options.json:
        report["picture"] = draw(run, folder)
    count, every, complete = len(materials.watched.labels), len(materials.validation), "stopped" not in report
    answer(options, report, [
        *rows_of("distill", **report, every=every, threads_in_words=counted(report["threads"], "thread"),
                 measured=f"{report['test_accuracy']:.2%}{balanced(report, 'test')}" if complete else "not looked at",
                 balanced=balanced(report, "val"),
                 watched=f"; after each epoch it was measured on {count:,}" if count < every else ""),
        *(rows_of("distill beside others", **report, cores=cores()) if "cores_taken" in report else []),
        ("picture", report.get("picture")),
        (f"{settings.leave_out} first or second",
         f"{report['rank2_left_out']:.1%}" if "rank2_left_out" in report else None),
        *found, ("note", report.get("harm_withheld"))])
    (folder / CHECKPOINT).unlink(missing_ok=True)  # now that the figures are told
    return complain(report["stopped"], 1) if "stopped" in report else 0


def settings_asked(options) -> Settings:
    """Read the settings from the options. Raises ValueError for options that do not go together."""
    if hasattr(options, "resume"):
        return settings_in(Path(options.resume), vars(options))
    names = {"fault", "fault_strength", *(field.name for field in fields(Settings))}
    settings = settings_of({name: value for name, value in vars(options).items() if name in names})
    seeds = getattr(options, "seeds", 1)
    check_whole("seeds", seeds, 1, commands.MOST_SEEDS)
    if seeds > 1 and settings.labels_only:
        raise ValueError(f"alpha must be below 1 with --seeds, which trains a student with the teacher and one by "
                         f"labels only for each seed; got {settings.alpha:g}")
    if seeds > 1 and hasattr(options, "fault"):
        raise ValueError(f"fault must come without --seeds, which compares healthy students; got {options.fault}")
    return settings


def settings_in(folder: Path, given: dict) -> Settings:
    """Read the settings of the interrupted run in a folder, but for those that say where it trains, if they are given.

    Raises ValueError, or FileNotFoundError, where nothing can go on from the folder, and for other options.
    """
    commands.refuse(given.keys() - BESIDE_RESUME, "resume goes on with the settings that the run has")
    if any(folder.glob("*/history.jsonl")):
        raise ValueError(f"resume takes the folder of a single run; a study of --seeds goes on with --out {folder}")
    stored, _ = load_history(folder)
    stored.pop("source", None)
    try:
        settings = Settings(**{**stored, "changes": tuple(stored["changes"]),
                               **{name: given[name] for name in WHERE if name in given}})
    except (KeyError, TypeError) as error:
        raise ValueError(f"the history in {folder} does not hold the settings of a run: {error}") from None
    if not (folder / CHECKPOINT).is_file():
        raise ValueError(f"{folder} has no {CHECKPOINT}: the run is finished, or its first epoch never was")
    return settings


def draw(run: Run, folder: Path) -> str:
    """Draw the run's curves into its folder; returns the picture's path."""
    from distill_kit.plotting import run_figure
    settings, path = run.settings, folder / "curves.png"
    title = (f"{run.materials.training.source}: {settings.images:,} images, {settings.epochs} epochs, "
             f"T = {settings.temperature:g}, alpha = {settings.alpha:g}, seed {settings.seed}")
    with replacing(path) as file:
        run_figure(run.history, title).savefig(file, format="png", dpi=120)
    return str(path)


def run_seeds(options, settings: Settings, seeds: int, materials: Materials, by: str = "") -> int:
    """Train what is not finished yet, and hold the pairs against each other. by: names the teacher, as an option."""
    plan = [(arm, replace(settings, seed=seed, **own)) for seed in range(settings.seed, settings.seed + seeds)
            for arm, own in ARMS.items()]
    first, _ = (Run(each, materials) for _, each in plan[:2])  # a bad setting: no folder
    steps, same = settings.epochs * len(first.batches), {**identity(first), "threads": None}
    studies = [{**same, "seed": each.seed, **ARMS[arm]} for arm, each in plan]
    folder = Path(getattr(options, "out", "") or new_run_folder(settings))
    folders = [folder / f"{arm}-{each.seed}" for arm, each in plan]
    reports = [read_report(own / "report.json", study) for own, study in zip(folders, studies)]
    say(f"The students go to {folder}. If this is interrupted, the same command goes on with --out {folder}{by}")
    with training_bar(len(plan) * steps, "training students") as on_row:
        for number, ((arm, each), own, study) in enumerate(zip(plan, folders, studies)):
            if reports[number] is None:
                run = Run(each, materials)
                for row in resumable(run, own, every=5):
                    on_row({**row, "steps": number * steps + row["steps"]}, f", student {number + 1} of {len(plan)}")
                reports[number] = plain({"arm": arm, "seed": each.seed, "study": study, **report_of(run, own)[0]})
                write_result(own / "report.json", reports[number])
                (own / CHECKPOINT).unlink(missing_ok=True)
    runs = [{**report, "folder": str(own), "history": str(own / "history.jsonl")}  # it may have been moved since
            for report, own in zip(reports, folders)]
    return answer_seeds(options, {**outcome(runs), "test_images": len(materials.test), "folder": str(folder),
                                  "data": materials.training.source, "settings": asdict(settings), "runs": runs})


def read_report(path: Path, study: dict) -> dict | None:
    """Read a finished student's report; None where there is none.

    study: the identity of the student that is asked for, but its threads. Raises ValueError for a report of another
    one, or one that was altered.
    """
    try:
        report = read_result(path)
        other = differences(report["study"], study) if report else {}
    except (KeyError, ValueError):
        raise ValueError(f"{path} is cut, altered or of another version. Remove it, and its student is trained again; "
                         "or choose another folder (--out)") from None
    if other:
        raise ValueError(f"{path} is of another study, for which {', '.join(other.values())}. Nothing is mixed: choose "
                         "another folder (--out)")
    return report


def outcome(runs: list[dict]) -> dict:
    """Hold both arms against each other: shares from 0 to 1, of the seeds with which both came to an end.

    luck: by how much two single runs of equally good settings may differ, 19 times of 20. pairs_needed: to find a
    difference of this size in four of five tries. Both, like the interval, need two pairs.
    """
    ended = {arm: {run["seed"]: run for run in runs if run["arm"] == arm and run["test_accuracy"] is not None}
             for arm in ARMS}
    seeds = sorted(ended["teacher"].keys() & ended["labels"].keys())
    arms = {arm: [own[seed]["test_accuracy"] for seed in seeds] for arm, own in ended.items()}
    gains, enough = [taught - untaught for taught, untaught in zip(*arms.values())], len(seeds) > 1
    best = max((ended["teacher"][seed] for seed in seeds), key=lambda run: run["val_accuracy"], default={})
    return {"arms": arms, "seeds": seeds, "difference": mean(gains) if seeds else None,
            "interval": interval(gains), "best": best.get("folder"),
            "luck": by_luck(*map(stdev, arms.values()), len(seeds)) if enough else None,
            "pairs_needed": pairs_needed(gains, mean(gains)) if enough else None}


def answer_seeds(options, report: dict) -> int:
    """Answer with the pairs, their difference, and what luck can do."""
    runs, pairs = report["runs"], list(zip(*report["arms"].values()))
    named = [(finding["name"], Path(run["folder"]).name) for run in runs for finding in run["findings"]]
    answer(options, report, [
        *rows_of("seeds", **report, points=100 / report["test_images"]),
        *((f"seed {seed}", ", ".join(f"{share:.1%} {words}" for share, words in zip(pair, WORDS)))
          for seed, pair in zip(report["seeds"], pairs)),
        *((words, f"{mean(own):.1%} in the mean; from seed to seed {100 * stdev(own):.1f} points (standard deviation)")
          for words, own in zip(WORDS, report["arms"].values()) if len(own) > 1),
        ("difference", in_words([100 * (taught - untaught) for taught, untaught in pairs]) if pairs else "no pair"),
        *(rows_of("seeds, luck", by_luck=100 * report["luck"], points=100 * report["difference"],
                  pairs=report["pairs_needed"]) if report["pairs_needed"] else []),
        *(("finding", f"{name}, in {', '.join(own for other, own in named if other == name)}")
          for name in dict.fromkeys(name for name, _ in named)),
        ("students", report["folder"]),
        ("the best taught", pairs and f"{report['best']}, by its validation images")])
    stopped = [run["stopped"] for run in runs if run.get("stopped")]
    return complain(f"{len(stopped)} of {len(runs)} students were not finished, and their pairs are left out: "
                    f"{stopped[0]}", 1) if stopped else 0
