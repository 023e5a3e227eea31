"""Exercises of 01_temperature."""
import math
from collections.abc import Iterator

import torch
import torch.nn.functional as F

from .record import SIZES, Answer, Case, Draw, Exercise, close


def soften_cases(answer: Answer, draw: Draw) -> Iterator[Case]:
    for rows, classes in SIZES:
        shape, t = (rows, classes), draw.number(1.5, 6)
        logits, others = draw.logits(rows, classes), draw.logits(rows, classes)
        together = answer(torch.cat([others, logits]), t, shape=(2 * rows, classes))
        shares = answer(logits, t, shape=shape)
        yield Case("No probability is below 0.", bool((shares >= 0).all()))
        yield Case("The probabilities of a row add up to 1.", close(shares.sum(1), torch.ones(rows)))
        yield Case("What comes out for one row does not depend on the other rows.", close(together[rows:], shares),
                   (together, shares))
        hotter = answer(logits, 4 * t, shape=shape)
        yield Case("Another temperature gives other probabilities.", not torch.equal(hotter, shares), (shares, hotter))
        yield Case("A higher temperature makes the largest probability smaller.",
                   bool((hotter.amax(1) < shares.amax(1)).all()), (shares, hotter))
        yield Case("Adding the same number to all logits of a row changes nothing.",
                   close(other := answer(logits + 3, t, shape=shape), shares), (shares, other))
        yield Case("Twice the logits at twice the temperature give the same probabilities.",
                   close(other := answer(2 * logits, 2 * t, shape=shape), shares), (shares, other))
        ratios = (shares.log() - shares.log()[:, :1]) * t
        yield Case("At T = 1 it is softmax, and T divides the logits before it.", close(ratios, logits - logits[:, :1]))


SOFTEN = Exercise(
    "soften",
    """
Write `soften`: the probabilities of some logits at a temperature. For the logits 2 and 0 at T = 2 it gives 0.73 and
0.27.
""", '''
def soften(logits, temperature):
    """logits [N, C] -> probabilities [N, C], each row for itself."""
    return ...
''', '''
def soften(logits, temperature):
    """logits [N, C] -> probabilities [N, C], each row for itself."""
    return (logits / temperature).softmax(dim=1)
''', soften_cases,
    ("What has to happen to the logits before softmax, so that their differences shrink?",
     "Softmax needs to know along which dimension to add up. Which one holds the classes?",
     "Divide: `logits / temperature`. Then `.softmax(dim=1)` of that."),
    "`torch.softmax(logits / temperature, -1)` and exponentials over their sum are the same.")


def entropy_cases(answer: Answer, draw: Draw) -> Iterator[Case]:
    for rows, classes in SIZES:
        shares = draw.logits(rows, classes).softmax(1)
        sure = F.one_hot(draw.labels(rows, classes), classes).float()
        bits = answer(shares, shape=(rows,))
        yield Case("It is never below 0.", bool((bits > -1e-6).all()))
        yield Case("Where one class has it all, it is 0.", close(answer(sure, shape=(rows,)), torch.zeros(rows)))
        wider = torch.cat([shares, torch.zeros(rows, 1)], dim=1)
        yield Case("One more class, of probability 0, changes nothing.",
                   close(other := answer(wider, shape=(rows,)), bits),
                   (bits, other))
        halves = torch.cat([shares, shares], dim=1) / 2
        coin = answer(torch.tensor([[0.5, 0.5]]), shape=(1,))
        yield Case("Cutting every class into two equal halves adds what a tossed coin has.",
                   close(other := answer(halves, shape=(rows,)), bits + coin), (bits, coin, other))
        yield Case("A tossed coin has one bit: two classes, 0.5 each, give 1.", close(coin, torch.ones(1)), (coin,))
        alike = torch.full((rows, classes), 1 / classes)
        yield Case("Where all C classes are alike, it is log2 of C.",
                   close(answer(alike, shape=(rows,)), torch.full((rows,), math.log2(classes))))


