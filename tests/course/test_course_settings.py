"""What the course's tables say, and the settings that are made of it; the names of the package."""
from dataclasses import replace
from types import ModuleType

import pytest
from small import coloured_dataset

import distill_course
from distill_course.diagnosis import FAULTS, STRENGTHS, faulty
from distill_course.lab.experiments import CONTROLS, EXPERIMENTS
from distill_course.machine import machine, machine_in_words
from distill_course.settings import FAVOURITE, LEFT_OUT, NO_FAULT, changed, favourite, quick, settings_of
from distill_course.shipped import read_stored, read_table
from distill_kit.devices import choose_device
from distill_kit.settings import QUICK_EPOCHS, Settings

DATASET = coloured_dataset()
QUICK = Settings(data="coloured", epochs=QUICK_EPOCHS, seed=3)


def test_the_values_of_a_table_are_what_differs_from_a_quick_run():
    assert settings_of(quick(DATASET, {"seed": 3})) == QUICK
    assert settings_of(quick(DATASET, {"seed": 3, "alpha": 0.5, "epochs": 2})) == replace(QUICK, alpha=0.5, epochs=2)
    assert settings_of(quick(DATASET, {"seed": 7, "data": "auto"})) == replace(QUICK, seed=7, data="auto")


def test_the_favourite_is_the_data_sets_own_class_to_leave_out():
    assert settings_of(quick(DATASET, {"seed": 3, "leave_out": FAVOURITE})) == replace(QUICK, leave_out="red")
    assert settings_of(quick(DATASET, {"seed": 3, "leave_out": "blue"})).leave_out == "blue"
    assert settings_of(quick(DATASET, {"seed": 3, "leave_out": None})).leave_out is None
    for name, left_out in LEFT_OUT.items():
        assert favourite(replace(DATASET, name=name)) == left_out


@pytest.mark.parametrize("strength", STRENGTHS)
def test_a_fault_is_one_of_the_values(strength):
    values = {"fault": "t_squared_missing", "fault_strength": strength, "student": "small"}
    asked = dict(values)
    healthy = replace(QUICK, student="small")
    assert settings_of(quick(DATASET, {"seed": 3, **values})) == faulty(healthy, "t_squared_missing", strength)
    assert settings_of(quick(DATASET, {"seed": 3, **values, "fault": NO_FAULT})) == replace(QUICK, student="small")
    assert values == asked  # a table is read again and again
    with pytest.raises(ValueError, match="fault must be one of .*; got 'bad_luck'"):
        settings_of(quick(DATASET, {"seed": 3, "fault": "bad_luck"}))


def test_the_changes_of_a_table_are_a_list_and_become_a_tuple():
    settings = settings_of(quick(DATASET, {"seed": 3, "changes": ["no_warmup", "no_clipping"]}))
    assert settings == replace(QUICK, changes=("no_warmup", "no_clipping"))
    ill = settings_of(quick(DATASET, {"seed": 3, "changes": ["no_warmup"], "fault": "dead_units",
                                      "fault_strength": "mild"}))
    assert ill.changes == ("no_warmup", "dead_units:mild")


def test_what_has_been_changed_can_be_read_from_the_settings():
    assert changed(Settings()) == {}
    assert changed(Settings(alpha=0.5, leave_out="red", changes=("no_warmup",))) == {
        "alpha": 0.5, "leave_out": "red", "changes": ("no_warmup",)}


def test_lists_of_a_table_become_tuples(monkeypatch, tmp_path):
    (tmp_path / "assets").mkdir()
    (tmp_path / "assets" / "tiny.toml").write_text(
        '[first]\nnames = ["a", "b"]\nshare = 0.5\nempty = []\n\n["with blanks"]\nwords = "é"\n\n'
        '[[with_tables.inner]]\nx = 1\n', encoding="utf-8")
    monkeypatch.setitem(read_table.__globals__, "files", lambda package: tmp_path)
    assert read_table("tiny") == {"first": {"names": ("a", "b"), "share": 0.5, "empty": ()},
                                  "with blanks": {"words": "é"}, "with_tables": {"inner": ({"x": 1},)}}


def test_what_is_stored_is_read_once(monkeypatch, tmp_path):
    (tmp_path / "assets").mkdir()
    (tmp_path / "assets" / "tiny.json").write_text('{"a": [1, 2]}', encoding="utf-8")
    monkeypatch.setitem(read_stored.__wrapped__.__globals__, "files", lambda package: tmp_path)
    stored = read_stored("tiny")
    assert stored == {"a": [1, 2]} and read_stored("tiny") is stored


def test_the_experiments_are_read_with_their_controls():
    assert {"temperature", "alpha", "false_teacher", "labels", "schedule", "plain", "faults"} <= set(EXPERIMENTS)
    for experiment in EXPERIMENTS.values():
        assert {control.name for control in experiment.controls} <= {control.name for control in CONTROLS.values()}
        assert experiment.first_values.keys() == {control.name for control in experiment.controls}
        assert experiment.title and experiment.question.endswith("?") and experiment.presets
    assert EXPERIMENTS["schedule"].baseline == {"final_alpha": None, "final_temperature": None}
    assert EXPERIMENTS["alpha"].baseline == {"alpha": 1.0, "final_alpha": None, "temperature": 4.0}
    assert EXPERIMENTS["faults"].baseline == {} and EXPERIMENTS["false_teacher"].taught_by_baseline
    assert EXPERIMENTS["faults"].first_values["fault"] in FAULTS


def test_the_machine_is_said_in_words():
    about = machine(choose_device("cpu"))
    assert {"processor", "device", "cores", "threads", "memory_bytes", "system", "python", "torch"} <= set(about)
    assert about["processor"] in machine_in_words() and " in " in machine_in_words()
    assert machine_in_words().startswith(f"{about['threads']} thread")


@pytest.mark.parametrize("name", distill_course.__all__)
def test_a_public_name_is_itself_and_no_module_of_that_name(name):
    assert name in dir(distill_course) and not isinstance(getattr(distill_course, name), ModuleType)


def test_a_name_that_is_not_public_is_an_attribute_error():
    with pytest.raises(AttributeError, match="has no attribute 'chek'"):
        _ = distill_course.chek
