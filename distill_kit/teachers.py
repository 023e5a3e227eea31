"""The shipped teachers: their recipes, how they are trained, measured and loaded."""
import time
from collections.abc import Callable, Iterable
from copy import deepcopy
from dataclasses import asdict, dataclass, replace
from importlib import resources
from pathlib import Path

import torch
from torch import Tensor, nn

from .batches import Batch, Teacher
from .data.imageset import Dataset, ImageSet
from .devices import casting, choose_device, choose_precision
from .files import replace_file
from .history import EPOCH
from .models import Architecture, ConvNet, forward_flops, make_model, parameter_count
from .neighbours import Room
from .optimizers import Muon
from .schedules import constant, linear, warmup_then
from .training import train
from .views import ALL_VIEWS, PLAIN, KeptLogits, PlainBatches, ViewBank, ViewBatches
from .weights import load_model, rounded, save_model


@dataclass(frozen=True)
class TeacherRecipe:
    """How a teacher is trained: cross-entropy alone, no label smoothing (which makes a worse teacher)."""
    architecture: Architecture
    epochs: int
    batch_size: int = 500
    learning_rate: float = 2e-3   # AdamW's, for head, biases and norms
    muon_ratio: float = 50.0      # the convolutions' learning rate over AdamW's
    warmup_epochs: float = 1.0
    cutout: int = 0               # side of a square that is hidden in every training image, in pixels


RECIPES = {
    "cifar10": TeacherRecipe(Architecture(widths=(64, 128, 256), depth=3, stem_stride=1, head="max"), epochs=36,
                             cutout=12),
    "shapes10": TeacherRecipe(Architecture(widths=(32, 64, 128), depth=2, stem_stride=1, head="max"), epochs=6,
                              batch_size=250),
}


DATA_LICENCES = {
    "cifar10": "The images: Krizhevsky 2009, published for research without a licence of their own; not shipped.",
    "shapes10": "The images: drawn by the kit, MIT.",
}


def recipe_for(dataset: Dataset) -> TeacherRecipe:
    """The recipe of a shipped teacher, or CIFAR-10's fitted to the classes and the size of another data set."""
    recipe = RECIPES.get(dataset.name, RECIPES["cifar10"])
    fitted = {**asdict(recipe.architecture), "num_classes": len(dataset.pool.classes),
              "image_size": dataset.pool.images.shape[-1]}
    return TeacherRecipe(**{**recipe.__dict__, "architecture": Architecture(**fitted)})


def train_teacher(dataset: Dataset, recipe: TeacherRecipe | None = None, *, seed: int = 0, device: str | None = None,
                  precision: str = "auto", epochs: int | None = None, learning_rate: float | None = None,
                  out: Path | str | None = None, start: tuple[ConvNet, dict] | None = None,
                  on_row: Callable[[dict], None] | None = None) -> tuple[ConvNet, dict]:
    """Train a teacher on the whole pool of `dataset`; returns it, rounded to float16 as it will be kept, and its card.

    Validation images are looked at after each epoch but decide nothing; the test images are read once, for the card.
    out: where the weights go in the end, with their card beside them. After each epoch they are kept in
        OUT.unfinished.safetensors: an interrupted hour is not lost, and a good file is only replaced by a finished one.
    epochs, learning_rate: others than the recipe's.
    start: a network of the recipe's architecture and its card, to be trained further instead of a fresh one: after
        warm-up, a second straight line to 0. The result is the mean of both networks' weights, and its card tells of
        both trainings.
    on_row: called with light rows every ten steps and with each epoch's row.
    """
    recipe = recipe or recipe_for(dataset)
    device = choose_device(device)
    precision = choose_precision(precision, device)
    epochs = recipe.epochs if epochs is None else epochs
    if epochs < 1:
        raise ValueError(f"epochs must be 1 or more; got {epochs}")
    recipe = recipe if learning_rate is None else replace(recipe, learning_rate=learning_rate)
    if start is not None and start[0].architecture != recipe.architecture:
        raise ValueError(f"the weights to start from are of {start[0].architecture}; the recipe's are of "
                         f"{recipe.architecture}")
    model = make_model(recipe.architecture, dataset.pool.images, seed) if start is None else deepcopy(start[0])
    model = model.to(device)
    batches = ViewBatches(ViewBank(dataset.pool.images, ALL_VIEWS, device), dataset.pool.labels, recipe.batch_size,
                          seed)
    training = Cutout(batches, recipe.cutout, seed) if recipe.cutout else batches
    validation = PlainBatches(ViewBank(dataset.validation.images, PLAIN, device), dataset.validation.labels)
    unfinished = None if out is None else Path(out).with_suffix(".unfinished.safetensors")
    keep_unfinished(model, unfinished, dataset, {"epoch": 0})  # no write access is better known before the hour
    steps = epochs * len(batches)
    warmup = round(recipe.warmup_epochs * len(batches))
    rate = recipe.learning_rate
    started = time.perf_counter()
    for row in train(model, training, validation, epochs=epochs, optimizer=Muon(model, recipe.muon_ratio),
                     learning_rate=warmup_then(linear(rate, 0.0, steps - warmup), rate, warmup),
                     temperature=constant(1.0), alpha=constant(1.0), every=10, precision=precision):
        if on_row is not None:
            on_row(row)
        if row["kind"] == EPOCH and "stopped" in row:
            raise RuntimeError(row["stopped"])
        if row["kind"] == EPOCH:
            keep_unfinished(model, unfinished, dataset, row)
    if start is not None:
        to_mean_of_weights(model, start[0], training, precision)
    seconds = time.perf_counter() - started
    rounded(model)
    card = {"data": dataset.pool.source, "data_licence": DATA_LICENCES.get(dataset.name, "The images: their owner's."),
            "classes": list(dataset.pool.classes), "training_images": len(dataset.pool),
            "recipe": {**asdict(recipe), "epochs": epochs, "seed": seed, "optimizer": "Muon with AdamW",
                       "label_smoothing": 0.0},
            "started_from": None if start is None else {name: start[1].get(name) for name in CARRIED},
            "seconds": round(seconds), "threads": torch.get_num_threads(),
            "device": device.type, "precision": precision, "parameters": parameter_count(model),
            "forward_flops": forward_flops(model, recipe.architecture.image_size),
            "torch": torch.__version__, "validation": measure(model, dataset.validation),
            "test": measure(model, dataset.test)}
    if out is not None:
        save_model(model, out, card)
        replace_file(Path(out).with_suffix(".md"), card_text(card).encode())
        unfinished.unlink()
    return model, card