ENTROPY = Exercise(
    "entropy",
    """
How undecided is a teacher? Write `entropy` in **bits**: minus the sum of p times log2 p, for each row. A class with
probability 0 adds nothing. For 0.5, 0.25 and 0.25 it gives 1.5.
""", '''
def entropy(probabilities):
    """probabilities [N, C] -> bits [N]."""
    return ...
''', '''
def entropy(probabilities):
    """probabilities [N, C] -> bits [N]."""
    logarithms = probabilities.clamp_min(1e-12).log2()
    return -(probabilities * logarithms).sum(dim=1)
''', entropy_cases,
    ("What is 0 times the logarithm of 0 for a computer, and what should it be?",
     "`torch.clamp_min` keeps a number away from 0; `log2` gives bits, `log` does not.",
     "`-(p * p.clamp_min(1e-12).log2()).sum(dim=1)`"),
    "`torch.special.entr(p).sum(1) / math.log(2)` does the same.")


def soft_loss_cases(answer: Answer, draw: Draw) -> Iterator[Case]:
    for rows, classes in SIZES:
        student, teacher, t = draw.logits(rows, classes), draw.logits(rows, classes), draw.number(2, 6)
        loss = answer(student, teacher, t, shape=())
        yield Case("At T = 1, equal logits on both sides give 0.", close(answer(teacher, teacher, 1.0, shape=()), 0))
        yield Case("Equal logits give 0 at every other temperature, too.",
                   close(answer(teacher, teacher, t, shape=()), 0))
        yield Case("It is never below 0.", bool(loss > -1e-6), (loss,))
        twice = answer(torch.cat([student, student]), torch.cat([teacher, teacher]), t, shape=())
        yield Case("It is a mean over the rows: the same batch twice gives the same loss.", close(twice, loss),
                   (twice, loss))
        nothing = torch.full((rows, 1), -1e3)
        wider = answer(torch.cat([student, nothing], 1), torch.cat([teacher, nothing], 1), t, shape=())
        yield Case("It is a sum over the classes: one more, to which nobody gives any probability, changes nothing.",
                   close(wider, loss), (wider, loss))
        label = draw.labels(rows, classes)
        sure = 30.0 * F.one_hot(label, classes)
        yield Case("Where the teacher is sure of a class, at T = 1, it is the student's cross-entropy with that class.",
                   close(answer(student, sure, 1.0, shape=()), F.cross_entropy(student, label)))
        yield Case("All logits twice as large at twice the temperature: the loss is four times as large.",
                   close(other := answer(2 * student, 2 * teacher, 2 * t, shape=()), 4 * loss), (loss, other))
        student.requires_grad_(), teacher.requires_grad_()
        loss = answer(student, teacher, t, shape=())
        yield Case("A gradient reaches the student.", loss.requires_grad)
        gradients = torch.autograd.grad(loss, (student, teacher), allow_unused=True)
        yield Case("A gradient reaches the student.", gradients[0] is not None and bool(gradients[0].any()))
        yield Case("No gradient reaches the teacher.", gradients[1] is None or not gradients[1].any())


SOFT_LOSS = Exercise(
    "soft_loss",
    """
Write the soft term: T² times KL(teacher_T || student_T), the Kullback-Leibler divergence of the softened probabilities,
summed over the classes, mean over the rows. No gradient may reach the teacher. For one row with student logits 0, 0 and
teacher logits 2, 0 at T = 1 it gives 0.33.
""", '''
def soft_loss(student_logits, teacher_logits, temperature):
    """student_logits, teacher_logits [N, C] -> one number."""
    return ...
''', '''
def soft_loss(student_logits, teacher_logits, temperature):
    """student_logits, teacher_logits [N, C] -> one number."""
    log_student = F.log_softmax(student_logits / temperature, dim=1)
    teacher = F.softmax(teacher_logits.detach() / temperature, dim=1)
    return temperature**2 * F.kl_div(log_student, teacher, reduction="batchmean")
''', soft_loss_cases,
    ("Which of the two gives the weights of the sum, and which only appears inside a logarithm?",
     "`F.kl_div` takes the student's LOGARITHMS first and the teacher's probabilities second. Look at its `reduction`. "
     "And `teacher_logits.detach()` is the teacher without a way back for gradients.",
     "`F.kl_div(F.log_softmax(student / T, dim=1), teacher, reduction='batchmean')`, and T² before it."),
    "Written out, `(p * (log p - log q)).sum(1).mean()` with the same p and q is as good.")


