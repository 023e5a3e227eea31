"""Comparisons with seeds: trained, stored, and what is said of their differences."""
import math
import subprocess
import sys

import pytest
import torch
from scipy import stats
from small import ColourTeacher, coloured_dataset

from distill_course import drawings
from distill_course.comparisons import ATLAS, COMPARISONS, Comparison, Results, paired, stored, train, with_patience
from distill_course.shipped import read_stored
from distill_kit import plotting
from distill_kit.training import keep_best

DATASET = coloured_dataset()
SMALL = {"images": 96, "batch_size": 16, "epochs": 1, "device": "cpu"}


def results_of(**values):
    return Results({arm: [{"seed": seed, "val_accuracy": value} for seed, value in enumerate(several)]
                    for arm, several in values.items()}, "val_accuracy", "tiny", "a machine", "today")


def test_pairs_are_made_by_seed_and_their_interval_is_students():
    pair, = paired(results_of(base=[0.60, 0.62, 0.61], other=[0.62, 0.65, 0.62]))
    assert pair.differences == pytest.approx([2, 3, 1]) and pair.mean == pytest.approx(2)
    expected = stats.ttest_rel([62, 65, 62], [60, 62, 61]).confidence_interval(0.95)
    assert (pair.low, pair.high) == pytest.approx((expected.low, expected.high))
    assert str(pair).startswith("other, against base: +2.0 points, 95 % interval ")
    assert pair.may_be_luck and "may be luck" in str(pair) and "(3 seeds)" in str(pair)
    assert paired(results_of(base=[0.6, 0.7], other=[0.7, 0.9]), "other")[0].mean == pytest.approx(-15)


def test_a_single_pair_has_no_interval_and_is_not_called_proof():
    pair, = paired(results_of(base=[0.60], other=[0.65]))
    assert pair.may_be_luck and math.isnan(pair.low) and math.isnan(pair.high)
    assert str(pair) == ("other, against base: +5.0 points (1 seed); a single pair of runs has no interval, "
                         "and proves nothing")
    figure, (ax,) = plotting.new_figure(1)
    drawings.differences([pair], ax)
    assert not ax.patches and len(ax.lines) == 3  # no bar: the dot, the stroke of the mean, the line at zero


def test_pairs_are_joined_by_seed_and_not_by_place():
    results = Results({"base": [{"seed": 0, "acc": 0.6}, {"seed": 1, "acc": 0.5}, {"seed": 2, "acc": 0.4}],
                       "other": [{"seed": 2, "acc": 0.5}, {"seed": 0, "acc": 0.65}]}, "acc")
    pair, = paired(results)
    assert pair.differences == pytest.approx([5, 10])
    with pytest.raises(ValueError, match="arms must have a seed in common; 'base' has 0 and 'other' has 7"):
        paired(Results({"base": [{"seed": 0, "acc": 0.6}], "other": [{"seed": 7, "acc": 0.5}]}, "acc"))


@pytest.mark.parametrize("runs, message", [
    ([{"seed": 0, "acc": 0.5}, {"seed": 0, "acc": 0.6}], "each seed once; 'other' has seed 0 twice"),
    ([{"seed": 0, "acc": math.nan}], "acc must be a number in every run; 'other' with seed 0 has nan"),
    ([{"seed": 0}], "acc must be a number in every run; 'other' with seed 0 has None"),
    ([], "'base' has 0 and 'other' has none")])
def test_runs_that_cannot_be_paired_are_refused(runs, message):
    with pytest.raises(ValueError, match=message):
        paired(Results({"base": [{"seed": 0, "acc": 0.6}], "other": runs}, "acc"))


def test_an_unknown_baseline_is_refused():
    with pytest.raises(ValueError, match="baseline must be an arm .base.; got 'moon'"):
        paired(results_of(base=[0.5]), "moon")


