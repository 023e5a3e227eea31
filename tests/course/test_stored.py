"""Stored results are those of their plans and of the code at hand, and what is made again is held against them."""
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from small import ColourTeacher, coloured_dataset
from small_lab import LITTLE

ROOT = Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / "benchmarks" / "stored"))  # behind the libraries, which may have modules of the same names
import course  # noqa: E402
import make  # noqa: E402
import part  # noqa: E402
import published  # noqa: E402
import sick  # noqa: E402
from settle import Again, settled  # noqa: E402

from distill_course.comparisons import ATLAS, COMPARISONS, Results, kept, paired  # noqa: E402
from distill_course.diagnosis import faulty  # noqa: E402
from distill_course.diagnosis.finding import Reference  # noqa: E402
from distill_course.sweep.carry_out import carry_out  # noqa: E402
from distill_course.sweep.crew import result_from  # noqa: E402
from distill_course.sweep.plan import VERSION, keyed, planned  # noqa: E402
from distill_course.sweep.stock import Stock  # noqa: E402
from distill_kit.models import STUDENTS  # noqa: E402
from distill_kit.settings import Settings  # noqa: E402

DATASET = coloured_dataset()
CIFAR10 = Stock(replace(DATASET, name="cifar10"), ColourTeacher())  # for plans, which ask for no image
OWN = {**LITTLE, "device": "cpu", "data": "coloured"}
for name in published.SHAPES:  # which importing it has made known: other tests look at the students that there are
    del STUDENTS[name]


@pytest.fixture(autouse=True)
def shapes(monkeypatch):
    """The students of the recipes are known in the tests of this file only."""
    for name, shape in published.SHAPES.items():
        monkeypatch.setitem(STUDENTS, name, shape)


@pytest.mark.parametrize("name", make.PARTS)
def test_what_ships_was_made_by_the_code_at_hand(name):
    """Where it was not: python benchmarks/stored/make.py NAME."""
    marks = make.PARTS[name].marks(make.PARTS[name].read())
    assert marks and {mark["version"] for mark in marks} == {VERSION}


@pytest.mark.parametrize("name", [name for name in make.PARTS if name not in ("gallery", "people")])
def test_a_plan_has_just_the_runs_that_its_file_holds(name, monkeypatch):
    monkeypatch.setattr("distill_kit.settings.cores", lambda: 2)  # the plan is the same on any machine
    runs, held = make.PARTS[name].runs(CIFAR10), make.PARTS[name].held(make.PARTS[name].read())
    assert len(held) == len(set(held)) and set(held) == set(runs)
    plan = keyed(dict.fromkeys(runs.values()), lambda run: (run.settings.data, "teacher"))  # no run twice
    assert {run.settings.seed for run in plan.values()} == {run.settings.seed for run in runs.values()}


@pytest.mark.parametrize("half", ["dev", "unseen"])
def test_runs_of_the_diagnosis_have_their_faults_and_are_probed(half):
    runs = make.PARTS[f"diagnosis/{half}"].runs(CIFAR10)
    for case in sick.diagnosis.cases(half):
        settings, run = Settings(**case["settings"], data=case["data"]), runs[str(case["number"])]
        assert run.probes and run.settings == (faulty(settings, case["fault"], case["strength"])
                                               if case["fault"] else settings)


def test_the_game_is_made_of_the_first_half():
    gallery = make.PARTS["gallery"]
    assert gallery.content({}, None)["runs"] == gallery.read()["runs"]
    assert json.loads(gallery.file.read_text())["version"] == make.PARTS["diagnosis/dev"].read()[0]["version"]


def test_the_atlas_is_small_and_its_card_counts_its_runs():
    path = part.ASSETS / "atlas.json"
    atlas = part.read(path)
    assert path.stat().st_size <= 600_000 and course.card(atlas) == path.with_suffix(".md").read_text("utf-8")
    count = sum(len(runs) for of_part in atlas.values() for runs in of_part["arms"].values())
    assert course.card(atlas).startswith(f"# The atlas: {count:,} runs in ")


def test_pages_say_what_their_files_say():
    assert published.first_table(make.PARTS["first_run"].read()).strip() in (ROOT / "README.md").read_text("utf-8")
    assert published.recipe_table(make.PARTS["recipes"].read()["candidates"]) in (
        ROOT / "docs" / "recipe.md").read_text("utf-8")


