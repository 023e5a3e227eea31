"""Options: what can be typed behind `python -m distill_kit`, and what --help says of it."""
import argparse
import dataclasses
import typing
from collections.abc import Callable
from difflib import get_close_matches

from ..shipped import read_table
from . import commands
from .distill import run_distill
from .export import FORMATS, run_export
from .sweep import run_sweep

OPTIONS = read_table("options")
MORE, OPTIONS_OF_SWEEP = OPTIONS.pop("more"), OPTIONS.pop("sweep")
LEARNS_FROM, TRAINING = OPTIONS["what the student learns from"], OPTIONS["the training"]
METAVARS = {int: "N", float: "X", str: "NAME"}


class Parser(argparse.ArgumentParser):
    """A parser whose complaint is one line, said where all others are."""

    def error(self, message: str):
        """Raise ValueError with the complaint."""
        raise ValueError(f"error: {message}. --help lists what there is")


def parser() -> argparse.ArgumentParser:
    """Build the parser of all commands."""
    top = Parser(prog="python -m distill_kit", description="Knowledge distillation, taught by doing.",
                 epilog=MORE["way"], formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False)
    choices = top.add_subparsers(required=True, metavar="COMMAND")
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--json", action="store_true", help="print one JSON value and nothing else")

    def add(name: str, command: Callable, **words) -> argparse.ArgumentParser:
        made = choices.add_parser(name, parents=[common], allow_abbrev=False, **words)
        made.set_defaults(command=command)
        return made

    doctor = add("doctor", commands.run_doctor, help="is this machine ready?")
    data = add("data", commands.run_data, help="what images are at hand; fetch CIFAR-10")
    data.add_argument("folder", nargs="?", metavar="FOLDER", help="a folder of images, in place of --data")
    data.add_argument("--download", action="store_true", help="fetch CIFAR-10 (170 MB) if it is not at hand")
    teacher = add("teacher", commands.run_teacher, help="measure or train a teacher")
    what = teacher.add_mutually_exclusive_group(required=True)
    what.add_argument("--evaluate", action="store_true", help="accuracy and calibration on the data at hand")
    what.add_argument("--train", action="store_true", help="train one on the data at hand, by the shipped one's recipe")
    teacher.add_argument("--teacher", "--weights", dest="weights", metavar="NAME", help=MORE["teacher"] + MORE["start"])
    teacher.add_argument("--out", help="where --train writes the weights (default: in a new folder under runs/)")
    teacher.add_argument("--epochs", type=int, help="fewer or more than the recipe has")
    teacher.add_argument("--learning-rate", type=float, metavar="X", help="another than the recipe's")
    teacher.add_argument("--seed", type=int, default=0)
    for command in (data, teacher):
        for option, kind in (("size", int), ("validation-share", float), ("test-share", float)):
            command.add_argument(f"--{option}", type=kind, metavar=METAVARS[kind], help=LEARNS_FROM[option])

    distill = add("distill", run_distill, help="train a student, or pairs of them", epilog=MORE["examples"],
                  usage="python -m distill_kit distill [options]", argument_default=argparse.SUPPRESS,
                  formatter_class=argparse.RawDescriptionHelpFormatter)
    sweep = add("sweep", run_sweep, help="train every combination of settings, with seeds, on one machine or on many",
                usage="python -m distill_kit sweep --study NAME [options]", epilog=MORE["sweep"],
                argument_default=argparse.SUPPRESS, formatter_class=argparse.RawDescriptionHelpFormatter)
    from distill_kit.settings import Settings
    fields = {field.name.replace("_", "-"): field for field in dataclasses.fields(Settings)}
    for title, options in OPTIONS.items():
        group, lists = distill.add_argument_group(title), sweep.add_argument_group(title)
        for option, words in options.items():
            kind = (typing.get_args(fields[option].type) or (fields[option].type,))[0]  # int of "int | None"
            default = fields[option].default
            words = words if default is None else f"{words} (default: {default})"
            group.add_argument(f"--{option}", type=kind, metavar=METAVARS[kind], help=words)
            lists.add_argument(f"--{option}", type=list_of(kind, default is None), metavar=f"{METAVARS[kind]},...",
                               help=words)
    for command, kind in ((distill, str), (sweep, list_of(str, True))):
        wrong = command.add_argument_group("something wrong, to see what it looks like")
        wrong.add_argument("--fault", type=kind, metavar="NAME", help=MORE["fault"])
        wrong.add_argument("--fault-strength", type=kind, metavar="NAME", help=MORE["strength"])
    sweep.add_argument("--teacher", type=list_of(str, True), metavar="NAME,...", help=MORE["teacher"])
    for option, words in OPTIONS_OF_SWEEP.items():
        sweep.add_argument(f"--{option}", required=option == "study", help=words, **(
            {"action": "store_true"} if option in ("status", "extend") else
            {"type": int, "metavar": "N"} if option in ("seeds", "workers") else {"metavar": option.upper()}))
    for option, kind, metavar in (("teacher", str, "NAME"), ("seeds", int, "N"), ("out", str, "FOLDER"),
                                  ("resume", str, "FOLDER")):
        distill.add_argument(f"--{option}", type=kind, metavar=metavar, help=MORE[option])
    export = add("export", run_export, help="a trained student as a file for other programs")
    export.add_argument("run", metavar="RUN", help="a run's folder (of --seeds: a student's), or weights of this kit")
    export.add_argument("--format", choices=FORMATS, default="torch", help=MORE["format"])
    export.add_argument("--out", metavar="FILE", help="a new file (default: in the run's folder)")
    diagnose = add("diagnose", commands.run_diagnose, help="what is wrong with a run, from its history",
                   epilog=MORE["line"])
    diagnose.add_argument("file", metavar="FILE", help=MORE["history"])
    diagnose.add_argument("--data", help=MORE["reference"])
    add("faults", commands.run_faults, help="faults that distill --fault can train with")
    bench = add("bench", commands.run_bench, help="how fast the kit is on this machine; some minutes")
    bench.add_argument("--seeds", type=int, default=5, help="runs whose mean accuracy is given (default: 5)")
    for option, default, words, having in (("data", "auto", LEARNS_FROM["data"], (data, teacher, bench)),
                                           ("device", None, TRAINING["device"], (doctor, teacher, bench)),
                                           ("precision", "auto", TRAINING["precision"], (teacher, bench))):
        for command in having:
            command.add_argument(f"--{option}", default=default, help=words)
    for command in choices.choices.values():
        command.set_defaults(known=[option for action in command._actions for option in action.option_strings])
    return top


def list_of(kind: type, none: bool = False) -> Callable[[str], list]:
    """Make a reader of lists, "1,2,4"; none: is "none" a value, too?"""
    def read(text: str) -> list:
        try:
            return [None if none and part == "none" else kind(part) if part else int("") for part in text.split(",")]
        except ValueError:
            raise argparse.ArgumentTypeError(f"takes values with commas between them; got {text!r}") from None
    return read


def unknown_option(given: str, options: argparse.Namespace) -> str:
    """Say that an option does not exist, and which one is near."""
    near = get_close_matches(given.split("=")[0], options.known, n=1)
    return (f"there is no option {given}" + (f"; did you mean {near[0]}?" if near else ".")
            + " --help lists the options of a command.")
