"""One step of training: forward, loss, backward, clipping, update; on a GPU recorded and replayed where asked for."""
from collections.abc import Callable

import torch
from torch import Tensor, nn

from .batches import Batch
from .devices import casting, numbers_on
from .losses import LossTerms, check_alpha, check_logits, check_teacher, check_temperature
from .models import logits_of
from .optimizers import trained
from .recording import Recorded
from .schedules import Numbers

FLOAT16_SCALE = 2.0**10  # lifts small gradients above what float16 rounds to 0; no other precision needs it


class Step:
    """What trains `student` on one batch each time that it is called; close it to give back what a recording holds.

    recorded: on a GPU, capture the step as a CUDA graph at the second batch and replay it from then on. Loss and
    student must then not branch on values or draw random numbers of their own.
    """

    def __init__(self, student: nn.Module, optimizer: torch.optim.Optimizer, loss: Callable, clip_norm: float,
                 precision: str, recorded: bool):
        self.student, self.optimizer, self.loss = student, optimizer, loss
        self.clip_norm, self.precision = clip_norm, precision
        self.parameters = trained(student)
        self.device = self.parameters[0].device
        self.scaler = torch.amp.GradScaler(self.device.type, init_scale=FLOAT16_SCALE, enabled=precision == "float16")
        # A scaler waits for the GPU in each step, but for optimisers that skip theirs by themselves.
        waits = self.scaler.is_enabled() and not getattr(optimizer, "_step_supports_amp_scaling", False)
        self._call = Recorded(self._step) if recorded and self.device.type == "cuda" and not waits else self._step

    def close(self) -> None:
        """Give back the memory of a recording."""
        if isinstance(self._call, Recorded):
            self._call.close()

    def __call__(self, batch: Batch, numbers: Numbers) -> tuple[LossTerms, Tensor, Tensor]:
        """Take one step; return terms, logits [N, C], and the length of the gradient before clipping.

        They are on the device, without gradients, and the next step may overwrite them. Raises ValueError for a
        schedule's value or logits that cannot be.
        """
        check_temperature(numbers.temperature)
        check_alpha(numbers.alpha)
        check_teacher(batch.teacher_logits, numbers.alpha)
        return self._call(*batch, *numbers_on(self.device, *numbers))

    def _step(self, images: Tensor, labels: Tensor, teacher_logits: Tensor | None, rate, temperature, alpha) -> tuple:
        for group in self.optimizer.param_groups:
            group["lr"] = rate * group.get("lr_ratio", 1.0)  # see optimizers.Muon
        with casting(self.device, self.precision):
            logits = logits_of(self.student(images))                                 # (N, C)
        check_logits(logits, teacher_logits)
        terms = self.loss(logits, teacher_logits, labels, temperature, alpha)
        self.optimizer.zero_grad(set_to_none=True)
        self.scaler.scale(terms.total).backward()
        self.scaler.unscale_(self.optimizer)
        norm = nn.utils.clip_grad_norm_(self.parameters, self.clip_norm)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.optimizer.zero_grad(set_to_none=True)  # again: a gradient would keep a recording's memory
        return LossTerms(*(term.detach() for term in terms)), logits.detach(), norm
