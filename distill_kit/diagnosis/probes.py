"""What a history cannot tell: a few questions to a run that has been trained, in under a second.

`probe(run)` gives a plain dict, to be handed to `diagnose`. It leaves weights, modes and random state as they were.
"""
import math

import torch
from torch import Tensor, nn

from ..batches import Batch, Teacher
from ..devices import casting
from ..models import logits_of
from . import loss_variants

IMAGES = 64          # that the teacher looks at once more at a time: as it did before, and in little memory
CONFIDENT = 0.9      # a teacher's probability above which its word is held against a label
LABELS = 512         # training images whose labels are held against the teacher
SAME = 0.02          # largest difference of a logit that is still the same answer: float16 rounds by up to 0.008 at 16
VARIANTS = {"right": loss_variants.right, "t_squared_missing": loss_variants.without_t_squared,
            "element_mean": loss_variants.element_mean, "kl_swapped": loss_variants.swapped,
            "softmax_for_log_softmax": loss_variants.softmax_for_log_softmax,
            "student_not_softened": loss_variants.student_not_softened,
            "alpha_inverted": loss_variants.alpha_inverted}


@torch.no_grad()
def probe(run) -> dict:
    """Of a run.Run whose loop has begun:

    loss: which loss of VARIANTS gives what the run's loss gives on one batch ("right" where it is the kit's), "other"
        where none does; loss_ratio: its soft term over the right one
    teacher: what the teacher's logits in a batch are, beside its answers when asked again in eval mode: "same",
        "shuffled" (of other images), "permuted" (classes in another order), "probabilities", "train_mode",
        "other_view", "other"; None without a teacher. teacher_match: the share of rows that match exactly
    not_training: share of the student's layers that stay in eval mode when it is told to train
    frozen: share of its weight matrices that are as they were before the first step
    false_labels: of the labels about which the teacher is confident: the share it contradicts
    """
    if run.used is None:
        raise ValueError("run must have been trained for a step at least; call run.rows() first")
    run.student.to(run.materials.device)  # the caller may have moved it since
    batch = next(iter(run.used.batches))
    batch = Batch(*(None if part is None else part[:256] for part in batch))
    return {**_loss(run, batch), **_teacher(run, batch), **_student(run), **_labels(run)}


def _loss(run, batch: Batch) -> dict:
    student, parts = run.student, run.used
    if batch.teacher_logits is None:
        return {"loss": None, "loss_ratio": None}
    student.eval()
    with casting(run.materials.device, run.materials.precision):
        logits = logits_of(student(batch.images))                                     # (N, C)
    temperature, alpha = parts.temperature(parts.steps - 1), parts.alpha(parts.steps - 1)
    asked = (logits, batch.teacher_logits, batch.labels, temperature, alpha)
    used, right = parts.loss(*asked), loss_variants.right(*asked)
    if not math.isfinite(used.total.item()):  # a run that diverged says nothing of its loss
        return {"loss": None, "loss_ratio": None}
    matching = [name for name, variant in VARIANTS.items() if _alike(used, variant(*asked))]
    return {"loss": (matching or ["other"])[0], "loss_ratio": (used.soft / right.soft).item()}


def _alike(one, other) -> bool:
    return all(math.isclose(a.item(), b.item(), rel_tol=2e-3, abs_tol=1e-6)
               for a, b in ((one.soft, other.soft), (one.total, other.total)))


def _teacher(run, batch: Batch) -> dict:
    if batch.teacher_logits is None:
        return {"teacher": None, "teacher_match": None}
    teacher: Teacher = run.used.kept.teacher
    said = batch.teacher_logits.float()                                               # (N, C)
    again = torch.cat([teacher(images) for images in batch.images.split(IMAGES)]).float()  # (N, C)
    match = _rows_match(said, again)
    return {"teacher": "same" if match > 0.98 else _what_else(said, again, teacher, batch), "teacher_match": match}


def _rows_match(said: Tensor, again: Tensor) -> float:
    tolerance = SAME * again.abs().amax(dim=1).clamp_min(4)                            # (N,)
    return ((said - again).abs().amax(dim=1) <= tolerance).float().mean().item()


def _what_else(said: Tensor, again: Tensor, teacher: Teacher, batch: Batch) -> str:
    if _rows_match(said, again.softmax(1)) > 0.9:
        return "probabilities"
    nearest = torch.cdist(said, again).argmin(dim=1)                                  # (N,)
    if _rows_match(said, again[nearest]) > 0.9:
        return "shuffled"
    columns = torch.cdist(said.T, again.T).argmin(dim=1)                              # (C,)
    if _rows_match(said, again[:, columns]) > 0.9:
        return "permuted"
    if _rows_match(said, _in_train_mode(teacher, batch.images)) > 0.9:
        return "train_mode"
    # Another crop of an image moves a good teacher's logits, but seldom its mind.
    return "other_view" if (said.argmax(1) == again.argmax(1)).float().mean() > 0.85 else "other"


def _in_train_mode(teacher: Teacher, images: Tensor) -> Tensor:
    module = teacher.module
    kept = {name: value.clone() for name, value in module.state_dict().items()}
    try:
        module.train()
        with casting(teacher.device, teacher.precision):
            return logits_of(module(images)).half().float()
    finally:
        module.load_state_dict(kept)
        module.eval()


def _student(run) -> dict:
    student, before = run.student, matrices_of(run.fresh_student())
    modes = {module: module.training for module in student.modules()}
    student.train()
    norms = [module for module in student.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]
    still = sum(not module.training for module in norms) / len(norms) if norms else 0.0
    for module, mode in modes.items():
        module.training = mode
    same = [torch.equal(a, b) for a, b in zip(before, matrices_of(student))]
    return {"not_training": still, "frozen": sum(same) / len(same)}


def matrices_of(student: nn.Module) -> list[Tensor]:
    """As `signals.matrices`, the frozen ones too."""
    return [parameter for parameter in student.parameters() if parameter.ndim >= 2]


def _labels(run) -> dict:
    if run.settings.labels_alone:  # no teacher was asked so far
        return {"false_labels": None}
    rows = run.batches.rows[:LABELS]
    labels = run.batches.labels[rows.to(run.batches.labels.device)]
    said = run.used.kept.take(rows, torch.zeros_like(rows)).float().softmax(1)        # (n, C)
    sure, first = said.max(1)
    judged = (sure > CONFIDENT) & (labels >= 0)
    return {"false_labels": (first != labels)[judged].float().mean().item() if judged.any() else None}