def soft_gradient_cases(answer: Answer, draw: Draw) -> Iterator[Case]:
    for rows, classes in SIZES:
        student, teacher, t = draw.logits(rows, classes), draw.logits(rows, classes), draw.number(2, 6)
        shape = (rows, classes)
        gradient = answer(student, teacher, t, shape=shape)
        yield Case("Equal logits leave nothing to be learnt: it is 0.",
                   close(answer(teacher, teacher, t, shape=shape), 0))
        yield Case("Each row adds up to 0: softmax does not see a number added to all logits.",
                   close(gradient.sum(1), torch.zeros(rows)), (gradient,))
        step = 1e-2 * torch.nn.functional.normalize(gradient, dim=1)
        yield Case("A small step against it brings the student nearer to the teacher.",
                   divergence(student - step, teacher, t) < divergence(student, teacher, t))
        twice = answer(torch.cat([student, student]), torch.cat([teacher, teacher]), t, shape=(2 * rows, classes))
        yield Case("The loss is a mean: with the same batch twice, each row has half as much to say.",
                   close(2 * twice[:rows], gradient, 1e-5), (gradient, twice))
        hot = [answer(student, teacher, high, shape=shape) for high in (1e2, 4e2)]
        yield Case("At high temperatures, four times T makes it sixteen times smaller.",
                   close(1e4 * hot[0], 16e4 * hot[1], 2e-2), tuple(hot))
        inputs = student.clone().requires_grad_()
        found, = torch.autograd.grad(divergence(inputs, teacher, t), inputs)
        yield Case("It is what autograd finds for the same divergence.", close(gradient, found, 1e-5), (gradient,))


def divergence(student, teacher, temperature):
    """KL(teacher_T || student_T), mean over the rows, without T squared."""
    p = (teacher / temperature).softmax(1)
    return (p * (p.log() - (student / temperature).log_softmax(1))).sum(1).mean()


SOFT_GRADIENT = Exercise(
    "soft_gradient",
    """
Now by hand. Take KL(teacher_T || student_T), the mean over N rows, **without** T². Write its gradient with respect to
the student's logits, without autograd. For one row with student logits 0, 0 and teacher logits 2, 0 at T = 1 it gives
-0.38 and 0.38.
""", '''
def soft_gradient(student_logits, teacher_logits, temperature):
    """student_logits, teacher_logits [N, C] -> gradient [N, C]."""
    return ...
''', '''
def soft_gradient(student_logits, teacher_logits, temperature):
    """student_logits, teacher_logits [N, C] -> gradient [N, C]."""
    student = (student_logits / temperature).softmax(dim=1)
    teacher = (teacher_logits / temperature).softmax(dim=1)
    return (student - teacher) / (temperature * len(student_logits))
''', soft_gradient_cases,
    ("For cross-entropy it is the student's probabilities minus the label. What stands in the label's place here?",
     "The chain rule: the logits are divided by T before softmax. And the mean divides by something as well.",
     "`(student - teacher) / (temperature * len(student_logits))`, both softened."),
    "So the gradient has one 1/T from the chain rule, and the difference of two softened distributions brings another.")

EXERCISES = (SOFTEN, ENTROPY, SOFT_LOSS, SOFT_GRADIENT)