def to_mean_of_weights(model: ConvNet, other: ConvNet, batches: Iterable[Batch], precision: str) -> None:
    """Set `model` to the mean of its weights and those of `other`, both at ends of one long training.

    Such a mean lies where the loss is flatter and generalises better (Izmailov et al., 2018). BatchNorm's statistics
    are not those of either, so they are measured anew on `batches`.
    """
    device = next(model.parameters()).device
    with torch.no_grad():
        for mine, theirs in zip(model.state_dict().values(), other.state_dict().values()):
            if mine.is_floating_point():
                mine.lerp_(theirs.to(device), 0.5)
    with casting(device, precision):
        torch.optim.swa_utils.update_bn(batches, model)
    model.eval()


class Cutout:
    """Batches with a square of each image hidden behind the batch's mean colour (DeVries and Taylor, 2017).

    It lies at a new random place each time. Only for a teacher: a student must see what its teacher saw.
    """

    def __init__(self, batches: Iterable[Batch], side: int, seed: int):
        self.batches, self.side = batches, side
        self._generator = torch.Generator().manual_seed(seed)

    def __iter__(self):
        for batch in self.batches:
            yield batch._replace(images=self._hide(batch.images))

    def _hide(self, images: Tensor) -> Tensor:
        count, _, height, width = images.shape
        down, right = (self._within(count, size).to(images.device) for size in (height, width))
        hidden = down[:, None, :, None] & right[:, None, None, :]                        # (N, 1, H, W)
        return torch.where(hidden, images.mean((0, 2, 3), keepdim=True), images)

    def _within(self, count: int, size: int) -> Tensor:
        """Which places of a line lie in the square: bool (N, size)."""
        start = torch.randint(size - self.side + 1, (count, 1), generator=self._generator)
        place = torch.arange(size)
        return (place >= start) & (place < start + self.side)


def keep_unfinished(model: ConvNet, path: Path | None, dataset: Dataset, row: dict) -> None:
    if path is not None:
        save_model(model, path, {"classes": list(dataset.pool.classes), "unfinished": row})


def card_text(card: dict) -> str:
    """A teacher's card for people, in Markdown: what it is, how it was made, what it can do and what is allowed."""
    recipe, test = card["recipe"], card["test"]
    architecture = recipe["architecture"]
    return f"""# A teacher: {card["data"]}

| | |
|---|---|
| trained on | {card["training_images"]:,} images: {card["data"]}; classes: {", ".join(card["classes"])} |
| network | blocks of {", ".join(map(str, architecture["widths"]))} channels, \
{architecture["depth"]} convolutions each; \
{card["parameters"]:,} parameters, {card["forward_flops"] / 1e6:.0f} MFLOP an image |
| recipe | cross-entropy alone, no label smoothing; \
Muon, whose steps are made orthogonal, for the convolutions and AdamW for the rest; \
{recipe["epochs"]} epochs, \
batch {recipe["batch_size"]}, learning rate {recipe["learning_rate"]:g} \
({recipe["muon_ratio"]:g} times that for the convolutions), {recipe["warmup_epochs"]:g} epoch of warm-up, \
then a straight line to 0; mirrored and shifted by up to four pixels\
{f", a square of {recipe['cutout']} pixels hidden" if recipe["cutout"] else ""}; seed {recipe["seed"]} |
{started_text(card.get("started_from"))}\
| made in | {card["seconds"]:,} s on {card["device"]} ({card["threads"]} threads, {card["precision"]}), \
torch {card["torch"]} |
| accuracy | {test["accuracy"]:.2%} of {test["images"]:,} test images, each seen once and as it is; \
{card["validation"]["accuracy"]:.2%} of {card["validation"]["images"]:,} validation images |
| calibration | expected calibration error {test["ece"]:.4f} on the test images: how far the share of right answers \
lies from the confidence, on average over 15 bins of confidence; 0 is perfect. \
Cross-entropy {test["cross_entropy"]:.4f} |
| weights | float16; the figures are those of the rounded weights |
| licence | the weights: MIT, as the kit. {card["data_licence"]} |
"""


