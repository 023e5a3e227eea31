"""Checks of 01_temperature."""
import math

import torch
import torch.nn.functional as F

from .checking import Answer, Case, Cases, Draw, gradients, same


def soften_cases(answer: Answer, draw: Draw, rows: int, classes: int) -> Cases:
    """Softmax of the logits over T, row by row."""
    answer.shape, t = (rows, classes), draw.number(1.5, 6)
    logits, others = draw.logits(rows, classes), draw.logits(rows, classes)
    together = answer(torch.cat([others, logits]), t, shape=(2 * rows, classes))
    shares = answer(logits, t)
    yield Case("No probability is below 0.", shares >= 0)
    yield same("The probabilities of a row add up to 1.", shares.sum(1), 1)
    yield same("What comes out for a row does not depend on the other rows.", together[rows:], shares, together)
    hotter = answer(logits, 4 * t)
    yield Case("Another temperature gives other probabilities.", not torch.equal(shares, hotter), (shares, hotter))
    yield Case("A higher T lowers the largest probability.", hotter.amax(1) < shares.amax(1), (shares, hotter))
    yield same("Adding the same number to all logits of a row changes nothing.", answer(logits + 3, t), shares)
    yield same("A tenth of the logits at a tenth of the T give the same probabilities.",
               answer(logits / 10, t / 10), shares)
    yield same("At T = 1 it is softmax, and T divides the logits before it.",
               (shares.log() - shares.log()[:, :1]) * t, logits - logits[:, :1], shares)


def entropy_cases(answer: Answer, draw: Draw, rows: int, classes: int) -> Cases:
    """Minus the sum of p log2 p."""
    answer.shape, shares = (rows,), draw.logits(rows, classes).softmax(1)
    bits = answer(shares)
    yield Case("It is never below 0.", bits > -1e-6)
    yield same("Where one class has all, it is 0.", answer(torch.eye(classes)[draw.labels(rows, classes)]), 0)
    yield same("One more class, of probability 0, changes nothing.", answer(F.pad(shares, (0, 1))), bits)
    halves, coin = shares.repeat(1, 2) / 2, answer(torch.tensor([[0.5, 0.5]]), shape=(1,))
    yield same("Classes cut into two equal halves add what a coin has.", answer(halves), bits + coin, bits, coin)
    yield same("A tossed coin has one bit: two classes, 0.5 each, give 1.", coin, 1)
    yield same("For C equal classes it is log2 of C.", answer(0 * shares + 1 / classes), math.log2(classes))


def soft_loss_cases(answer: Answer, draw: Draw, rows: int, classes: int) -> Cases:
    """T squared times KL(teacher_T || student_T), with a gradient for the student only."""
    student, teacher, t = draw.logits(rows, classes), draw.logits(rows, classes), draw.number(2, 6)
    loss = answer(student, teacher, t)
    yield same("At T = 1, equal logits on both sides give 0.", answer(teacher, teacher, 1.0), 0)
    yield same("Equal logits give 0 at every other temperature, too.", answer(teacher, teacher, t), 0)
    yield Case("It is never below 0.", loss > -1e-6, (loss,))
    yield same("It is a mean over the rows: the same batch twice gives the same loss.",
               answer(student.repeat(2, 1), teacher.repeat(2, 1), t), loss)
    yield same("It is a sum over the classes: one more, to which nobody gives any probability, changes nothing.",
               answer(*(F.pad(logits, (0, 1), value=-50 * t) for logits in (student, teacher)), t), loss)
    label = draw.labels(rows, classes)
    yield same("Where the teacher is sure of a class, at T = 1, it is the student's cross-entropy with that class.",
               answer(student, 30.0 * F.one_hot(label, classes), 1.0), F.cross_entropy(student, label))
    yield same("All logits twice as large at twice the temperature: the loss is four times as large.",
               answer(2 * student, 2 * teacher, 2 * t), 4 * loss, loss)
    student.requires_grad_(), teacher.requires_grad_()
    to_student, to_teacher = gradients(answer(student, teacher, t), student, teacher)
    yield Case("A gradient reaches the student.", to_student.any())
    yield Case("No gradient reaches the teacher.", not to_teacher.any())
    yield same("The student's gradient is that of T squared times KL.",
               to_student, gradients(t**2 * divergence(student, teacher, t), student)[0])


def soft_gradient_cases(answer: Answer, draw: Draw, rows: int, classes: int) -> Cases:
    """The gradient of KL(teacher_T || student_T), a mean over rows."""
    student, teacher, t = draw.logits(rows, classes), draw.logits(rows, classes), draw.number(2, 6)
    answer.shape = rows, classes
    gradient = answer(student, teacher, t)
    yield same("Equal logits leave nothing to be learnt: it is 0.", answer(teacher, teacher, t), 0)
    yield same("Each row adds up to 0: softmax ignores a number added to all.", gradient.sum(1), 0, gradient)
    nearer = divergence(student.double() - 0.1 * gradient, teacher.double(), t)
    yield Case("A small step against it brings the student nearer to the teacher.",
               nearer < divergence(student.double(), teacher.double(), t))
    twice = answer(student.repeat(2, 1), teacher.repeat(2, 1), t, shape=(2 * rows, classes))
    yield same("The loss is a mean: with the same batch twice, the gradient of each row is half as large.",
               2 * twice[:rows], gradient, twice, tolerance=1e-5)
    hot, hotter = answer(student, teacher, 1e2), answer(student, teacher, 4e2)
    yield same("At high temperatures, four times T makes it sixteen times smaller.",
               1e4 * hot, 16e4 * hotter, hot, hotter, tolerance=2e-2)
    inputs = student.clone().requires_grad_()
    by_autograd, = gradients(divergence(inputs, teacher, t), inputs)
    yield same("It is what autograd finds for the same divergence.", gradient, by_autograd, tolerance=1e-5)


def divergence(student: torch.Tensor, teacher: torch.Tensor, temperature: float) -> torch.Tensor:
    """KL(teacher_T || student_T), mean over the rows, without T squared."""
    return F.kl_div((student / temperature).log_softmax(1), (teacher / temperature).softmax(1), reduction="batchmean")
