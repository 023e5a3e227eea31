"""What a lab knows: the values under the learner's hand, the runs made so far, and the run that is being trained.

No widgets here: view.py shows a session, and tests drive a session without a browser.
"""
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from torch import Tensor, nn

from distill_kit.data.imageset import Dataset, class_number
from distill_kit.history import EPOCH
from distill_kit.memory import give_back_memory
from distill_kit.metrics import accuracy, answers
from distill_kit.run import Materials, Run
from distill_kit.settings import Settings
from distill_kit.weights import load_model

from .. import atlas
from ..diagnosis import diagnose, probe, reference_for
from ..run_folders import new_run_folder
from .experiments import Experiment
from .lab_run import LabRun
from .measures import by_class, doubtful, logits_for, swallowed
from .share import code_of
from .worker import FAILED, FINISHED, QUIET_SECONDS, RUNNING, STOPPED, WAITING, Worker

ROWS_EVERY = 1      # steps between two light rows: some hundredths of a second, and the longest wait for Stop
CANDIDATES = 1_000  # validation images that are looked through for some worth showing
KEPT_MATERIALS = 2  # sets of training images in memory: 12 MB each for 5,000 images
REPEATS = 3        # runs of "repeat with three seeds"


class Session:
    """The state of a lab. Change `values` with `move`; read `live`, `runs`, `baseline`.

        >>> session = Session(EXPERIMENTS["temperature"], dataset, teacher)
        >>> session.move(temperature=8.0)
        >>> session.join()
        >>> session.live.best

    on_change: called in the worker's thread whenever something is new.
    """

    def __init__(self, experiment: Experiment, dataset: Dataset, teacher: nn.Module, *,
                 folder: Path | str | None = None, quiet: float = QUIET_SECONDS, foreground: bool = False,
                 seed: int = 0, on_change: Callable[[], None] = lambda: None, **start):
        if "data" in start:
            raise ValueError("data is what the data set says; give another one: dataset=load_dataset(NAME)")
        self.experiment, self.dataset, self.teacher = experiment, dataset, teacher
        self.fixed = start                                      # of Settings, beside what the controls say
        self.folder, self.on_change = folder, on_change
        # What healthy runs come to with the shipped teacher; None where another one teaches
        self.reference = None if experiment.taught_by_baseline else reference_for(dataset.name)
        self.in_atlas = atlas.knows(dataset, teacher)
        self.seed = seed
        self.expected: str | None = None                        # what the learner said before, in words.outcome's words
        self.values = {name: start.get(name, value) for name, value in experiment.first_values.items()}
        self.live: LabRun | None = None                         # the newest run that was asked for
        self._asked: object = None                              # stands for what the learner asked for last
        self.second: LabRun | None = None                       # the baseline, while it is being trained
        self.failure: BaseException | None = None
        self.runs: list[LabRun] = []                            # finished or stopped, in the order of their end
        self.pinned: list[LabRun] = []
        self.baselines: dict[Settings, LabRun] = {}
        self._materials: dict[tuple, Materials] = {}
        self._lock = threading.RLock()
        self.looks = 0                                          # at the test images
        self.worker = Worker(self._hear, quiet, foreground)
        self.seen = seen = dataset.validation[:CANDIDATES]
        self.seen_logits = answers(teacher, seen)                                               # (n, C)
        unseen = self.settings(self.values).leave_out
        first_of = -1 if unseen is None else class_number(seen.classes, unseen)
        self.chosen = doubtful(self.seen_logits, seen.labels, first_of)
        self.images = seen[torch.tensor(self.chosen)]                                                   # SHOWN of them
        self.image = 0                                          # the one of them that is shown

    # What the learner does

    def move(self, seed: int | None = None, **values) -> None:
        """Give some controls new values: what is being trained is out of date, and a new run begins.

        seed: None leaves it. Raises ValueError for a control or a value that is not there; nothing has changed then.
        """
        seed = self.seed if seed is None else seed
        if unknown := set(values) - set(self.values):
            raise ValueError(f"{', '.join(sorted(unknown))}: no control of this lab ({', '.join(self.values)}). What "
                             "no control moves is given to Lab")
        self.settings({**self.values, **values}, seed)
        self.values.update(values)
        self.seed = seed
        self.train()

    def train(self) -> None:
        """Train with the values as they are."""
        with self._lock:
            live = self.live = self._asked = LabRun(self.settings(self.values), dict(self.values))
            self.worker.ask(lambda: self._train(live))
        self.on_change()

    def stop(self) -> None:
        """Stop at once; what was learnt is kept."""
        with self._lock:
            if self.live is not None and self.live.state == WAITING:
                self.live.state = STOPPED
            self.worker.stop()
        self.on_change()

    def new_seed(self) -> None:
        """Train the same values with the next seed."""
        self.move(seed=(self.seed + 1) % 2**63)  # after the largest comes the first

    def repeat(self) -> None:
        """Train these values with REPEATS seeds, each beside its baseline; runs that are there are not repeated."""
        with self._lock:
            asked = self._asked = object()
            self.worker.ask(lambda: self._repeat(dict(self.values), self.seed, asked))

    def open_test(self) -> None:
        """Measure the newest run on the test images."""
        if self.runs:
            self.worker.ask(lambda: self._look(self.runs[-1]))

    def pin(self) -> LabRun | None:
        """Keep the newest run in the picture, or let it go if it is kept already. Returns it; None if there is none."""
        if not self.runs:
            return None
        run = self.runs[-1]
        self.pinned = [pinned for pinned in self.pinned if pinned is not run] + [run] * (run not in self.pinned)
        self.on_change()
        return run

    def restore(self, run: LabRun) -> None:
        """Set the values and the seed of a run again, and train."""
        self.move(run.settings.seed, **run.values)

    def code(self) -> str:
        """Return the code that brings these values back, here or in another lab."""
        return code_of(self.experiment, self.values, self.seed)

    def settings(self, values: dict, seed: int | None = None) -> Settings:
        """Return the settings of a run with these values of the controls; with the seed as it is where it is None."""
        return self.experiment.settings({**self.fixed, **values}, self.dataset, self.seed if seed is None else seed)

    # What is known

    @property
    def baseline(self) -> LabRun | None:
        """What the run in front is held against; None while it is not trained."""
        settings = self.live.settings if self.live is not None else self.settings(self.values)
        return self.baselines.get(self.experiment.baseline_of(settings))

    def measured(self, settings: Settings) -> atlas.Cell:
        """Return what the atlas has of these settings; nothing for other images or another teacher than its own."""
        return atlas.measured(settings, self.experiment.taught_by(settings),
                              self.experiment.measure.column) if self.in_atlas else atlas.Cell()

    @property
    def teacher_says(self) -> Tensor | None:
        """The teacher's logits for `seen`, [n, C], of which `chosen` are shown; None while it is not trained."""
        if not self.experiment.taught_by_baseline:
            return self.seen_logits
        return None if self.baseline is None else self.baseline.seen_logits

    def pairs(self, live: LabRun) -> list[tuple[float, float]]:
        """Return the best shares of a run and its baseline, for every seed that was trained to the end."""
        pairs = [(run, self.baselines.get(self.experiment.baseline_of(run.settings))) for run in self.runs
                 if run.values == live.values and run.state == FINISHED]
        shares = {run.settings.seed: (run.best, baseline.best) for run, baseline in pairs if baseline is not None}
        return list(shares.values())

    # What the worker does, in its thread

    def _train(self, live: LabRun) -> Iterator[LabRun]:
        """Train the learner's run first; then, once for each setting, what it is held against.

        The other way round where the baseline's student is to be the teacher.
        """
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
            baseline = self.second = LabRun(against, {})
            try:
                yield from self._follow(baseline)
            finally:
                self.second = None
            self.baselines[against] = baseline
            yield live

    def _repeat(self, values: dict, first: int, asked: object) -> Iterator[LabRun]:
        """Train several seeds; in the end the learner's own is in front again, as the sliders say."""
        runs = {}
        for seed in ((first + more) % 2**63 for more in range(REPEATS)):
            settings = self.settings(values, seed)
            done = [run for run in self.runs if run.settings == settings and run.state == FINISHED]
            run = runs[seed] = done[-1] if done else LabRun(settings, values)
            if not self._show(run, asked):
                return
            yield from self._hold_against(run) if done else self._train(run)
        if self._show(runs[first], asked):
            yield runs[first]

    def _show(self, run: LabRun, asked: object) -> bool:
        """Put a run in front, unless the learner has asked for something else meanwhile; returns whether it is."""
        with self._lock:
            self.live = run if self._asked is asked else self.live
            return self.live is run

    def _look(self, run: LabRun) -> Iterator[LabRun]:
        if run.test is None:
            student, _ = load_model(run.folder / "student.safetensors")
            materials, test = self._materials_of(run.settings), self.dataset.test
            run.test = accuracy(answers(student, test, materials.device, materials.precision), test.labels)
        self.looks += 1
        yield run

    def _follow(self, live: LabRun) -> Iterator[LabRun]:
        """Train; yield the run after every few steps, with its figures as they are then."""
        live.state = RUNNING
        try:
            yield live  # the teacher may have to be asked first, and that is said
            run = Run(live.settings, self._materials_of(live.settings))
            live.folder = new_run_folder(live.settings, self.folder)
            steps, known = live.settings.epochs * len(run.batches), run.materials.logits.known
            for row in run.rows(every=ROWS_EVERY, folder=live.folder):
                live.progress, live.seconds = row["steps"] / steps, row["seconds"]
                live.threads, live.cores = run.threads, run.room.cores
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
            if live.shares and live is not self.second:  # a baseline is in no table
                live.number = len(self.runs) + 1
                self.runs.append(live)

    def _materials_of(self, settings: Settings) -> Materials:
        """Build the materials of a run, or find those that are still there."""
        own = self.experiment.taught_by(settings)
        key = settings.drawn, own
        if key not in self._materials:
            while len(self._materials) >= KEPT_MATERIALS:
                self._materials.pop(next(iter(self._materials)))
            teacher = self.teacher if own is None else load_model(self.baselines[own].folder / "student.safetensors")[0]
            self._materials[key] = Materials.of(settings, self.dataset, teacher)
        return self._materials[key]

    def _hear(self, number: int, state: str, event: object) -> None:
        self.failure = event if state == FAILED else None
        if state != RUNNING:
            give_back_memory()
        self.on_change()

    def join(self, timeout: float | None = None) -> None:
        """Wait until nothing is being trained. Raises what a run failed with, so that a notebook's cell fails too."""
        self.worker.join(timeout)
        if self.failure is not None:
            raise self.failure
