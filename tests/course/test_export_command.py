"""python -m distill_kit export: each format gives the student's own answers, and nothing is lost on the way."""
import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from small import CLASSES
from small_commands import QUICK, value_of

from distill_course.commands import export as command
from distill_kit.weights import load_model

ENDINGS = {"torch": ".pt2", "onnx": ".onnx", "safetensors": ".safetensors"}


@pytest.fixture
def run(answer):
    """The folder of a trained run."""
    return Path(value_of(answer("distill", *QUICK, "--json")[1])["history"]).parent


@pytest.fixture(params=ENDINGS)
def format(request):
    if request.param == "onnx":
        for package in ("onnx", "onnxscript", "onnxruntime"):
            pytest.importorskip(package)
    return request.param


def exported(answer, run, *options):
    status, out, errors = answer("export", run, "--json", *options)
    assert status == 0, errors
    return value_of(out)


@torch.no_grad()
def test_case_29_a_file_is_used_as_it_says_and_answers_like_the_student(answer, run, format):
    report = exported(answer, run, "--format", format)
    assert report["file"] == str(run / f"exported{ENDINGS[format]}") and report["format"] == format
    assert report["bytes"] == Path(report["file"]).stat().st_size and len(report["use"]) == 3
    assert report["classes"] == list(CLASSES) and "[N, 3, 16, 16]" in report["images"]
    student, _ = load_model(run / "student.safetensors")
    for count in (1, 5):
        images = torch.rand(count, 3, 16, 16)
        names = {"images": images.numpy() if format == "onnx" else images}
        exec("\n".join(report["use"]), names)
        torch.testing.assert_close(torch.as_tensor(names["logits"]), student(images), rtol=1e-4, atol=1e-5)
    assert report["checked_on"] == "256 images of random pixels"
    assert 0 <= report["largest_difference"] < 1e-4


def test_a_torch_file_needs_torch_and_nothing_of_the_kit(answer, run):
    path = exported(answer, run)["file"]
    program = f"import sys, torch; torch.export.load({path!r}).module()(torch.rand(3, 3, 16, 16)); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=run, check=True)
    assert "torch" in done.stdout.split() and "distill_kit" not in done.stdout.split()


def test_files_say_what_they_are(answer, run):
    kept = {"card.json": ""}
    torch.export.load(exported(answer, run)["file"], extra_files=kept)
    with safe_open(exported(answer, run, "--format", "safetensors")["file"], "pt") as file:
        header = file.metadata()
    for card in (json.loads(kept["card.json"]), json.loads(header["card"])):
        assert card["classes"] == list(CLASSES) and card["data"] == "coloured noise" and "0 to 1" in card["images"]
    assert json.loads(header["architecture"])["num_classes"] == 4


def test_nothing_is_overwritten(answer, run, tmp_path):
    exported(answer, run)
    before = {path: path.read_bytes() for path in run.iterdir()}
    for options in ([], ["--out", run / "student.safetensors", "--format", "safetensors"], ["--out", tmp_path]):
        status, out, errors = answer("export", run, "--json", *options)
        assert status == 2 and out == "" and "out must be a new file" in errors and "is there already" in errors
    assert {path: path.read_bytes() for path in run.iterdir()} == before
    assert exported(answer, run, "--out", tmp_path / "new" / "net.pt2")["file"] == str(tmp_path / "new" / "net.pt2")


@pytest.mark.parametrize("factor", [1.01, float("nan")])
def test_a_file_that_answers_otherwise_is_not_kept(answer, run, monkeypatch, factor):
    ending, real, read = command.FORMATS["torch"]

    def write(model, card, file):
        model.head.bias.data.add_(1).mul_(factor)
        real(model, card, file)
    monkeypatch.setitem(command.FORMATS, "torch", (ending, write, read))
    before = set(run.iterdir())
    status, out, errors = answer("export", run, "--json")
    assert status == 1 and out == "" and "the file was not kept" in errors.splitlines()[-1]
    assert set(run.iterdir()) == before


def test_a_teacher_of_the_kit_can_be_exported_as_well(answer, run):
    (run / "student.safetensors").rename(run / "teacher.safetensors")
    assert exported(answer, run / "teacher.safetensors")["file"] == str(run / "exported.pt2")
    status, _, errors = answer("export", run)
    assert status == 2 and f"no weights at {run / 'student.safetensors'}" in errors


def test_of_several_students_none_is_chosen_and_all_are_named(answer, run):
    for name in ("teacher-1", "labels-0"):
        (run.parent / "study" / name).mkdir(parents=True)
        (run.parent / "study" / name / "student.safetensors").write_bytes((run / "student.safetensors").read_bytes())
    status, _, errors = answer("export", run.parent / "study")
    assert status == 2 and "study holds several students; export one of them: labels-0, teacher-1" in errors


def test_onnx_without_its_packages_is_a_sentence(answer, run, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    status, out, errors = answer("export", run, "--format", "onnx")
    assert status == 2 and out == "" and "format onnx needs the package onnx: pip install" in errors.splitlines()[-1]
    assert not (run / "exported.onnx").exists()


def test_for_people_it_says_how_the_file_is_used(answer, run):
    status, out, _ = answer("export", run)
    assert status == 0 and "asked about 256 images of random pixels" in out and "of red, green, blue, grey" in out
    assert "in Python  import torch\n" in out and out.endswith("  logits = model(images)\n")
