"""Checks of 06_evidence."""
import torch

from .checking import Answer, Case, Cases, Draw, different, same


def verdicts_cases(answer: Answer, draw: Draw) -> Cases:
    """1 where an interval lies inside of what a claim says, -1 where outside, 0 where across an end of it."""
    above, width = int(draw.labels(1, 9)) / 4 - 1, 2.0 ** int(draw.labels(1, 3))  # eighths: nothing is rounded
    below = above + width

    def judged(*ends: float, below: float = below) -> torch.Tensor:  # of intervals from 0 to 1, as the claim is
        low, high = above + width * torch.tensor(ends).view(-1, 2).T
        return answer(low, high, above, below, shape=(len(low),))
    yield same("inside_holds", judged(0.25, 0.75, 0.125, 0.5), 1)
    yield same("above_does_not", judged(1.25, 2, 1.5, 1.625), -1)
    yield same("below_does_not", judged(-1, -0.25, -0.875, -0.125), -1)
    yield same("across_lower_end_is_open", judged(-0.375, 0.625), 0)
    yield same("across_upper_end_is_open", judged(0.5, 1.25), 0)
    yield same("around_both_ends_is_open", judged(-0.375, 1.25), 0)
    yield same("ends_belong_to_the_claim", judged(0, 1, -0.5, 0, 1, 1.5), torch.tensor([1, 0, 0]))
    yield same("intervals_do_not_mix", judged(0.25, 0.5, 1.5, 2, -0.5, 0.5), torch.tensor([1, -1, 0]))
    yield same("open_upwards", judged(1.25, 2, 0.5, 1.25, below=torch.inf), 1)


def holm_cases(answer: Answer, draw: Draw) -> Cases:
    """p values times the number of those that are no smaller; at least what a smaller one came to, and at most 1."""
    answer.shape, p = (6,), draw.uniform(6) / 12
    p[int(draw.labels(1, 6))] = draw.number(0.7, 0.9)
    adjusted = answer(p)
    yield same("single_one_stays", answer(p[:1], shape=(1,)), p[:1])
    close = draw.number(0.01, 0.1) * (1.05 - torch.arange(6) / 100)  # multiplied, each is less than the one before
    yield same("running_maximum", answer(close), 6 * close[-1], adjusted)
    yield Case("order_of_the_values", adjusted[p.argsort()].diff() >= -1e-6, (adjusted,))
    yield same("smallest_counts_for_all", adjusted.amin(), 6 * p.amin(), adjusted)
    yield Case("never_smaller", adjusted >= p - 1e-6, (adjusted,))
    yield Case("never_above_1", answer((p + 0.5).clamp(max=1)) <= 1)
    yield same("order_of_the_input", answer(p.flip(0)), adjusted.flip(0), adjusted)
    yield different("further_tests_count", answer(torch.cat([p, (p + 0.5).clamp(max=1)]), shape=(12,))[:6], adjusted)
    ranks = (p[:, None] <= p).sum(1)
    expected = torch.stack([(ranks * p)[p <= own].amax() for own in p]).clamp(max=1)
    yield same("as_holm_has_it", adjusted, expected)


def beyond_control_cases(answer: Answer, draw: Draw) -> Cases:
    """Of the teacher's wrong answers, the share that the student repeats less the share that the control repeats."""
    labels = draw.labels(400, 10)
    teacher = torch.where(draw.uniform(400) < 0.3, (labels + 1) % 10, labels)
    student = torch.where(draw.uniform(400) < 0.6, teacher, (labels + draw.labels(400, 3)) % 10)
    control = torch.where(draw.uniform(400) < 0.2, teacher, (labels + draw.labels(400, 3)) % 10)
    beyond, wrong = answer(labels, teacher, student, control), teacher != labels
    yield same("a_student_is_its_own_control", answer(labels, teacher, student, student), 0)
    right = torch.where(wrong, student, (labels + 5) % 10)
    yield same("right_answers_do_not_count", answer(labels, teacher, right, control), beyond)
    other = torch.where(wrong & (student != teacher), (labels + 7) % 10, student)
    yield same("another_mistake_is_no_repetition", answer(labels, teacher, other, control), beyond)
    yield same("swapped_changes_its_sign", answer(labels, teacher, control, student), -beyond, beyond)
    yield same("a_copy_beside_one_that_knows_better", answer(labels, teacher, teacher, labels), 1)
    repeated = [((said == teacher) & wrong).sum() / wrong.sum() for said in (student, control)]
    yield same("shares_of_the_wrong_answers", beyond, repeated[0] - repeated[1])
