"""What a run's rows say of it: sums over the images of an epoch, and what is looked at once an epoch.

Everything here is cheap and stays on the device; the columns are described in history.py.
"""
import math
from collections.abc import Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from .losses import LossTerms


TRAIN = "train"  # prefix of what is summed while training


class Tally:
    """Sums over the images seen so far: of each batch first (`of`), which a GPU may do as part of its step; then added
    up. They stay on the device: reading them is what waits for a GPU."""

    def __init__(self, device: torch.device):
        self._sums = torch.zeros(11, device=device, dtype=torch.float64 if device.type != "mps" else torch.float32)
        self._labels: list[Tensor] = []
        self._classes = 0

    @staticmethod
    @torch.no_grad()
    def of(terms: LossTerms, logits: Tensor, teacher_logits: Tensor | None, labels: Tensor,
           temperature: float | Tensor = 1.0) -> Tensor:
        """One batch's sums, [11]. logits, teacher_logits: [N, C]; labels: int64 [N], -100 where not known."""
        logits = logits.float()
        predicted = logits.argmax(dim=1)                                              # (N,)
        labelled, rows = (labels >= 0).sum(), len(labels)
        unknown = labelled * torch.nan
        agreed, right, teacher_entropy = unknown, unknown, unknown
        if teacher_logits is not None:
            teacher_logits = teacher_logits.float()
            said = teacher_logits.argmax(dim=1)                                       # (N,)
            agreed, right = (predicted == said).sum(), (said == labels).sum()
            teacher_entropy = entropy(teacher_logits, temperature).sum()
        return torch.stack([
            terms.total * rows, terms.hard * rows, terms.hard * labelled, terms.soft * rows,
            (predicted == labels).sum(), agreed, labelled, torch.full_like(labelled, rows), right,
            entropy(logits, temperature).sum(), teacher_entropy])

    def add(self, sums: Tensor, labels: Tensor, classes: int) -> None:
        """sums: of a batch with these labels."""
        self._sums += sums
        self._labels.append(labels)
        self._classes = classes

    def is_finite(self) -> bool:
        return bool(torch.isfinite(self._sums[0]))

    def figures(self, prefix: str) -> dict[str, float | None]:
        """The means under their column names; None for what needs labels or a teacher where there are none.

        While training the terms are means over batches, as they enter the total, so that they add up to it: in a batch
        without any label the hard term is 0. On validation images the hard term is the mean over labelled images.
        """
        total, hard, labelled_hard, soft, correct, agreed, labelled, rows, right, own, teacher = self._sums.tolist()
        if not rows:
            raise ValueError(f"no batch to compute {prefix}_loss from: is the loader empty?")
        taught = not math.isnan(agreed)
        mean_hard = (hard / rows if prefix == TRAIN else labelled_hard / labelled) if labelled else None
        return {f"{prefix}_loss": total / rows, f"{prefix}_hard": mean_hard,
                f"{prefix}_soft": soft / rows if taught else None,
                f"{prefix}_accuracy": correct / labelled if labelled else None,
                f"{prefix}_agreement": agreed / rows if taught else None,
                f"{prefix}_teacher_accuracy": right / labelled if taught and labelled else None,
                f"{prefix}_entropy": own / rows, f"{prefix}_teacher_entropy": teacher / rows if taught else None}

    def label_mix(self) -> float | None:
        """See `label_mix`, of the batches added so far."""
        sizes = [len(labels) for labels in self._labels]
        return label_mix(torch.cat(self._labels).cpu().split(sizes), self._classes)  # one wait for a GPU


def entropy(logits: Tensor, temperature: float | Tensor = 1.0) -> Tensor:
    """Of softmax(logits / temperature), in nats: [N, C] -> [N]. ln C where all classes are equally likely."""
    log = torch.log_softmax(logits / temperature, dim=1)                              # (N, C)
    return -(log.exp() * log).sum(dim=1)


def label_mix(batches: Sequence[Tensor], classes: int) -> float | None:
    """How mixed the labels of a batch are, beside those of all of them: about 1 where batches are drawn at random.

    The mean entropy of the labels in a batch over the entropy of all labels. A small batch shows too little entropy;
    Miller's correction (1955) adds (classes seen - 1) / (2 N). None where there is no label, or one class alone.
    """
    seen = [counts for labels in batches if (counts := _counts(labels, classes)).sum() > 0]
    if not seen:
        return None
    whole = _corrected_entropy(torch.stack(seen).sum(0))
    if whole < 1e-6:
        return None
    return (sum(_corrected_entropy(counts) for counts in seen) / len(seen)) / whole


def _counts(labels: Tensor, classes: int) -> Tensor:
    return torch.bincount(labels[labels >= 0], minlength=classes).double()      # (C,)


def _corrected_entropy(counts: Tensor) -> float:
    shares = counts / counts.sum()
    plain = -(shares * shares.clamp_min(1e-12).log()).sum().item()
    return plain + ((counts > 0).sum().item() - 1) / (2 * counts.sum().item())


def gradient_figures(norms: list[Tensor], clip_norm: float) -> dict[str, float | None]:
    """Of the gradient's norm before clipping over an epoch: mean, median, largest, share of steps that were clipped."""
    norms = torch.stack(norms).float()
    return {"gradient_norm": norms.mean().item(), "gradient_norm_median": norms.median().item(),
            "gradient_norm_max": norms.max().item(), "clipped": (norms > clip_norm).float().mean().item(),
            "clip_norm": clip_norm if math.isfinite(clip_norm) else None}


def matrices(student: nn.Module) -> list[Tensor]:
    """The trained weights of more than one dimension: biases and norms move by rules of their own."""
    return [parameter for parameter in student.parameters() if parameter.requires_grad and parameter.ndim >= 2]


@torch.no_grad()
def update_ratio(before: Sequence[Tensor], after: Sequence[Tensor]) -> Tensor | None:
    """How far one step moved the weights, relative to their size: the norm of the change over the norm before it.

    One number, still on the device: nobody waits for it here.
    """
    if not before:
        return None
    moved = torch.stack([(b - a).norm() for b, a in zip(before, after)]).norm()
    return moved / torch.stack([b.norm() for b in before]).norm().clamp_min(1e-12)                      # ()


LOOKED_AT = 256  # images, so that the share of dead units does not hang on how many come at once


@contextmanager
def counting_dead_units(student: nn.Module, found: dict):
    """While the student looks at a batch: which channels of its nn.ReLU modules never answer above 0, for any of its
    first LOOKED_AT images.

    At the end `found["dead_units"]` is their share, None for a student without nn.ReLU modules.
    """
    largest: dict[tuple, Tensor] = {}
    calls: dict[nn.Module, int] = {}

    def look(module, _, output):
        place = module, calls.get(module, 0)
        calls[module] = place[1] + 1
        output = output[:LOOKED_AT]
        over = [axis for axis in range(output.ndim) if axis != 1]
        highest = output.detach().amax(dim=over) if output.ndim > 1 else output.detach()        # (channels,)
        largest[place] = highest
    handles = [module.register_forward_hook(look) for module in student.modules() if isinstance(module, nn.ReLU)]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
        units = torch.cat([highest.flatten() for highest in largest.values()]) if largest else None
        found["dead_units"] = None if units is None else (units <= 0).float().mean().item()
