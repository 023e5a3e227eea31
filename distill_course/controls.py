"""Teachers for control: surer or less sure than the shipped one, with nothing but the label to say, or untrained.

`Settings(changes=("teacher_surer",))` asks for one; importing this module makes them known.
"""
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn.functional import one_hot

from distill_kit.batches import Batch
from distill_kit.changes import register
from distill_kit.models import make_model
from distill_kit.teachers import shipped_path
from distill_kit.weights import load_model

from .habits import with_teacher

SURE_OF_THE_LABEL = 0.9
BLANK = torch.zeros(1, 3, 32, 32, dtype=torch.uint8)  # images of the right size, of which nothing is learnt


def of_the_label(batch: Batch) -> Tensor:
    """Logits of a teacher that gives the label SURE_OF_THE_LABEL, and all other classes the same."""
    classes = batch.teacher_logits.shape[1]
    label = one_hot(batch.labels.clamp(min=0), classes) * (batch.labels >= 0).float().unsqueeze(1)   # (N, C)
    return (SURE_OF_THE_LABEL * label + (1 - SURE_OF_THE_LABEL) / (classes - 1) * (1 - label)).log()


def untrained() -> nn.Module:
    """Make CIFAR-10's shipped teacher as it was before it learnt: `--teacher distill_course.controls:untrained`."""
    shipped, _ = load_model(shipped_path("cifar10"))
    stem = {name: value for name, value in shipped.state_dict().items() if name.startswith("stem_")}
    return make_model(shipped.architecture, BLANK, stem=stem).eval()


for name, answer in {"teacher_surer": lambda batch: 2 * batch.teacher_logits.float(),
                     "teacher_less_sure": lambda batch: batch.teacher_logits.float() / 2,
                     "teacher_is_the_label": of_the_label}.items():
    register(name, partial(with_teacher, answer=answer))
