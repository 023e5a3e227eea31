"""A teacher: a trained network that only answers, and the weights that ship with the kit."""
from importlib import resources
from pathlib import Path

import torch
from torch import Tensor, nn

from .data.imageset import Dataset
from .devices import casting
from .models import logits_of
from .neighbours import Room
from .other_teachers import in_a_line, other_teacher
from .weights import load_model

CPU_BLOCK = 64    # images a pass, always: sums of floats depend on the size of the batch they are made in
GPU_BLOCK = 512   # the same on a GPU, where a pass of 64 takes as long


class Teacher:
    """A network in eval mode, without gradients, whose logits are float16: the only place that sees to all three.

    Logits are rounded before their first use, so that kept and fresh ones are equal.

        >>> Teacher(network)(images).shape, Teacher(network)(images).dtype  # images: float [N, 3, H, W]
        (torch.Size([256, 10]), torch.float16)
    """

    def __init__(self, module: nn.Module, device: torch.device | str = "cpu", precision: str = "float32"):
        self.device, self.precision = torch.device(device), precision
        self.module = module.to(self.device)

    @torch.no_grad()
    def __call__(self, images: Tensor) -> Tensor:
        """Logits float16 [N, C] for images float [N, 3, H, W], 0 to 1."""
        self.module.to(self.device).eval()  # each time: whoever else holds the module may have moved or switched it
        with casting(self.device, self.precision):
            return logits_of(self.module(images)).half()

    @property
    def block(self) -> int:
        """Images to be shown at a time where the answers are to be the same each time."""
        return CPU_BLOCK if self.device.type == "cpu" else GPU_BLOCK

    def about(self, images: Tensor) -> Tensor:
        """Logits float16 [N, C], on the CPU, for plain images uint8 [N, 3, H, W]."""
        logits = []
        with Room(self.device):
            for part in images.split(self.block):
                filling = part[-1:].expand(self.block - len(part), -1, -1, -1)  # a short block repeats its last image
                pixels = torch.cat([part, filling]).to(self.device, memory_format=torch.channels_last)
                logits.append(self(pixels.float().div_(255))[: len(part)].cpu())
        return torch.cat(logits)                                                         # (N, C)


def shipped_path(name: str) -> Path:
    """Path of the weights that the package holds for a data set's teacher, whether or not there are any."""
    return Path(str(resources.files(__package__))) / "assets" / f"teacher-{name}.safetensors"


def load_teacher(dataset: Dataset, path: Path | str | None = None) -> tuple[nn.Module, dict]:
    """Load the teacher of a data set and its card: the shipped one, or the one that `path` names.

        >>> teacher, card = load_teacher(load_dataset("cifar10"))
        >>> card["test"]["accuracy"]  # a share from 0 to 1
        0.9095

    path: weights of the kit; or any other teacher (other_teachers.py): "module:function", "FILE.pt2", "timm:NAME". Its
        logits must be in the order of the data set's classes.

    Raises FileNotFoundError where none is shipped for these images, ValueError where the classes do not fit, or where
    it cannot answer images of this size.
    """
    names = list(dataset.pool.classes)
    if path is None:
        path = shipped_path(dataset.name)
        if not path.is_file():
            shipped = sorted(file.stem.removeprefix("teacher-") for file in path.parent.glob("*.safetensors"))
            raise FileNotFoundError(
                f"the kit has no teacher for {dataset.name!r} (it has them for {', '.join(shipped)}). Make one: "
                "python -m distill_kit teacher --train --data FOLDER --out teacher.safetensors")
    module = other_teacher(str(path), dataset.pool.classes)
    model, card = load_model(path) if module is None else (module, {"teacher": str(path), "classes": names})
    if card.get("classes", names) != names:
        raise ValueError(f"the teacher at {path} knows the classes {', '.join(card['classes'])}; "
                         f"the data set has {', '.join(names)}")
    _check_answers(model, dataset, path)
    return model, card


def _check_answers(model: nn.Module, dataset: Dataset, name: Path | str) -> None:
    """Ask a teacher about two images, shown as they will be: in a block of CPU_BLOCK."""
    images = dataset.validation.images[:2]
    try:
        logits = Teacher(model).about(images)
    except Exception as error:  # other people's code may raise anything
        raise ValueError(f"the teacher {name} cannot answer images [{CPU_BLOCK}, 3, {images.shape[2]}, "
                         f"{images.shape[3]}], floats from 0 to 1: {in_a_line(error)}") from error
    if logits.shape[1:] != (wanted := len(dataset.pool.classes),):
        raise ValueError(f"the teacher {name} must answer an image with {wanted} logits, one for each class of the "
                         f"data set; got {list(logits.shape[1:])}")
