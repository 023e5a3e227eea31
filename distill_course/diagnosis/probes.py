"""Probes: a few questions to a run that has been trained, in under a second, and what the answers prove.

A history cannot tell all. `probe(run)` asks and gives a plain dict, to be handed to `diagnose`; it leaves weights,
modes and random state as they were. `proofs` turns such a dict into findings.
"""
import math
from collections.abc import Iterator
from copy import deepcopy

import torch
from torch import Tensor, nn

from distill_kit.batches import Batch
from distill_kit.devices import casting
from distill_kit.losses import LossTerms, distillation_terms
from distill_kit.metrics import accuracy
from distill_kit.models import in_eval_mode, logits_of
from distill_kit.run import Run
from distill_kit.teachers import Teacher

from ..habits import answer_in_train_mode
from .finding import CAUSES, THRESHOLDS, Evidence, Finding, as_finding
from .wrong_losses import WRONG_LOSSES

LEVEL = THRESHOLDS["probes"]
TEACHERS = {"shuffled": "teacher_rows_shuffled", "permuted": "classes_permuted", "probabilities": "softmax_twice",
            "train_mode": "teacher_in_train_mode", "other_view": "teacher_sees_other_view"}


@torch.no_grad()
def probe(run: Run) -> dict:
    """Ask a run whose training has begun; returns plain data.

        >>> probe(run)["teacher"]
        'same'

    loss: "right" where the run's loss gives on one batch what the kit's gives, else the name in WRONG_LOSSES that does,
        or "other". loss_ratio: its soft term over the right one
    teacher: what the teacher's logits in a batch are, beside its answers when asked again in eval mode: "same",
        "shuffled" (of other images), "permuted" (classes in another order), "probabilities", "train_mode",
        "other_view", "other"; None without a teacher. teacher_match: the share of rows that match exactly
    not_training: share of the student's BatchNorm layers that stay in eval mode when it is told to train
    frozen: share of its weight matrices that are as they were before the first step
    train_mode_gain: accuracy on a batch of validation images by its statistics, as in train mode, less that by the
        student's running statistics; 0 where luck may do that much; None without BatchNorm
    false_labels: share of labels that the teacher contradicts, among those about which it is confident

    Raises ValueError for a run that has not begun.
    """
    if not run.began:
        raise ValueError("run must have been trained for a step at least; iterate over run.rows() first")
    run.student.to(run.materials.device)  # the caller may have moved it since
    batch = next(iter(run.parts.batches))
    batch = Batch(*(None if part is None else part[:256] for part in batch))
    taught = {**_loss(run, batch), **_teacher(run, batch)} if batch.teacher_logits is not None else {}
    return {**dict.fromkeys(("loss", "loss_ratio", "teacher", "teacher_match")), **taught, **_student(run),
            **_statistics(run), **_labels(run)}


def _loss(run: Run, batch: Batch) -> dict:
    parts = run.parts
    with in_eval_mode(run.student) as student, casting(run.materials.device, run.materials.precision):
        logits = logits_of(student(batch.images))                                     # (N, C)
    temperature, alpha = parts.temperature(parts.steps - 1), parts.alpha(parts.steps - 1)
    asked = (logits, batch.teacher_logits, batch.labels, temperature, alpha)
    used, right = parts.loss(*asked), distillation_terms(*asked)
    if not math.isfinite(used.total.item()):  # a run that diverged says nothing of its loss
        return {}
    losses = {"right": distillation_terms, **WRONG_LOSSES}
    name = next((name for name, loss in losses.items() if _alike(used, loss(*asked))), "other")
    return {"loss": name, "loss_ratio": (used.soft / right.soft).item()}


def _alike(terms: LossTerms, others: LossTerms) -> bool:
    return torch.allclose(*(torch.stack([both.soft, both.total]) for both in (terms, others)), rtol=2e-3, atol=1e-6)


