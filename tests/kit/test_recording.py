"""A step that is recorded on a GPU: it gives what an ordinary one gives, and its memory back. Skipped without CUDA."""
import itertools

import pytest
import torch
from small import LittleNet, PixelTeacher, coloured_images

from distill_kit.batches import ViewBatches
from distill_kit.kept_logits import KeptLogits
from distill_kit.optimizers import OPTIMIZERS
from distill_kit.schedules import linear
from distill_kit.teachers import Teacher
from distill_kit.training import train
from distill_kit.views import ViewBank

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")

IMAGES = coloured_images(70)
A_BLOCK = 2 << 20  # bytes: the least that PyTorch asks a GPU for


def rows_of(student, recorded=True, optimizer="adamw", epochs=3, **options):
    bank = ViewBank(IMAGES.images, device="cuda")
    logits = KeptLogits(Teacher(PixelTeacher(), "cuda"), bank, len(IMAGES))
    return train(student, ViewBatches(bank, IMAGES.labels, 16, seed=3, logits=logits), None, epochs=epochs,
                 optimizer=OPTIMIZERS[optimizer](student), learning_rate=linear(1e-2, 1e-3, 30),
                 temperature=linear(4.0, 2.0, 30), alpha=linear(0.1, 0.9, 30), recorded=recorded, **options)


@pytest.mark.parametrize("optimizer", ["muon", "adamw"])
def test_a_recorded_step_gives_the_rows_of_an_ordinary_one(optimizer):
    ordinary, recorded = (list(rows_of(LittleNet().cuda(), recorded, optimizer)) for recorded in (False, True))
    for one, other in zip(ordinary, recorded):
        for column in ("train_loss", "gradient_norm", "update_ratio", "train_soft", "first_loss"):
            assert one.get(column) == pytest.approx(other.get(column), rel=1e-3), column


@pytest.mark.parametrize("seen", [None, 3], ids=["to the end", "left in the middle"])
def test_a_recording_gives_its_memory_back_while_its_student_is_kept(seen):
    students, held = [], []
    for _ in range(8):
        students.append(LittleNet().cuda())
        rows = rows_of(students[-1], every=2)
        assert list(itertools.islice(rows, seen))
        rows.close()
        held.append(torch.cuda.memory_reserved())
    assert held[-1] - held[1] <= A_BLOCK, held
    assert all(parameter.grad is None for student in students for parameter in student.parameters())
