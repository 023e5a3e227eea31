"""Weights in and out as safetensors (no pickle), with a header that says what they are and lets damage be found."""
import hashlib
import json
from pathlib import Path

import torch
from torch import Tensor

from .files import replace_file
from .models import Architecture, ConvNet, describe


def save_model(model: ConvNet, path: Path | str, card: dict, half: bool = True) -> Path:
    """Write a network of the family to `path`, all or nothing.

    card: plain data kept in the header: data, recipe, figures. half: float16, which is half the size; the card's
    figures should be those of the rounded weights (see `rounded`).
    """
    from safetensors.torch import save
    dtype = torch.float16 if half else torch.float32
    tensors = {name: (value.to(dtype) if value.is_floating_point() else value).contiguous().cpu()
               for name, value in model.state_dict().items()}
    header = {"architecture": json.dumps(describe(model.architecture)), "card": json.dumps(card)}
    header["sha256"] = _fingerprint(header, tensors)
    path = Path(path)
    replace_file(path, save(tensors, header))
    return path


def load_model(path: Path | str) -> tuple[ConvNet, dict]:
    """The network, in float32 and eval mode, and its card.

    Raises FileNotFoundError, or ValueError if the file is cut, altered, or not of this family.
    """
    from safetensors import SafetensorError, safe_open
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no weights at {path}")
    try:
        with safe_open(path, "pt") as file:
            header = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}
    except SafetensorError as error:
        raise ValueError(f"{path} is cut or not a safetensors file ({error}). Fetch or train it again.") from None
    if "architecture" not in header:
        raise ValueError(f"{path} holds weights of another kind: its header names no architecture of this kit.")
    if header.pop("sha256", None) != _fingerprint(header, tensors):
        raise ValueError(f"{path} was altered since it was written: its contents do not match its checksum. "
                         "Fetch or train it again.")
    with torch.random.fork_rng(devices=[]):  # the weights that it starts with are drawn, and thrown away
        model = ConvNet(Architecture(**json.loads(header["architecture"]))).to(memory_format=torch.channels_last)
    try:
        model.load_state_dict(tensors)
    except RuntimeError as error:
        raise ValueError(f"{path}: the weights do not fit the architecture in the header. {error}") from None
    return model.eval(), json.loads(header["card"])


def load_weights(model: torch.nn.Module, path: Path | str) -> dict:
    """Load a file's weights into a network that you made; returns the card. Raises ValueError for another network."""
    loaded, card = load_model(path)
    if getattr(model, "architecture", None) != loaded.architecture:
        raise ValueError(f"{path} holds {loaded.architecture}; "
                         f"the model is {getattr(model, 'architecture', type(model))}")
    model.load_state_dict(loaded.state_dict())
    return card


def rounded(model: ConvNet) -> ConvNet:
    """The same network with its numbers rounded to float16 in place: what `save_model` will keep."""
    with torch.no_grad():
        for value in model.state_dict().values():
            if value.is_floating_point():
                value.copy_(value.half())
    return model


def _fingerprint(header: dict[str, str], tensors: dict[str, Tensor]) -> str:
    digest = hashlib.sha256(json.dumps(header, sort_keys=True).encode())
    for name in sorted(tensors):
        tensor = tensors[name]
        digest.update(f"{name} {tensor.dtype} {list(tensor.shape)}".encode())
        digest.update(tensor.contiguous().numpy().tobytes())
    return digest.hexdigest()
