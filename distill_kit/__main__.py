"""The command line: python -m distill_kit doctor | data | teacher | distill | bench.

Human text, or with --json one JSON value on standard output; progress on standard error. Exit status 0; 2 for bad
arguments; 1 for a run that failed; 130 where you interrupted it.
"""
import argparse
import dataclasses
import json
import sys
import typing
from difflib import get_close_matches
from pathlib import Path

from .history import plain

OPTIONS = {  # of `distill`: the fields of run.Settings in groups, with what --help says of them
    "what the student learns from": {
        "data": "auto, cifar10, shapes10 or a folder of images",
        "images": "training images",
        "data-seed": "which training images",
        "label-noise": "share of labels drawn at random, 0 to 1",
        "labelled": "so many images keep their label; the others enter the soft term alone",
        "leave-out": "a class that the student never sees",
    },
    "the loss": {
        "temperature": "softens both sides of the soft term; above 0",
        "alpha": "weight of the hard term, 0 to 1; 1 is cross-entropy alone",
        "final-temperature": "where the temperature ends, if it is to change",
        "final-alpha": "where alpha ends, if it is to change",
        "schedule": "how alpha and temperature change: linear or cosine",
    },
    "the training": {
        "epochs": "of images // batch size steps each; 8 makes the quick run",
        "learning-rate": "the highest, after one epoch of warm-up",
        "batch-size": "images a step",
        "student": "small, default, wide or wider",
        "seed": "weights, batch order, view offsets and noise",
        "device": "cpu, cuda, cuda:N or mps; chosen where left out",
        "precision": "auto, float32 or bfloat16",
    },
}
DEVICE, PRECISION = OPTIONS["the training"]["device"], OPTIONS["the training"]["precision"]
DATA = OPTIONS["what the student learns from"]["data"]
EXAMPLES = """\
examples:
  python -m distill_kit distill --epochs 8                     the quick run
  python -m distill_kit distill --epochs 8 --alpha 1           the same without the teacher
  python -m distill_kit distill --alpha 0.9 --final-alpha 0.1  progressive distillation
  python -m distill_kit distill --labelled 1000 --json         1,000 labels, for a script
"""


def main(arguments: list[str] | None = None) -> int:
    try:
        options, unknown = parser().parse_known_args(arguments)
        if unknown:
            raise ValueError(unknown_option(unknown[0], options))
        return options.command(options)
    except ModuleNotFoundError as error:
        return _complain(f"{error}. Install what is missing: pip install -r requirements.txt", 1)
    except (ValueError, FileNotFoundError) as error:
        return _complain(error, 2)
    except (RuntimeError, OSError) as error:
        return _complain(error, 1)
    except KeyboardInterrupt:
        return _complain("Interrupted. What was finished is kept.", 130)


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(prog="python -m distill_kit", description="Knowledge distillation, taught by doing.",
                                  allow_abbrev=False)
    commands = top.add_subparsers(required=True, metavar="doctor | data | teacher | distill | bench")
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--json", action="store_true", help="print one JSON value and nothing else")

    doctor = commands.add_parser("doctor", parents=[common], help="is this machine ready?", allow_abbrev=False)
    doctor.add_argument("--device", help=DEVICE)
    doctor.set_defaults(command=run_doctor)

    data = commands.add_parser("data", parents=[common], help="what images are at hand; fetch CIFAR-10",
                               allow_abbrev=False)
    data.add_argument("--data", default="auto", help=DATA)
    data.add_argument("--download", action="store_true", help="fetch CIFAR-10 (170 MB) if it is not at hand")
    data.set_defaults(command=run_data)

    teacher = commands.add_parser("teacher", parents=[common], help="measure or train a teacher", allow_abbrev=False)
    what = teacher.add_mutually_exclusive_group(required=True)
    what.add_argument("--evaluate", action="store_true", help="accuracy and calibration on the data at hand")
    what.add_argument("--train", action="store_true", help="train one on the data at hand, by the shipped one's recipe")
    teacher.add_argument("--data", default="auto", help=DATA)
    teacher.add_argument("--weights", metavar="FILE",
                         help="a teacher's weights to measure, where not the shipped one's; or to train further")
    teacher.add_argument("--out", help="where --train writes the weights (default: in a new folder under runs/)")
    teacher.add_argument("--epochs", type=int, help="fewer or more than the recipe has")
    teacher.add_argument("--learning-rate", type=float, metavar="X", help="another than the recipe's")
    teacher.add_argument("--seed", type=int, default=0)
    teacher.add_argument("--device", help=DEVICE)
    teacher.add_argument("--precision", default="auto", help=PRECISION)
    teacher.set_defaults(command=run_teacher)

    distill = commands.add_parser("distill", parents=[common], help="train one student", allow_abbrev=False,
                                  usage="python -m distill_kit distill [options]", argument_default=argparse.SUPPRESS,
                                  epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter)
    from .run import Settings
    fields = {field.name.replace("_", "-"): field for field in dataclasses.fields(Settings)}
    for title, options in OPTIONS.items():
        group = distill.add_argument_group(title)
        for option, words in options.items():
            kind = (typing.get_args(fields[option].type) or (fields[option].type,))[0]  # int of "int | None"
            default = fields[option].default
            group.add_argument(f"--{option}", type=kind, metavar={int: "N", float: "X", str: "NAME"}[kind],
                               help=words if default is None else f"{words} (default: {default})")
    distill.add_argument("--teacher", metavar="FILE", help="a teacher's weights, where not the shipped one's")
    distill.add_argument("--out", metavar="FOLDER", help="folder for runs (default: $DISTILL_KIT_RUNS or runs/)")
    distill.set_defaults(command=run_distill, json=False)
    bench = commands.add_parser("bench", parents=[common], allow_abbrev=False,
                                help="how fast the kit is on this machine; some minutes")
    bench.add_argument("--data", default="auto", help=DATA)
    bench.add_argument("--seeds", type=int, default=5, help="runs whose mean accuracy is given (default: 5)")
    bench.add_argument("--device", help=DEVICE)
    bench.add_argument("--precision", default="auto", help=PRECISION)
    bench.set_defaults(command=run_bench)
    for command in (doctor, data, teacher, distill, bench):
        command.set_defaults(known=[option for action in command._actions for option in action.option_strings])
    return top


