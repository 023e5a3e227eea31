import math

import pytest

from distill_kit.schedules import as_schedule, constant, cosine, from_to, linear, warmup_cosine, warmup_then


def test_linear_goes_from_the_first_to_the_last_step_and_stays():
    schedule = linear(2.0, 4.0, 5)
    assert [schedule(step) for step in range(7)] == pytest.approx([2, 2.5, 3, 3.5, 4, 4, 4])


def test_cosine_is_a_cosine():
    schedule = cosine(1.0, 0.2, 9)
    for step in range(9):
        assert schedule(step) == pytest.approx(0.2 + 0.8 * (1 + math.cos(math.pi * step / 8)) / 2)
    assert schedule(2) - linear(1.0, 0.2, 9)(2) > 0.05  # a straight line it is not
    assert schedule(50) == pytest.approx(0.2)


def test_learning_rate_rises_in_a_line_then_falls_as_a_cosine():
    schedule = warmup_cosine(peak=0.1, warmup_steps=4, steps=20)
    assert [schedule(step) for step in range(5)] == pytest.approx([0.02, 0.04, 0.06, 0.08, 0.1])
    for step in range(4, 20):
        assert schedule(step) == pytest.approx(0.05 * (1 + math.cos(math.pi * (step - 4) / 16)))
    assert schedule(20) == pytest.approx(0, abs=1e-15) and schedule(19) > 0  # no step stands still


def test_learning_rate_of_a_run_that_is_all_warmup_is_finite():
    schedule = warmup_cosine(0.1, 4, 4)
    assert all(0 < schedule(step) <= 0.1 for step in range(4))


def test_what_follows_the_warmup_starts_at_its_own_step_0():
    schedule = warmup_then(lambda step: 100 + step, peak=1.0, warmup_steps=2)
    assert [schedule(step) for step in range(4)] == pytest.approx([1 / 3, 2 / 3, 100, 101])


def test_numbers_and_schedules_are_both_accepted():
    schedule = linear(0, 1, 3)
    assert as_schedule(schedule) is schedule
    assert as_schedule(3)(17) == 3.0


@pytest.mark.parametrize("shape, halfway", [("linear", 5.5), ("cosine", 5.5)])
def test_from_to_has_both_shapes(shape, halfway):
    schedule = from_to(1.0, 10.0, 11, shape)
    assert (schedule(0), schedule(5), schedule(10)) == pytest.approx((1, halfway, 10))
    assert schedule(1) == pytest.approx({"linear": linear, "cosine": cosine}[shape](1.0, 10.0, 11)(1))


def test_from_to_without_an_end_is_constant():
    assert {from_to(4.0, None, 10)(step) for step in (0, 3, 100)} == {4.0} == {constant(4.0)(9)}


def test_an_unknown_shape_is_refused():
    with pytest.raises(ValueError, match="schedule must be one of linear, cosine; got 'square'"):
        from_to(1, 2, 3, "square")
