"""A step that is recorded on a GPU: it gives what an ordinary one gives, and its memory back. Skipped without CUDA."""
import itertools

import pytest
import torch
from small import LittleNet, PixelTeacher, coloured_images

from distill_kit.batches import ViewBatches
from distill_kit.kept_logits import KeptLogits
from distill_kit.optimizers import OPTIMIZERS
from distill_kit.recording import Recorded
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


@pytest.mark.parametrize("precision", ["float32", "float16"])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_recorded_step_gives_the_rows_of_an_ordinary_one(optimizer, precision):
    ordinary, recorded = (list(rows_of(LittleNet().cuda(), recorded, optimizer, precision=precision))
                          for recorded in (False, True))
    near = {"rel": 1e-3 if precision == "float32" else 2e-2}
    for one, other in zip(ordinary, recorded):
        for column in ("train_loss", "gradient_norm", "update_ratio", "train_soft", "first_loss"):
            assert one.get(column) == pytest.approx(other.get(column), **near), column


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_every_optimizer_is_recorded_in_every_precision(optimizer, monkeypatch):
    replayed, replay = [], torch.cuda.CUDAGraph.replay
    monkeypatch.setattr(torch.cuda.CUDAGraph, "replay", lambda graph: replayed.append(1) or replay(graph))
    for number, precision in enumerate(("float32", "bfloat16", "float16"), start=1):
        list(rows_of(LittleNet().cuda(), True, optimizer, epochs=1, precision=precision))
        assert len(replayed) == 3 * number  # of 4 steps; the first makes what is kept


def test_recordings_that_are_there_at_once_have_streams_of_their_own_and_leave_them_to_later_ones():
    def recorded():
        square = Recorded(lambda x: (x @ x,))
        for number in (1.0, 2.0, 3.0):
            product, = square(torch.full((4, 4), number, device="cuda"))
            assert torch.equal(product, torch.full((4, 4), 4 * number**2, device="cuda"))
        return square
    one, other = recorded(), recorded()
    streams = {one._aside, other._aside}
    assert len(streams) == 2
    one.close(), other.close()
    assert recorded()._aside in streams


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
