"""Optimisers: AdamW, as the article has it, and Muon, which comes as far in half the time; SGD for comparison.

Torch's own load its compiler with their first step, which takes a second or two and nothing here uses; these do not.

A parameter group may hold `lr_ratio`: step.py sets its learning rate to that multiple of the schedule's.
"""
import inspect
from collections.abc import Callable

import torch
from torch import Tensor, nn

WEIGHT_DECAY = 0.01


def trained(model: nn.Module) -> list[nn.Parameter]:
    """List the parameters that are not frozen. Raises ValueError where all of them are."""
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    if not parameters:
        raise ValueError("student must have parameters that can be trained; all are frozen (requires_grad is False)")
    return parameters


Optimizer = torch.optim.Optimizer | Callable[[nn.Module], torch.optim.Optimizer]


def optimizer_of(student: nn.Module, given: Optimizer, learning_rate: float) -> tuple[torch.optim.Optimizer, float]:
    """Return the optimizer of a student, made by a function where that is given, and its highest learning rate.

    That is the one it was made with, else `learning_rate`. Groups keep their ratio to the highest (`lr_ratio`). Raises
    ValueError for parameters that are not the student's, or are frozen.
    """
    optimizer = given if isinstance(given, torch.optim.Optimizer) else given(student)
    mine = {id(parameter) for parameter in trained(student)}
    if not all(id(parameter) in mine for group in optimizer.param_groups for parameter in group["params"]):
        raise ValueError("optimizer must hold parameters of the student, none of them frozen; it holds others")
    highest = max(float(group["lr"]) for group in optimizer.param_groups)
    if highest == 0:  # made without: those of this file
        return optimizer, learning_rate
    for group in optimizer.param_groups:
        group.setdefault("lr_ratio", group["lr"] / highest)
    return optimizer, highest


def light(kind: type) -> type:
    """Make the same optimiser without the detours of torch's that load its compiler."""
    plain = {name: inspect.unwrap(getattr(kind, name)) for name in ("add_param_group", "zero_grad", "step")}
    return type(kind.__name__, (kind,), {**plain, "step": torch.no_grad()(plain["step"])})


AdamW, SGD = light(torch.optim.AdamW), light(torch.optim.SGD)


def adamw(model: nn.Module, weight_decay: float = WEIGHT_DECAY) -> torch.optim.Optimizer:
    """Make AdamW (Loshchilov and Hutter, 2019); only matrices and filters decay, not biases and norms."""
    return _adamw(trained(model), weight_decay)


def sgd(model: nn.Module, weight_decay: float = 5e-4) -> torch.optim.Optimizer:
    """Make stochastic gradient descent with Nesterov's momentum of 0.9; it takes a learning rate of about 0.05 here."""
    parameters = trained(model)
    # fused: it does not wait for the GPU, so its step can be recorded (recording.py)
    made = SGD(parameters, lr=0.0, momentum=0.9, nesterov=True, weight_decay=weight_decay,
               fused=parameters[0].device.type == "cuda")
    # Else the first step makes them, and leaves them unwritten where float16 has that step skipped.
    made.state.update({parameter: {"momentum_buffer": torch.zeros_like(parameter)} for parameter in parameters})
    return made


class Muon(light(torch.optim.Optimizer)):
    """Momentum whose update is made orthogonal, for convolutions; AdamW for everything else (Jordan et al., 2024).

    The update of a filter bank, seen as a matrix (outputs, inputs * 9), has its singular values brought near 1, so
    that all directions are learnt equally fast. The bank itself is kept at the norm sqrt(outputs); BatchNorm behind
    it makes its scale meaningless anyway. Both halves follow one learning rate: AdamW's, of which Muon takes
    `ratio` times as much.
    """

    def __init__(self, model: nn.Module, ratio: float = 20.0, momentum: float = 0.6,
                 weight_decay: float = WEIGHT_DECAY):
        parameters = trained(model)
        filters = [parameter for parameter in parameters if parameter.ndim == 4]
        super().__init__([{"params": filters, "lr_ratio": ratio}], {"lr": 0.0, "momentum": momentum})
        self._adamw = _adamw([parameter for parameter in parameters if parameter.ndim != 4], weight_decay)
        self._adamw.state = self.state  # one for both, as the groups are: whoever keeps it has both halves
        self._filters = self.param_groups[0]
        self.param_groups.extend(self._adamw.param_groups)  # the same dicts: a new learning rate reaches both
        self._step_supports_amp_scaling = getattr(self._adamw, "_step_supports_amp_scaling", False)

    @torch.no_grad()
    def step(self, closure=None):
        """Update the filters by Muon, all other parameters by AdamW."""
        loss = None if closure is None else torch.enable_grad()(closure)()
        rate, momentum = self._filters["lr"], self._filters["momentum"]
        # What GradScaler lends: then a step moves nothing where a gradient is not finite, and nobody waits for a GPU.
        scale, found_inf = (getattr(self, name, None) for name in ("grad_scale", "found_inf"))
        for parameter in self._filters["params"]:
            if parameter.grad is None:  # frozen meanwhile
                continue
            if "average" not in (state := self.state[parameter]):
                state["average"] = torch.zeros_like(parameter)
            average, gradient = state["average"], parameter.grad if scale is None else parameter.grad / scale
            before = [] if found_inf is None else [(tensor, tensor.clone()) for tensor in (parameter, average)]
            average.mul_(momentum).add_(gradient)
            update = gradient.add(average, alpha=momentum)                           # Nesterov's look ahead
            parameter.mul_(len(parameter) ** 0.5 / parameter.norm())
            parameter.sub_(rate * orthogonal(update.flatten(1)).view_as(parameter))
            for tensor, old in before:
                tensor.copy_(torch.where(found_inf > 0, old, tensor))
        self._adamw.grad_scale, self._adamw.found_inf = scale, found_inf
        self._adamw.step()
        return loss


def orthogonal(matrix: Tensor, steps: int = 3) -> Tensor:
    """Bring the singular values of a matrix near 1 by Newton and Schulz's iteration, without computing them."""
    if len(matrix) > len(matrix.T):
        return orthogonal(matrix.T, steps).T
    x = matrix / (matrix.norm() + 1e-7)                                              # (rows, columns), rows <= columns
    # Each step multiplies x by a polynomial of x x^T from the left. All polynomials commute, so the steps are taken on
    # the small square, and x is multiplied once, by their product: 40 % less to compute.
    square, product = x @ x.T, None                                                  # (rows, rows)
    for step in range(steps):
        polynomial = torch.addmm(square, square, square, beta=-4.7750, alpha=2.0315)
        polynomial.diagonal().add_(3.4445)
        product = polynomial if product is None else polynomial @ product
        if step < steps - 1:
            square = polynomial @ square @ polynomial
    return product @ x


def _adamw(parameters: list[nn.Parameter], weight_decay: float) -> torch.optim.Optimizer:
    groups = [{"params": [p for p in parameters if p.ndim >= 2], "weight_decay": weight_decay},
              {"params": [p for p in parameters if p.ndim < 2], "weight_decay": 0.0}]
    device = parameters[0].device.type
    # fused: three kernels fewer a parameter; capturable: its step can be recorded (recording.py)
    return AdamW([group for group in groups if group["params"]], lr=0.0,  # the schedule's, step by step
                 fused=device in ("cpu", "cuda"), capturable=device == "cuda")


OPTIMIZERS = {"muon": Muon, "adamw": adamw, "sgd": sgd}
