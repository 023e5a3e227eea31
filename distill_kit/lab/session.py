"""What a lab knows: the values under the learner's hand, the runs made so far, and the one that is being trained.

No widgets here: the view (lab/__init__.py) shows a session, and tests drive one without a browser.
"""
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor, nn

from ..data.imageset import Dataset
from ..history import EPOCH
from ..run import Materials, Run, Settings, new_run_folder
from ..teachers import answers
from .experiments import Experiment
from .orders import FAILED, FINISHED, RUNNING, STOPPED, WAITING, Worker

ROWS_EVERY = 5     # steps between two light rows
LOOKED_THROUGH, DOUBT = 300, 0.6  # validation images for one that says something; the teacher's probability there
KEPT_MATERIALS = 2  # sets of training images in memory: 12 MB each for 5,000 images


@dataclass
class LabRun:
    """One run as the lab shows it: plain figures, and no network."""
    settings: Settings
    values: dict                                              # of the controls
    state: str = WAITING
    shares: list[float] = field(default_factory=list)         # what the experiment measures, an epoch each
    probabilities: list[list[float]] = field(default_factory=list)  # of the chosen image, an epoch each
    progress: float = 0.0                                     # steps done of all
    seconds: float = 0.0
    folder: Path | None = None
    error: str = ""                                           # one sentence
    number: int = 0                                           # in the table, from 1
    best: float | None = None                                 # the share at the epoch whose weights are kept


def doubtful(logits: Tensor, labels: Tensor) -> int:
    """Of images with logits [N, C]: one about which the teacher is right, and most nearly as sure as DOUBT."""
    sure, first = logits.softmax(1).max(1)
    return int(torch.where(first == labels, (sure - DOUBT).abs(), 1.0).argmin())


class Session:
    """Change `values` with `move`; read `live`, `runs`, `baseline`. `on_change` is called, in the worker's thread,
    whenever something is new."""

    def __init__(self, experiment: Experiment, dataset: Dataset, teacher: nn.Module, *, device: str | None = None,
                 folder: Path | str | None = None, quiet: float | None = None,
                 on_change: Callable[[], None] = lambda: None, **start):
        self.experiment, self.dataset, self.teacher = experiment, dataset, teacher
        self.fixed = {"device": device, **start}                # of Settings, beside what the controls say
        self.folder, self.on_change = folder, on_change
        self.seed = 0
        self.expected: str | None = None                        # what the learner said before, in words.outcome's words
        self.values = {control.name: self._first(control) for control in experiment.controls}
        self.live: LabRun | None = None                         # the newest that was asked for
        self.second: LabRun | None = None                       # the baseline, while it is being trained
        self.failure: BaseException | None = None
        self.runs: list[LabRun] = []                            # finished or stopped, in the order of their end
        self.pinned: list[LabRun] = []
        self.baselines: dict[Settings, LabRun] = {}
        self._materials: dict[tuple, Materials] = {}
        self._lock = threading.RLock()
        self.worker = Worker(self._train, self._hear, **({} if quiet is None else {"quiet": quiet}))
        logits = answers(teacher, dataset.validation[:LOOKED_THROUGH]).float().cpu()                    # (n, C)
        self.image = doubtful(logits, dataset.validation.labels[:LOOKED_THROUGH])  # the validation image that is shown
        self.teacher_logits = logits[self.image]                                                        # (C,)

    def _first(self, control):
        return {**self.fixed, **self.experiment.start}.get(control.name, getattr(Settings(), control.name))

    # What the learner does

    def move(self, **values) -> None:
        """New values of some controls; what is being trained is out of date, and a new run begins.

        Raises ValueError for a value that a control does not have; nothing has changed then.
        """
        self.settings({**self.values, **values})
        self.values.update(values)
        self.train()

    def train(self) -> None:
        with self._lock:
            self.live = LabRun(self.settings(self.values), dict(self.values))
            self.worker.ask(self.live)
        self.on_change()

    def stop(self) -> None:
        with self._lock:
            if self.live is not None and self.live.state == WAITING:
                self.live.state = STOPPED
            self.worker.stop()
        self.on_change()

    def new_seed(self) -> None:
        self.seed += 1
        self.train()

    def pin(self) -> None:
        """Keep the newest finished run in the picture."""
        if self.runs and self.runs[-1] not in self.pinned:
            self.pinned.append(self.runs[-1])
            self.on_change()

    def restore(self, run: LabRun) -> None:
        self.seed = run.settings.seed
        self.move(**run.values)

    def settings(self, values: dict) -> Settings:
        return self.experiment.settings({**self.fixed, **values}, self.dataset, self.seed)

    # What the worker does, in its thread

    @property
    def baseline(self) -> LabRun | None:
        """What the values now chosen are held against; None while it is not trained."""
        return self.baselines.get(self.experiment.baseline_of(self.settings(self.values)))

    def _train(self, live: LabRun) -> Iterator[LabRun]:
        """The learner's run first; then, once for each setting, what it is held against."""
        yield from self._follow(live)
        against = self.experiment.baseline_of(live.settings)
        if against not in self.baselines:
            baseline = LabRun(against, {})
            self.second = baseline
            try:
                yield from self._follow(baseline)
            finally:
                self.second = None
            self.baselines[against] = baseline
            yield live

    def _follow(self, live: LabRun) -> Iterator[LabRun]:
        """Train; the run itself after every few steps, its figures as they are then."""
        live.state = RUNNING
        try:
            run = Run(live.settings, self._materials_of(live.settings))
            run.folder = live.folder = new_run_folder(live.settings, self.folder)
            steps = live.settings.epochs * len(run.batches)
            for row in run.rows(every=ROWS_EVERY):
                live.progress, live.seconds = row["steps"] / steps, row["seconds"]
                if "stopped" in row:
                    raise FloatingPointError(row["stopped"])
                if row["kind"] == EPOCH:
                    live.shares.append(self.experiment.measure.of(run, row))
                    live.best = live.shares[-1] if row["best"] else live.best
                    live.probabilities.append(self._probabilities(run))
                yield live
            live.state = FINISHED
        except GeneratorExit:  # out of date, or stopped: what was learnt so far is on the disk
            live.state = STOPPED
            raise
        except Exception as error:
            live.state, live.error = FAILED, str(error)
            raise
        finally:
            if live.shares and live.values:
                live.number = len(self.runs) + 1
                self.runs.append(live)

    def _probabilities(self, run: Run) -> list[float]:
        shown = self.dataset.validation[self.image:self.image + 1]
        return answers(run.student, shown, run.materials.device, run.materials.precision).float()[0].softmax(0).tolist()

    def _materials_of(self, settings: Settings) -> Materials:
        key = settings.images, settings.data_seed, settings.leave_out
        if key not in self._materials:
            while len(self._materials) >= KEPT_MATERIALS:
                self._materials.pop(next(iter(self._materials)))
            self._materials[key] = Materials.of(settings, self.dataset, self.teacher)
        return self._materials[key]

    def _hear(self, number: int, state: str, event: object) -> None:
        self.failure = event if state == FAILED else None
        self.on_change()

    def join(self, timeout: float | None = None) -> None:
        """Wait until nothing is being trained. Raises what a run failed with, so that a notebook's cell fails too."""
        self.worker.join(timeout)
        if self.failure is not None:
            raise self.failure
