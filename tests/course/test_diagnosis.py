"""Findings: named where something is wrong, with the figures they rest on, and nothing where nothing is."""
import json
import math
import time
from dataclasses import asdict

import pytest

from distill_course.diagnosis import FAULTS, Reference, diagnose, reference_for
from distill_course.diagnosis.deficits import DEFICITS
from distill_course.diagnosis.finding import CAUSES, SEVERE
from distill_course.diagnosis.identities import IDENTITIES
from distill_kit.history import save_history

EPOCHS, T, ALPHA, CLASSES = 8, 4.0, 0.1, 10
REFERENCE = Reference("made-up images", accuracy=0.67, spread=0.005, runs=5, steps=152, teacher_accuracy=0.89)
ENTROPY = 1.9                                    # of the teacher at T, in nats
FIRST_SOFT = T**2 * (math.log(CLASSES) - ENTROPY)
SEEN_BY_PROBES = {"loss": "right", "loss_ratio": 1.0, "teacher": "same", "teacher_match": 1.0, "not_training": 0.0,
                  "frozen": 0.0, "false_labels": 0.01}


def healthy(**changes):
    """Rows as a good run has them; a change is a value for all epochs, or a function of the epoch."""
    rows = []
    for epoch in range(1, EPOCHS + 1):
        x = epoch / EPOCHS
        hard, soft = 2.0 - 1.2 * x, 4.0 - 3.0 * x
        row = {"kind": "epoch", "epoch": epoch, "steps": 19 * epoch, "temperature": T, "alpha": ALPHA,
               "train_hard": hard, "train_soft": soft, "train_loss": ALPHA * hard + (1 - ALPHA) * soft,
               "val_hard": 2.0 - x, "val_soft": 4.2 - 2.8 * x,
               "val_loss": ALPHA * (2 - x) + (1 - ALPHA) * (4.2 - 2.8 * x),
               "train_accuracy": 0.4 + 0.37 * x, "val_accuracy": 0.42 + 0.25 * min(1, 8 * x / 7),
               "train_agreement": 0.4 + 0.38 * x, "val_agreement": 0.42 + 0.27 * x, "train_teacher_accuracy": 0.96,
               "val_teacher_accuracy": 0.89, "train_entropy": 2.0, "train_teacher_entropy": ENTROPY,
               "val_entropy": 2.0, "val_teacher_entropy": ENTROPY, "gradient_norm": 1.5, "gradient_norm_median": 1.4,
               "gradient_norm_max": 3.0, "clipped": 0.9, "clip_norm": 1.0, "update_ratio": 0.1, "label_mix": 1.0,
               "classes": CLASSES, "dead_units": 0.0}
        if epoch == 1:
            row |= {"first_hard": 2.3, "first_soft": FIRST_SOFT, "first_alpha": ALPHA, "first_temperature": T}
            row["first_loss"] = ALPHA * 2.3 + (1 - ALPHA) * FIRST_SOFT
        for name, change in changes.items():
            if name in row:
                row[name] = change(epoch) if callable(change) else change
        if epoch == 1 and "first_loss" not in changes:
            row["first_loss"] = row["first_alpha"] * row["first_hard"] + (1 - row["first_alpha"]) * row["first_soft"]
        rows.append(row)
    return rows


def severe(findings):
    return [finding.name for finding in findings if finding.severity == SEVERE]


def names(rows, probes=None):
    return {finding.name: finding for finding in diagnose(rows, probes, REFERENCE)}


def test_of_a_healthy_run_nothing_is_said():
    assert diagnose(healthy(), SEEN_BY_PROBES, REFERENCE) == [] == diagnose(healthy(), None, None)


