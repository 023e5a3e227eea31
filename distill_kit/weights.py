"""Weights in and out as safetensors (no pickle), with a header that says what they are and lets damage be found."""
import hashlib
import json
from dataclasses import asdict
from pathlib import Path

import torch
from torch import Tensor

from .files import reason, replace_file
from .models import Architecture, ConvNet


def save_model(model: ConvNet, path: Path | str, card: dict, half: bool = True) -> Path:
    """Write a network of the family to `path`, all or nothing.

    card: plain data kept in the header: data, recipe, figures. half: write float16, which is half the size; the
    card's figures should be those of the rounded weights.
    """
    path = Path(path)
    replace_file(path, packed(model, card, half))
    return path


def packed(model: ConvNet, card: dict, half: bool = True) -> bytes:
    """Return what `save_model` writes."""
    dtype = torch.float16 if half else torch.float32
    tensors = {name: value.to(dtype) if value.is_floating_point() else value
               for name, value in model.state_dict().items()}
    return sealed({"architecture": json.dumps(asdict(model.architecture)), "card": json.dumps(card)}, tensors)


def sealed(header: dict[str, str], tensors: dict[str, Tensor]) -> bytes:
    """Return the bytes of a safetensors file of these tensors, with the header and a checksum of all in it."""
    from safetensors.torch import save
    tensors = {name: value.contiguous().cpu() for name, value in tensors.items()}
    return save(tensors, {**header, "sha256": fingerprint(header, tensors)})


def load_model(path: Path | str) -> tuple[ConvNet, dict]:
    """Load a network, in float32 and eval mode, and its card. Nothing in the file is executed.

    Raises FileNotFoundError, or ValueError if the file is cut, altered, or not of this family.
    """
    path = Path(path)
    header, tensors = read_sealed(path)
    try:
        architecture, card = Architecture(**json.loads(header["architecture"])), json.loads(header["card"])
        if not (isinstance(card, dict) and all(isinstance(name, str) for name in card.get("classes", []))):
            raise ValueError(f"its card is {card!r:.60}")
        wrong = [name for name, tensor in tensors.items() if tensor.dtype not in (
            [torch.int64] if name.endswith("num_batches_tracked") else [torch.float16, torch.float32])]
        if wrong or len(architecture.widths) * architecture.depth > len(tensors):
            raise ValueError(f"it has more layers than the file has tensors, or of another type: {wrong}")
        with torch.device("meta"):  # of which nothing is allocated or drawn, whatever the header says
            model = ConvNet(architecture)
        model.load_state_dict({name: value.float() if value.is_floating_point() else value
                               for name, value in tensors.items()}, assign=True)
    except (KeyError, RecursionError, RuntimeError, TypeError, ValueError) as error:
        raise ValueError(f"{path}: the weights do not fit the architecture in the header. {reason(error)}") from None
    return model.to(memory_format=torch.channels_last).eval(), card


def read_sealed(path: Path) -> tuple[dict[str, str], dict[str, Tensor]]:
    """Read the header and the tensors of a file that `sealed` made. Nothing in it is executed.

    Raises FileNotFoundError, or ValueError if the file is cut, altered, or not of this kit.
    """
    from safetensors import SafetensorError, safe_open
    if not path.is_file():
        raise FileNotFoundError(f"no weights at {path}")
    try:
        with safe_open(path, "pt") as file:
            header = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (it is no dict)
    except SafetensorError as error:
        raise ValueError(f"{path} is cut or not a safetensors file ({error}). Fetch or train it again.") from None
    if not header.keys() & {"architecture", "identity"}:
        raise ValueError(f"{path} holds weights of another kind: its header names no architecture of this kit. "
                         "A teacher of your own is named by a function that builds it, module:function.")
    if header.pop("sha256", None) != fingerprint(header, tensors):
        raise ValueError(f"{path} was altered since it was written: its contents do not match its checksum. "
                         "Fetch or train it again.")
    return header, tensors


def fingerprint(header: dict[str, str], tensors: dict[str, Tensor]) -> str:
    """Hash words and tensors: any other word, name, type, shape or number gives another hash."""
    digest = hashlib.sha256(json.dumps(header, sort_keys=True).encode())
    for name in sorted(tensors):
        tensor = tensors[name].detach().cpu().contiguous()
        digest.update(f"{name} {tensor.dtype} {list(tensor.shape)}".encode())
        digest.update(tensor.flatten().view(torch.uint8).numpy())  # numpy has no bfloat16
    return digest.hexdigest()
