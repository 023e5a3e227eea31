import subprocess
import sys

import pytest
import torch
from small import LittleNet, coloured_images, same_state, state_of
from torch import nn

from distill_kit.batches import ViewBatches
from distill_kit.optimizers import OPTIMIZERS, Muon, adamw, orthogonal
from distill_kit.schedules import constant
from distill_kit.training import train
from distill_kit.views import ViewBank


def matrix(rows, columns, seed=0):
    return torch.randn(rows, columns, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("rows, columns", [(16, 200), (32, 216), (200, 16)])
def test_orthogonal_brings_the_singular_values_near_1(rows, columns):
    before, after = matrix(rows, columns), orthogonal(matrix(rows, columns))
    values = torch.linalg.svdvals(after)
    assert after.shape == before.shape and values.min() > 0.6 and values.max() < 1.3
    assert torch.linalg.svdvals(before / before.norm()).max() < 0.5  # they were not near 1 to begin with


def test_orthogonal_sends_each_singular_value_through_the_polynomial_three_times():
    left, values, right = torch.linalg.svd(matrix(12, 150), full_matrices=False)
    values = values / values.norm()
    for _ in range(3):
        values = 3.4445 * values - 4.7750 * values**3 + 2.0315 * values**5
    torch.testing.assert_close(orthogonal(matrix(12, 150)), left * values @ right, atol=1e-6, rtol=0)


def test_orthogonal_keeps_the_directions():
    left, _, right = torch.linalg.svd(matrix(12, 150), full_matrices=False)
    turned = left.T @ orthogonal(matrix(12, 150)) @ right.T  # diagonal, if the singular vectors are the same
    torch.testing.assert_close(turned, turned.diag().diag(), atol=1e-9, rtol=0)


def test_adamw_decays_matrices_and_filters_but_not_biases_and_norms():
    model = LittleNet()
    groups = adamw(model).param_groups
    decay = {id(parameter): group["weight_decay"] for group in groups for parameter in group["params"]}
    assert {name: decay[id(parameter)] for name, parameter in model.named_parameters()} == {
        "convolution.weight": 0.01, "norm.weight": 0, "norm.bias": 0, "head.weight": 0.01, "head.bias": 0}


def test_frozen_parameters_are_left_out():
    model = LittleNet()
    model.convolution.requires_grad_(False)
    chosen = {id(parameter) for group in adamw(model).param_groups for parameter in group["params"]}
    assert id(model.convolution.weight) not in chosen and len(chosen) == 4


def test_muons_steps_agree_with_a_plain_reference():
    model, twin = LittleNet(dtype=torch.float64), LittleNet(dtype=torch.float64)
    optimizer = Muon(model, ratio=10, momentum=0.6)
    rest = [parameter for parameter in twin.parameters() if parameter.ndim != 4]
    plain = torch.optim.AdamW([{"params": [p for p in rest if p.ndim >= 2], "weight_decay": 0.01},
                               {"params": [p for p in rest if p.ndim < 2], "weight_decay": 0.0}])
    buffer = torch.zeros(8, 27, dtype=torch.float64)
    for step, rate in enumerate((0.01, 0.03, 0.02)):
        for number, (one, other) in enumerate(zip(model.parameters(), twin.parameters())):
            generator = torch.Generator().manual_seed(9 * step + number)
            one.grad = torch.randn(one.shape, dtype=torch.float64, generator=generator)
            other.grad = one.grad.clone()
        for group in optimizer.param_groups:
            group["lr"] = rate * group.get("lr_ratio", 1.0)
        optimizer.step()

        gradient = twin.convolution.weight.grad.reshape(8, 27)
        buffer = 0.6 * buffer + gradient
        update = gradient + 0.6 * buffer
        update = update / update.norm()
        for _ in range(3):
            square = update @ update.T
            update = 3.4445 * update - 4.7750 * square @ update + 2.0315 * square @ square @ update
        filters = twin.convolution.weight.data
        filters.mul_(8**0.5 / filters.norm()).sub_(10 * rate * update.reshape(filters.shape))
        for group in plain.param_groups:
            group["lr"] = rate
        plain.step()
    for (name, value), other in zip(model.state_dict().items(), twin.state_dict().values()):
        torch.testing.assert_close(value, other, rtol=1e-6, atol=1e-7, msg=name)


def test_both_halves_of_muon_follow_the_learning_rate():
    for rate, moves in ((0.0, False), (0.01, True)):
        model, images = LittleNet(), coloured_images(32)
        with torch.no_grad():  # at its norm already, so that a rate of 0 moves nothing
            model.convolution.weight.mul_(8**0.5 / model.convolution.weight.norm())
        before = state_of(model)
        batches = ViewBatches(ViewBank(images.images), images.labels, 16, 0)
        list(train(model, batches, None, epochs=1, optimizer=Muon(model), learning_rate=constant(rate),
                   temperature=constant(1.0), alpha=constant(1.0)))
        for name in ("convolution.weight", "head.weight", "norm.bias"):
            assert torch.allclose(before[name], state_of(model)[name], atol=1e-6) != moves, name


def test_muon_keeps_filters_at_their_norm():
    model = LittleNet()
    for parameter in model.parameters():
        parameter.grad = torch.zeros_like(parameter)
    optimizer = Muon(model)
    optimizer.step()
    assert model.convolution.weight.norm().item() == pytest.approx(8**0.5, rel=1e-6)


def test_muon_clears_all_gradients():
    model = LittleNet()
    nn.functional.cross_entropy(model(torch.rand(4, 3, 8, 8, generator=torch.Generator())), torch.arange(4)).backward()
    Muon(model).zero_grad()
    assert all(parameter.grad is None for parameter in model.parameters())


def gradients_for(model, seed, broken=False):
    for number, parameter in enumerate(model.parameters()):
        generator = torch.Generator().manual_seed(9 * seed + number)
        parameter.grad = torch.randn(parameter.shape, generator=generator)
        if broken and number == 2:
            parameter.grad.flatten()[1] = torch.inf


def all_of(model, optimizer):
    return {**state_of(model), **{f"{name} {number}": value.clone() for number, parameter in enumerate(
        model.parameters()) for name, value in optimizer.state[parameter].items()}}


def set_rate(optimizer, rate):
    for group in optimizer.param_groups:
        group["lr"] = rate * group.get("lr_ratio", 1.0)


@pytest.mark.parametrize("name", ["adamw", "sgd"])
def test_steps_are_those_of_torchs_own_optimizers(name):
    model, twin = LittleNet(), LittleNet()
    optimizer = OPTIMIZERS[name](model)
    torchs = torch.optim.SGD(twin.parameters(), momentum=0.9, nesterov=True, weight_decay=5e-4) if name == "sgd" else \
        torch.optim.AdamW([{"params": [p for p in twin.parameters() if p.ndim >= 2], "weight_decay": 0.01},
                           {"params": [p for p in twin.parameters() if p.ndim < 2], "weight_decay": 0.0}])
    assert name != "sgd" or all(not state["momentum_buffer"].any() for state in optimizer.state.values())
    for seed, rate in enumerate((0.01, 0.03, 0.02)):
        for one, other in ((model, optimizer), (twin, torchs)):
            gradients_for(one, seed), set_rate(other, rate), other.step()
    for (name, value), other in zip(model.state_dict().items(), twin.state_dict().values()):
        torch.testing.assert_close(value, other, rtol=1e-6, atol=1e-7, msg=name)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_step_whose_gradients_overflowed_moves_nothing_that_is_kept(name):
    model, scaler = LittleNet(), torch.amp.GradScaler("cpu", init_scale=8.0)
    optimizer = OPTIMIZERS[name](model)
    for seed in range(2):
        gradients_for(model, seed), set_rate(optimizer, 0.01), optimizer.step()
    for is_unscaled, is_broken in ((True, True), (False, True), (True, False)):
        before = all_of(model, optimizer)
        gradients_for(model, 5, is_broken)
        scaler.scale(torch.ones(()))
        if is_unscaled:
            scaler.unscale_(optimizer)
        scaler.step(optimizer), scaler.update()
        assert same_state(before, all_of(model, optimizer)) is is_broken
    assert scaler.get_scale() == 2.0  # halved twice


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_gradients_that_a_scaler_scaled_move_parameters_as_plain_ones_do(name):
    model, twin = LittleNet(), LittleNet()
    optimizer, other = OPTIMIZERS[name](model), OPTIMIZERS[name](twin)
    scaler = torch.amp.GradScaler("cpu", init_scale=8.0)
    for seed in range(3):
        for one, its in ((model, optimizer), (twin, other)):
            gradients_for(one, seed), set_rate(its, 0.01)
        scaler.scale(torch.ones(()))
        for parameter in model.parameters():
            parameter.grad *= 8
        scaler.step(optimizer), scaler.update(), other.step()
    for (name, value), other in zip(model.state_dict().items(), twin.state_dict().values()):
        torch.testing.assert_close(value, other, rtol=1e-6, atol=1e-7, msg=name)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_step_may_compute_its_gradients_itself(name):
    model, images = LittleNet(), torch.rand(4, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    optimizer, before = OPTIMIZERS[name](model), state_of(model)
    set_rate(optimizer, 0.01)

    def closure():
        loss = nn.functional.cross_entropy(model(images), torch.arange(4))
        loss.backward()
        return loss
    assert optimizer.step(closure).item() > 0 and not torch.equal(before["head.weight"], model.head.weight)


def test_training_does_not_load_torchs_compiler():
    """It takes two seconds and 120 MB."""
    program = ("import sys, torch; from distill_kit.optimizers import OPTIMIZERS; model = torch.nn.Linear(2, 2)\n"
               "for make in OPTIMIZERS.values():\n"
               "    optimizer = make(model); model(torch.ones(1, 2)).sum().backward()\n"
               "    optimizer.step(); optimizer.zero_grad()\n"
               "print('torch._dynamo' in sys.modules)")
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


@pytest.mark.parametrize("make", OPTIMIZERS.values(), ids=OPTIMIZERS)
def test_a_student_that_is_frozen_as_a_whole_is_refused(make):
    with pytest.raises(ValueError, match="student must have parameters that can be trained; all are frozen"):
        make(torch.nn.Linear(2, 2).requires_grad_(False))
