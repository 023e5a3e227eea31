"""What a teacher says of an image beside what people say of it: CIFAR-10H, the votes of about 50 people for each image.

Peterson, Battleday, Griffiths, Russakovsky, "Human uncertainty makes classification more robust", ICCV 2019, CC
BY-NC-SA 4.0: not for commercial use. Only fetched on request; never shipped. Figures are over all test images, never
for a single image.
"""
import hashlib
import io
import urllib.request
from http.client import HTTPException

import numpy as np
import torch
from torch import Tensor, nn

from distill_kit.data.download import QUIET_SECONDS, certificates
from distill_kit.data.imageset import Dataset
from distill_kit.data.places import data_folders, download_folder
from distill_kit.files import replace_file
from distill_kit.metrics import answers, divergence_bits, entropy_bits, soft_targets

from .shipped import read_stored

TEMPERATURES = (0.5, 0.75, 1.0, 1.25, 1.5, 1.75, 2.0, 2.5, 3.0, 4.0)
URL = "https://raw.githubusercontent.com/jcpeterson/cifar-10h/master/data/cifar10h-probs.npy"
NAME, SHA256 = "cifar10h/cifar10h-probs.npy", "436ae98620e00073f9d08585ac870573b588853e7af9f54eb1647408114af77d"


def human_votes(fetch: bool = False) -> Tensor | None:
    """Read the votes, float32 [10000, 10] in the order of CIFAR-10's test images; None where they are not at hand.

    fetch: get them (0.8 MB) where they are not. Raises ConnectionError where that fails, and ValueError for a file that
    is not the published one.
    """
    path = next((path for folder in data_folders() if (path := folder / NAME).is_file()), None)
    if path is None and not fetch:
        return None
    content = _fetched() if path is None else path.read_bytes()
    if hashlib.sha256(content).hexdigest() != SHA256:
        raise ValueError(f"{path or URL} is not the published file. Delete it and fetch it again.")
    if path is None:
        replace_file(download_folder() / NAME, content)
    return torch.from_numpy(np.load(io.BytesIO(content), allow_pickle=False)).float()


def _fetched() -> bytes:
    try:
        with urllib.request.urlopen(URL, timeout=QUIET_SECONDS, context=certificates()) as response:
            return response.read()
    except (OSError, HTTPException, ValueError) as error:
        raise ConnectionError(f"CIFAR-10H could not be fetched from {URL}: {error}. Put the file into "
                              f"{download_folder() / NAME}.") from None


def beside_people(dataset: Dataset, teacher: nn.Module, temperatures=TEMPERATURES) -> dict:
    """Compute for each temperature KL(people || teacher_T) and the teacher's entropy, in bits, means over test images.

    Where the votes are not at hand, or the images are others: what was measured when the course was made. "origin" says
    which it is.
    """
    votes = human_votes() if dataset.name == "cifar10" and len(dataset.test) == 10_000 else None
    if votes is None:
        return read_stored("people")
    logits, votes = answers(teacher, dataset.test).double(), votes.double()                 # (10000, C)
    origin = f"Measured just now: 10,000 test images, {dataset.pool.source}."
    return {"origin": origin, "temperatures": list(temperatures), "people": entropy_bits(votes),
            "distance": [divergence_bits(votes, soft_targets(logits, t)) for t in temperatures],
            "teacher": [entropy_bits(soft_targets(logits, t)) for t in temperatures]}
