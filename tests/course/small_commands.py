"""The command line on little images, to test with."""
import json

import pytest
from small import ColourTeacher, coloured_dataset

from distill_kit.__main__ import main

DATASET = coloured_dataset()
QUICK = ["--images", "96", "--epochs", "2", "--batch-size", "16", "--student", "small", "--device", "cpu",
         "--precision", "float32"]


@pytest.fixture
def little_machine(monkeypatch, tmp_path):
    """Little images and a teacher that knows them, in place of what --data auto finds; runs in a folder of the test."""
    from distill_kit import data, teachers
    real = data.load_dataset
    monkeypatch.setattr(data, "load_dataset",
                        lambda name="auto", **options: DATASET if name == "auto" else real(name, **options))
    monkeypatch.setattr(teachers, "load_teacher", lambda dataset, path=None: (ColourTeacher(), {"recipe": "none"}))
    monkeypatch.setenv("DISTILL_KIT_RUNS", str(tmp_path / "runs"))
    monkeypatch.setenv("DISTILL_KIT_DATA", str(tmp_path / "no-data"))
    monkeypatch.setenv("DISTILL_KIT_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def answer(little_machine, capsys):
    """Runs a command; gives its exit status, standard output and standard error."""
    def run(*arguments):
        try:
            status = main([str(argument) for argument in arguments])
        except SystemExit as end:  # from argparse
            status = end.code
        return status, *capsys.readouterr()
    return run


def value_of(text):
    """The single JSON value that the text is, by the strict rules of JSON."""
    assert text.count("\n") == 1
    return json.loads(text, parse_constant=pytest.fail)
