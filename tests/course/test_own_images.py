"""The whole way with images of one's own: by command, and in the notebook, from one changed line."""
import io
import re
from contextlib import redirect_stdout
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from small_commands import QUICK, value_of

from distill_course import teacher_training
from distill_kit.__main__ import main
from distill_kit.models import Architecture

TEXTURES = {"brick": (150, 60, 40), "grass": (50, 130, 50), "gravel": (120, 120, 120)}
KINDS = [("png", "RGB"), ("jpg", "L"), ("webp", "RGBA"), ("bmp", "P"), ("tif", "RGB")]
NOTEBOOK = Path(__file__).parents[2] / "notebooks" / "source" / "07_your_own.py"


def textures(root, count=16, sides=(24, 60)):
    """Crops of three textures, in several sizes, formats and modes."""
    random = np.random.default_rng(0)
    for name, colour in TEXTURES.items():
        (root / name).mkdir(parents=True)
        for number in range(count):
            size = (*random.integers(*sides, 2), 3)
            ending, mode = KINDS[number % len(KINDS)]
            pixels = (colour + 30 * random.standard_normal(size)).clip(0, 255).astype(np.uint8)
            image = Image.fromarray(pixels).convert(mode)
            if mode == "RGBA":
                image.paste((0, 0, 0, 0), (0, 0, 5, 5))
            image.save(root / name / f"{number}.{ending}")
    return root


@pytest.fixture
def machine(monkeypatch, tmp_path):
    """A machine without any data set or run."""
    for name in ("RUNS", "CACHE", "DATA"):
        monkeypatch.setenv(f"DISTILL_KIT_{name}", str(tmp_path / name.lower()))
    return tmp_path


@pytest.fixture
def quick_teacher(monkeypatch):
    """A recipe whose teacher is small and trained in seconds."""
    whole = teacher_training.recipe_for

    def quick(dataset):
        little = Architecture((8, 16), 1, 2, "max", len(dataset.pool.classes), dataset.pool.images.shape[-1])
        return replace(whole(dataset), architecture=little, epochs=8)
    monkeypatch.setattr(teacher_training, "recipe_for", quick)


@pytest.fixture
def answers(machine, capsys):
    """Runs a command that must succeed; gives its JSON and standard error."""
    def run(*arguments):
        assert main([*map(str, arguments), "--json"]) == 0, capsys.readouterr().err
        out, errors = capsys.readouterr()
        assert "Warning" not in errors and "Traceback" not in errors
        return value_of(out), errors
    return run


def test_case_29_the_whole_way_by_four_commands(answers, machine, quick_teacher):
    own = textures(machine / "own")
    report, _ = answers("data", own)
    assert report["classes"] == list(TEXTURES) and report["pool"] + report["validation"] + report["test"] == 48
    assert report["formats"] == {"PNG": 12, "JPEG": 9, "WEBP": 9, "BMP": 9, "TIFF": 9} and report["transparent"] == 9
    assert report["passed_over"] == {} and all(min(counts) > 0 for counts in report["counts"].values())
    teacher, _ = answers("teacher", "--train", "--data", own, "--device", "cpu")
    assert teacher["test_accuracy"] > 0.8 and teacher["card"]["classes"] == list(TEXTURES)
    report, errors = answers("distill", "--data", own, *QUICK[2:], "--seeds", 2)
    assert teacher["weights"] in errors and len(report["runs"]) == 4 and len(report["interval"]) == 2
    report, _ = answers("export", report["best"])
    logits = torch.export.load(report["file"]).module()(torch.rand(5, 3, 32, 32))
    assert logits.shape == (5, 3) and report["classes"] == list(TEXTURES)


@pytest.mark.parametrize("size", [8, 11, 12])
def test_case_4_a_teacher_is_trained_on_tiny_images_by_its_own_recipe(answers, machine, size):
    own = textures(machine / "own", sides=(size, size + 1))
    report, _ = answers("teacher", "--train", "--data", own, "--epochs", 1, "--device", "cpu")
    recipe = report["card"]["recipe"]
    assert recipe["architecture"]["image_size"] == size and 0 < recipe["cutout"] < size / 2
    answers("distill", "--data", own, *QUICK[2:])


def test_case_2_distill_says_on_how_many_images_the_accuracy_was_measured(machine, quick_teacher, capsys):
    own = textures(machine / "own")
    main(["teacher", "--train", "--data", str(own), "--device", "cpu"])
    assert main(["distill", "--data", str(own), *QUICK[2:]]) == 0
    (line,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("validation accuracy")]
    assert "of all 6 images" in line and "after each epoch" not in line  # each epoch on all of them, too


def cells(mine):
    """The code cells of notebook 07 with `mine` as the folder; the one that installs on Colab left out."""
    text = NOTEBOOK.read_text("utf-8")
    assert text.count('mine = "" ') == 1
    parts = re.split(r"^# %%(.*)\n", text.replace('mine = "" ', f"mine = {str(mine)!r} "), flags=re.MULTILINE)[1:]
    return [code for head, code in zip(parts[::2], parts[1::2])
            if not head.strip().startswith("[markdown]") and "setup" not in head]


def test_case_19_and_21_notebook_7_works_for_any_folder_from_one_changed_line(machine, quick_teacher, monkeypatch):
    """Of 33 images to train with the last batch would be a single one."""
    monkeypatch.setattr("distill_course.notebook.EPOCHS", 1)
    names, out = {"__name__": "__main__"}, io.StringIO()
    with redirect_stdout(out):
        for code in cells(textures(machine / "own")):
            exec(compile(code, code[:60], "exec"), names)
    assert len(names["own"].pool) == 33 and len(names["train_loader"]) == 1
    assert names["knows"] == names["own"].pool.classes == tuple(TEXTURES) == tuple(names["card"]["classes"])
    assert "The teacher knows: brick grass gravel" in out.getvalue() and len(names["to_student"]) == 1
    assert names["lab"].session.dataset is names["own"]
    names["home"].cleanup()
