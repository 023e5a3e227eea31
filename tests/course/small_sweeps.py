"""The command `sweep` on little images and in this process, to test with."""
from types import SimpleNamespace

import pytest
from small import ColourTeacher, coloured_dataset
from small_commands import QUICK, value_of

from distill_course.sweep import ledger
from distill_kit.run import Run

DATASET = coloured_dataset()
LOOK = {"settings": []}  # no settings beside --status and --export


def counts(report):
    """Requested, finished, failed and repeated runs of a report."""
    return tuple(report[name] for name in ("requested", "finished", "failed", "repeated"))


@pytest.fixture
def little_sweeps(monkeypatch, tmp_path):
    """Little images, a teacher that knows them, no worker processes; all is written to a folder of the test."""
    monkeypatch.setattr("distill_course.sweep.stock.load_dataset", lambda name, **options: DATASET)
    monkeypatch.setattr("distill_course.sweep.stock.named_teacher", lambda dataset, name: (ColourTeacher(), {}))
    monkeypatch.setattr("distill_course.sweep.crew.choose_device", lambda name: SimpleNamespace(type="this process"))
    for name in ("RUNS", "CACHE", "DATA"):
        monkeypatch.setenv(f"DISTILL_KIT_{name}", str(tmp_path / name.lower()))
    return tmp_path / "runs" / "sweeps" / "mine"


@pytest.fixture
def trained(monkeypatch):
    """Temperature, alpha and seed of each student whose training begins."""
    begun, real = [], Run.rows

    def rows(self, *args, **options):
        begun.append((self.settings.temperature, self.settings.alpha, self.settings.seed))
        return real(self, *args, **options)
    monkeypatch.setattr(Run, "rows", rows)
    return begun


@pytest.fixture
def sweeps(little_sweeps, answer, monkeypatch):
    """Runs `sweep --study mine` with options; gives exit status, report (or None) and standard error."""
    locks, lock = [], ledger._open_file
    monkeypatch.setattr(ledger, "_open_file", lambda *given: locks.append(lock(*given)) or locks[-1])

    def run(*options, settings=QUICK):
        status, out, errors = answer("sweep", "--study", "mine", *settings, *options, "--json")
        assert "Traceback" not in errors and "Traceback" not in out
        for each in locks:  # a ledger keeps its file locked for as long as it is there
            each.release(force=True)
        return status, value_of(out) if out else None, errors
    return run


@pytest.fixture
def grid(sweeps):
    """Runs a sweep of eight runs: two temperatures, two alphas, two seeds; with more options, which may be others."""
    def run(*options, seeds="2"):
        return sweeps("--temperature", "1,4", "--alpha", "0.1,0.9", "--seeds", seeds, *options)
    return run