def _teacher(run: Run, batch: Batch) -> dict:
    teacher: Teacher = run.parts.kept.teacher
    given = batch.teacher_logits.float()                                               # (N, C)
    again = torch.cat([teacher(images) for images in batch.images.split(teacher.block)]).float()  # (N, C)
    match = _rows_match(given, again)
    if match > 0.98:
        return {"teacher": "same", "teacher_match": match}
    nearest = torch.cdist(given, again).argmin(dim=1)                                  # (N,)
    columns = torch.cdist(given.T, again.T).argmin(dim=1)                              # (C,)
    others = {"probabilities": again.softmax(1), "shuffled": again[nearest], "permuted": again[:, columns],
              "train_mode": answer_in_train_mode(teacher, batch.images).float()}       # (N, C) each
    # Another crop of an image moves a good teacher's logits, but seldom its mind.
    unlike = "other_view" if accuracy(given, again.argmax(1)) > 0.85 else "other"
    name = next((name for name, other in others.items() if _rows_match(given, other) > 0.9), unlike)
    return {"teacher": name, "teacher_match": match}


def _rows_match(given: Tensor, again: Tensor) -> float:
    tolerance = LEVEL.same * again.abs().amax(dim=1).clamp_min(4)                      # (N,)
    return ((given - again).abs().amax(dim=1) <= tolerance).float().mean().item()


def norms_of(student: nn.Module) -> list[nn.Module]:
    """List the BatchNorm layers of a student."""
    return [module for module in student.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]


def _student(run: Run) -> dict:
    student, norms = run.student, norms_of(run.student)
    with in_eval_mode(student):  # after which each module is in its own mode again
        student.train()
        still = sum(not module.training for module in norms) / len(norms) if norms else 0.0
    same = [torch.equal(before, now) for before, now in zip(run.fresh_student().parameters(), student.parameters())
            if now.ndim >= 2]  # as in `figures.matrices`, but with those that are frozen
    return {"not_training": still, "frozen": sum(same) / len(same)}


def _statistics(run: Run) -> dict:
    batch, shares = next(iter(run.parts.watched)), []
    if not norms_of(run.student) or len(batch.labels) < 2:  # nor has a single image statistics
        return {"train_mode_gain": None}
    student = deepcopy(run.student).eval()  # whose statistics move
    for by_batch in (False, True):
        for norm in norms_of(student):
            norm.train(by_batch)
        with casting(run.materials.device, run.materials.precision):
            shares.append(accuracy(logits_of(student(batch.images)), batch.labels))
    gain, luck = shares[1] - shares[0], 2 * math.sqrt(sum(share * (1 - share) for share in shares) / len(batch.labels))
    return {"train_mode_gain": gain if gain > max(luck, LEVEL.better) else 0.0}


def _labels(run: Run) -> dict:
    if run.settings.labels_only:  # no teacher was asked so far
        return {"false_labels": None}
    rows = run.batches.rows[:LEVEL.labels]
    labels = run.batches.labels[rows.to(run.batches.labels.device)]
    given = run.parts.kept.take(rows, torch.zeros_like(rows)).float().softmax(1)        # (n, C)
    sure, first = given.max(1)
    judged = (sure > LEVEL.confident) & (labels >= 0)
    return {"false_labels": (first != labels)[judged].float().mean().item() if judged.any() else None}


# What the answers prove

def proofs(probes: dict, alpha: float | None) -> Iterator[Finding]:
    """Turn a probe's answers into findings. alpha: the run's, where it is known."""
    def proved(name: str, figure: str, expected: str, **how) -> Finding:
        return as_finding(name, Evidence(figure, probes.get(figure), None, expected), probed=True, **how)
    loss, teacher, share = (probes.get(figure) for figure in ("loss", "teacher", "false_labels"))
    if loss not in (None, "right"):
        yield proved("loss_is_another" if loss == "other" else loss, "loss_ratio", "1")
    if teacher not in (None, "same"):
        name = TEACHERS.get(teacher, "teacher_answers_differ")
        yield proved(name, "teacher_match", "1", severe=teacher in TEACHERS)
    for figure, name in (("not_training", "student_in_eval_mode"), ("frozen", "layers_not_trained")):
        if probes.get(figure):
            yield proved(name, figure, "0")
    if probes.get("train_mode_gain"):
        yield proved("right_only_in_train_mode", "train_mode_gain", "0", elsewhere=True)
    if share is not None and share >= LEVEL.false_labels and teacher in (None, "same"):  # with other rows no witness
        mild = share < 0.1 or alpha is not None and alpha < 0.3
        yield proved("false_labels", "false_labels", "0", severe=not mild)


def is_refuted(finding: Finding, probes: dict) -> bool:
    """Has a probe looked at just that, and seen that it is otherwise?"""
    answer = probes.get(CAUSES[finding.name].probe)
    return answer is not None and TEACHERS.get(answer, answer) != finding.name
