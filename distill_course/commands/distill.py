"""`distill`: train a student, and diagnose it."""
import dataclasses
from pathlib import Path
from shlex import quote

from distill_kit.checkpoints import CHECKPOINT, WHERE, resumable
from distill_kit.history import load_history
from distill_kit.openmp import cores
from distill_kit.progress import training_bar
from distill_kit.run import Materials, Run
from distill_kit.schedules import check_whole
from distill_kit.settings import Settings

from ..machine import counted
from ..other_teachers import named_teacher
from ..run_folders import new_run_folder
from ..settings import fitted
from .commands import MOST_SEEDS, answer, balanced, complain, cut_of, finding_lines, newest_teacher, report_of, say
from .seeds import run_seeds

BESIDE_RESUME = {*WHERE, "resume", "teacher", "json", "command", "known"}


def run_distill(options) -> int:
    """Train a student, and diagnose it; or pairs of students, where seeds are asked for."""
    import time

    from distill_kit.data import load_dataset
    settings, seeds = settings_of(options), getattr(options, "seeds", 1)
    started = time.perf_counter()
    dataset = load_dataset(settings.data, **cut_of(settings))
    load_seconds = time.perf_counter() - started
    say(dataset.notice)
    asked, settings = settings, fitted(settings, dataset, vars(options))
    if settings != asked:
        say(f"The student learns from all {settings.images:,} images that are there to train with, in batches of "
            f"{settings.batch_size}.")
    named = getattr(options, "teacher", None) or newest_teacher(dataset)
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
    report, findings, withheld = report_of(run, folder)
    report["load_seconds"] = load_seconds
    if not options.json:
        report["picture"] = draw(run, folder)
    count = len(materials.watched.labels)
    watched = f"; after each epoch it was measured on {count:,}" if count < len(materials.validation) else ""
    answer(options, report, [
        ("images", report["data"]),
        ("test accuracy", f"{report['test_accuracy']:.2%}{balanced(report, 'test')}" if "stopped" not in report else
                          "not looked at"),
        ("validation accuracy", f"{report['val_accuracy']:.2%} of all {len(materials.validation):,} images"
                                f"{balanced(report, 'val')}{watched}"),
        ("training", f"{report['seconds']:.1f} s in {counted(report['threads'], 'thread')}, "
                     f"{report['images_per_second']:,.0f} images a second"),
        *([("other programs", f"kept {report['cores_taken']:.1f} of {cores()} cores busy; training has had "
                              f"{report['cores_used']:.1f}")] if "cores_taken" in report else []),
        ("the teacher's answers", f"{report['teacher_seconds']:.1f} s"), ("history", report["history"]),
        *([("picture", report["picture"])] if "picture" in report else []),
        *([(f"{settings.leave_out} first or second", f"{report['rank2_left_out']:.1%}")]
          if "rank2_left_out" in report else []), *finding_lines(findings, withheld)])
    (folder / CHECKPOINT).unlink(missing_ok=True)  # now that the figures are told
    return complain(report["stopped"], 1) if "stopped" in report else 0


def settings_of(options) -> Settings:
    """Read the settings from the options. Raises ValueError for options that do not go together."""
    if hasattr(options, "resume"):
        return settings_in(Path(options.resume), vars(options))
    names = {field.name for field in dataclasses.fields(Settings)}
    settings = Settings(**{name: value for name, value in vars(options).items() if name in names})
    if hasattr(options, "fault_strength") and not hasattr(options, "fault"):
        raise ValueError("fault-strength must come with --fault; got no fault")
    seeds = getattr(options, "seeds", 1)
    check_whole("seeds", seeds, 1, MOST_SEEDS)
    if seeds > 1 and settings.labels_only:
        raise ValueError(f"alpha must be below 1 with --seeds, which trains a student with the teacher and one by "
                         f"labels only for each seed; got {settings.alpha:g}")
    if seeds > 1 and hasattr(options, "fault"):
        raise ValueError(f"fault must come without --seeds, which compares healthy students; got {options.fault}")
    if hasattr(options, "fault"):
        from ..diagnosis import faulty
        return faulty(settings, options.fault, getattr(options, "fault_strength", "gross"))
    return settings


def settings_in(folder: Path, given: dict) -> Settings:
    """Read the settings of the interrupted run in a folder, but for those that say where it trains, if they are given.

    Raises ValueError, or FileNotFoundError, where nothing can go on from the folder, and for other options.
    """
    from .. import diagnosis, habits  # noqa: F401 (they register the changes that settings may name)
    if more := [f"--{name.replace('_', '-')}" for name in given if name not in BESIDE_RESUME]:
        raise ValueError(f"resume goes on with the settings that the run has; leave out {', '.join(more)}")
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
    from distill_kit.files import replacing
    from distill_kit.plotting import run_figure
    settings, path = run.settings, folder / "curves.png"
    title = (f"{run.materials.training.source}: {settings.images:,} images, {settings.epochs} epochs, "
             f"T = {settings.temperature:g}, alpha = {settings.alpha:g}, seed {settings.seed}")
    with replacing(path) as file:
        run_figure(run.history, title).savefig(file, format="png", dpi=120)
    return str(path)
