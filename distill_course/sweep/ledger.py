"""The ledger of a sweep: an Optuna study that says which runs are finished, and who is at work on which.

Optuna chooses nothing here, for the plan is known: its storage is what is used, and its dashboard shows the study. A
claim is a trial that is created as RUNNING, with its owner, in a single transaction; so there is no queue, and the last
of 5,000 runs is claimed as fast as the first. Where two claim the same, the trial with the lower number holds. A claim
ends as COMPLETE, with the results of all its runs, or as FAIL, and what has no result may then be claimed again.

On one machine the storage is a SQLite file with a single writer. On several it is a PostgreSQL database, where
heartbeats tell which claims are alive.
"""
import contextlib
import os
import platform
import secrets
import sqlite3
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from statistics import fmean

import psutil
from filelock import FileLock, Timeout

BEAT, STALE = 10, 30               # seconds between heartbeats; without any, until a claim is free
AT_FIRST, PATIENCE = 10, 75        # seconds for which a database may be away: at the beginning; while runs are trained
CLOCKS = {"seconds", "teacher_seconds", "images_per_second"}  # of a report: no figures of the student


class Ledger:
    """A study in a storage.

        >>> Ledger("mine", "sqlite:///runs/sweeps/mine/study.db", write=False).results

    write: make it where it is not there, and claim. study: Optuna's own.
    results: of finished runs, by key. errors: sentences of failed ones. claimed: number of the claim by key.
    repeated: results that came for a run which had one. clashes: sentences about those with other figures.

    Raises FileNotFoundError, ValueError or RuntimeError, each with a sentence, where there is no such study.
    """

    def __init__(self, name: str, url: str, write: bool = True):
        import optuna  # with the first ledger, for that takes a second
        from sqlalchemy import exc, make_url
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)  # as Optuna calls its heartbeats
        try:
            address = make_url(url)
            self.shown = address.render_as_string()  # without its password
            file = address.drivername == "sqlite" and not (address.host or address.query) and address.database
            if not file and address.drivername not in ("postgresql", "postgresql+psycopg"):
                raise exc.ArgumentError
            if address.drivername == "postgresql":  # which has several drivers: the extra `sweep` installs this
                address = address.set(drivername="postgresql+psycopg")
            address.get_dialect().import_dbapi()
        except (AttributeError, ValueError, exc.ArgumentError, exc.NoSuchModuleError, ImportError) as error:
            if getattr(error, "name", None) == "psycopg":
                raise  # what installs it is said for all packages alike
            raise ValueError("storage must be a database's address, sqlite:///FILE or postgresql://USER@HOST/NAME; got "
                             f"{url!r}") from None
        self.name, self.write, self._optuna = name, write, optuna
        self._one_writer = address.get_backend_name() == "sqlite"
        if self._one_writer:
            self._lock = _open_file(Path(address.database or ""), write)
        self._away, self._patience = (optuna.exceptions.StorageInternalError, exc.DBAPIError), AT_FIRST
        storage = self.ask(lambda: optuna.storages.RDBStorage(
            address.render_as_string(hide_password=False), heartbeat_interval=BEAT, grace_period=STALE))
        opened = partial(optuna.create_study, direction="maximize", load_if_exists=True) if write else optuna.load_study
        try:
            self.study = self.ask(lambda: opened(study_name=name, storage=storage))
        except KeyError:
            raise FileNotFoundError(f"no study {name!r} in {self.shown}") from None
        self._storage, self._study_id = self.study._storage, self.study._study_id
        if not self.plans and self.ask(lambda: self.study.get_trials(deepcopy=False)):
            raise ValueError(f"study {name!r} in {self.shown} is none of a sweep. Choose another name (--study)")
        self.results, self.errors, self.claimed, self.repeated, self.clashes = {}, {}, {}, 0, []
        self.held: dict[int, tuple[str, ...]] = {}  # own claims: the keys of each, by the trial's id
        self._read, self._met = set(), set()        # ids of finished trials, and of claims of others
        self.look()
        self._patience = AT_FIRST if self._one_writer else PATIENCE

    def ask(self, question: Callable):
        """Ask the storage; where it does not answer, for a while again and again. Then RuntimeError with a sentence."""
        until = time.monotonic() + self._patience
        while True:
            try:
                return question()
            except self._away as error:
                if time.monotonic() > until:
                    cause = " ".join(str(error.__cause__ or error).split())
                    raise RuntimeError(f"the storage {self.shown} cannot be reached or written ({cause:.200}). What "
                                       "was finished is kept on the disk, and the same command goes on") from None
            time.sleep(1)

    @property
    def plans(self) -> list[dict]:
        """Read what the study was begun with, and what was added since: version and keys of each."""
        attributes = sorted(self.ask(lambda: self.study.user_attrs).items())
        return [plan for name, plan in attributes if name.startswith("plan") and isinstance(plan, dict) and plan]

    @property
    def keys(self) -> list[str]:
        """Read the keys of all that is planned."""
        return [*dict.fromkeys(key for plan in self.plans for key in plan["keys"])]

    def add_plan(self, plan: dict) -> Callable[[], None]:
        """Add to the plan, whoever else does at the same time; returns what takes it back."""
        name = f"plan {time.time():017.6f} {secrets.token_hex(4)}"
        self.ask(lambda: self.study.set_user_attr(name, plan))
        return lambda: self.ask(lambda: self.study.set_user_attr(name, {}))

    def look(self) -> None:
        """Read what is new: results of others, claims, and which of these are dead."""
        if self.write and not self._one_writer:
            self.ask(lambda: self._optuna.storages.fail_stale_trials(self.study))
        self.claimed = {}
        trials = self.ask(lambda: self.study.get_trials(deepcopy=False))
        for trial in (trial for trial in trials if "keys" in trial.user_attrs):  # the others are somebody else's
            if not trial.state.is_finished():
                if trial._trial_id in self.held or self._alive(trial):
                    for key in trial.user_attrs["keys"]:
                        self.claimed.setdefault(key, trial._trial_id)
            elif trial._trial_id not in self._read:
                self._read.add(trial._trial_id)
                self.errors.update(trial.user_attrs.get("errors", {}))
                for key, result in trial.user_attrs.get("results", {}).items():
                    self.repeated += key in self.results
                    self.add(key, result)

    def _alive(self, trial) -> bool:
        """Is somebody at work on a claim of others? Where that cannot be, it is ended."""
        owner = trial.user_attrs["owner"]
        dead = self.write and self._one_writer or owner["host"] == _owner(os.getpid())["host"] and not _same(owner)
        if dead and self.write:
            self._end(trial._trial_id)
        elif self.write and trial._trial_id not in self._met:  # who died before a first beat would be alive for ever
            self._met.add(trial._trial_id)
            self.ask(lambda: self._storage.record_heartbeat(trial._trial_id))
        return not dead

    def add(self, key: str, result: dict) -> None:
        """Take a result: the first of a run is kept; other figures from an equal machine are a clash."""
        first = self.results.setdefault(key, result)
        before, now = first["report"], result["report"]
        others = [name for name in {**before, **now} if name not in CLOCKS and before.get(name) != now.get(name)]
        if others and all(first[name] == result[name] for name in ("machine", "threads")):
            self.clashes.append(f"run {key} ({result['arm']}, seed {result['settings']['seed']}) has {others[0]} "
                                f"{before.get(others[0])} and came again with {now.get(others[0])} on an equal machine."
                                " The first is kept. Was a file altered, or can a figure have changed (plan.VERSION)?")

    def claim(self, keys: tuple[str, ...], settings: dict) -> bool:
        """Claim runs of a cell; returns whether nobody was faster. settings: theirs, shown in the dashboard."""
        numbers = {name: value for name, value in settings.items() if type(value) in (int, float) and name != "seed"}
        any_number = self._optuna.distributions.FloatDistribution(0.0, sys.float_info.max)
        trial = self._optuna.create_trial(
            state=self._optuna.trial.TrialState.RUNNING, params=numbers,
            distributions=dict.fromkeys(numbers, any_number), user_attrs={"keys": keys, "owner": _owner(os.getpid())})
        number = self.ask(lambda: self._storage.create_new_trial(self._study_id, trial))
        self.held[number] = keys
        self.ask(lambda: self._storage.record_heartbeat(number))
        self.look()
        if any(self.claimed.get(key, number) < number or key in self.results for key in keys):
            self._end(number)
        return number in self.held

    def enter(self, number: int, results: dict[str, dict], errors: dict[str, str]) -> None:
        """End a claim with what came of its runs. Where others took it for dead, only what is new to them is added."""
        value = None if errors else fmean(result["report"]["val_accuracy"] for result in results.values())
        if not self._end(number, value, results=results, errors=errors):
            self.look()
            new = {key: result for key, result in results.items() if key not in self.results}
            self.repeated += len(results) - len(new)
            if new:
                self.ask(lambda: self.study.add_trial(self._optuna.create_trial(
                    value=value or 0.0, user_attrs={"keys": [*new], "results": new})))
        self.look()
        for key, result in results.items():
            self.add(key, result)

    def _end(self, number: int, value: float | None = None, **attributes) -> bool:
        """End a claim, COMPLETE where it has a value, else FAIL; returns whether nobody had ended it before."""
        self.held.pop(number, None)
        states = self._optuna.trial.TrialState
        state = (states.FAIL, None) if value is None else (states.COMPLETE, [value])
        try:
            for name in attributes:
                self.ask(lambda name=name: self._storage.set_trial_user_attr(number, name, attributes[name]))
            return self.ask(lambda: self._storage.set_trial_state_values(number, *state))
        except self._optuna.exceptions.UpdateFinishedTrialError:
            return False

    @contextlib.contextmanager
    def at_work(self) -> Iterator[None]:
        """Keep own claims alive until the `with` ends, however busy this process is; then let go of all of them."""
        ended = threading.Event()

        def beat() -> None:
            while not ended.wait(BEAT):
                for number in list(self.held):
                    with contextlib.suppress(*self._away):  # the next one may come through
                        self._storage.record_heartbeat(number)
        threading.Thread(target=beat, daemon=True).start()
        try:
            yield
        finally:
            ended.set()
            self._patience = 0
            with contextlib.suppress(RuntimeError):
                for number in list(self.held):
                    self._end(number)
            if self._one_writer:
                self._lock.release(force=True)


