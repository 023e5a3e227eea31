"""Which teacher the commands take: that which is named, of any kind, or the newest trained on these images."""
import os
import sys

import pytest
from small import coloured_images
from small_commands import DATASET, QUICK, value_of

from distill_kit.models import Architecture, make_model
from distill_kit.weights import save_model


@pytest.fixture
def runs(answer, monkeypatch, tmp_path):
    """The folder of runs, where commands load the teacher that they are told to, and run in a folder with makers.py."""
    monkeypatch.undo()
    monkeypatch.setattr("distill_kit.data.load_dataset", lambda name, **options: DATASET)
    monkeypatch.setenv("DISTILL_KIT_RUNS", str(tmp_path / "runs"))
    monkeypatch.setenv("DISTILL_KIT_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "makers.py").write_text("from small import ColourTeacher as build\n")
    yield tmp_path / "runs"
    sys.modules.pop("makers", None)


def keep_teacher(folder, seed, size=16, **card):
    network = make_model(Architecture((8,), 1, 1, "max", 4, size), coloured_images(40, size).images, seed)
    return save_model(network, folder / "teacher.safetensors", {
        "data": DATASET.pool.source, "classes": list(DATASET.pool.classes), "training_images": len(DATASET.pool),
        "seed": seed, **card})


def evaluated(answer, *options):
    status, out, errors = answer("teacher", "--evaluate", "--json", "--device", "cpu", *options)
    return value_of(out)["card"] if status == 0 else None, errors.splitlines()[-1]


def test_case_22_any_teacher_is_evaluated_and_taught_from(answer, runs):
    card, _ = evaluated(answer, "--teacher", "makers:build")
    assert card["teacher"] == "makers:build"
    status, out, _ = answer("distill", *QUICK, "--teacher", "makers:build", "--json")
    assert status == 0 and value_of(out)["val_accuracy"] >= 0
    status, out, errors = answer("distill", *QUICK, "--teacher", "makers:absent", "--json")
    assert status == 2 and out == "" and "makers:absent cannot be made" in errors.splitlines()[-1]


def test_case_22_weights_that_are_a_pickle_are_not_loaded_and_the_way_is_said(answer, runs):
    status, _, errors = answer("distill", *QUICK, "--teacher", "resnet18.pth")
    assert status == 2 and "a .pth file is a pickle" in errors.splitlines()[-1] and "module:function" in errors


def test_the_newest_teacher_that_was_trained_on_these_images_is_taken_and_named(answer, runs):
    card, sentence = evaluated(answer)
    assert card is None and "has no teacher for 'coloured'" in sentence
    keep_teacher(runs / "20260101-000000-0-1", 1)
    keep_teacher(runs / "20260102-000000-0-1", 2)
    keep_teacher(runs / "20260103-000000-0-1", 3, data="other images")
    keep_teacher(runs / "20260104-000000-0-1", 4, classes=["a", "b", "c", "d"])
    keep_teacher(runs / "20260105-000000-0-1", 5, size=24)  # of the same folder at another size, another cut of it
    keep_teacher(runs / "20260106-000000-0-1", 6, training_images=len(DATASET.pool) - 1)
    (runs / "20260107-000000-0-1").mkdir()
    (runs / "20260107-000000-0-1" / "teacher.safetensors").write_text("cut")
    card, sentence = evaluated(answer)
    assert card["seed"] == 2 and os.path.join("20260102-000000-0-1", "teacher.safetensors") in sentence
    named = keep_teacher(runs.parent, 7)
    assert evaluated(answer, "--teacher", named)[0]["seed"] == evaluated(answer, "--weights", named)[0]["seed"] == 7
    status, _, errors = answer("distill", *QUICK)
    assert status == 0 and "20260102-000000-0-1" in errors


def test_a_training_begins_with_fresh_weights(answer, runs):
    status, _, errors = answer("teacher", "--train", "--epochs", 1, "--teacher", "makers:build", "--device", "cpu")
    assert status == 2 and "--weights goes with --evaluate" in errors and "makers:build" in errors.splitlines()[-1]
    assert not runs.exists()
