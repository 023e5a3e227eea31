"""Options: what can be typed behind `python -m distill_kit`, and what --help says of it: assets/options.toml."""
import argparse
import dataclasses
import typing
from collections.abc import Callable
from difflib import get_close_matches

import numpy  # noqa: F401 (before torch, which swallows a Ctrl-C that comes while it loads numpy)

from distill_kit.settings import Settings

from ..shipped import read_table
from . import bench, commands, distill, doctor, export, sweep

COMMANDS = {"doctor": doctor.run_doctor, "data": commands.run_data, "teacher": commands.run_teacher,
            "distill": distill.run_distill, "export": export.run_export, "diagnose": commands.run_diagnose,
            "faults": commands.run_faults, "bench": bench.run_bench, "sweep": sweep.run_sweep}
TABLE = read_table("options")
FIELDS = {field.name.replace("_", "-"): field for field in dataclasses.fields(Settings)}
TYPES = {"int": int, "float": float, "list": lambda text: list_of(str)(text)}
METAVARS = {int: "N", float: "X", str: "NAME"}


class Parser(argparse.ArgumentParser):
    """A parser whose complaint is one line, said where all others are."""

    def error(self, message: str):
        """Raise ValueError with the complaint."""
        raise ValueError(f"error: {message}. --help lists what there is")


def parser() -> argparse.ArgumentParser:
    """Build the parser of all commands."""
    settings = {option: words for group in TABLE["distill"]["groups"].values() for option, words in group.items()}
    top = Parser(prog="python -m distill_kit", formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False,
                 **TABLE["every command"])
    choices = top.add_subparsers(required=True, metavar="COMMAND")
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--json", action="store_true", help="print one JSON value and nothing else")
    for name, run in COMMANDS.items():
        entry = TABLE[name]
        command = choices.add_parser(
            name, parents=[common], help=entry["help"], usage=entry.get("usage"), epilog=entry.get("epilog"),
            formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False,
            argument_default=argparse.SUPPRESS if entry.get("only_given") else None)
        if "either" in entry:
            add_options(command.add_mutually_exclusive_group(required=True), entry["either"])
        add_options(command, entry.get("options", {}))
        add_options(command, {option: settings[option] for option in entry.get("settings", ())})
        lists = entry.get("lists", False)
        for title, options in (TABLE["distill"] if lists else entry).get("groups", {}).items():
            add_options(command.add_argument_group(title), options, lists)
        command.set_defaults(command=run, known=list(command._option_string_actions))
    return top


def add_options(to, options: dict[str, dict | str], lists: bool = False) -> None:
    """Add options to a parser or a group: what argparse takes for each, or only the help of a field of Settings.

    lists: does each take several values, with commas between them?
    """
    for option, words in options.items():
        if isinstance(words, str):
            field = FIELDS[option]
            kind = (typing.get_args(field.type) or (field.type,))[0]  # int of "int | None"
            to.add_argument(f"--{option}", type=list_of(kind) if lists else kind,
                            metavar=METAVARS[kind] + ",..." * lists, default=to.argument_default or field.default,
                            help=words if field.default is None else f"{words} (default: {field.default})")
        else:
            typed = {"type": list_of(str)} if lists else {"type": TYPES[words["type"]]} if "type" in words else {}
            to.add_argument(*option.split(), **{**words, **typed, "help": words["help"].format(**TABLE["words"])})


def list_of(kind: type) -> Callable[[str], list]:
    """Make a reader of lists, "1,2,4"; "none" is the value of what is left out."""
    def read(text: str) -> list:
        try:
            values = [None if part == "none" else kind(part or None) for part in text.split(",")]
            return [int(value) if isinstance(value, float) and value.is_integer() else value for value in values]
        except (TypeError, ValueError):
            raise argparse.ArgumentTypeError(f"takes values with commas between them; got {text!r}") from None
    return read


def unknown_option(given: str, options: argparse.Namespace) -> str:
    """Say that an option does not exist, and which one is near."""
    near = get_close_matches(given.split("=")[0], options.known, n=1)
    return (f"there is no option {given}" + (f"; did you mean {near[0]}?" if near else ".")
            + " --help lists the options of a command.")
