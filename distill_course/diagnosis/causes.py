"""Causes: a record for each thing that can be found, read from assets/causes.toml."""
from dataclasses import dataclass

from ..shipped import read_table
from .finding import HARM, HARMLESS, LOOK, NOTE, SEVERE, WRONG, Evidence, Finding


@dataclass(frozen=True)
class Cause:
    """What is said of a cause, wherever it is found, and what a diagnosis must know about it."""
    kind: str                            # "wrong", "harm" or "harmless": see Finding
    sentence: str
    remedy: str
    experiment: str                      # the one that would confirm it
    alike: tuple[str, ...] = ()          # other causes that would look the same
    needs: tuple[str, ...] = ()          # the fewest columns in which a history shows it; none: it takes a probe
    explained_by: tuple[str, ...] = ()   # causes beside which it is no news
    at_the_end: bool = False             # can it only be seen when a run is over?
    probe: str = ""                      # the probe that proves or refutes it: "loss" or "teacher"
    elsewhere: str = ""                  # its sentence where it shows itself in another way


CAUSES = {name: Cause(**{key: value for key, value in entry.items() if key != "fault"})
          for name, entry in read_table("causes").items() if "sentence" in entry}


def as_finding(name: str, *evidence: Evidence, severe: bool = True, probed: bool = False,
               elsewhere: bool = False) -> Finding:
    """Make a finding in the words of its cause; elsewhere: the cause shows itself in another way.

    What is harmless is never severe.
    """
    cause = CAUSES[name]
    kind = WRONG if probed and cause.kind == HARM else cause.kind  # what a probe sees is proved
    severity = SEVERE if severe and kind != HARMLESS else NOTE if kind == HARMLESS and not probed else LOOK
    return Finding(name, kind, severity, evidence, cause.elsewhere if elsewhere else cause.sentence, cause.remedy,
                   cause.experiment, cause.alike, probed)