SICK = {
    "alpha_inverted": {"first_loss": (1 - ALPHA) * 2.3 + ALPHA * FIRST_SOFT},
    "loss_is_another": {"first_loss": 99.0},
    "t_squared_missing": {"first_soft": FIRST_SOFT / T**2},
    "element_mean": {"first_soft": FIRST_SOFT / CLASSES},
    "softmax_for_log_softmax": {"train_soft": -3.0},
    "kl_swapped": {"first_temperature": 1.0, "first_soft": 5 * FIRST_SOFT / T**2},
    "student_not_softened": {"val_entropy": 2.29},
    "softmax_twice": {"train_teacher_entropy": 2.3024, "val_teacher_entropy": 2.3024, "first_soft": 0.5},
    "weak_teacher": {"train_teacher_accuracy": 0.6, "val_teacher_accuracy": 0.6},
    "teacher_rows_shuffled": {"train_teacher_accuracy": 0.5, "train_agreement": 0.3},
    "false_labels": {"train_teacher_accuracy": 0.5, "train_accuracy": 0.3, "train_agreement": 0.5, "alpha": 0.9,
                     "first_alpha": 0.9},
    "batches_in_class_order": {"label_mix": 0.3},
    "learning_rate_too_high": {"update_ratio": 1.5, "dead_units": 0.5},
    "learning_rate_too_low": {"update_ratio": 0.002},
    "clipping_too_tight": {"update_ratio": 0.002, "clip_norm": 0.01},
    "dead_units": {"dead_units": 0.6},
    "too_few_images": {"train_accuracy": 0.99, "val_accuracy": 0.5},
    "right_only_in_train_mode": {"train_accuracy": 0.99, "val_accuracy": lambda e: 0.08 + e / 200, "dead_units": 0.6},
    "student_too_small": {"val_accuracy": lambda e: 0.3 + 0.01 * min(e, 7), "train_accuracy": 0.38,
                          "train_hard": 1.7, "train_loss": lambda e: ALPHA * 1.7 + (1 - ALPHA) * (4 - 3 * e / EPOCHS)},
    "diverged": {"train_loss": lambda e: 3.0 * e},
    "both_stagnate": {"train_loss": 2.3, "val_loss": 2.3, "update_ratio": None},
}


@pytest.mark.parametrize("name", SICK)
def test_a_sick_run_gets_its_finding_and_no_other_severe_one(name):
    rows = healthy(**SICK[name])
    assert severe(diagnose(rows, None, REFERENCE)) == [name]
    finding = names(rows)[name]
    assert finding.evidence and finding.sentence and finding.remedy and finding.experiment and not finding.probed
    assert all(str(evidence) for evidence in finding.evidence)


@pytest.mark.parametrize("name", SICK)
def test_the_columns_that_a_finding_is_said_to_need_are_enough(name):
    kept = {"epoch", *CAUSES[name].needs}
    rows = [{column: value for column, value in row.items() if column in kept} for row in healthy(**SICK[name])]
    assert name in {finding.name for finding in diagnose(rows, None, REFERENCE)}
    for column in CAUSES[name].needs:
        fewer = [{key: value for key, value in row.items() if key != column} for row in rows]
        assert name not in {finding.name for finding in diagnose(fewer, None, REFERENCE)}, column


def test_every_finding_needs_columns_or_a_probe():
    probed = {"classes_permuted", "teacher_in_train_mode", "teacher_sees_other_view", "teacher_answers_differ",
              "student_in_eval_mode", "layers_not_trained"}
    assert probed <= {name for name, cause in CAUSES.items() if not cause.needs}
    assert all(cause.needs or name in probed or cause.probe for name, cause in CAUSES.items())


PROBED = {"t_squared_missing": {"loss": "t_squared_missing"}, "loss_is_another": {"loss": "other"},
          "teacher_rows_shuffled": {"teacher": "shuffled", "teacher_match": 0.1},
          "classes_permuted": {"teacher": "permuted", "teacher_match": 0.0},
          "softmax_twice": {"teacher": "probabilities"}, "student_in_eval_mode": {"not_training": 1 / 3},
          "right_only_in_train_mode": {"train_mode_gain": 0.7},
          "layers_not_trained": {"frozen": 0.25}, "kl_swapped": {"loss": "kl_swapped"}}


@pytest.mark.parametrize("name", PROBED)
def test_a_probe_proves_what_a_history_cannot_tell(name):
    assert severe(diagnose(healthy(), {**SEEN_BY_PROBES, **PROBED[name]}, REFERENCE)) == [name]
    assert names(healthy(), {**SEEN_BY_PROBES, **PROBED[name]})[name].probed


