"""Networks of other people's as students, as they come."""
import pytest
import torch
from small import coloured_images, loader_of

from distill_course.diagnosis import diagnose
from distill_kit import train_student_with_distillation

IMAGES, VALIDATION = coloured_images(128), coloured_images(48, seed=5)


@pytest.fixture
def mobilenet():
    """torchvision's, whose norms look back a hundred steps."""
    models = pytest.importorskip("torchvision.models")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return models.mobilenet_v3_small(num_classes=4)


def test_case_1_a_network_with_slow_norms_is_neither_stopped_nor_called_sick(mobilenet, capsys):
    rows = []
    student = train_student_with_distillation(mobilenet, None, loader_of(IMAGES, shuffle_seed=3), loader_of(VALIDATION),
                                              6, learning_rate=3e-3, alpha=1.0, history=rows, device="cpu")
    assert len(rows) == 6 and "stopped" not in rows[-1]
    right = (student(VALIDATION.images.float() / 255).argmax(1) == VALIDATION.labels).float().mean().item()
    assert right == pytest.approx(max(row["val_accuracy"] for row in rows)) and right > 0.8
    assert not {finding.name for finding in diagnose(rows)} & {"dead_units", "too_few_images"}