def test_a_comparison_trains_every_arm_with_every_seed_also_one_with_a_teacher_of_its_own(monkeypatch):
    monkeypatch.setitem(COMPARISONS, "tiny", Comparison(
        {"alone": {"alpha": 1.0}, "taught": {}, "from another": {"teacher": {**SMALL, "alpha": 1.0}},
         "in train mode": {"changes": ("teacher_in_train_mode",)}}, SMALL))
    results = train("tiny", DATASET, ColourTeacher(), seeds=2, progress=False)
    assert {arm: [run["seed"] for run in runs] for arm, runs in results.arms.items()} == dict.fromkeys(
        ("alone", "taught", "from another", "in train mode"), [0, 1])
    run = results.arms["taught"][0]
    assert run["val_accuracy"] == results.values("taught")[0] and len(run["epochs"]["val_loss"]) == 1
    assert len({tuple(results.values(arm, "test_accuracy")) for arm in results.arms}) > 1
    assert "Trained just now: 2 seeds an arm" in results.origin
    again = train("tiny", DATASET, ColourTeacher(), seeds=1, arms=["taught"], progress=False)
    assert again.values("taught")[0] == run["val_accuracy"] and list(again.arms) == ["taught"]


def test_every_comparison_is_stored_as_it_is_described():
    assert {*read_stored("comparisons"), *read_stored("atlas")} == set(COMPARISONS)
    assert set(read_stored("atlas")) == set(ATLAS)
    for name, comparison in COMPARISONS.items():
        results = stored(name)
        assert list(results.arms) == list(comparison.arms) and results.origin.startswith("Stored: ")
        assert results.name == name and results.figure == comparison.figure
        for arm in comparison.arms:
            planned = [run.settings.seed for run in comparison.plan(DATASET, arms=[arm])]
            assert [run["seed"] for run in results.arms[arm]] == planned
            assert all(0 < value < 1 for value in results.values(arm))
            run, = comparison.plan(DATASET, 1, [arm])
            assert set(map(len, results.arms[arm][0]["epochs"].values())) == {run.settings.epochs}
            assert "val_accuracy" in results.arms[arm][0]["epochs"] or run.measure in results.arms[arm][0]["epochs"]


def test_an_unknown_comparison_is_refused_with_the_known_ones():
    with pytest.raises(ValueError, match="name must be one of .*temperature.*got 'moon'"):
        stored("moon")


def test_arms_come_by_the_value_of_a_setting(monkeypatch):
    monkeypatch.setitem(COMPARISONS, "tiny", Comparison({"hot": {"temperature": 4.0}, "cold": {"temperature": 1.0}}))
    runs = {"hot": [{"seed": 0, "acc": 0.5, "loss": 1.5}, {"seed": 1, "acc": 0.6, "loss": 1.6}],
            "cold": [{"seed": 0, "acc": 0.3, "loss": 1.3}]}
    results = Results(runs, "acc", name="tiny")
    assert results.by("temperature") == {4.0: [0.5, 0.6], 1.0: [0.3]}
    assert results.by("temperature", "loss") == {4.0: [1.5, 1.6], 1.0: [1.3]}
    assert list(stored("temperature").by("temperature")) == [1, 2, 4, 8, 16]


def test_scipy_is_asked_for_an_interval_and_for_nothing_before():
    program = ("import sys; from distill_course.comparisons import paired, stored; results = stored('temperature'); "
               "results.by('temperature'), results.origin; pair, *_ = paired(results); pair.mean; "
               "print('scipy' in sys.modules); pair.low; print('scipy' in sys.modules)")
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "True"]


def test_a_teacher_of_its_own_is_trained_with_the_labels_that_the_student_sees():
    plan = COMPARISONS["teacher of false labels"].plan(DATASET, seeds=3)
    runs = {run.arm: run for run in plan if run.settings.seed == 2}
    student = runs["a teacher that saw them too"]
    assert student.settings.label_noise == student.taught_by.label_noise > 0
    assert student.taught_by.seed == student.settings.seed == 2 and student.taught_by.labels_only  # drawn by the seed
    assert runs["labels alone"].taught_by is None


@pytest.mark.parametrize("patience", [1, 2, 3, 9])
def test_patience_after_the_fact_is_the_loops_own(patience):
    torch.manual_seed(patience)
    for accuracies in torch.rand(30, 8).round(decimals=1).tolist():
        rows = [{"kind": "epoch", "epoch": epoch, "val_accuracy": accuracy, "val_hard": float(epoch)}
                for epoch, accuracy in enumerate(accuracies, start=1)]  # of equal ones the earlier counts
        kept = list(keep_best(torch.nn.Linear(1, 1), rows, patience))
        best = max(row["epoch"] for row in kept if row["best"])
        assert with_patience([-accuracy for accuracy in accuracies], patience) == (len(kept), best)