CARRIED = ("recipe", "seconds", "test")  # from the card of the weights that a training started from


def started_text(start: dict | None) -> str:
    if start is None:
        return ""
    recipe = start["recipe"]
    if recipe is None:
        return "| started from | the weights of a training that was interrupted |\n"
    return ("| mean of | the weights of this training and those that it started from, "
            f"the end of {recipe['epochs']} epochs at learning rate {recipe['learning_rate']:g} with seed "
            f"{recipe['seed']}, made in {start['seconds']:,} s: "
            f"{start['test']['accuracy']:.2%} of the test images |\n")


def measure(model: nn.Module, images: ImageSet, device: torch.device | str = "cpu", precision: str = "float32") -> dict:
    """Accuracy, cross-entropy and calibration of a classifier on plain images, without test-time augmentation."""
    logits = answers(model, images, device, precision).float()
    return {"images": len(images), **classification_figures(logits, images.labels)}


ANSWERED_AT_ONCE = 1_000  # images; a bank of all test images would be 60 MB for a moment


def answers(model: nn.Module, images: ImageSet, device: torch.device | str | None = None,
            precision: str = "float32") -> Tensor:
    """The model's logits for plain images, float16 [N, C] on the CPU, as a student would be taught them.

    device: where to compute, and where the model then is; where it is now if None.
    """
    device = next(model.parameters(), torch.empty(0)).device if device is None else device
    frozen = Teacher(model, device, precision)
    parts = []
    with Room(frozen.device):
        for part in images.images.split(ANSWERED_AT_ONCE):
            rows, bank = torch.arange(len(part)), ViewBank(part, PLAIN, device)
            parts.append(KeptLogits(frozen, bank, len(part)).take(rows, torch.zeros_like(rows)))
    return torch.cat(parts).cpu()


def classification_figures(logits: Tensor, labels: Tensor) -> dict:
    """accuracy; cross_entropy; ece, the expected calibration error over 15 bins (Guo et al., 2017); logits [N, C]."""
    from torchmetrics.functional.classification import multiclass_calibration_error
    ece = multiclass_calibration_error(logits.softmax(1), labels, num_classes=logits.shape[1], n_bins=15)
    return {"accuracy": accuracy(logits, labels), "ece": ece.item(),
            "cross_entropy": nn.functional.cross_entropy(logits, labels).item()}


def share_in_top(logits: Tensor, labels: Tensor, number: int, places: int) -> float:
    """Of the images of class `number`: the share for which it is among the `places` highest logits [N, C]."""
    top = logits[labels == number].topk(places, dim=1).indices                       # (n, places)
    return (top == number).any(dim=1).float().mean().item()


def accuracy(logits: Tensor, labels: Tensor) -> float:
    """The share of rows of logits [N, C] whose highest is the label."""
    return (logits.argmax(1) == labels).double().mean().item()


def shipped_path(name: str) -> Path:
    """Where the weights of a data set's teacher lie inside the package."""
    return Path(str(resources.files(__package__))) / "assets" / f"teacher-{name}.safetensors"


def load_teacher(dataset: Dataset, path: Path | str | None = None) -> tuple[ConvNet, dict]:
    """The teacher for a data set and its card: the shipped one, or the weights at `path`.

    Raises FileNotFoundError where none is shipped for these images, ValueError where the classes do not fit.
    """
    if path is None:
        path = shipped_path(dataset.name)
        if not path.is_file():
            raise FileNotFoundError(
                f"the kit has no teacher for {dataset.name!r} (it has them for {', '.join(RECIPES)}). Make one: "
                "python -m distill_kit teacher --train --data FOLDER --out teacher.safetensors")
    model, card = load_model(path)
    if card.get("classes", list(dataset.pool.classes)) != list(dataset.pool.classes):
        raise ValueError(f"the teacher at {path} knows the classes {', '.join(card['classes'])}; "
                         f"the data set has {', '.join(dataset.pool.classes)}")
    return model, card
