"""What a lab knows: the values under the learner's hand, the runs made so far, and the one that is being trained.

No widgets here: the view (lab/__init__.py) shows a session, and tests drive one without a browser.
"""
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
from torch import Tensor, nn

from ..data.imageset import Dataset
from ..devices import give_back_memory
from ..diagnosis import Finding, Reference, diagnose, probe, reference_for
from ..history import EPOCH
from ..neighbours import Load, others_training
from ..run import Materials, Run, Settings, new_run_folder
from ..teachers import accuracy, answers
from ..weights import load_model
from .experiments import Experiment
from .measures import by_class, logits_for, swallowed
from .orders import FAILED, FINISHED, RUNNING, STOPPED, WAITING, Worker
from .share import code_of

ROWS_EVERY = 1     # steps between two light rows: some hundredths of a second, and the longest wait for Stop
LOOKED_THROUGH, SHOWN, DOUBT = 1_000, 8, 0.6  # validation images to find some that say something; the teacher's
                                              # probability there
KEPT_MATERIALS = 2  # sets of training images in memory: 12 MB each for 5,000 images
REPEATS = 3        # runs of "repeat with three seeds"


@dataclass(eq=False)  # a run is itself and no other, even one of the same values; and tensors cannot be compared so
class LabRun:
    """One run as the lab shows it: plain figures, and no network."""
    settings: Settings
    values: dict                                              # of the controls
    state: str = WAITING
    shares: list[float] = field(default_factory=list)         # what the experiment measures, an epoch each
    logits: list[Tensor] = field(default_factory=list)        # for the images to choose from, [SHOWN, C], an epoch each
    seen_logits: Tensor | None = None                         # for Session.seen, [n, C], where it is to be a teacher
    progress: float = 0.0                                     # steps done of all
    seconds: float = 0.0
    teacher_left: float = 0.0                                 # seconds that the teacher's answers will still take
    load: Load = field(default_factory=Load)                  # what else the machine does, since the run was asked for
    threads: int | None = None
    taken: float | None = None                                # cores that others kept busy when it began
    used: float | None = None                                 # cores that this process has had, in the mean
    others: int = 0                                           # the most processes that trained a student beside it
    folder: Path | None = None
    error: str = ""                                           # one sentence
    by_class: list[float] | None = None                       # when it is over: see measures.py
    swallowed: float | None = None
    test: float | None = None                                 # share of the test images, once the learner has asked
    number: int = 0                                           # in the table, from 1
    best_epoch: int | None = None
    best: float | None = None                                 # the share at the epoch whose weights are kept
    findings: list[Finding] = field(default_factory=list)     # what is wrong with it, as far as is known


def doubtful(logits: Tensor, labels: Tensor, first_of: int = -1) -> list[int]:
    """Of images with logits [N, C]: some about which the teacher is right, and nearly as sure as DOUBT.

    first_of: a class whose images come first.
    """
    sure, first = logits.softmax(1).max(1)
    order = torch.where(first == labels, (sure - DOUBT).abs(), 1.0) - (labels == first_of).float()
    return order.argsort(stable=True)[:SHOWN].tolist()


