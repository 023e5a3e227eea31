"""Changes to a run: known by name once they are registered, and then applied to its parts."""
import math
from dataclasses import replace

import pytest
import torch
from small import PixelTeacher, same_state, state_of
from small_runs import run_of, settings_of

from distill_kit.changes import CHANGES, register
from distill_kit.schedules import constant


@pytest.fixture(autouse=True)
def none_registered():
    """The register is empty at first, as it is in the kit alone, and afterwards what it was."""
    before = dict(CHANGES)
    CHANGES.clear()
    yield
    CHANGES.clear()
    CHANGES.update(before)


def test_a_name_that_nobody_registered_is_refused():
    with pytest.raises(ValueError, match=r"changes must be registered ones \(none is registered yet\); got 'louder'"):
        settings_of(changes=("louder",))


def test_the_error_names_the_changes_that_are_registered_and_the_modules_that_register_more():
    register("louder", lambda parts: parts)
    register("slower", lambda parts: parts)
    with pytest.raises(ValueError, match=r"registered ones \(louder, slower\); got 'lauder'.*import distill_course"):
        settings_of(changes=("louder", "lauder"))


def test_a_registered_change_reaches_the_loop():
    register("no_clipping", lambda parts: replace(parts, clip_norm=math.inf))
    plain, changed = run_of(), run_of(changes=("no_clipping",))
    assert changed.settings.changes == ("no_clipping",) and changed.parts.clip_norm == math.inf
    assert [next(run.rows())["clip_norm"] for run in (plain, changed)] == [1.0, None]


def test_a_change_that_changes_nothing_is_the_run_without_it():
    register("nothing", lambda parts: parts)
    runs = run_of(), run_of(changes=("nothing",))
    rows = [[{**row, "seconds": 0} for row in run.rows()] for run in runs]
    assert rows[0] == rows[1] and same_state(*(state_of(run.student) for run in runs))


def test_changes_are_applied_in_the_order_in_which_they_are_named():
    register("flat", lambda parts: replace(parts, learning_rate=constant(1e-3)))
    register("double", lambda parts: replace(parts, learning_rate=doubled(parts.learning_rate)))
    rates = {names: run_of(changes=names).parts.learning_rate(3) for names in (("flat", "double"), ("double", "flat"))}
    assert rates == {("flat", "double"): 2e-3, ("double", "flat"): 1e-3}


def doubled(schedule):
    return lambda step: 2 * schedule(step)


def test_a_change_sees_what_the_run_is_made_from():
    seen = []
    register("look", lambda parts: seen.append(parts) or parts)
    run = run_of(changes=("look",))
    (parts,) = seen
    assert parts.student is run.student and parts.batches is run.batches
    assert parts.kept is run.materials.logits and parts.watched is run.materials.watched
    assert (len(parts.batches), parts.steps, parts.peak) == (6, 12, run.settings.learning_rate)


def test_a_name_that_is_registered_again_has_its_new_meaning():
    register("clipping", lambda parts: replace(parts, clip_norm=2.0))
    register("clipping", lambda parts: replace(parts, clip_norm=3.0))
    assert run_of(changes=("clipping",)).parts.clip_norm == 3.0


def test_a_change_may_draw_another_order():
    def in_order(parts):
        parts.batches.draw_order = lambda: parts.batches.rows
        return parts
    register("in_order", in_order)
    run = run_of(changes=("in_order",))
    for _ in range(2):
        assert torch.equal(torch.cat([batch.labels for batch in run.batches]), run.training.labels)
    assert not torch.equal(torch.cat([batch.labels for batch in run_of().batches]), run.training.labels)


def test_a_change_may_ask_the_teacher_about_another_view():
    def other_view(parts):
        right = parts.batches.ask_teacher
        parts.batches.ask_teacher = lambda rows, views: right(rows, (views + 1) % 4)
        return parts
    register("other_view", other_view)
    plain, changed = run_of(PixelTeacher()), run_of(PixelTeacher(), changes=("other_view",))
    for batch, other in zip(plain.batches, changed.batches, strict=True):
        assert torch.equal(batch.images, other.images) and torch.equal(batch.labels, other.labels)
        assert torch.equal(batch.teacher_logits, PixelTeacher()(batch.images).half())
        assert not torch.equal(batch.teacher_logits, other.teacher_logits)
