"""Sentences on standard error, of every command. Nothing here loads torch."""
import sys


def say(sentence: str) -> None:
    """Print a sentence on standard error."""
    print(sentence, file=sys.stderr)


def complain(error, status: int) -> int:
    """Say what went wrong, in a single line; returns the exit status."""
    say(f"distill_kit: {' '.join(str(error).split())}")
    return status
