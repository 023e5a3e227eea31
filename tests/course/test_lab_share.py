"""What brings a run back: the short code, the command line, the lines of Python."""
import dataclasses
import shlex

import pytest
from small import ColourTeacher, coloured_dataset

import distill_kit
from distill_course.commands.options import parser
from distill_course.diagnosis import FAULTS, faulty
from distill_course.lab.experiments import EXPERIMENTS
from distill_course.lab.share import code_of, command_line, python_lines, read_code
from distill_kit.settings import Settings

SETTINGS = Settings(data="coloured", images=100, epochs=2, batch_size=20, alpha=0.5, leave_out="red", seed=3,
                    temperature=2.0, precision="float32", device="cpu")


@pytest.mark.parametrize("experiment", EXPERIMENTS.values(), ids=EXPERIMENTS)
def test_a_code_brings_every_control_and_the_seed_back(experiment):
    values = {control.name: control.stops[-1] for control in experiment.controls}
    assert read_code(code_of(experiment, values, 7)) == (experiment, values, 7, {"hide": (), "lock": ()})


def test_a_code_is_short_and_can_be_read():
    code = code_of(EXPERIMENTS["alpha"], {"alpha": 0.5, "label_noise": 0.4}, 3)
    assert code == "alpha/alpha=0.5/label_noise=0.4/seed=3"


def test_a_code_can_hide_and_lock_controls():
    assert read_code("alpha/alpha=0.5/hide=label_noise/lock=alpha")[3] == {"hide": ("label_noise",), "lock": ("alpha",)}


@pytest.mark.parametrize("code, message", [
    ("beta/alpha=0.5", "a code begins with one of temperature, alpha, .*; got 'beta'"),
    ("alpha/alpha=7", "alpha must be one of 0.0, 0.1, .*; got '7'"),
    ("alpha/seed=-1", "seed must be a whole number from 0; got '-1'"),
    (f"alpha/seed={2**63}", "seed must be a whole number from 0; got '9223372036854775808'; the largest is 2"),
    ("alpha/colour=red", "'colour' is not a part of a code for alpha: alpha, label_noise, seed, hide, lock"),
    ("alpha/hide=T", r"hide must name controls of alpha \(alpha, label_noise\); got 'T'"),
    ("", "a code begins with one of")])
def test_a_bad_code_is_refused_in_words(code, message):
    with pytest.raises(ValueError, match=message):
        read_code(code)


def asked_by(line):
    """The settings and the fault that a command line asks for."""
    program, _, package, *arguments = shlex.split(line)
    assert (program, package) == ("python", "distill_kit")
    options = vars(parser().parse_args(arguments))
    names = {field.name for field in dataclasses.fields(Settings)}
    settings = Settings(**{name: value for name, value in options.items() if name in names})
    return settings, options.get("fault"), options.get("fault_strength")


def test_the_command_line_asks_for_the_same_run():
    assert asked_by(command_line(SETTINGS)) == (SETTINGS, None, None)


@pytest.mark.parametrize("name", FAULTS)
def test_the_command_line_asks_for_the_same_fault(name):
    settings = faulty(SETTINGS, name, "mild")
    healthy, *fault = asked_by(command_line(settings))
    assert fault == [name, "mild"] and faulty(healthy, *fault) == settings


@pytest.mark.parametrize("settings", [SETTINGS, faulty(SETTINGS, "dead_units", "clear")], ids=["healthy", "faulty"])
def test_the_lines_of_python_train_the_same_student(monkeypatch, capsys, settings):
    dataset = coloured_dataset()
    monkeypatch.setattr(distill_kit, "load_dataset", lambda name: dataset, raising=False)
    monkeypatch.setattr(distill_kit, "load_teacher", lambda dataset: (ColourTeacher(), {}), raising=False)
    names = {}
    exec(python_lines(settings), names)
    assert names["settings"] == settings and len(names["run"].history) == 2
    assert capsys.readouterr().out.count("\n") == 3


def test_no_command_is_given_for_a_run_that_none_trains():
    run = dataclasses.replace(SETTINGS, changes=("no_warmup",))
    assert command_line(run).startswith("# no command")
    assert command_line(faulty(run, "dead_units")).startswith("# no command")
    assert "--fault dead_units" in command_line(faulty(SETTINGS, "dead_units"))