def unknown_option(given: str, options: argparse.Namespace) -> str:
    near = get_close_matches(given.split("=")[0], options.known, n=1)
    return (f"there is no option {given}" + (f"; did you mean {near[0]}?" if near else ".")
            + " --help lists the options of a command.")


def run_doctor(options) -> int:
    from .doctor import examine
    _say("Looking at this machine, and training on noise for two seconds to time it ...")
    report = examine(options.device)
    memory = report["memory"]
    _answer(options, report, [
        ("Python", report["python"]), ("torch", report["packages"]["torch"]),
        ("computes on", f"{report['device']}, {report['precision']}, {report['threads']} threads"),
        ("memory", f"{memory['available'] / 1e9:.1f} of {memory['total'] / 1e9:.1f} GB free"),
        ("images", report["data"]),
        ("a quick run", f"about {report['slider_run_seconds']:.0f} s for a student of 5,000 images and 8 epochs, "
                        "as busy as this machine is now"),
        ("verdict", "ready" if report["ok"] else " ".join(report["problems"]))])
    return 0 if report["ok"] else 1


def run_data(options) -> int:
    from .data import load_dataset
    dataset = load_dataset(options.data, download=options.download)
    report = {"name": dataset.name, "notice": dataset.notice, "classes": list(dataset.pool.classes),
              "pool": len(dataset.pool), "validation": len(dataset.validation), "test": len(dataset.test)}
    _answer(options, report, [("images", dataset.notice), ("classes", ", ".join(dataset.pool.classes)),
                              ("training pool", f"{len(dataset.pool):,}"),
                              ("validation", f"{len(dataset.validation):,}"), ("test", f"{len(dataset.test):,}")])
    return 0