def test_a_comparison_is_written_as_it_is_read(tmp_path, monkeypatch):
    little = SimpleNamespace(arms={"plain": {}, "soft": {"temperature": 9.0}}, shared={}, plan=lambda dataset: [
        planned(arm, {**OWN, "seed": seed, "temperature": 4.0 if arm == "plain" else 9.0})
        for arm in ("plain", "soft") for seed in range(2)])
    monkeypatch.setitem(COMPARISONS, "little", little)
    comparison, stock = course.Comparison("little"), Stock(DATASET, ColourTeacher())
    comparison.file = tmp_path / "comparisons.json"
    comparison.file.write_text('{"another": {"version": 0}}')
    results = {name: result_from(run, stock.source(run)) for name, run in comparison.runs(stock).items()}
    comparison.write(comparison.content(results, stock), results)
    content = comparison.read()
    assert set(part.read(comparison.file)) == {"another", "little"} and comparison.held(content) == list(results)
    assert content["arms"]["soft"][1] == kept(results["soft, seed 1"])
    assert paired(Results(**content, figure="test_accuracy"))[0].arm == "soft"
    assert "1 thread (" in content["machine"] or "threads (" in content["machine"]
    assert content["version"] == VERSION and comparison.cells(content)["plain, val_accuracy"] == [
        run["val_accuracy"] for run in content["arms"]["plain"]]


def test_references_are_means_of_the_best_epochs_of_each_data_set():
    stock = Stock(DATASET, ColourTeacher())
    results = {f"data = {data}, seed {seed}": result_from(run, stock.source(run)) for data in ("a", "b")
               for seed in (1, 2) for run in [planned("", {**OWN, "seed": seed})]}
    content = course.Reference().content(results, stock)
    best = [max(row["val_accuracy"] for row in results[f"data = a, seed {seed}"]["rows"]) for seed in (1, 2)]
    assert set(content) == {"a", "b"} and content["a"]["accuracy"] == pytest.approx(sum(best) / 2, abs=1e-4)
    assert content["a"]["steps"] == 10 and set(content["a"]) == set(Reference.__dataclass_fields__)
    assert Reference(**content["b"]).runs == 2  # as the course reads what is written


def test_welchs_interval_decides_whether_a_mean_has_moved():
    # By hand: 0.70, 0.71, 0.72 and 0.80, 0.82, 0.84: variances 0.0001 and 0.0004, standard error sqrt(0.0005 / 3),
    # degrees of freedom (0.0005 / 3)**2 / ((0.0001 / 3)**2 / 2 + (0.0004 / 3)**2 / 2) = 2.941, t = 3.2219
    moved = Again("T = 1", (0.70, 0.71, 0.72), (0.80, 0.82, 0.84))
    half = 3.2219 * (0.0005 / 3) ** 0.5
    assert moved.interval == pytest.approx((0.11 - half, 0.11 + half), abs=1e-4) and not moved.within
    assert Again("T = 1", (0.70, 0.71, 0.72), (0.69, 0.71, 0.72)).within
    assert Again("no spread", (0.0, 0.0), (0.0, 0.0)).equal and not Again("no spread", (0.0, 0.0), (0.1, 0.1)).within
    assert Again("a stop", (0.70,), (0.71,), luck=0.02).within and not Again("a stop", (0.70,), (0.73,), 0.02).within
    assert not Again("to the digit", (0.70,), (0.7001,)).within and Again("to the digit", (0.70,), (0.70,)).within


def test_what_has_moved_is_said_with_figures_and_with_what_to_do():
    before = {"T = 1": [0.70, 0.71, 0.72], "T = 2": [0.5, 0.6], "T = 4": [0.1, 0.2]}
    now = {"T = 1": [0.80, 0.82, 0.84], "T = 2": [0.5, 0.6], "T = 8": [0.3, 0.4]}
    new, gone, moved, share, act = settled(before, now, {})
    assert new == "T = 8 is new: no figure was stored before" and gone.startswith("T = 4 is stored and no longer made")
    assert moved == ("MOVED  T = 1: the mean was 0.7100 (3 seeds) and is now 0.8200 (3); the difference is +0.1100, "
                     "95 % interval +0.0684 to +0.1516")
    assert share == "1 of 2 cells (50.0%) are within their interval, 1 of them equal to the digit"
    assert "raise VERSION in sweep/plan.py" in act
    assert settled(before, before, {}) == [
        "3 of 3 cells (100.0%) are within their interval, 3 of them equal to the digit"]
    assert settled({}, {}, {}) == []


@pytest.mark.parametrize(("mean", "spread", "n"), [(0.7, 0.01, 12), (0.0, 0.0, 5), (0.5, 0.2, 2)])
def test_a_mean_and_a_spread_become_values_that_have_them(mean, spread, n):
    from statistics import fmean, stdev
    values = course.spread_like(mean, spread, n)
    assert len(values) == n and fmean(values) == pytest.approx(mean) and stdev(values) == pytest.approx(spread)


