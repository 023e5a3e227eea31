"""The benchmark on little images: every figure is there and made of what it says it is."""
import functools
import math
import sys
from pathlib import Path

import pytest
import torch
from small import ColourTeacher, coloured_dataset

from distill_course.commands import bench
from distill_course.sweep.plan import Planned
from distill_kit.models import parameter_count
from distill_kit.run import Materials
from distill_kit.settings import Settings
from distill_kit.teachers import Teacher

sys.path.append(str(Path(__file__).resolve().parents[2] / "benchmarks"))  # last: others may have modules of these names
import growth
import shared

KEYS = {"ratio_to_bare_step", "ratio_to_article_loop", "ratio_to_article_loop_cold", "default_run_seconds",
        "ratio_to_article_loop_shipped_teacher",
        "default_run_test_accuracy", "quick_run_seconds", "quick_run_test_accuracy", "teacher_pass_seconds",
        "peak_memory_bytes", "precision", "machine"}
DATASET = coloured_dataset(400, size=32)
LITTLE = functools.partial(Settings, images=200, batch_size=16)


@pytest.fixture(scope="module")
def report():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bench, "Settings", LITTLE)
        patch.setattr(bench, "EPOCHS", 1)
        patch.setattr(bench, "peak_memory", lambda settings: 10**9)
        patch.setattr(bench, "DEFAULT_EPOCHS", 2), patch.setattr(bench, "QUICK_EPOCHS", 1)
        return bench.measure(DATASET, ColourTeacher(), rounds=2, seeds=2, device="cpu", precision="float32",
                             others=lambda materials: {"tutorial_loop": growth.TutorialLoop(materials.training).run})


def test_every_promised_key_is_there(report):
    assert report.keys() >= KEYS and all(report[key] is not None for key in KEYS)
    assert {"processor", "threads", "cores", "torch", "memory_bytes"} <= report["machine"].keys()


def test_figures_are_possible(report):
    assert all(0 < report[name] < math.inf for name in report if name.startswith("ratio"))
    assert 0.2 < report["quick_run_test_accuracy"] <= 1 and report["quick_run_seconds"] > 0
    article = {f"article_loop{part}{which}" for part in ("", "_with_validation") for which in ("", "_shipped_teacher")}
    assert set(report["images_per_second"]) == {"bare_step", "loop", "loop_with_validation", "tutorial_loop", *article}
    assert all(0 < speed < math.inf for speed in report["images_per_second"].values())
    assert set(report["step_milliseconds"]) == {"gather", "loss", "optimizer", "validation"}


def test_growth_has_a_time_for_every_size_that_the_data_set_has(monkeypatch):
    monkeypatch.setattr(growth, "IMAGES", (50, 100, 10**6)), monkeypatch.setattr(growth, "EPOCHS", (1, 2))
    monkeypatch.setattr(growth, "STUDENTS_AT_ONCE", 2)
    settings, teacher = LITTLE(epochs=1, device="cpu", precision="float32"), ColourTeacher()
    threads = torch.get_num_threads()
    measured = growth.measure_growth(settings, DATASET, teacher, Materials.of(settings, DATASET, teacher), say=len)
    assert {name: list(seconds) for name, seconds in measured.items()} == {
        "epoch_seconds_by_images": [50, 100], "seconds_by_epochs": [1, 2],
        "quick_run_seconds_by_threads": list(range(1, threads + 1)),
        "seconds_a_student_by_processes": sorted({1, threads})}
    assert all(seconds > 0 for sizes in measured.values() for seconds in sizes.values())


def test_the_tutorials_pair_has_the_tutorials_sizes():
    assert parameter_count(growth.plain_net((128, 64, 64, 32), 512)) == 1_186_986
    assert parameter_count(growth.plain_net((16, 16), 256)) == 267_738


def test_a_pass_asks_for_every_view_of_every_image_once(monkeypatch):
    dataset, asked = coloured_dataset(), []
    real = Teacher.__call__
    monkeypatch.setattr(Teacher, "__call__", lambda self, images: asked.append(len(images)) or real(self, images))
    materials = Materials.of(Settings(images=64), dataset, ColourTeacher())
    seconds = bench.time_a_pass(materials, ColourTeacher())
    assert sum(asked) == 64 * 8 and seconds > 0


@pytest.mark.parametrize("seeds", ["0", "-1"])
def test_fewer_than_one_seed_are_refused_before_anything_is_timed(answer, seeds):
    status, out, errors = answer("bench", "--seeds", seeds)
    assert status == 2 and out == "" and errors.startswith(f"distill_kit: seeds must be 1 or more; got {seeds}. ")


def test_results_come_in_the_order_of_the_runs(monkeypatch):
    results = [(1, {"report": {"test_accuracy": 0.2}}), (0, {"report": {"test_accuracy": 0.1}})]
    monkeypatch.setattr(shared, "side_by_side", lambda runs, stock, **how: iter(results))
    runs = [Planned(Settings()), Planned(Settings(seed=1))]
    made = shared.results(runs, DATASET, ColourTeacher())
    assert [result["report"]["test_accuracy"] for result in made] == [0.1, 0.2]
    results.insert(1, (1, {"error": "its process ended with status -9"}))
    with pytest.raises(RuntimeError, match="run 1: its process ended with status -9"):
        shared.results(runs, DATASET, ColourTeacher())