def run_teacher(options) -> int:
    from .data import load_dataset
    from .teachers import load_teacher, measure, recipe_for, train_teacher
    dataset = load_dataset(options.data)
    _say(dataset.notice)
    if options.evaluate:
        from .devices import choose_device, choose_precision
        device = choose_device(options.device)
        model, card = load_teacher(dataset, options.weights)
        figures = measure(model.to(device), dataset.test, device, choose_precision(options.precision, device))
        report = {"data": dataset.pool.source, "test_accuracy": figures["accuracy"], "test_ece": figures["ece"],
                  "test_cross_entropy": figures["cross_entropy"], "card": card}
    else:
        from .run import Settings, new_run_folder
        out = Path(options.out) if options.out else new_run_folder(Settings(seed=options.seed)) / "teacher.safetensors"
        recipe = recipe_for(dataset)
        epochs = recipe.epochs if options.epochs is None else options.epochs
        with _bar(epochs * (len(dataset.pool) // recipe.batch_size), "training the teacher") as on_row:
            model, card = train_teacher(dataset, recipe, seed=options.seed, device=options.device,
                                        precision=options.precision, epochs=epochs,
                                        learning_rate=options.learning_rate, out=out, on_row=on_row,
                                        start=load_teacher(dataset, options.weights) if options.weights else None)
        report = {"data": dataset.pool.source, "test_accuracy": card["test"]["accuracy"],
                  "test_ece": card["test"]["ece"], "seconds": card["seconds"], "weights": str(out), "card": card}
    _answer(options, report, [("measured on", report["data"]), ("test accuracy", f"{report['test_accuracy']:.2%}"),
                              ("calibration error", f"{report['test_ece']:.3f}"),
                              *([("weights", report["weights"])] if "weights" in report else [])])
    return 0


def run_distill(options) -> int:
    import time
    from .data import load_dataset
    from .run import Materials, Run, Settings, new_run_folder
    from .teachers import load_teacher
    names = {field.name for field in dataclasses.fields(Settings)}
    settings = Settings(**{name: value for name, value in vars(options).items() if name in names})
    started = time.perf_counter()
    dataset = load_dataset(settings.data)
    load_seconds = time.perf_counter() - started
    _say(dataset.notice)
    teacher, _ = load_teacher(dataset, getattr(options, "teacher", None))
    materials = Materials.of(settings, dataset, teacher)
    dataset = materials.dataset  # lets the images go that this run does not need
    run = Run(settings, materials)  # checks the settings against the images: no folder is left behind if they are bad
    run.folder = folder = new_run_folder(settings, getattr(options, "out", None))
    with _bar(settings.epochs * len(run.batches), "training the student") as on_row:
        for row in run.rows(every=5):
            on_row(row)
    report = {**run.report(), "load_seconds": load_seconds, "history": str(folder / "history.jsonl"),
              "data": dataset.pool.source, "settings": dataclasses.asdict(settings)}
    if not options.json:
        report["picture"] = _draw(run, folder)
    _answer(options, report, [
        ("images", dataset.pool.source), 
        ("test accuracy", f"{report['test_accuracy']:.2%}" if "stopped" not in report else "not looked at"),
        ("validation accuracy", f"{report['val_accuracy']:.2%} of all {len(dataset.validation):,} images; "
                                f"after each epoch it was measured on {len(materials.watched.labels):,}"),
        ("training", f"{report['seconds']:.1f} s, {report['images_per_second']:,.0f} images a second"),
        ("the teacher's answers", f"{report['teacher_seconds']:.1f} s"), ("history", report["history"]),
        *([("picture", report["picture"])] if "picture" in report else []),
        *([(f"{settings.leave_out} first or second", f"{report['rank2_left_out']:.1%}")]
          if settings.leave_out is not None else [])])
    if "stopped" in report:
        return _complain(report["stopped"], 1)
    return 0


def run_bench(options) -> int:
    from .bench import measure
    from .data import load_dataset
    from .teachers import load_teacher
    dataset = load_dataset(options.data)
    _say(dataset.notice)
    teacher, _ = load_teacher(dataset)
    report = measure(dataset, teacher, seeds=options.seeds, device=options.device, precision=options.precision,
                     say=lambda sentence: _say(f"timing {sentence} ..."))
    speed = report["images_per_second"]
    _answer(options, report, [
        ("computes in", f"{report['precision']}, {report['machine']['threads']} threads"),
        ("training loop", f"{speed['loop']:,.0f} images a second, {report['ratio_to_bare_step']:.0%} of the bare step"),
        ("the article's loop", f"{speed['article_loop']:,.0f} images a second: the kit's is "
                               f"{report['ratio_to_article_loop']:.1f} times as fast with the teacher's answers kept, "
                               f"{report['ratio_to_article_loop_cold']:.1f} times with none"),
        ("default run", f"{report['default_run_seconds']:.1f} s, {report['default_run_test_accuracy']:.2%}"),
        ("quick run", f"{report['quick_run_seconds']:.1f} s, {report['quick_run_test_accuracy']:.2%}"),
        ("the teacher's answers", f"{report['teacher_pass_seconds']:.1f} s for eight views of 5,000 images"),
        *([("memory", f"{report['peak_memory_bytes'] / 1e9:.2f} GB")] if report["peak_memory_bytes"] else [])])
    return 0


def _draw(run, folder: Path) -> str:
    from .plotting import run_figure
    settings = run.settings
    path = folder / "curves.png"
    title = (f"{run.materials.dataset.pool.source}: {settings.images:,} images, {settings.epochs} epochs, "
             f"T = {settings.temperature:g}, alpha = {settings.alpha:g}, seed {settings.seed}")
    run_figure(run.history, title).savefig(path, dpi=120)
    return str(path)


class _bar:
    """A progress bar with time left, fed with rows; on standard error, so that it never mixes with the answer."""

    def __init__(self, steps: int, what: str):
        from tqdm import tqdm
        self.bar = tqdm(total=steps, desc=what, unit="step", leave=False, delay=0.5, mininterval=0.5)

    def __enter__(self):
        return self.follow

    def follow(self, row: dict) -> None:
        self.bar.update(row["steps"] - self.bar.n)
        if row.get("val_accuracy") is not None:
            self.bar.set_postfix_str(f"epoch {row['epoch']}, validation {row['val_accuracy']:.1%}")

    def __exit__(self, *error):
        self.bar.close()


def _answer(options, report: dict, table: list[tuple[str, str]]) -> None:
    if options.json:
        print(json.dumps(plain(report), allow_nan=False))
    else:
        width = max(len(name) for name, _ in table)
        print("\n".join(f"{name:<{width}}  {value}" for name, value in table))


def _say(sentence: str) -> None:
    print(sentence, file=sys.stderr)


def _complain(error, status: int) -> int:
    _say(f"distill_kit: {error}")
    return status


if __name__ == "__main__":
    sys.exit(main())
