"""Commands: each asks the packages, then answers for people or for scripts."""
import contextlib
import json
from dataclasses import asdict
from pathlib import Path

from distill_kit import data
from distill_kit.devices import choose_device, choose_precision
from distill_kit.history import epoch_rows, load_history, numbered_lines, plain
from distill_kit.metrics import measure
from distill_kit.neighbours import TAKEN
from distill_kit.progress import training_bar
from distill_kit.settings import Settings
from distill_kit.teachers import shipped_path
from distill_kit.weights import load_model

from .. import teacher_training
from ..diagnosis import FAULTS, diagnose, probe, reference_for
from ..diagnosis.diagnose import usable_columns
from ..diagnosis.finding import REFERENCES
from ..other_teachers import named_teacher
from ..run_folders import new_run_folder, runs_folder
from ..shipped import elsewhere, read_table
from ..sweep.stock import cut_of
from .sentences import say

ABOUT_THE_SAME = 0.01  # of accuracy: a point
MOST_SEEDS = 1_000
WORDS = read_table("answers")
MOST_CLASSES = 20  # of which `data` counts the images one by one; of more it shows the largest and the smallest


def run_data(options) -> int:
    """Say which images are at hand, what was done to those of a folder, or fetch CIFAR-10."""
    if options.folder is not None and options.data != "auto":
        raise ValueError(f"data must be given once; got {options.folder!r} and --data {options.data!r}")
    name = options.data if options.folder is None else options.folder
    dataset = data.load_dataset(name, download=options.download, **cut_of(options))
    parts, details = (dataset.pool, dataset.validation, dataset.test), dataset.details or {}
    counts = dict(zip(dataset.pool.classes, zip(*(part.class_counts() for part in parts))))
    sizes = dict(zip(("pool", "validation", "test"), map(len, parts)))
    report = {"name": dataset.name, "notice": dataset.notice, "classes": list(counts), "counts": counts, **sizes,
              **details}
    rows = sorted(counts.items(), key=lambda row: -sum(row[1])) if len(counts) > MOST_CLASSES else list(counts.items())
    if len(rows) > MOST_CLASSES:
        rows = [*rows[:5], ("...", ["..."]), *rows[-5:]]
    answer(options, report, [
        ("images", dataset.notice), *((name, ", ".join(f"{key} {count:,}" for key, count in details[name].items()))
                                      for name in ("formats", "modes") if name in details),
        ("class", "training, validation, test"), ("all", ", ".join(f"{size:,}" for size in sizes.values())),
        *((name, ", ".join(map(str, row))) for name, row in rows)])
    return 0


def refuse(names: set[str], reason: str) -> None:
    """Raise ValueError where there are options that do not go with others."""
    if names:
        raise ValueError(f"{reason}; leave out " + ", ".join(f"--{name.replace('_', '-')}" for name in sorted(names)))