class Session:
    """Change `values` with `move`; read `live`, `runs`, `baseline`. `on_change` is called, in the worker's thread,
    whenever something is new."""

    def __init__(self, experiment: Experiment, dataset: Dataset, teacher: nn.Module, *, device: str | None = None,
                 folder: Path | str | None = None, quiet: float | None = None, foreground: bool = False,
                 on_change: Callable[[], None] = lambda: None, **start):
        self.experiment, self.dataset, self.teacher = experiment, dataset, teacher
        self.fixed = {"device": device, **start}                # of Settings, beside what the controls say
        self.folder, self.on_change = folder, on_change
        self.seed = 0
        self.expected: str | None = None                        # what the learner said before, in words.outcome's words
        self.values = {name: start.get(name, value) for name, value in experiment.first_values.items()}
        self.live: LabRun | None = None                         # the newest that was asked for
        self.second: LabRun | None = None                       # the baseline, while it is being trained
        self.failure: BaseException | None = None
        self.runs: list[LabRun] = []                            # finished or stopped, in the order of their end
        self.pinned: list[LabRun] = []
        self.baselines: dict[Settings, LabRun] = {}
        self._materials: dict[tuple, Materials] = {}
        self._lock = threading.RLock()
        self.looks = 0                                          # at the test images
        self.worker = Worker(self._carry_out, self._hear, foreground=foreground,
                             **({} if quiet is None else {"quiet": quiet}))
        self.seen = seen = dataset.validation[:LOOKED_THROUGH]
        self.seen_logits = answers(teacher, seen).float()                                               # (n, C)
        unseen = self.settings(self.values).leave_out
        self.chosen = doubtful(self.seen_logits, seen.labels, -1 if unseen is None else seen.classes.index(unseen))
        self.images = seen[torch.tensor(self.chosen)]                                                   # SHOWN of them
        self.image = 0                                          # the one of them that is shown

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
            live = self.live = LabRun(self.settings(self.values), dict(self.values))
            self.worker.ask(lambda: self._train(live))
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

    def repeat(self) -> None:
        """Train these values with REPEATS seeds, each beside its baseline, but for those that are there already."""
        self.worker.ask(lambda: self._repeat(dict(self.values), self.seed))

    def open_test(self) -> None:
        """Measure the newest run on the test images."""
        if self.runs:
            self.worker.ask(lambda: self._look(self.runs[-1]))

    def pin(self) -> LabRun | None:
        """Keep the newest run in the picture, or let it go if it is kept already; that run, None if there is none."""
        if not self.runs:
            return None
        run = self.runs[-1]
        self.pinned = [one for one in self.pinned if one is not run] + [run] * (run not in self.pinned)
        self.on_change()
        return run

    def restore(self, run: LabRun) -> None:
        self.seed = run.settings.seed
        self.move(**run.values)

    def code(self) -> str:
        """What brings these values back, here or in another lab."""
        return code_of(self.experiment, self.values, self.seed)

    @property
    def reference(self) -> Reference | None:
        """What healthy runs come to with the shipped teacher; None where another one teaches."""
        return None if self.experiment.taught_by_baseline else reference_for(self.dataset.name)

    def settings(self, values: dict) -> Settings:
        return self.experiment.settings({**self.fixed, **values}, self.dataset, self.seed)

    # What the worker does, in its thread

    @property
    def baseline(self) -> LabRun | None:
        """What the run in front is held against; None while it is not trained."""
        settings = self.live.settings if self.live is not None else self.settings(self.values)
        return self.baselines.get(self.experiment.baseline_of(settings))

    @property
    def teacher_says(self) -> Tensor | None:
        """The teacher's logits for `seen`, [n, C], of which `chosen` are shown; None while it is not trained."""
        if not self.experiment.taught_by_baseline:
            return self.seen_logits
        return None if self.baseline is None else self.baseline.seen_logits

    def pairs(self, live: LabRun) -> list[tuple[float, float]]:
        """Of every seed with which these values were trained to the end: the run's best share and its baseline's."""
        found = {}
        for run in self.runs:
            baseline = self.baselines.get(self.experiment.baseline_of(run.settings))
            if run.values == live.values and run.state == FINISHED and baseline is not None:
                found[run.settings.seed] = run.best, baseline.best
        return list(found.values())

    def _carry_out(self, order: Callable[[], Iterator[LabRun]]) -> Iterator[LabRun]:
        try:
            yield from order()
        finally:
            give_back_memory()

    def _train(self, live: LabRun) -> Iterator[LabRun]:
        """The learner's run first; then, once for each setting, what it is held against. The other way round where the
        baseline's student is to be the teacher."""
        if self.experiment.taught_by_baseline:
            yield from self._hold_against(live)
        yield from self._follow(live)
        yield from self._hold_against(live)

    def _hold_against(self, live: LabRun) -> Iterator[LabRun]:
        against = self.experiment.baseline_of(live.settings)
        if against == live.settings and live.state == FINISHED:  # no need to train it a second time
            self.baselines.setdefault(against, live)
            yield live
        elif against not in self.baselines:
            baseline = LabRun(against, {})
            self.second = baseline
            try:
                yield from self._follow(baseline)
            finally:
                self.second = None
            self.baselines[against] = baseline
            yield live

    def _repeat(self, values: dict, first: int) -> Iterator[LabRun]:
        """The learner's own seed last in front again: what stands there is what the sliders say."""
        runs = {}
        for seed in range(first, first + REPEATS):
            settings = replace(self.settings(values), seed=seed)
            done = [run for run in self.runs if run.settings == settings and run.state == FINISHED]
            self.live = runs[seed] = done[-1] if done else LabRun(settings, values)
            yield from self._hold_against(self.live) if done else self._train(self.live)
        self.live = runs[first]
        yield self.live

    def _look(self, run: LabRun) -> Iterator[LabRun]:
        if run.test is None:
            student, _ = load_model(run.folder / "student.safetensors")
            materials, test = self._materials_of(run.settings), self.dataset.test
            logits = answers(student, test, materials.device, materials.precision)
            run.test = accuracy(logits.float(), test.labels)
        self.looks += 1
        yield run

    def _follow(self, live: LabRun) -> Iterator[LabRun]:
        """Train; the run itself after every few steps, its figures as they are then."""
        live.state = RUNNING
        try:
            run = Run(live.settings, self._materials_of(live.settings), load=live.load)
            run.folder = live.folder = new_run_folder(live.settings, self.folder)
            steps, known = live.settings.epochs * len(run.batches), run.materials.logits.known
            for row in run.rows(every=ROWS_EVERY):
                live.progress, live.seconds = row["steps"] / steps, row["seconds"]
                live.threads, live.taken, live.used = run.choice.threads, run.choice.taken, run.cores_used
                if row["steps"] == 1 or row["kind"] == EPOCH:
                    live.others = max(live.others, others_training())
                knows = run.materials.logits.known
                live.teacher_left = run.teacher_seconds * (1 - knows) / (knows - known) if knows > known else 0.0
                if "stopped" in row:
                    raise FloatingPointError(row["stopped"])
                if row["kind"] == EPOCH:
                    live.shares.append(self.experiment.measure.of(run, row))
                    live.logits.append(logits_for(run, self.images))                                   # (SHOWN, C)
                    live.findings = diagnose(run.history, None, self.reference, finished=False)
                    if row["best"]:
                        live.best, live.best_epoch = live.shares[-1], len(live.shares)
                yield live
            live.by_class, live.swallowed = by_class(run), swallowed(run)
            if self.experiment.taught_by_baseline:
                live.seen_logits = logits_for(run, self.seen)                                          # (n, C)
            live.findings = diagnose(run.history, probe(run), self.reference)
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

    def _materials_of(self, settings: Settings) -> Materials:
        """The training images of a run, with what its teacher says of them."""
        against = self.experiment.baseline_of(settings)
        own = against if self.experiment.taught_by_baseline and settings != against else None
        key = settings.images, settings.data_seed, settings.leave_out, own
        if key not in self._materials:
            while len(self._materials) >= KEPT_MATERIALS:
                self._materials.pop(next(iter(self._materials)))
            teacher = self.teacher if own is None else load_model(self.baselines[own].folder / "student.safetensors")[0]
            self._materials[key] = Materials.of(settings, self.dataset, teacher)
        return self._materials[key]

    def _hear(self, number: int, state: str, event: object) -> None:
        self.failure = event if state == FAILED else None
        self.on_change()

    def join(self, timeout: float | None = None) -> None:
        """Wait until nothing is being trained. Raises what a run failed with, so that a notebook's cell fails too."""
        self.worker.join(timeout)
        if self.failure is not None:
            raise self.failure
