"""Values of a plan: each of a grid is an arm, and what no run can have is a sentence that names the place."""
import pytest

from distill_course.sweep.plan import cells, crossed, planned, read_plan


def test_values_that_differ_in_their_last_digits_are_two_arms():
    assert crossed({"learning_rate": [0.1234567, 0.1234568]}) == [
        ("learning_rate = 0.1234567", {"learning_rate": 0.1234567}),
        ("learning_rate = 0.1234568", {"learning_rate": 0.1234568})]


def test_a_part_is_its_arms_with_its_grid_and_its_seeds():
    part = {"shared": {"epochs": 2}, "grid": {"temperature": [1, 2.5]}, "arms": {"mine": {"alpha": 1}}, "seeds": [3, 5]}
    assert cells(part) == [(f"mine, T = {temperature}", {"epochs": 2, "alpha": 1, "temperature": temperature,
                                                         "seed": seed}) for temperature in (1, 2.5) for seed in (3, 5)]
    assert cells({}) == [("", {"seed": 0})]


@pytest.mark.parametrize(("text", "place", "sentence"), [
    ("[mine.shared]\nprobes = 'yes'", "mine.shared.probes", "probes must be true or false"),
    ("[mine.arms.a]\nteacher = 4", "mine.arms.a.teacher", "teacher must be a name, or a table of settings"),
    ("[mine.grid]\nmeasure = ['rank2', 4]", "mine.grid.measure[1]", "measure must be accuracy, rank2, repeats or test"),
    ("[mine.grid]\nprobes = [true, 'no']", "mine.grid.probes[1]", "probes must be true or false"),
    ("[mine.grid]\nprobes = []", "mine.grid.probes", "of a grid each setting is a list that is not empty")])
def test_a_value_of_another_kind_is_named_with_its_place(tmp_path, text, place, sentence):
    (tmp_path / "plan.toml").write_text(text, encoding="utf-8")
    with pytest.raises(ValueError) as raised:
        read_plan(tmp_path / "plan.toml")
    assert str(raised.value).startswith(f"plan {tmp_path / 'plan.toml'}, {place}: {sentence} (")


@pytest.mark.parametrize("views", [0, -1, 1.5, 4.0, "all", True, 163])
def test_views_are_a_whole_number(views):
    with pytest.raises(ValueError, match="views must be "):
        planned("", {"views": views})