def _owner(process: int) -> dict:
    """Say who a process is. Its number counts where boot and namespace of numbers are the same: within `host`."""
    host = platform.node()
    with contextlib.suppress(OSError):
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        host = f"{host} {boot} {os.readlink('/proc/self/ns/pid')}"
    return {"host": host, "process": process, "began": psutil.Process(process).create_time()}


def _same(owner: dict) -> bool:
    """Does an owner on this host live? Another process may have its number by now, so the time counts, too."""
    with contextlib.suppress(psutil.NoSuchProcess):
        return abs(psutil.Process(owner["process"]).create_time() - owner["began"]) < 5
    return False


def _open_file(path: Path, write: bool) -> FileLock:
    """Lock a SQLite file for its only writer. Raises an error with a sentence where it is no study, or locked."""
    if not path.is_file() and not write:
        raise FileNotFoundError(f"no study at {path}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.closing(sqlite3.connect(path)) as file:
            tables = {name for name, in file.execute("select name from sqlite_master where type = 'table'")}
        if tables and "studies" not in tables:
            raise sqlite3.DatabaseError("but a database of something else")
        lock = FileLock(f"{path}.lock", timeout=0)
        if write:
            lock.acquire()
        return lock
    except Timeout:
        raise RuntimeError(f"another sweep is at work with {path}; --status shows how far it is. Several at once need "
                           "a PostgreSQL database (--storage)") from None
    except (sqlite3.Error, OSError) as error:
        raise ValueError(f"{path} is no study ({error}). Choose another file: --storage sqlite:///FILE") from None
