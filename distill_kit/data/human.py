"""CIFAR-10H: of each CIFAR-10 test image, the share of about 50 people who chose each class.

Peterson, Battleday, Griffiths, Russakovsky, "Human uncertainty makes classification more robust", ICCV 2019, CC
BY-NC-SA 4.0: not for commercial use. Fetched on request alone; the kit never ships it.
"""
import hashlib
import io
import urllib.request
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..files import replace_file
from .download import QUIET_SECONDS, certificates
from .places import data_folders, download_folder

URL = "https://raw.githubusercontent.com/jcpeterson/cifar-10h/master/data/cifar10h-probs.npy"
NAME, SHA256 = "cifar10h/cifar10h-probs.npy", "436ae98620e00073f9d08585ac870573b588853e7af9f54eb1647408114af77d"


def human_votes(fetch: bool = False) -> Tensor | None:
    """float32 [10000, 10], in the order of CIFAR-10's test images; None where they are not at hand.

    fetch: get them (0.8 MB) where they are not. Raises ConnectionError where that fails, and ValueError for a file that
    is not the published one.
    """
    found = [folder / NAME for folder in data_folders() if (folder / NAME).is_file()]
    if not found and not fetch:
        return None
    path = found[0] if found else download_folder() / NAME
    content = path.read_bytes() if found else _fetched()
    if hashlib.sha256(content).hexdigest() != SHA256:
        raise ValueError(f"{path if found else URL} is not the published file. Delete it and fetch it again.")
    if not found:
        replace_file(path, content)
    return torch.from_numpy(np.load(io.BytesIO(content), allow_pickle=False)).float()


def _fetched() -> bytes:
    try:
        with urllib.request.urlopen(URL, timeout=QUIET_SECONDS, context=certificates()) as response:
            return response.read()
    except OSError as error:
        raise ConnectionError(f"CIFAR-10H could not be fetched from {URL}: {error}. Put the file into "
                              f"{Path(download_folder()) / NAME}.") from None
