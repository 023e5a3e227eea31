"""Mistakes in plans, addresses, teachers and files: each a sentence, and never a figure of something else."""
import json
import re
import shutil
import subprocess
import sys

import optuna
import pytest
from small import ColourTeacher
from small_sweeps import DATASET
from torch import nn

from distill_course.sweep.crew import trained
from distill_course.sweep.plan import planned, read_plan
from distill_course.sweep.stock import Stock
from distill_kit.files import replace_file

SMALL = {"images": 96, "batch_size": 16, "epochs": 1, "device": "cpu"}
IN_TOML = "images = 96, batch_size = 16, epochs = 1, device = 'cpu'"


@pytest.fixture
def plan(sweeps, tmp_path):
    """Carries a plan out; gives status, report and the last line on standard error."""
    def run(text):
        (tmp_path / "plan.toml").write_text(text)
        status, report, errors = sweeps("--plan", str(tmp_path / "plan.toml"), settings=[])
        return status, report, errors.splitlines()[-1]
    return run


# Plans

@pytest.mark.parametrize("line, sentence", [
    ("seeds = 10000000000", "seeds must be a number of seeds, 1,000 at most"), ("seeds = [1.0]", "seed must be"),
    (f"grid = {{ temperature = [1{'0' * 400}] }}", "temperature must be 0.001 to 1,000,000"),
    ("grid = { fault = [1] }", "fault must be one of .*got 1"),
    ("grid = { fault = [{ a = 1 }] }", "fault must be one of .*got {'a': 1}"),
    ("shared = { measure = 'rank2' }", "measure 'rank2' must come with leave_out"),
    ("shared = { teacher = '' }", "teacher must be a name, or a table"),
    ("shared = { teacher = { data = 'cifar10' } }", "has data and seed of the run"),
    ("shared = { teacher = { seed = 4 } }", "has data and seed of the run"),
    *((f"shared = {{ teacher = {{ {own} }} }}", sentence) for own, sentence in [
        ("images = 10000000", "images must be at most"), ("leave_out = 'nope'", "nope"),
        ("precision = 'x'", "precision"), ("labelled = 999999", "labelled must be")])])
def test_a_mistake_in_a_plan_is_a_sentence_before_anything_begins(plan, tmp_path, trained, line, sentence):
    status, report, last = plan(f"[mine]\n{line}\n")
    assert status == 2 and report is None and re.search(sentence, last), last
    assert trained == [] and not (tmp_path / "runs").exists()


def test_the_arm_with_the_mistake_is_named(plan):
    status, _, last = plan("[mine.arms]\ngood = {}\nbad = { temperature = -1 }\n")
    assert status == 2 and last.startswith("distill_kit: mine: bad: temperature must be")


def test_a_whole_number_may_be_written_as_a_share_and_a_file_may_begin_with_a_mark(tmp_path):
    (tmp_path / "plan.toml").write_bytes("\ufeff[mine]\nseeds = 2.0\n".encode())
    assert [values["seed"] for _, values in read_plan(tmp_path / "plan.toml")] == [0, 1]


def test_no_seed_is_a_sentence(sweeps):
    status, _, errors = sweeps("--seed", "none", "--seeds", "2")
    assert status == 2 and "seed must be" in errors


# Addresses and studies

@pytest.mark.parametrize("storage", [
    "sqlite://tmp/dir/x.db", "sqlite://study.db", "sqlite://", "sqlite:///a.db?mode=ro",
    "postgresql+psycopg_async://me@host/x", "postgresql://me@host:abc/x", "postgresql://me@[::1:5601/x"])
def test_an_address_with_a_slip_is_a_sentence(sweeps, storage):
    status, _, errors = sweeps("--storage", storage)
    assert status == 2 and "storage must be a database's address" in errors.splitlines()[-1]


def test_what_others_put_into_a_study_is_left_alone(sweeps, little_sweeps):
    sweeps()
    address = f"sqlite:///{little_sweeps / 'study.db'}"
    optuna.load_study(study_name="mine", storage=address).ask()
    assert sweeps("--status", settings=[])[1]["finished"] == 1 and sweeps()[0] == 0
    optuna.create_study(study_name="theirs", storage=address).set_user_attr("plan", "x")
    assert sweeps("--study", "theirs", "--storage", address)[0] == 0  # it has no trials, so it is taken


# Teachers

class OtherTeacher(ColourTeacher):
    def forward(self, images):
        return super().forward(images) * 2


def test_a_teacher_that_was_replaced_meanwhile_teaches_nobody(plan, monkeypatch, little_sweeps):
    teachers = {"a": [ColourTeacher()] * 9, "b": [nn.Sequential(ColourTeacher()), nn.Sequential(OtherTeacher())]}
    monkeypatch.setattr("distill_course.sweep.stock.named_teacher", lambda dataset, name: (teachers[name].pop(0), {}))
    status, report, last = plan(f"[mine]\nshared = {{ {IN_TOML} }}\ngrid = {{ teacher = ['a', 'b'] }}\n")
    assert status == 2 and "teacher 'b' were changed since the sweep began; start it again" in last
    names = [json.loads(path.read_text())["teacher"] for path in (little_sweeps / "results").glob("*.json")]
    assert names in ([], ["a"])


def test_a_teacher_that_no_process_can_be_sent_fails_alone(tmp_path):
    class Local(ColourTeacher):  # has no name in this module
        pass
    runs = [planned("", {**SMALL, "probes": True}), planned("", {**SMALL, "seed": 1})]
    results = dict(trained(runs, Stock(DATASET, Local()), workers=1, progress=False))
    assert "its teacher cannot be sent to a process" in results[0]["error"] and "report" in results[1]


# Files and streams

def test_a_result_that_was_renamed_to_another_key_is_trained(plan, trained, little_sweeps):
    def text(views):
        return f"[mine]\nshared = {{ {IN_TOML} }}\ngrid = {{ views = [{views}] }}\n"
    plan(text(2))
    old, = (little_sweeps / "results").iterdir()
    shutil.move(little_sweeps / "study.db", little_sweeps / "old.db")
    plan(text(3))
    new, = {*(little_sweeps / "results").iterdir()} - {old}
    (little_sweeps / "study.db").unlink()
    replace_file(new, old.read_bytes())
    trained.clear()
    with pytest.warns(UserWarning, match=f"{new.name} is cut, altered or of another run; its run is trained again"):
        assert plan(text(3))[0] == 0
    assert len(trained) == 1 and json.loads(new.read_text())["views"] == 3


LOUD = """
print("loud")
from torch import nn
class Loud(nn.Module):
    def forward(self, images):
        print("loud")
        return images.mean((2, 3)).repeat(1, 4)[:, :10]
"""


@pytest.mark.parametrize("command", [["distill", "--out", "out"], ["sweep", "--study", "s", "--workers", "1"]])
def test_what_a_teacher_prints_is_no_answer(tmp_path, monkeypatch, command):
    (tmp_path / "loud.py").write_text(LOUD)
    monkeypatch.setenv("DISTILL_KIT_RUNS", str(tmp_path))
    done = subprocess.run([sys.executable, "-m", "distill_kit", *command, "--data", "shapes10", "--teacher",
                           "loud:Loud", "--images", "64", "--batch-size", "32", "--epochs", "1", "--json"],
                          capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0 and isinstance(json.loads(done.stdout), dict) and "loud" in done.stderr, done.stderr


def test_without_standard_error_an_answer_is_still_an_answer(tmp_path):
    line = f'"{sys.executable}" -m distill_kit faults --json 2>&-'
    done = subprocess.run(line, shell=True, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0 and json.loads(done.stdout)
