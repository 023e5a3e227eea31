"""The lab's faults: each a bad preset, named while the run goes on, held against the same run without it."""
from dataclasses import fields, replace
from types import SimpleNamespace

import pytest
from small_lab import DATASET, lab_of

from distill_course.diagnosis import FAULTS, diagnose, fault_of
from distill_course.lab.experiments import EXPERIMENTS
from distill_course.lab.share import code_of, read_code
from distill_course.lab.words import verdict
from distill_course.lab.worker import RUNNING
from distill_kit.settings import Settings

EXPERIMENT = EXPERIMENTS["faults"]


@pytest.fixture
def lab(tmp_path):
    return lab_of(tmp_path, "faults")


def test_every_fault_is_a_bad_preset_with_its_sentence():
    presets = {preset.values["fault"]: preset for preset in EXPERIMENT.presets}
    assert presets.keys() == FAULTS.keys()
    assert all(presets[name].why == fault.sentence for name, fault in FAULTS.items())


@pytest.mark.parametrize("name", FAULTS)
def test_the_baseline_is_the_same_run_without_the_fault(name):
    with_it = EXPERIMENT.settings({"fault": name, "fault_strength": "gross"}, DATASET, 0)
    healthy = EXPERIMENT.settings({"fault": "none"}, DATASET, 0)
    without = EXPERIMENT.baseline_of(with_it)
    differ = {field.name for field in fields(Settings) if getattr(with_it, field.name) != getattr(without, field.name)}
    assert fault_of(with_it) == (FAULTS[name], "gross") and fault_of(without) is None
    assert differ == {"changes", *FAULTS[name].itself}
    assert all(getattr(without, setting) == getattr(healthy, setting) for setting in FAULTS[name].itself)
    assert EXPERIMENT.baseline_of(healthy) == healthy and fault_of(healthy) is None
    habit = replace(with_it, changes=("no_clipping", *with_it.changes))
    assert EXPERIMENT.baseline_of(habit) == replace(without, changes=("no_clipping",))  # only the fault is taken away


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_done_to_a_runs_parts_or_is_a_setting(name):
    """Else a run and its baseline would be one."""
    parts = SimpleNamespace(alpha=lambda step: 0.5, steps=1)  # all that a fault may ask of parts that it leaves alone
    try:
        untouched = FAULTS[name].apply(parts, 1.0) is parts
    except (AttributeError, TypeError):  # it asks for something that real parts have
        untouched = False
    assert untouched == bool(FAULTS[name].itself)


def test_what_is_wrong_is_said_as_soon_as_it_is_sure_and_at_the_end(lab):
    session, sentences = lab.session, []
    before = session.on_change

    def hear():
        before()
        live = session.live
        if live is not None and live.state == RUNNING and live.shares and session.second is None:
            sentences.append(verdict(session))
    session.on_change = hear
    run = lab.run(fault="softmax_for_log_softmax", fault_strength="gross")
    assert sentences and all("Something is wrong: The soft term is below zero" in sentence for sentence in sentences)
    assert run.findings[0].name == "softmax_for_log_softmax"
    assert "Hand log_softmax of the student to kl_div" in verdict(session)


def test_what_only_a_probe_can_tell_is_said_at_the_end(lab):
    assert lab.run(fault="layers_not_trained", fault_strength="clear").findings[0].name == "layers_not_trained"


def test_of_a_run_with_a_fault_the_end_says_what_is_found_or_that_nothing_is(lab):
    run = lab.run(fault="teacher_sees_other_view", fault_strength="gross")
    harmless = next(finding for finding in run.findings if finding.name == "teacher_sees_other_view")
    run.findings = [harmless]
    assert f"This looks wrong, and seldom costs anything: {harmless.sentence}" in verdict(lab.session)
    run.findings = diagnose([{"epoch": number, "val_accuracy": 0.1 * number} for number in range(1, 5)])
    assert [finding.name for finding in run.findings] == ["still_improving"]  # true, and beside the point
    assert "The kit does not find this fault here." in verdict(lab.session)
    run.state = RUNNING
    assert "does not find" not in verdict(lab.session)


def test_a_code_carries_a_fault(lab):
    code = code_of(EXPERIMENT, {"fault": "dead_units", "fault_strength": "mild"}, 3)
    experiment, values, seed, _ = read_code(code)
    assert (experiment, values, seed) == (EXPERIMENT, {"fault": "dead_units", "fault_strength": "mild"}, 3)
