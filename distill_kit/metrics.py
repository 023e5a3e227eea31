"""Figures of logits and probabilities: accuracy, rank, calibration, entropy, divergence.

Pure functions of tensors, but for `answers`, `measure` and `evaluate`, which ask a model.
"""
import math
from collections.abc import Iterable

import torch
from torch import Tensor, nn

from .data.imageset import ImageSet
from .devices import choose_device
from .loaders import LoaderBatches
from .losses import class_numbers
from .models import in_eval_mode
from .teachers import Teacher

BIT = math.log(2)  # in nats: rows of a history hold nats, learners are shown bits


def soft_targets(logits: Tensor, temperature: float) -> Tensor:
    """Soften logits [..., C] by a temperature: probabilities [..., C] (Hinton, Vinyals, Dean, 2015).

        >>> soft_targets(torch.tensor([2.0, 0.0]), temperature=2.0)
        tensor([0.7311, 0.2689])
    """
    return (logits / temperature).softmax(dim=-1)


def entropy(logits: Tensor, temperature: float | Tensor = 1.0) -> Tensor:
    """Compute the entropy of softmax(logits / temperature) in nats: [..., C] -> [...]. ln C where all are alike."""
    log = torch.log_softmax(logits / temperature, dim=-1)                             # (..., C)
    return -(log.exp() * log).sum(dim=-1)


def entropy_bits(probabilities: Tensor) -> float:
    """Compute the mean entropy in bits of distributions [C] or [N, C]; log2 C where all classes are alike."""
    return torch.special.entr(probabilities).sum(-1).mean().item() / BIT


def divergence_bits(true: Tensor, predicted: Tensor) -> float:
    """Compute the mean KL(true || predicted) in bits over rows of probabilities [N, C]."""
    return (torch.special.xlogy(true, true) - torch.special.xlogy(true, predicted)).sum(1).mean().item() / BIT


def accuracy(logits: Tensor, labels: Tensor) -> float:
    """Compute the share of rows of logits [N, C] whose highest logit is the label's."""
    return (logits.argmax(1) == labels).double().mean().item()


def balanced_accuracy(logits: Tensor, labels: Tensor) -> float:
    """Compute the mean over the classes that occur in labels [N] of the share of each that logits [N, C] get right."""
    right = (logits.argmax(1) == labels).double()
    return torch.stack([right[labels == label].mean() for label in labels.unique()]).mean().item()


def share_in_top(logits: Tensor, labels: Tensor, class_number: int, places: int) -> float:
    """Compute for how many of a class's images that class is among the `places` highest logits [N, C]: a share."""
    top = logits[labels == class_number].topk(places, dim=1).indices                       # (n, places)
    return (top == class_number).any(dim=1).float().mean().item()


def classification_figures(logits: Tensor, labels: Tensor) -> dict:
    """Compute accuracy, balanced_accuracy, cross_entropy and ece from logits [N, C].

    ece: the expected calibration error over 15 bins (Guo et al., 2017).
    """
    from torchmetrics.functional.classification import multiclass_calibration_error
    ece = multiclass_calibration_error(logits.softmax(1), labels, num_classes=logits.shape[1], n_bins=15)
    return {"accuracy": accuracy(logits, labels), "balanced_accuracy": balanced_accuracy(logits, labels),
            "ece": ece.item(), "cross_entropy": nn.functional.cross_entropy(logits, labels).item()}


def answers(model: nn.Module, images: ImageSet, device: torch.device | str | None = None,
            precision: str = "float32") -> Tensor:
    """Ask a model about plain images: logits float32 [N, C] on the CPU, rounded to float16 as a teacher's are.

    device: where to compute; the model is there afterwards. None leaves it where it is.
    """
    device = next(model.parameters(), torch.empty(0)).device if device is None else device
    return Teacher(model, device, precision).about(images.images).float()


def measure(model: nn.Module, images: ImageSet, device: torch.device | str = "cpu", precision: str = "float32") -> dict:
    """Measure a classifier on plain images, without test-time augmentation: images, and classification_figures."""
    return {"images": len(images), **classification_figures(answers(model, images, device, precision), images.labels)}


@torch.no_grad()
def evaluate(model: nn.Module, loader: Iterable, device: torch.device | str | None = None) -> dict:
    """Measure any classifier on a DataLoader, in eval mode: images, and classification_figures.

        >>> evaluate(student, val_loader)["accuracy"]  # a share from 0 to 1
        0.68

    loader: what `train_student_with_distillation` takes; images without a label are left out. device: where to compute;
    None chooses it. The model is asked as a teacher is, and its logits are rounded to float16. Raises ValueError for
    what is no such loader, and for images or logits that are no finite numbers.
    """
    asked = Teacher(model, choose_device(device))
    with in_eval_mode(asked.module):
        pairs = [(batch.teacher_logits.float().cpu(), class_numbers(batch.labels).cpu())
                 for batch in LoaderBatches(loader, asked, asked.device)]
    logits, labels = map(torch.cat, zip(*pairs))                                                       # (N, C), (N,)
    if not (seen := labels >= 0).any():
        raise ValueError("loader must have labels; all are -100")
    return {"images": int(seen.sum()), **classification_figures(logits[seen], labels[seen])}