def run_teacher(options) -> int:
    """Measure a teacher, or train one."""
    if options.weights and not options.evaluate:
        raise ValueError(f"--weights goes with --evaluate; --train begins with fresh ones. Got {options.weights}")
    dataset = data.load_dataset(options.data, **cut_of(options))
    say(dataset.notice)
    if options.evaluate:
        device = choose_device(options.device)
        model, card = named_teacher(dataset, options.weights or newest_teacher(dataset))
        figures = measure(model.to(device), dataset.test, device, choose_precision(options.precision, device))
        more = {"test_cross_entropy": figures["cross_entropy"]}
    else:
        recipe = teacher_training.recipe_for(dataset)
        recipe = recipe.changed(epochs=options.epochs, learning_rate=options.learning_rate)
        choose_device(options.device), choose_precision(options.precision)  # no folder is left for a bad argument
        out = Path(options.out) if options.out else new_run_folder(Settings(seed=options.seed)) / "teacher.safetensors"
        with training_bar(recipe.epochs * (len(dataset.pool) // recipe.batch_size), "training the teacher") as on_row:
            _, card = teacher_training.train_teacher(dataset, recipe, seed=options.seed, device=options.device,
                                                     precision=options.precision, out=out, on_row=on_row)
        figures, more = card["test"], {"seconds": card["seconds"], "weights": str(out)}
    report = {"data": dataset.pool.source, "test_accuracy": figures["accuracy"], "test_ece": figures["ece"], **more,
              "test_balanced_accuracy": figures["balanced_accuracy"], "card": card}
    answer(options, report, [*rows_of("teacher", **report, balanced=balanced(report, "test")),
                             ("weights", report.get("weights"))])
    return 0


def newest_teacher(dataset) -> str | None:
    """Find the newest teacher under the folder of runs that was trained on these images, and say which it is.

    None where one is shipped, or none is there. Trained at another size it would see other images; on another number
    of them, some that are here for the test.
    """
    pool = dataset.pool
    if not shipped_path(dataset.name).is_file():
        for path in sorted(runs_folder().glob("*/teacher.safetensors"), reverse=True):  # their names begin with a time
            with contextlib.suppress(ValueError, OSError):
                model, card = load_model(path)
                seen = *map(card.get, ("data", "classes", "training_images")), model.architecture.image_size
                if seen == (pool.source, list(pool.classes), len(pool), pool.images.shape[-1]):
                    say(f"The teacher: {path}, the newest that was trained on these images.")
                    return str(path)
    return None


def balanced(report: dict, part: str) -> str:
    """Write balanced accuracy, to stand behind accuracy; nothing where they are about the same."""
    value = report[f"{part}_balanced_accuracy"]
    alike = abs(value - report[f"{part}_accuracy"]) < ABOUT_THE_SAME
    return "" if alike else f" ({value:.2%} in the mean over the classes, which differ in size)"


def run_faults(options) -> int:
    """List the faults that `distill --fault` can train with."""
    columns = ("name", "sentence", "findings", "needs_probe", "harmless")
    answer(options, [{column: getattr(fault, column) for column in columns} for fault in FAULTS.values()],
           [(name, fault.sentence + " (Costs next to nothing.)" * fault.harmless) for name, fault in FAULTS.items()])
    return 0


def run_diagnose(options) -> int:
    """Say what is wrong with a run, from its history."""
    settings, rows = load_history(options.file)
    if options.data is not None and reference_for(options.data) is None:
        raise ValueError(f"data must be one of {', '.join(REFERENCES)}, whose healthy runs were measured; "
                         f"got {options.data!r}")
    rows = epoch_rows(rows)
    lines = [number for number, line in numbered_lines(options.file).items() if epoch_rows([line])]
    columns, remarks = usable_columns(rows, lines) if rows else ([], [])
    found, lines = findings_of(rows, None, options.data or settings.get("source"))  # refuses an empty history
    answer(options, {**found, "columns": columns, "remarks": remarks}, [
        ("columns read", ", ".join(columns)), *(("remark", remark) for remark in remarks), *lines,
        ("note", found.get("harm_withheld") if "val_accuracy" in columns else None)])
    return 0


def findings_of(rows: list[dict], probes: dict | None, data: str | None) -> tuple[dict, list[tuple[str, str]]]:
    """Diagnose a run; return what a report says, and rows for people: what was found, on what it rests, what to do.

    harm_withheld, in a report: a sentence where findings that need measured runs of the same images are withheld.
    """
    reference = reference_for(data)
    findings = diagnose(rows, probes, reference)
    withheld = {} if reference else {"harm_withheld": WORDS["findings"]["withheld"]}
    lines = [(finding.severity, f"{finding.name}: {finding.in_words()}") for finding in findings]
    return ({"findings": [asdict(finding) for finding in findings], **withheld},
            lines or [("findings", WORDS["findings"]["none"])])


def report_of(run, folder: Path) -> tuple[dict, list[tuple[str, str]]]:
    """Return a trained run's report as plain data, and rows for people of what was found in it."""
    found, lines = findings_of(run.history, probe(run), run.materials.name)
    taken, used = run.room.cores or (0.0, 0.0)
    beside = {"cores_taken": taken, "cores_used": used} if taken > TAKEN else {}
    return {**run.report(), "threads": run.threads, **beside, **found, "history": str(folder / "history.jsonl"),
            "data": run.training.source, "settings": asdict(run.settings)}, lines


def answer(options, report: dict | list, rows: list[tuple[str, str | None]]) -> None:
    """Print the answer of a command: JSON, or rows for people, of which those without a value are left out."""
    if options.json:
        print(json.dumps(plain(report), allow_nan=False), file=options.answers)
    else:
        rows = [(name, value) for name, value in rows if value]
        width = max(len(name) for name, _ in rows)
        print("\n".join(f"{name:<{width}}  {value}" for name, value in rows), file=options.answers)


def rows_of(command: str, **values) -> list[tuple[str, str]]:
    """Fill values into the rows that assets/answers.toml has for a command."""
    return [(name, words.format(**values, elsewhere=elsewhere())) for name, words in WORDS[command].items()]
