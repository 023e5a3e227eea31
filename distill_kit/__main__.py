"""The command line: python -m distill_kit doctor | data | teacher | distill | diagnose | faults | bench.

Human text, or with --json one JSON value on standard output; progress on standard error. Exit status 0; 2 for bad
arguments; 1 for a run that failed; 130 where you interrupted it.
"""
import sys

from .command_line.commands import complain
from .command_line.options import parser, unknown_option


def main(arguments: list[str] | None = None) -> int:
    try:
        options, unknown = parser().parse_known_args(arguments)
        if unknown:
            raise ValueError(unknown_option(unknown[0], options))
        return options.command(options)
    except ModuleNotFoundError as error:
        return complain(f"{error}. Install what is missing: pip install -r requirements.txt", 1)
    except (ValueError, FileNotFoundError) as error:
        return complain(error, 2)
    except (RuntimeError, OSError) as error:
        return complain(error, 1)
    except KeyboardInterrupt:
        return complain("Interrupted. What was finished is kept.", 130)


if __name__ == "__main__":
    sys.exit(main())
