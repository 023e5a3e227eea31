"""Teachers of any kind by a name: a function of yours that builds one, a torch.export file, a model of timm.

The first two are code, which runs with your rights: name only what you trust. A teacher gets floats from 0 to 1 and
sees to mean, deviation and size itself; for a model of timm that is done here.
"""
import inspect
import os
import pkgutil
import re
import sys
import zipfile
from pathlib import Path

import torch
from torch import nn

from distill_kit import teachers
from distill_kit.data.imageset import Dataset
from distill_kit.teachers import CPU_BLOCK, Teacher

PICKLES = (".pth", ".pt", ".bin", ".ckpt", ".pkl", ".pickle", ".tar")
FUNCTION = re.compile(r"[\w.]+:\w+")


def named_teacher(dataset: Dataset, name: Path | str | None = None) -> tuple[nn.Module, dict]:
    """Load the teacher of a data set and its card: the shipped one, weights of the kit, or any other by its name.

    name: "module:function", "FILE.pt2" or "timm:NAME", its logits in the order of the data set's classes; else a file
        of weights.

    Raises what `load_teacher` raises, and ValueError where the teacher cannot answer these images.
    """
    model = None if name is None else other_teacher(str(name), dataset.pool.classes)
    card = {"teacher": str(name), "classes": list(dataset.pool.classes)}
    if model is None:
        model, card = teachers.load_teacher(dataset, name)
    check_answers(model, dataset, name)
    return model, card


def check_answers(model: nn.Module, dataset: Dataset, name: Path | str | None) -> None:
    """Ask a teacher about two images, in a block as they will be. Raises ValueError where it cannot answer them."""
    images = dataset.validation.images[:2]
    try:
        logits = Teacher(model).about(images)
    except (Exception, SystemExit) as error:  # other people's code may raise anything
        raise ValueError(f"the teacher {name} cannot answer images [{CPU_BLOCK}, 3, {images.shape[2]}, "
                         f"{images.shape[3]}], floats from 0 to 1: {in_a_line(error)}") from error
    if logits.shape[1:] != (wanted := len(dataset.pool.classes),):
        raise ValueError(f"the teacher {name} must answer an image with {wanted} logits, one for each class of the "
                         f"data set; got {list(logits.shape[1:])}")


def other_teacher(name: str, classes: tuple[str, ...]) -> nn.Module | None:
    """Make the teacher that "module:function", "FILE.pt2" or "timm:NAME" stands for; None for any other name.

    function: called without arguments or, where it needs one, with the class names. The current folder counts.

    Raises ValueError in one sentence, for a pickle and for whatever goes wrong.
    """
    ending = Path(name).suffix.lower()
    make = _of_timm if name.startswith("timm:") else _built if FUNCTION.fullmatch(name) else \
        _exported if ending == ".pt2" else None
    if make is None and ending in PICKLES:
        raise ValueError(f"{name} is not loaded: a {ending} file is a pickle, which can execute anything. Write a "
                         "function that builds your network and loads the file (torch.load with weights_only=True), "
                         "and name it, module:function; or save the network by torch.export.save, as a .pt2 file.")
    if make is None and ending == ".py":
        raise ValueError(f"{name} is Python: name a function in it that builds the teacher, {Path(name).stem}:FUNCTION")
    if make is None:
        return None
    try:
        module = make(name, classes)
    except (Exception, SystemExit) as error:  # other people's code may raise anything
        raise ValueError(f"the teacher {name} cannot be made: {in_a_line(error)}") from error
    if not isinstance(module, nn.Module):
        raise ValueError(f"the teacher {name} must be an nn.Module; got {type(module).__name__}")
    return module


def in_a_line(error: Exception) -> str:
    """Write an exception of other people's code in a line."""
    return f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"


def _built(name: str, classes: tuple[str, ...]) -> nn.Module:
    here = os.getcwd()
    sys.path.insert(0, here)
    try:
        build = pkgutil.resolve_name(name)
        needs = [parameter for parameter in inspect.signature(build).parameters.values()
                 if parameter.default is parameter.empty and parameter.kind is parameter.POSITIONAL_OR_KEYWORD]
        return build(classes) if needs else build()
    finally:
        sys.path.remove(here)


def _exported(name: str, classes: tuple[str, ...]) -> nn.Module:
    if not any(part.endswith(".json") for part in zipfile.ZipFile(name).namelist()):
        raise ValueError("it holds no graph of torch.export")
    return torch.export.load(name).module()


def _of_timm(name: str, classes: tuple[str, ...]) -> nn.Module:
    import timm
    from torchvision.transforms import Normalize, Resize  # which timm brings
    model = timm.create_model(name.removeprefix("timm:"), pretrained=True)
    wants = model.pretrained_cfg
    return nn.Sequential(Resize(wants["input_size"][1:]), Normalize(wants["mean"], wants["std"]), model)
