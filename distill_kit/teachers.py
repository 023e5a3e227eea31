"""A teacher: a trained network that only answers, and the weights that ship with the kit."""
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from importlib import resources
from pathlib import Path

import torch
from torch import Tensor, nn

from .data.imageset import Dataset
from .devices import casting
from .models import ConvNet, logits_of
from .neighbours import Room
from .weights import load_model

CPU_BLOCK = 64    # images a pass
LARGEST = torch.finfo(torch.float16).max
GPU_BLOCK = 512   # the same on a GPU, where a pass of 64 takes as long


class Teacher:
    """A network in eval mode, without gradients, whose logits are float16: the only place that sees to all three.

    Logits are rounded before their first use, so that kept and fresh ones are equal.

        >>> Teacher(network)(images).shape, Teacher(network)(images).dtype  # images: float [N, 3, H, W]
        (torch.Size([256, 10]), torch.float16)
    """

    def __init__(self, module: nn.Module | Sequence[nn.Module], device: torch.device | str = "cpu",
                 precision: str = "float32"):
        """module: the network; several answer with the mean of their logits. Raises ValueError for anything else."""
        self.device, self.precision = torch.device(device), precision
        self.block = CPU_BLOCK if self.device.type == "cpu" else GPU_BLOCK  # images at a time
        modules = module if isinstance(module, list | tuple) else [module]
        odd = [type(each).__name__ for each in modules if not isinstance(each, nn.Module)]
        if odd or not modules:
            raise ValueError("teacher must be a torch.nn.Module, or a list of them; got "
                             f"{odd[0] if odd else 'an empty list'}. Weights alone are no network: build it, and call "
                             "its load_state_dict.")
        self.module = (modules[0] if len(modules) == 1 else Ensemble(modules)).to(self.device)

    @torch.no_grad()
    def __call__(self, images: Tensor) -> Tensor:
        """Logits float16 [N, C] for images float [N, 3, H, W], 0 to 1."""
        module = self.module.to(self.device)  # each time: whoever else holds it may have moved or switched it
        with suppress(NotImplementedError):   # a module of torch.export, which has no modes
            module.eval()
        with casting(self.device, self.precision):
            return in_half(logits_of(module(images)))

    def about(self, images: Tensor) -> Tensor:
        """Logits float16 [N, C], on the CPU, for plain images uint8 [N, 3, H, W]."""
        def pixels(rows: Tensor) -> Tensor:
            return images[rows].to(self.device, memory_format=torch.channels_last).float().div_(255)
        with Room(self.device):
            return torch.cat([logits.cpu() for _, logits in self.in_blocks(pixels, len(images))])    # (N, C)

    def in_blocks(self, pixels: Callable[[Tensor], Tensor], count: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Ask about `count` images, of which `pixels` gathers those in given rows; yield rows and logits [n, C].

        All blocks are of one size, for sums of floats depend on it: a short one repeats its last image.
        """
        for rows in torch.arange(count).split(self.block):
            fill = torch.arange(self.block).clamp(max=len(rows) - 1)
            yield rows, self(pixels(rows[fill]))[: len(rows)]


class Ensemble(nn.Module):
    """Several teachers as one: the mean of their logits."""

    def __init__(self, teachers: Sequence[nn.Module]):
        super().__init__()
        self.teachers = nn.ModuleList(teachers)

    def forward(self, images: Tensor) -> Tensor:
        """Map images to logits [N, C]."""
        return torch.stack([logits_of(teacher(images)) for teacher in self.teachers]).mean(0)


def in_half(logits: Tensor) -> Tensor:
    """Round logits [N, C] to float16. A row that does not fit is moved, which changes no probability, and cut below."""
    highest = logits.amax(1, keepdim=True)                                                             # (N, 1)
    logits = logits - torch.where(highest.abs() > LARGEST / 2, highest, torch.zeros_like(highest))
    return logits.clamp_min(-LARGEST).half()


def check_apart(student: nn.Module, teacher: nn.Module) -> None:
    """Raise ValueError where training the student would move weights or statistics of the teacher."""
    moving = [*student.buffers(), *(parameter for parameter in student.parameters() if parameter.requires_grad)]
    places = {value.untyped_storage().data_ptr() for value in moving if value.numel()}
    shared = [name for name, value in (*teacher.named_parameters(), *teacher.named_buffers())
              if value.untyped_storage().data_ptr() in places]
    if shared:
        raise ValueError(f"student and teacher share {', '.join(shared[:3])}{' ...' if shared[3:] else ''}: the "
                         "teacher would change while it teaches. Build the student from copies (copy.deepcopy).")


def shipped_path(name: str) -> Path:
    """Path of the weights that the package holds for a data set's teacher, whether or not there are any."""
    return Path(str(resources.files(__package__))) / "assets" / f"teacher-{name}.safetensors"


def load_teacher(dataset: Dataset, path: Path | str | None = None) -> tuple[ConvNet, dict]:
    """Load the teacher of a data set and its card: the shipped one, or the weights at `path`.

        >>> teacher, card = load_teacher(load_dataset("cifar10"))
        >>> card["test"]["accuracy"]  # a share from 0 to 1
        0.9021

    Raises FileNotFoundError where none is shipped for these images, ValueError where the classes do not fit.
    """
    if path is None:
        path = shipped_path(dataset.name)
        if not path.is_file():
            there = sorted(file.stem.removeprefix("teacher-") for file in path.parent.glob("*.safetensors"))
            raise FileNotFoundError(f"the kit has no teacher for {dataset.name!r}, only {', '.join(there)}. Make one: "
                                    "python -m distill_kit teacher --train --data FOLDER --out teacher.safetensors")
    model, card = load_model(path)
    if card.get("classes", list(dataset.pool.classes)) != list(dataset.pool.classes):
        raise ValueError(f"the teacher at {path} knows the classes {', '.join(card['classes'])}; "
                         f"the data set has {', '.join(dataset.pool.classes)}")
    return model, card
