"""The diagnosis's published figures are those of its rules, on stored runs whose faults are known, and good enough."""
import json
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"
sys.path.append(str(BENCHMARKS))  # behind the libraries, which may have modules of the same names
import diagnosis  # noqa: E402
import diagnosis_page  # noqa: E402
from test_diagnosis import REFERENCE, SICK, healthy  # noqa: E402


@pytest.fixture(scope="module")
def report():
    return diagnosis.score("unseen")


def test_the_stored_figures_are_those_of_the_rules_as_they_are(report):
    assert json.loads(json.dumps(report)) == json.loads((BENCHMARKS / "diagnosis.json").read_text())


def test_they_are_good_enough_on_runs_that_set_no_threshold(report):
    alone = report["history_only"]
    assert report["precision"] >= 0.95 and report["recall"] >= 0.90
    assert all(fault["recall"] >= 0.75 and fault["n"] >= 16 for fault in report["per_fault"].values())
    assert alone["precision"] >= 0.90 and alone["recall"] >= 0.75
    assert report["healthy_runs"] >= 150 and report["healthy_flagged_severe"] <= 0.02


def test_the_halves_share_neither_seed_nor_setting():
    seeds = {half: {case["settings"]["seed"] for case in diagnosis.cases(half)} for half in ("dev", "unseen")}
    assert not seeds["dev"] & seeds["unseen"]
    assert all(base not in diagnosis.BASES["dev"] for base in diagnosis.BASES["unseen"])
    chosen = [case for case in diagnosis.HEALTHY["unseen"] if case]  # the course's own recipe is in both
    assert all(case not in diagnosis.HEALTHY["dev"] for case in chosen)
    for half in ("dev", "unseen"):
        kept = diagnosis.done(half)
        asked = json.loads(json.dumps(diagnosis.cases(half, diagnosis.FIRST_LISTED)))
        assert all(kept[case["number"]]["settings"] == case["settings"] for case in asked) and len(kept) >= len(asked)


def test_a_fault_that_is_new_gets_its_runs_behind_those_that_there_are():
    asked = diagnosis.cases("dev", diagnosis.FIRST_LISTED)
    more = diagnosis.cases("dev", ("made_up", *diagnosis.FIRST_LISTED))
    assert more[:len(asked)] == asked and {case["fault"] for case in more[len(asked):]} == {"made_up"}


def test_the_page_is_what_the_runs_say():
    assert diagnosis_page.PAGE.read_text(encoding="utf-8") == diagnosis_page.text()


def test_a_finding_is_sure_from_the_epoch_after_the_last_without_it():
    sure_from = diagnosis_page.sure_from
    assert sure_from(healthy(**SICK["t_squared_missing"]), REFERENCE) == {"t_squared_missing": 1}
    assert sure_from(healthy(**SICK["learning_rate_too_low"]), REFERENCE) == {"learning_rate_too_low": 2}
