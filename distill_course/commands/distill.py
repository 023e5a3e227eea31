"""`distill`: train a student, and diagnose it."""
import dataclasses
from pathlib import Path
from shlex import quote

from distill_kit.history import load_history
from distill_kit.openmp import cores
from distill_kit.progress import training_bar
from distill_kit.run import Materials, Run
from distill_kit.schedules import check_whole
from distill_kit.settings import Settings

from ..checkpoints import CHECKPOINT, WHERE, resumable
from ..machine import counted
from ..other_teachers import named_teacher
from ..run_folders import new_run_folder
from ..settings import fitted, settings_of
from . import commands
from .commands import answer, balanced, complain, finding_lines, report_of, rows_of, say
from .seeds import run_seeds

BESIDE_RESUME = {*WHERE, "resume", "teacher", "json", "command", "known"}


def run_distill(options) -> int:
    """Train a student, and diagnose it; or pairs of students, where seeds are asked for."""
    import time

    from distill_kit.data import load_dataset
    settings, seeds = settings_asked(options), getattr(options, "seeds", 1)
    started = time.perf_counter()
    dataset = load_dataset(settings.data, **commands.cut_of(settings))
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
    report, findings, withheld = report_of(run, folder)
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
        *finding_lines(findings, withheld)])
    (folder / CHECKPOINT).unlink(missing_ok=True)  # now that the figures are told
    return complain(report["stopped"], 1) if "stopped" in report else 0


def settings_asked(options) -> Settings:
    """Read the settings from the options. Raises ValueError for options that do not go together."""
    if hasattr(options, "resume"):
        return settings_in(Path(options.resume), vars(options))
    names = {"fault", "fault_strength", *(field.name for field in dataclasses.fields(Settings))}
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
