"""Teachers of any kind by a name: a function of yours that builds one, a torch.export file, a model of timm.

The first two are code, which runs with your rights: name only what you trust. A teacher gets floats from 0 to 1 and
sees to mean, deviation and size itself; for a model of timm that is done here.
"""
import importlib
import inspect
import os
import re
import sys
import zipfile
from pathlib import Path

import torch
from torch import nn

PICKLES = (".pth", ".pt", ".bin", ".ckpt", ".pkl", ".pickle", ".tar")
FUNCTION = re.compile(r"[\w.]+:\w+")


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
    if make is None:
        return None
    try:
        module = make(name, classes)
    except Exception as error:  # other people's code may raise anything
        raise ValueError(f"the teacher {name} cannot be made: {in_a_line(error)}") from error
    if not isinstance(module, nn.Module):
        raise ValueError(f"the teacher {name} must be an nn.Module; got {type(module).__name__}")
    return module


def in_a_line(error: Exception) -> str:
    """Write an exception of other people's code in a line."""
    return f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"


def _built(name: str, classes: tuple[str, ...]) -> nn.Module:
    module, _, function = name.partition(":")
    here = os.getcwd()
    sys.path.insert(0, here)
    try:
        build = getattr(importlib.import_module(module), function)
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
