"""One step: on a GPU nobody waits for it, and in float16 it is as good as in float32."""
import pytest
import torch
from small import IMAGES, VALIDATION, ColourTeacher, LittleNet, PixelTeacher, loader_batches, run_of, state_of

from distill_kit.batches import Batch, PlainBatches, ViewBatches
from distill_kit.kept_logits import KeptLogits
from distill_kit.losses import distillation_terms
from distill_kit.optimizers import OPTIMIZERS
from distill_kit.schedules import Numbers, constant, linear
from distill_kit.step import FLOAT16_SCALE, Step
from distill_kit.teachers import Teacher
from distill_kit.views import ViewBank

NEEDS_CUDA = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
pytestmark = pytest.mark.usefixtures("global_random_state_untouched")


def test_controls_that_are_tensors_make_the_same_run(monkeypatch):
    """As they are on a GPU, for a CUDA graph to read."""
    rows = [list(run_of(LittleNet(), loader_batches(ColourTeacher()), temperature=linear(4.0, 2.0, 10)))]
    monkeypatch.setattr("distill_kit.step.numbers_on", lambda device, *numbers: torch.tensor(numbers))
    rows.append(list(run_of(LittleNet(), loader_batches(ColourTeacher()), temperature=linear(4.0, 2.0, 10))))
    for plain, tensor in zip(*rows):
        assert plain["train_loss"] == pytest.approx(tensor["train_loss"], rel=1e-5)
        assert plain["temperature"] == tensor["temperature"] and type(tensor["learning_rate"]) is float


def test_float16_scales_the_loss_so_that_small_gradients_survive():
    """The rows are those of float32 within rounding: figures see the loss and gradients without their scale."""
    rows = {precision: list(run_of(LittleNet(), loader_batches(ColourTeacher()), loader_batches(ColourTeacher()),
                                   precision=precision)) for precision in ("float32", "float16")}
    for exact, half in zip(rows["float32"], rows["float16"]):
        for column in ("train_loss", "gradient_norm", "val_loss"):
            assert exact[column] == pytest.approx(half[column], rel=0.02)


def test_a_step_that_overflowed_in_float16_is_left_out():
    """As gradients scaled up may do: the weights stay as they were, and finite."""
    student = LittleNet()
    before = state_of(student)
    broken = [Batch(batch.images * 1e6, *batch[1:]) for batch in list(loader_batches(ColourTeacher()))[:1]]
    next(iter(run_of(student, broken, epochs=1, precision="float16")))
    assert all(torch.equal(before[name], value) for name, value in student.named_parameters())


@pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=NEEDS_CUDA)])
@pytest.mark.parametrize("good", [0, 3])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_gradient_that_overflows_moves_nothing_and_lowers_the_scale(optimizer, good, device):
    """On a GPU in a recording, or before it. What optimisers keep stays finite as well: later steps go on."""
    student = LittleNet().to(device)
    step = Step(student, OPTIMIZERS[optimizer](student), distillation_terms, 1.0, "float16", recorded=True)
    batch = Batch(IMAGES.images[:8].float().to(device) / 255, torch.arange(8, device=device) % 4, None)
    step.scaler.scale(torch.ones((), device=device))  # makes the scale
    for _ in range(good):
        step(batch, Numbers(1e-2, 1.0, 1.0))
    before = state_of(student)
    step.scaler.update(2.0**100)
    step(batch, Numbers(1e-2, 1.0, 1.0))
    assert all(torch.equal(before[name], value) for name, value in student.named_parameters())
    assert step.scaler.get_scale() == 2.0**99
    step.scaler.update(FLOAT16_SCALE)
    for _ in range(3):
        step(batch, Numbers(1e-2, 1.0, 1.0))
    assert all(torch.isfinite(value).all() for value in state_of(student).values())
    assert not any(torch.equal(before[name], value) for name, value in student.named_parameters())


@NEEDS_CUDA
def test_no_step_waits_for_the_gpu():
    """Neither to make a batch nor to learn from it. Only an epoch's figures must be waited for."""
    bank = ViewBank(IMAGES.images, device="cuda")
    logits = KeptLogits(Teacher(PixelTeacher(), "cuda"), bank, len(IMAGES))
    logits.complete()

    class Watched(ViewBatches):
        def __iter__(self):
            torch.cuda.set_sync_debug_mode("error")
            yield from super().__iter__()
            torch.cuda.set_sync_debug_mode("default")
    try:
        (row,) = run_of(LittleNet().cuda(), Watched(bank, IMAGES.labels, 16, 3, logits), epochs=1)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert row["steps"] == len(IMAGES) // 16


@NEEDS_CUDA
def test_cuda_gives_the_rows_of_the_cpu():
    rows = {}
    for device in ("cpu", "cuda"):
        bank = ViewBank(IMAGES.images, device=device)
        batches = ViewBatches(bank, IMAGES.labels, 16, seed=3,
                              logits=KeptLogits(Teacher(PixelTeacher(), device), bank, len(IMAGES)))
        validation = PlainBatches(ViewBank(VALIDATION.images, device=device), VALIDATION.labels)
        student = LittleNet().to(device)
        rows[device] = list(run_of(student, batches, validation, alpha=constant(0.3), every=2))
    for expected, row in zip(rows["cpu"], rows["cuda"]):
        assert expected["train_loss"] == pytest.approx(row["train_loss"], rel=1e-3)
