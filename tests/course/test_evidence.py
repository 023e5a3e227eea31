"""Claims and their verdicts: the test, the choice on validation images, and figures of histories."""
import math
import statistics
import sys
from importlib.resources import files
from pathlib import Path

import pytest
from scipy import stats

from distill_course import evidence
from distill_course.atlas import Cell
from distill_course.evidence import CLAIMS, FAILS, FIGURES, HOLDS, OPEN, Claim, judged
from distill_course.settings import settings_of
from distill_course.shipped import read_stored
from distill_course.statistics import told_apart

ROOT = Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / "benchmarks"))  # behind the libraries
import claims  # noqa: E402


def runs(*accuracies, val=0.5, **more):
    return Cell(tuple({"seed": seed, "val_accuracy": val, "test_accuracy": accuracy, **more}
                      for seed, accuracy in enumerate(accuracies)))


@pytest.fixture
def cells(monkeypatch):
    """Cells by their temperature, in place of those that are stored."""
    known = {}
    monkeypatch.setattr(evidence, "measured", lambda settings: known[settings.temperature])
    return known


def test_a_verdict_says_whether_the_interval_lies_inside_of_the_claim_or_outside():
    assert [judged(0.1, 0.9, 0, 1), judged(0, 1, 0, 1), judged(0.5, math.inf, 0, math.inf)] == [HOLDS] * 3
    assert [judged(1.1, 1.5, 0, 1), judged(-2, -0.1, 0, 1), judged(-2, -0.1, 0, math.inf)] == [FAILS] * 3
    assert [judged(-0.1, 0.5, 0, 1), judged(0.5, 1.1, 0, 1), judged(-1, 2, 0, 1), judged(1, 2, 0, 1)] == [OPEN] * 4


def test_differences_are_of_runs_of_the_same_seed_and_the_interval_is_students(cells):
    cells.update({4.0: runs(0.70, 0.71, 0.73), 1.0: Cell(tuple(reversed(runs(0.69, 0.70, 0.70, 0.9).runs)))})
    claim = Claim("", "", "", ({"temperature": 4},), ({"temperature": 1},), above=0)
    assert claim.differences == pytest.approx([1, 1, 3])
    low, high = stats.t.interval(0.95, 2, 5 / 3, stats.sem([1, 1, 3]))
    assert low < 0 < high and claim.verdict == "not decided at n = 3"
    clear = Claim("", "", "", ({"temperature": 4},), ({"temperature": 1},), above=-5, below=5)
    assert clear.verdict == HOLDS and "-5 to +5" in clear.test and "paired t" in clear.test


def test_of_several_the_best_on_validation_images_counts_and_not_the_best_on_test_images(cells):
    cells.update({1.0: runs(0.9, 0.9, val=0.4), 2.0: runs(0.6, 0.7, val=0.5), 3.0: runs(0.5, 0.5)})
    claim = Claim("", "", "", ({"temperature": 1}, {"temperature": 2}), ({"temperature": 3},), above=0)
    assert claim.differences == pytest.approx([10, 20]) and "chosen on validation images" in claim.test


def test_figures_of_histories():
    run = {"epochs": {"val_accuracy": [0.3, 0.5, 0.4, 0.45, 0.4, 0.6], "val_loss": [2.0, 1.0, 1.1, 1.2, 1.3, 0.9]}}
    _, stopped, rising, saved = FIGURES.values()
    assert stopped(run, run) == pytest.approx(0.5 - 0.6)  # stopped at 5, back to epoch 2
    assert rising(run, run) == 0                          # its lowest loss is the last
    risen = {"epochs": {"val_accuracy": [0.3, 0.5, 0.55], "val_loss": [2.0, 1.0, 1.5]}}
    assert rising(risen, risen) == pytest.approx(0.05)
    slow = {"epochs": {"val_accuracy": [0.2, 0.3, 0.4, 0.5, 0.5]}}
    assert saved(run, slow) == pytest.approx(1 - 2 / 4)   # 0.5 in epoch 2 for epoch 4
    never = {"epochs": {"val_accuracy": [0.1, 0.2, 0.3, 0.4, 0.45]}}
    assert saved(never, slow) == pytest.approx(1 - 5 / 4)