def test_what_looks_wrong_and_costs_nothing_is_never_severe():
    for probes in ({"teacher": "train_mode"}, {"teacher": "other_view"}):
        findings = diagnose(healthy(), {**SEEN_BY_PROBES, **probes}, REFERENCE)
        assert len(findings) == 1 and findings[0].kind == "harmless" and findings[0].severity != SEVERE
    clipped = names(healthy(clip_norm=0.01))["clipping_costs_nothing"]
    assert (clipped.kind, clipped.severity) == ("harmless", "note")
    soft = names(healthy(temperature=100.0, first_temperature=T, classes=None))["temperature_too_high"]
    assert soft.kind == "harmless"
    above = names(healthy(train_accuracy=lambda e: 0.3 + 0.01 * e))["validation_above_training"]
    assert above.kind == "harmless"


def columns_of(finding):
    return {evidence.column for evidence in finding.evidence}


def proved(rows, loss):
    """The severe findings where a probe has seen which loss it is."""
    return [finding for finding in diagnose(rows, {**SEEN_BY_PROBES, "loss": loss}, REFERENCE)
            if finding.severity == SEVERE]


def test_what_the_history_shows_and_a_probe_proves_is_one_finding_with_both_figures():
    rows = healthy(**SICK["softmax_for_log_softmax"])
    finding, = proved(rows, "softmax_for_log_softmax")
    assert not finding.probed and columns_of(finding) >= {"train_soft", "loss_ratio"}
    rows = healthy(**SICK["teacher_rows_shuffled"])
    finding = names(rows, {**SEEN_BY_PROBES, "teacher": "shuffled", "teacher_match": 0.0})["teacher_rows_shuffled"]
    assert not finding.probed and {"train_teacher_accuracy", "teacher_match"} <= columns_of(finding)
    finding, = proved(healthy(), "kl_swapped")
    assert finding.probed


def test_a_probe_that_finds_the_loss_right_overrules_the_history():
    rows = healthy(**SICK["t_squared_missing"])
    assert severe(diagnose(rows, SEEN_BY_PROBES, REFERENCE)) == []


def test_a_proved_cause_explains_a_deficit():
    rows = healthy(**SICK["batches_in_class_order"], update_ratio=0.002)
    assert severe(diagnose(rows, None, REFERENCE)) == ["batches_in_class_order"]
    assert names(rows)["learning_rate_too_low"].severity == "worth a look"


def test_without_a_reference_what_a_run_lacks_is_not_judged():
    rows = healthy(**SICK["student_too_small"])
    assert severe(diagnose(rows, None, None)) == []
    assert severe(diagnose(healthy(**SICK["weak_teacher"]), None, None)) == []


def test_a_student_that_has_learnt_something_is_not_called_too_small():
    """On harder images all students are far below the reference, and fit no better what they learn from."""
    learnt = {"train_hard": 1.2, "train_loss": lambda e: ALPHA * 1.2 + (1 - ALPHA) * (4 - 3 * e / EPOCHS)}
    rows = healthy(**{**SICK["student_too_small"], **learnt})
    assert severe(diagnose(rows, None, REFERENCE)) == []


def test_units_that_die_on_the_way_say_that_steps_are_too_long():
    assert severe(diagnose(healthy(dead_units=lambda e: 0.5 + 0.01 * e), None, REFERENCE)) == ["learning_rate_too_high"]
    assert severe(diagnose(healthy(dead_units=lambda e: 0.6 - 0.01 * e), None, REFERENCE)) == ["dead_units"]


def test_not_yet_before_it_can_be_known():
    for name in ("student_too_small", "learning_rate_too_low", "both_stagnate"):
        assert name not in severe(diagnose(healthy(**SICK[name])[:1], None, REFERENCE))


def test_what_only_the_end_can_show_is_not_said_on_the_way():
    two = healthy()[:2]
    assert severe(diagnose(two, None, REFERENCE)) == ["too_few_epochs"]
    assert diagnose(two, None, REFERENCE, finished=False) == []


def test_a_student_of_the_labels_only_need_not_be_like_its_teacher():
    rows = healthy(**SICK["student_not_softened"], alpha=1.0, first_alpha=1.0)
    assert severe(diagnose(rows, None, REFERENCE)) == []


