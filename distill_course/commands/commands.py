"""Commands: each asks the packages, then answers for people or for scripts."""
import dataclasses
import json
import sys
from pathlib import Path

from distill_kit.history import plain
from distill_kit.openmp import counted

from ..progress import training_bar

MOST_CLASSES = 20  # of which `data` counts the images one by one; of more it shows the largest and the smallest


def run_doctor(options) -> int:
    """Say whether this machine is ready for the course."""
    from .doctor import examine
    say("Looking at this machine, and training on noise for two seconds to time it ...")
    report = examine(options.device)
    memory = report["memory"]
    answer(options, report, [
        ("Python", report["python"]), ("torch", report["packages"]["torch"]),
        ("computes on", f"{report['device']}, {report['precision']}, {threads_in_words(report)}"),
        ("memory", f"{memory['available'] / 1e9:.1f} of {memory['total'] / 1e9:.1f} GB free"),
        ("images", report["data"]),
        ("a quick run", f"about {report['slider_run_seconds']:.0f} s for a student of 5,000 images and 8 epochs, "
                        "as busy as this machine is now"),
        ("verdict", "ready" if report["ok"] else " ".join(report["problems"])),
        *(("note", note) for note in report["notes"])])
    return 0 if report["ok"] else 1


def threads_in_words(report: dict) -> str:
    """Write the number of threads, and what keeps this process from some of the cores."""
    words = [counted(report["threads"], "thread")]
    if report["cpu_quota"] is not None:
        words.append(f"this container may use {report['cpu_quota']:g} of {report['cores']} cores")
    if report["cores_taken"] >= 0.5:
        words.append(f"other programs keep {report['cores_taken']} of {report['cores']} cores busy")
    return "; ".join(words)


def run_data(options) -> int:
    """Say which images are at hand, what was done to those of a folder, or fetch CIFAR-10."""
    from distill_kit.data import load_dataset
    if options.folder is not None and options.data != "auto":
        raise ValueError(f"data must be given once; got {options.folder!r} and --data {options.data!r}")
    name = options.data if options.folder is None else options.folder
    dataset = load_dataset(name, download=options.download, **cut_of(options))
    parts, details = (dataset.pool, dataset.validation, dataset.test), dataset.details or {}
    counts = dict(zip(dataset.pool.classes, zip(*(part.class_counts() for part in parts))))
    sizes = dict(zip(("pool", "validation", "test"), map(len, parts)))
    report = {"name": dataset.name, "notice": dataset.notice, "classes": list(counts), "counts": counts,
              **sizes, **details}
    rows = list(counts.items())
    if len(rows) > MOST_CLASSES:
        rows.sort(key=lambda row: -sum(row[1]))
        rows = [*rows[:5], ("...", ["..."]), *rows[-5:]]
    answer(options, report, [
        ("images", dataset.notice), *((name, ", ".join(f"{key} {count:,}" for key, count in details[name].items()))
                                      for name in ("formats", "modes") if name in details),
        ("class", "training, validation, test"), ("all", ", ".join(f"{size:,}" for size in sizes.values())),
        *((name, ", ".join(map(str, row))) for name, row in rows)])
    return 0


def cut_of(options) -> dict:
    """Return what was asked for the images of a folder, as `load_dataset` takes it."""
    return {name: getattr(options, name) for name in ("size", "validation_share", "test_share")}


