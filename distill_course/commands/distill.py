"""`distill`: train a student, and diagnose it."""
import dataclasses
from pathlib import Path

from distill_kit.openmp import counted

from ..progress import training_bar
from .commands import answer, complain, finding_lines, findings_of, say


def run_distill(options) -> int:
    """Train a student, and diagnose it."""
    import time

    from distill_kit.data import load_dataset
    from distill_kit.neighbours import Load
    from distill_kit.openmp import cores
    from distill_kit.run import Materials, Run, new_run_folder
    from distill_kit.settings import Settings
    from distill_kit.teachers import load_teacher

    from ..diagnosis import faulty, probe
    from ..other_runs import announced
    load = Load()  # begun now: nobody waits for it when the run begins
    names = {field.name for field in dataclasses.fields(Settings)}
    settings = Settings(**{name: value for name, value in vars(options).items() if name in names})
    if hasattr(options, "fault_strength") and not hasattr(options, "fault"):
        raise ValueError("fault-strength must come with --fault; got no fault")
    if hasattr(options, "fault"):
        settings = faulty(settings, options.fault, getattr(options, "fault_strength", "gross"))
    started = time.perf_counter()
    dataset = load_dataset(settings.data)
    load_seconds = time.perf_counter() - started
    say(dataset.notice)
    teacher, _ = load_teacher(dataset, getattr(options, "teacher", None))
    materials = Materials.of(settings, dataset, teacher)
    del dataset  # lets the images go that this run does not need
    run = Run(settings, materials, load=load)  # checks settings and images: no folder is left behind if they are bad
    folder = new_run_folder(settings, getattr(options, "out", None))
    with announced(), training_bar(settings.epochs * len(run.batches), "training the student") as on_row:
        for row in run.rows(every=5, folder=folder):
            known = 1 if settings.labels_only else materials.logits.known
            on_row(row, f", the teacher has answered {known:.0%}" if known < 1 else "")
    findings, withheld = findings_of(run.history, probe(run), materials.name)
    busy = "cores_taken" in run.history[-1]  # others were at work, so that the threads were chosen
    report = {**run.report(), "threads": run.history[-1]["threads"],
              **({"cores_taken": run.choice.taken, "cores_used": run.cores_used} if busy else {}),
              "findings": [finding.as_dict() for finding in findings],
              **({"harm_withheld": withheld} if withheld else {}), "load_seconds": load_seconds,
              "history": str(folder / "history.jsonl"), "data": materials.training.source,
              "settings": dataclasses.asdict(settings)}
    if not options.json:
        report["picture"] = draw(run, folder)
    answer(options, report, [
        ("images", report["data"]),
        ("test accuracy", f"{report['test_accuracy']:.2%}" if "stopped" not in report else "not looked at"),
        ("validation accuracy", f"{report['val_accuracy']:.2%} of all {len(materials.validation):,} images; "
                                f"after each epoch it was measured on {len(materials.watched.labels):,}"),
        ("training", f"{report['seconds']:.1f} s in {counted(report['threads'], 'thread')}, "
                     f"{report['images_per_second']:,.0f} images a second"),
        *([("other programs", f"kept {report['cores_taken']:.1f} of {cores()} cores busy when it began; so it trained "
                              f"in {counted(report['threads'], 'thread')}, and has had {report['cores_used']:.1f} "
                              "cores")] if busy else []),
        ("the teacher's answers", f"{report['teacher_seconds']:.1f} s"), ("history", report["history"]),
        *([("picture", report["picture"])] if "picture" in report else []),
        *([(f"{settings.leave_out} first or second", f"{report['rank2_left_out']:.1%}")]
          if settings.leave_out is not None else []), *finding_lines(findings, withheld)])
    if "stopped" in report:
        return complain(report["stopped"], 1)
    return 0


def draw(run, folder: Path) -> str:
    """Draw the run's curves into its folder; returns the picture's path."""
    from distill_kit.files import replacing
    from distill_kit.plotting import run_figure
    settings, path = run.settings, folder / "curves.png"
    title = (f"{run.materials.training.source}: {settings.images:,} images, {settings.epochs} epochs, "
             f"T = {settings.temperature:g}, alpha = {settings.alpha:g}, seed {settings.seed}")
    with replacing(path) as file:
        run_figure(run.history, title).savefig(file, format="png", dpi=120)
    return str(path)
