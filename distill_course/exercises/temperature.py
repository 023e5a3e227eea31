"""Checks of 01_temperature."""
import torch
import torch.nn.functional as F

from .checking import Answer, Case, Cases, Draw, gradients, same


def soften_cases(answer: Answer, draw: Draw, rows: int, classes: int) -> Cases:
    """Softmax of the logits over T, row by row."""
    answer.shape, t = (rows, classes), draw.number(1.5, 6)
    logits, others = draw.logits(rows, classes), draw.logits(rows, classes)
    together = answer(torch.cat([others, logits]), t, shape=(2 * rows, classes))
    shares = answer(logits, t)
    yield Case("never_negative", shares >= 0)
    yield same("rows_add_up_to_1", shares.sum(1), 1)
    yield same("rows_do_not_mix", together[rows:], shares, together)
    hotter = answer(logits, 4 * t)
    yield Case("temperature_counts", not torch.equal(shares, hotter), (shares, hotter))
    yield Case("hotter_is_flatter", hotter.amax(1) < shares.amax(1), (shares, hotter))
    yield same("shift_changes_nothing", answer(logits + 3, t), shares)
    yield same("scale_of_logits_and_T", answer(logits / 10, t / 10), shares)
    yield same("softmax_of_logits_over_T", (shares.log() - shares.log()[:, :1]) * t, logits - logits[:, :1], shares)


def entropy_cases(answer: Answer, draw: Draw, rows: int, classes: int) -> Cases:
    """Minus the sum of p log2 p."""
    answer.shape, shares = (rows,), draw.logits(rows, classes).softmax(1)
    bits = answer(shares)
    yield Case("never_negative", bits > -1e-6)
    yield same("certainty_is_0", answer(torch.eye(classes)[draw.labels(rows, classes)]), 0)
    yield same("empty_class_adds_nothing", answer(F.pad(shares, (0, 1))), bits)
    halves, coin = shares.repeat(1, 2) / 2, answer(torch.tensor([[0.5, 0.5]]), shape=(1,))
    yield same("halved_classes_add_a_coin", answer(halves), bits + coin, bits, coin)
    yield same("coin_is_one_bit", coin, 1)
    yield same("equal_classes_are_log2_C", answer(0 * shares + 1 / classes), torch.tensor(classes).log2())


def soft_loss_cases(answer: Answer, draw: Draw, rows: int, classes: int) -> Cases:
    """T squared times KL(teacher_T || student_T), with a gradient for the student only."""
    student, teacher, t = draw.logits(rows, classes), draw.logits(rows, classes), draw.number(2, 6)
    loss = answer(student, teacher, t)
    yield same("equal_logits_at_T_1", answer(teacher, teacher, 1.0), 0)
    yield same("equal_logits_at_any_T", answer(teacher, teacher, t), 0)
    yield Case("never_negative", loss > -1e-6, (loss,))
    yield same("mean_over_rows", answer(student.repeat(2, 1), teacher.repeat(2, 1), t), loss)
    wider = [F.pad(logits, (0, 1), value=-50 * t) for logits in (student, teacher)]
    yield same("sum_over_classes", answer(*wider, t), loss)
    sure = 30.0 * F.one_hot(draw.labels(rows, classes), classes)
    yield same("sure_teacher_is_a_label", answer(student, sure, 1.0), F.cross_entropy(student, sure.argmax(1)))
    yield same("scales_with_T_squared", answer(2 * student, 2 * teacher, 2 * t), 4 * loss, loss)
    loss = answer(student.requires_grad_(), teacher.requires_grad_(), t)
    to_student, to_teacher = gradients(loss, student, teacher)
    yield Case("student_gets_a_gradient", to_student.any())
    yield Case("teacher_gets_no_gradient", not to_teacher.any())
    yield same("gradient_of_T_squared_KL", to_student, t**2 * torch.func.grad(divergence)(student, teacher, t))


def soft_gradient_cases(answer: Answer, draw: Draw, rows: int, classes: int) -> Cases:
    """The gradient of KL(teacher_T || student_T), a mean over rows."""
    student, teacher, t = draw.logits(rows, classes), draw.logits(rows, classes), draw.number(2, 6)
    answer.shape = rows, classes
    gradient = answer(student, teacher, t)
    yield same("equal_logits", answer(teacher, teacher, t), 0)
    yield same("rows_add_up_to_0", gradient.sum(1), 0, gradient)
    nearer = divergence(student.double() - 0.1 * gradient, teacher.double(), t)
    yield Case("step_brings_student_nearer", nearer < divergence(student.double(), teacher.double(), t))
    twice = answer(student.repeat(2, 1), teacher.repeat(2, 1), t, shape=(2 * rows, classes))
    yield same("mean_over_rows", 2 * twice[:rows], gradient, twice, tolerance=1e-5)
    hot, hotter = answer(student, teacher, 1e2), answer(student, teacher, 4e2)
    yield same("shrinks_with_T_squared", 1e4 * hot, 16e4 * hotter, hot, hotter, tolerance=2e-2)
    yield same("what_autograd_finds", gradient, torch.func.grad(divergence)(student, teacher, t), tolerance=1e-5)


def divergence(student: torch.Tensor, teacher: torch.Tensor, temperature: float) -> torch.Tensor:
    """KL(teacher_T || student_T), mean over the rows, without T squared."""
    return F.kl_div((student / temperature).log_softmax(1), (teacher / temperature).softmax(1), reduction="batchmean")