def run_teacher(options) -> int:
    """Measure a teacher, or train one."""
    from distill_kit.data import load_dataset
    from distill_kit.devices import choose_device, choose_precision
    from distill_kit.metrics import measure
    from distill_kit.teachers import load_teacher

    from ..teacher_training import recipe_for, train_teacher
    dataset = load_dataset(options.data, **cut_of(options))
    say(dataset.notice)
    if options.evaluate:
        device = choose_device(options.device)
        model, card = load_teacher(dataset, options.weights)
        figures = measure(model.to(device), dataset.test, device, choose_precision(options.precision, device))
        report = {"data": dataset.pool.source, "test_accuracy": figures["accuracy"], "test_ece": figures["ece"],
                  "test_cross_entropy": figures["cross_entropy"], "card": card}
    else:
        from distill_kit.run import new_run_folder
        from distill_kit.settings import Settings
        recipe = recipe_for(dataset).changed(epochs=options.epochs, learning_rate=options.learning_rate)
        choose_device(options.device), choose_precision(options.precision)  # no folder is left for a bad argument
        out = Path(options.out) if options.out else new_run_folder(Settings(seed=options.seed)) / "teacher.safetensors"
        with training_bar(recipe.epochs * (len(dataset.pool) // recipe.batch_size), "training the teacher") as on_row:
            model, card = train_teacher(dataset, recipe, seed=options.seed, device=options.device,
                                        precision=options.precision, out=out, on_row=on_row,
                                        start=load_teacher(dataset, options.weights) if options.weights else None)
        figures = card["test"]
        report = {"data": dataset.pool.source, "test_accuracy": figures["accuracy"],
                  "test_ece": figures["ece"], "seconds": card["seconds"], "weights": str(out), "card": card}
    if dataset.pool.uneven:
        report["test_balanced_accuracy"] = figures["balanced_accuracy"]
    answer(options, report, [("measured on", report["data"]),
                             ("test accuracy", f"{report['test_accuracy']:.2%}{balanced(report, 'test')}"),
                             ("calibration error", f"{report['test_ece']:.3f}"),
                             *([("weights", report["weights"])] if "weights" in report else [])])
    return 0


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
    dataset = load_dataset(settings.data, **cut_of(settings))
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


def balanced(report: dict, part: str) -> str:
    """Write balanced accuracy, to stand behind accuracy; nothing where classes are about as large."""
    value = report.get(f"{part}_balanced_accuracy")
    return "" if value is None else f" ({value:.2%} in the mean over the classes, which differ in size)"


def run_faults(options) -> int:
    """List the faults that `distill --fault` can train with."""
    from ..diagnosis import FAULTS
    report = [{"name": fault.name, "sentence": fault.sentence, "findings": list(fault.findings),
               "needs_probe": fault.needs_probe, "harmless": fault.harmless} for fault in FAULTS.values()]
    answer(options, report, [(fault["name"], fault["sentence"] + " (Costs next to nothing.)" * fault["harmless"])
                             for fault in report])
    return 0


def run_diagnose(options) -> int:
    """Say what is wrong with a run, from its history."""
    from distill_kit.history import epoch_rows, load_history

    from ..diagnosis.diagnose import usable_columns
    from ..diagnosis.finding import reference_for, references
    settings, rows = load_history(options.file)
    if options.data and reference_for(options.data) is None:
        raise ValueError(f"data must be one of {', '.join(references())}, whose healthy runs were measured; "
                         f"got {options.data!r}")
    findings, withheld = findings_of(rows, None, options.data or settings.get("source"))  # refuses an empty history
    columns, remarks = usable_columns(epoch_rows(rows))
    report = {"findings": [finding.as_dict() for finding in findings], "columns": columns, "remarks": remarks,
              **({"harm_withheld": withheld} if withheld else {})}
    answer(options, report, [("columns read", ", ".join(columns)), *(("remark", remark) for remark in remarks),
                             *finding_lines(findings, withheld if "val_accuracy" in columns else "")])
    return 0


def findings_of(rows: list[dict], probes: dict | None, data: str | None) -> tuple[list, str]:
    """Return findings, and a sentence where those that need measured runs of the same images are withheld."""
    from ..diagnosis import diagnose, reference_for
    reference = reference_for(data)
    withheld = "" if reference is not None else (
        "How accurate healthy runs on these images are is not known here, so the accuracy itself is not judged.")
    return diagnose(rows, probes, reference), withheld


def finding_lines(findings: list, withheld: str) -> list[tuple[str, str]]:
    """Make lines of a table: what was found, on what it rests, what to do."""
    lines = [(finding.severity, f"{finding.name}: {finding.in_words()}") for finding in findings]
    return [*(lines or [("findings", "none in the columns that were read")]),
            *([("note", withheld)] if withheld else [])]


def run_bench(options) -> int:
    """Measure how fast the kit is on this machine."""
    from distill_kit.data import load_dataset
    from distill_kit.teachers import load_teacher

    from .bench import measure
    if options.seeds < 1:
        raise ValueError(f"seeds must be 1 or more; got {options.seeds}")
    dataset = load_dataset(options.data)
    say(dataset.notice)
    teacher, _ = load_teacher(dataset)
    report = measure(dataset, teacher, seeds=options.seeds, device=options.device, precision=options.precision,
                     say=lambda sentence: say(f"timing {sentence} ..."))
    speed = report["images_per_second"]
    answer(options, report, [
        ("computes in", f"{report['precision']}, {counted(report['machine']['threads'], 'thread')}"),
        ("training loop", f"{speed['loop']:,.0f} images a second, {report['ratio_to_bare_step']:.0%} of the bare step"),
        ("the article's loop", f"{speed['article_loop']:,.0f} images a second: the kit's is "
                               f"{report['ratio_to_article_loop']:.1f} times as fast with the teacher's answers kept, "
                               f"{report['ratio_to_article_loop_cold']:.1f} times with none"),
        ("default run", f"{report['default_run_seconds']:.1f} s, {report['default_run_test_accuracy']:.2%}"),
        ("quick run", f"{report['quick_run_seconds']:.1f} s, {report['quick_run_test_accuracy']:.2%}"),
        ("the teacher's answers", f"{report['teacher_pass_seconds']:.1f} s for eight views of 5,000 images"),
        *([("memory", f"{report['peak_memory_bytes'] / 1e9:.2f} GB")] if report["peak_memory_bytes"] else [])])
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


def answer(options, report: dict | list, table: list[tuple[str, str]]) -> None:
    """Print the answer of a command: JSON, or a table for people."""
    if options.json:
        print(json.dumps(plain(report), allow_nan=False))
    else:
        width = max(len(name) for name, _ in table)
        print("\n".join(f"{name:<{width}}  {value}" for name, value in table))


def say(sentence: str) -> None:
    """Print a sentence on standard error."""
    print(sentence, file=sys.stderr)


def complain(error, status: int) -> int:
    """Say what went wrong; returns the exit status."""
    say(f"distill_kit: {error}")
    return status