def test_claims_are_complete_and_ask_for_settings_that_there_are():
    for claim in CLAIMS.values():
        assert claim.says and claim.place and claim.above < claim.below and claim.figure in FIGURES
        assert math.isfinite(claim.above) or math.isfinite(claim.below)
        for own in (*claim.more, *claim.less):
            settings_of({"data": "cifar10", "epochs": 8, **claim.shared, **own})
    text = (files("distill_course") / "assets" / "claims.toml").read_text(encoding="utf-8")
    assert len(CLAIMS) == text.count("\nplace = ") and evidence.by_luck() == pytest.approx(0.05 * len(CLAIMS))


def test_groups_that_differ_surely_are_told_apart_from_the_best_and_others_are_not():
    best = [0.70, 0.71, 0.69, 0.70, 0.72]
    groups = [[value - 0.05 for value in best], best, [value + 0.001 for value in reversed(best)]]
    assert told_apart(groups, 1) == [True, False, False]


@pytest.mark.parametrize("claim", CLAIMS.values(), ids=CLAIMS)
def test_every_claim_has_five_pairs_or_more_and_a_verdict_that_its_interval_gives(claim):
    """Computed anew from the stored runs, by scipy's interval and plain comparisons."""
    differences = claim.differences
    assert len(differences) >= 5
    low, high = stats.t.interval(0.95, len(differences) - 1, statistics.fmean(differences), stats.sem(differences))
    clear = {"holds": claim.above <= low and high <= claim.below, "does not hold": high < claim.above or
             low > claim.below}
    expected = next((verdict for verdict, is_so in clear.items() if is_so), f"not decided at n = {len(differences)}")
    row = f"| {claim.says} | {claim.place} | {claim.setting} | {len(differences)} |"
    assert claim.verdict == expected and row in evidence.table()


@pytest.mark.parametrize("claim", CLAIMS.values(), ids=CLAIMS)
def test_a_stored_figure_that_changes_changes_what_a_verdict_stands_on(claim, monkeypatch):
    before, measured = claim.differences, evidence.measured
    spoilt = {"figure": 0}

    def other(settings):
        cell = measured(settings)
        if cell.runs is changed:
            spoilt["figure"] += 1
            first, *rest = cell.runs
            epochs = {name: [1.5 * value for value in values] for name, values in first["epochs"].items()}
            other_run = {**first, "test_accuracy": first["test_accuracy"] + 0.01, "epochs": epochs}
            return Cell((other_run, *rest), cell.origin)
        return cell
    changed = claim._best(claim.more).runs
    monkeypatch.setattr(evidence, "measured", other)
    after = claim.differences
    assert spoilt["figure"] and sum(one != pytest.approx(two, abs=1e-9) for one, two in zip(before, after)) == 1


def test_the_page_and_the_readme_say_what_ships():
    """So that a figure that changes without them is noticed."""
    page, readme = ((ROOT / name).read_text(encoding="utf-8") for name in ("docs/claims.md", "README.md"))
    assert page == claims.text() and claims.line() in readme
    assert page.count("\n| ") == len(CLAIMS) + 1 and sum(claims.counted().values()) == len(CLAIMS)


def test_known_numbers_are_of_trained_networks_with_three_seeds():
    content = read_stored("known")
    for study, arms in content["runs"].items():
        assert arms.keys() == content["published"][study].keys()
        for arm, runs in arms.items():
            assert len(runs) == (1 if arm == "teacher" else 3) and min(runs.values()) > 25  # per cent; chance is 10
            assert f"{arm} " in evidence.known()
