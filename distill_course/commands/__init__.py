"""The command line: options.py says what can be typed, commands.py and a file for each long one what it does.

Human text, or with --json a single JSON value on standard output; progress on standard error. Exit status 0; 2 for bad
arguments; 1 for a run that failed; 130 where you interrupted it.
"""
import contextlib
import os
import sys
import warnings

from .sentences import complain

SWEEP = ("optuna", "sqlalchemy", "psycopg", "pyarrow", "jsonschema")  # what requirements/sweep.txt brings


def main(arguments: list[str] | None = None) -> int:
    """Run a command and return its exit status; arguments: those of the process where None."""
    sys.stderr = sys.stderr or open(os.devnull, "w")  # closed by whoever began this  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # a terminal that lacks a letter shows its number, and no traceback
            stream.reconfigure(errors="backslashreplace")
    warnings.formatwarning = lambda message, *_: f"distill_kit: {message}\n"  # without a line of code
    try:
        from .options import parser, unknown_option  # only here: Ctrl-C while torch is loaded is caught as well
        options, unknown = parser().parse_known_args(arguments)
        if unknown:
            raise ValueError(unknown_option(unknown[0], options))
        options.answers = sys.stdout
        with contextlib.redirect_stdout(sys.stderr):  # what the code of a learner's teacher prints is no answer
            return options.command(options)
    except ModuleNotFoundError as error:
        extra = "sweep" if error.name in SWEEP else "course"
        return complain(f"{error}. Install what is missing: pip install \"distill_kit[{extra}]\" (in a clone: "
                        "pip install -r requirements.txt)", 1)
    except (ValueError, FileNotFoundError) as error:
        return complain(error, 2)
    except (RuntimeError, OSError) as error:
        return complain(error, 1)
    except KeyboardInterrupt:
        return complain("Interrupted. What was finished is kept.", 130)
