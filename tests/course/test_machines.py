"""What is said of other kinds of machines is what was measured there."""
import importlib.util
import json
import sys
from pathlib import Path

import pytest

from distill_course.commands.commands import WORDS
from distill_course.lab.panel import HELP
from distill_course.shipped import elsewhere, read_stored

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def benchmark(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    spec = importlib.util.spec_from_file_location("benchmark_neighbours", ROOT / "benchmarks" / "neighbours.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    yield module
    sys.modules.pop("shared", None)  # another folder of benchmarks may have a module of that name


def test_the_seconds_of_other_machines_are_those_of_the_benchmarks(benchmark):
    report = json.loads((ROOT / "benchmarks" / "neighbours.json").read_text("utf-8"))
    measured = {kind: alone for kind, (alone, _) in benchmark.quick_runs(report).items()}
    assert read_stored("machines") == pytest.approx(measured, abs=0.005) and len(measured) == 3
    rows = benchmark.waits(report).splitlines()[2:5]
    assert len(rows) == 3 and set(rows) <= set((ROOT / "README.md").read_text("utf-8").splitlines())


def test_lab_doctor_and_bench_say_them():
    words = elsewhere()
    assert words.count(" s on ") == 3 and all(kind in words for kind in read_stored("machines"))
    assert words in HELP
    assert all("{elsewhere}" in WORDS[command][row] for command, row in (("doctor", "a quick run"),
                                                                         ("bench", "quick run")))
