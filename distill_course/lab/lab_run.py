"""A run as the lab shows it: plain figures that the session fills in while it trains."""
from dataclasses import dataclass, field
from pathlib import Path

from torch import Tensor

from distill_kit.settings import Settings

from ..diagnosis import Finding
from .worker import WAITING


@dataclass(eq=False)  # a run is itself and no other, even one of the same values; and tensors cannot be compared so
class LabRun:
    """A run as the lab shows it: plain figures, and no network."""
    settings: Settings
    values: dict                                              # of the controls
    state: str = WAITING
    shares: list[float] = field(default_factory=list)         # what the experiment measures, an epoch each
    logits: list[Tensor] = field(default_factory=list)        # for the images to choose from, [n, C], an epoch each
    seen_logits: Tensor | None = None                         # for Session.seen, [n, C], where it is to be a teacher
    progress: float = 0.0                                     # steps done of all
    seconds: float = 0.0
    teacher_left: float = 0.0                                 # seconds that the teacher's answers will still take
    threads: int | None = None
    cores: tuple[float, float] | None = None                  # that others kept busy, that this process had: means
    folder: Path | None = None
    error: str = ""                                           # one sentence
    by_class: list[float] | None = None                       # once it is over: see measures.py
    swallowed: float | None = None
    test: float | None = None                                 # share of the test images, once the learner has asked
    number: int = 0                                           # in the table, from 1
    best_epoch: int | None = None
    best: float | None = None                                 # the share at the epoch whose weights are kept
    findings: list[Finding] = field(default_factory=list)     # what is wrong with it, as far as is known