def article_history(kind):
    """What the article's loop prints: two losses and an accuracy."""
    curves = {"healthy": [(2.0 - 0.2 * e, 2.1 - 0.18 * e, 0.4 + 0.04 * min(e, 5)) for e in range(6)],
              "overfits": [(2.0 - 0.3 * e, 1.2 + 0.25 * abs(e - 2), 0.5 + 0.01 * e) for e in range(6)],
              "stagnates": [(2.302, 2.303, 0.1)] * 6,
              "oscillates": [(1.5 - 0.1 * e, 1.6 - 0.1 * e, 0.5 + 0.1 * (-1) ** e) for e in range(6)],
              "breaks": [(2.0, 2.1, 0.3), (float("nan"), None, 0.1)]}
    return [{"train_loss": a, "val_loss": b, "val_accuracy": c} for a, b, c in curves[kind]]


@pytest.mark.parametrize("kind, expected", (
    ("healthy", set()), ("overfits", {"overfitting"}), ("stagnates", {"both_stagnate"}), ("oscillates", {"oscillates"}),
    ("breaks", {"diverged", "too_few_epochs"})))
def test_three_columns_of_a_loop_of_ones_own_are_enough_for_what_they_allow(kind, expected):
    findings = {finding.name for finding in diagnose(article_history(kind)) if finding.severity != "note"}
    assert findings == expected


@pytest.mark.parametrize("rows", ([{}], [{"epoch": 1}], [{"train_loss": "high"}],
                                  [{"epoch": 3, "val_accuracy": None}] * 5))
def test_hardly_anything_is_no_error(rows):
    assert isinstance(diagnose(rows, {}, REFERENCE), list)


def test_every_column_may_be_missing():
    for name in healthy()[0]:
        rows = [{column: value for column, value in row.items() if column != name} for row in healthy()]
        assert severe(diagnose(rows, None, REFERENCE)) == [], name


def test_an_empty_history_is_refused():
    with pytest.raises(ValueError, match="history must hold"):
        diagnose([])


def test_every_finding_of_a_fault_has_its_words():
    spoken = {name for fault in FAULTS.values() for name in fault.findings}
    assert spoken - set(CAUSES) == {"clipping_under_adamw"}  # which is found as clipping_costs_nothing
    assert all(set(fault.findings) & set(CAUSES) for fault in FAULTS.values())
    for cause in CAUSES.values():
        assert set(cause.alike) | set(cause.explained_by) <= set(CAUSES) and cause.probe in ("", "loss", "teacher")
        assert all(words.endswith((".", "?")) for words in (cause.sentence, cause.remedy))
    looks = (*IDENTITIES, *DEFICITS)
    assert len({look.__name__ for look in looks}) == len(looks)


def test_a_diagnosis_takes_milliseconds():
    rows = healthy()
    started = time.perf_counter()
    for _ in range(20):
        diagnose(rows, SEEN_BY_PROBES, REFERENCE)
    assert (time.perf_counter() - started) / 20 < 0.5  # the figure is measured in benchmarks/; this is no race


def test_a_finding_is_plain_data(tmp_path):
    finding = asdict(diagnose(healthy(**SICK["dead_units"]))[0])
    assert json.loads(json.dumps(finding))["evidence"][0]["column"] == "dead_units"
    save_history(tmp_path / "history.jsonl", {}, healthy())


def test_a_finding_in_words_says_what_it_rests_on_how_to_be_sure_and_what_to_do():
    dead, = diagnose(healthy(**SICK["dead_units"]))
    cause = CAUSES["dead_units"]
    assert dead.in_words() == (
        f"{cause.sentence} Seen in: share of units that answer to no image: 0.6 in epoch 8 (expected 0). "
        f"To be sure: {cause.experiment} Then: {cause.remedy}")
    swapped, = proved(healthy(), "kl_swapped")
    assert ". Only a probe can see that. To be sure: " in swapped.in_words()


def test_a_reference_is_known_by_name_and_by_source():
    assert reference_for("cifar10") == reference_for("CIFAR-10, JPEG copy") != reference_for("shapes10")
    unknown = ("my own images", "cifar100", "cifar10_mine", "shapes100", None, 5)
    assert {reference_for(name) for name in unknown} == {None}