class Two(part.Part):
    """Two little runs of the same name, and a file of their accuracies."""

    def __init__(self, file):
        self.file = file

    def runs(self, stock):
        return {"a": planned("", OWN), "b": planned("", {**OWN, "seed": 1}), "a again": planned("", OWN)}

    def content(self, results, stock):
        return {name: result["report"]["val_accuracy"] for name, result in results.items()}

    def cells(self, content):
        return {name: [share] for name, share in content.items()}


def test_a_part_is_written_when_all_its_runs_are_there_and_not_before(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("DISTILL_KIT_RUNS", str(tmp_path / "runs"))

    def made(compare=False):
        status = make.make("two", two, stock, SimpleNamespace(workers=1, storage=None, compare=compare))
        return status, capsys.readouterr().out
    two, stock = Two(tmp_path / "two.json"), Stock(DATASET, ColourTeacher())
    with monkeypatch.context() as patch:
        patch.setattr(make, "carry_out", lambda plan, ledger, *_: carry_out({}, ledger, tmp_path, stock, 1))
        status, out = made()
    assert status == 1 and not two.file.exists()
    assert "nothing is written, for 3 runs have no result: a, a again, b" in out
    assert made(compare=True)[0] == 0 and not two.file.exists()
    monkeypatch.setattr("distill_course.sweep.crew.result_of", None)  # nothing is trained a second time
    status, out = made()
    written = json.loads(two.file.read_text())
    assert status == 0 and "a is new" in out and list(written) == ["a", "b", "a again"]
    assert written["a"] == written["a again"]
    assert "3 of 3 cells (100.0%) are within their interval, 3 of them equal" in made()[1]


def test_sentences_of_notebooks_that_rest_on_what_has_moved_are_listed():
    part = make.PARTS["comparisons/temperature"]
    before = part.cells(part.read())
    assert make.to_read(part, before, before, {}) == []
    now = {**before, "T = 4, val_accuracy": [share - 0.2 for share in before["T = 4, val_accuracy"]]}
    listed = make.to_read(part, before, now, {})
    assert listed and all("rests on" in sentence and "temperature" in sentence for sentence in listed)
    assert any("01_temperature.py" in sentence for sentence in listed)
    assert make.to_read(make.PARTS["reference"], {"a": [0.1, 0.2]}, {"a": [0.8, 0.9]}, {}) == []


def test_parts_are_named_singly_and_together():
    assert make.named("comparisons") == [f"comparisons/{name}" for name in COMPARISONS if name not in ATLAS]
    assert make.named("diagnosis/dev") == ["diagnosis/dev"] and make.named("") == list(make.PARTS)
    assert make.study_of("comparisons/alpha, few labels") == "stored-comparisons-alpha-few-labels"
    assert len({make.study_of(name) for name in make.PARTS}) == len(make.PARTS)
    with pytest.raises(ValueError, match="WHAT must be one of comparisons; atlas; reference; .*; got 'labs'"):
        make.named("labs")


def test_the_list_says_where_the_code_is_another(tmp_path):
    line = make.listed("reference", make.PARTS["reference"])
    assert line.startswith(f"reference: made by this code (version {VERSION}), 10 runs of benchmarks/stored/plan.toml")
    two = Two(tmp_path / "two.json")
    assert "not there yet" in make.listed("two", two)
    two.write({"version": VERSION - 1}, {})
    assert f"other code (version {VERSION - 1}, this is {VERSION}): make it again" in make.listed("two", two)


def test_a_worker_process_knows_the_students_of_the_recipes(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        f"import sys; sys.path[:0] = [{str(ROOT / 'tests')!r}, {str(ROOT / 'benchmarks' / 'stored')!r}]\n"
        "import published\nfrom small import ColourTeacher, coloured_dataset\n"
        "from distill_course.sweep.crew import trained\nfrom distill_course.sweep.plan import planned\n"
        "from distill_course.sweep.stock import Stock\n"
        "if __name__ == '__main__':\n"
        f"    run = planned('', {{**{OWN!r}, 'student': '24 stem channels'}})\n"
        "    for _, result in trained([run], Stock(coloured_dataset(), ColourTeacher()), 1, progress=False):\n"
        "        print(result.get('error') or result['settings']['student'])\n")
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=120)
    assert done.stdout == "24 stem channels\n" and STUDENTS.keys() > published.SHAPES.keys(), done.stderr
