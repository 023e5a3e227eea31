"""Training of teachers: their recipes, one long run, and the card that goes with the weights."""
from collections.abc import Callable, Iterable
from copy import deepcopy
from dataclasses import asdict, dataclass, replace
from itertools import product
from pathlib import Path

import torch
from torch import Tensor, nn

from distill_kit.batches import Batch, PlainBatches, ViewBatches
from distill_kit.data.imageset import Dataset
from distill_kit.devices import choose_device, choose_precision
from distill_kit.files import replace_file
from distill_kit.history import EPOCH, Row
from distill_kit.metrics import measure
from distill_kit.models import Architecture, ConvNet, make_model, parameter_count
from distill_kit.optimizers import Muon
from distill_kit.schedules import check_learning_rate, check_whole, constant, linear, warmup_then
from distill_kit.settings import MOST_EPOCHS
from distill_kit.training import train
from distill_kit.views import PLAIN, View, ViewBank
from distill_kit.weights import save_model

from .habits import Altered
from .markup import markdown
from .shipped import read_table

TABLE = read_table("teachers")
LICENCES, WORDS = TABLE["licences"], TABLE["words"]

# Every shift of up to four pixels, mirrored every second time: a teacher need not be asked again.
# Steps of 31 through the 81 shifts, so that an image that sees a few of them sees ones that differ.
_SHIFTS = tuple(product(range(-4, 5), repeat=2))
ALL_VIEWS: tuple[View, ...] = tuple((flip, *_SHIFTS[31 * k % 81]) for k in range(81) for flip in (False, True))


@dataclass(frozen=True)
class TeacherRecipe:
    """How a teacher is trained: with cross-entropy, and no label smoothing (which makes a worse teacher)."""
    architecture: Architecture
    epochs: int
    batch_size: int = 500
    learning_rate: float = 2e-3   # AdamW's, for head, biases and norms
    muon_ratio: float = 50.0      # the convolutions' learning rate over AdamW's
    warmup_epochs: float = 1.0
    cutout: int = 0               # side of a square that is hidden in every training image, in pixels

    def __post_init__(self):
        check_whole("epochs", self.epochs, 1, MOST_EPOCHS)
        check_learning_rate(self.learning_rate)

    def changed(self, **values) -> "TeacherRecipe":
        """Return the recipe with other values; a value of None leaves what is there."""
        return replace(self, **{name: value for name, value in values.items() if value is not None})


RECIPES = {name: TeacherRecipe(**{**entry, "architecture": Architecture(**entry["architecture"])})
           for name, entry in TABLE["recipes"].items()}
LARGE = 48           # pixels a side from which on the stem takes every second place, as a student's does
LEAST_STEPS = 10     # an epoch, where that leaves batches of LEAST_BATCH images
LEAST_BATCH = 32


def recipe_for(dataset: Dataset) -> TeacherRecipe:
    """Return the recipe of a shipped teacher, or CIFAR-10's fitted to classes, size and number of other images."""
    recipe = RECIPES.get(dataset.name, RECIPES["cifar10"])
    size, count = dataset.pool.images.shape[-1], len(dataset.pool)
    architecture = replace(recipe.architecture, stem_stride=2 if size > LARGE else 1, last_halves=size > 8)
    batch_size = recipe.batch_size if dataset.name in RECIPES else min(
        recipe.batch_size, max(LEAST_BATCH, count // LEAST_STEPS), count)
    return replace(recipe, architecture=architecture.fitted(dataset.pool), batch_size=batch_size,
                   cutout=recipe.cutout * size // 32)


def views_for(images: Tensor) -> tuple[View, ...]:
    """Pick from ALL_VIEWS the shifts of up to an eighth of the side of images [N, 3, H, W]: all from 32 pixels on."""
    most = min(images.shape[2:]) // 8
    return tuple((flip, dy, dx) for flip, dy, dx in ALL_VIEWS if max(abs(dy), abs(dx)) <= most)


def train_teacher(dataset: Dataset, recipe: TeacherRecipe | None = None, *, seed: int = 0, device: str | None = None,
                  precision: str = "auto", epochs: int | None = None, learning_rate: float | None = None,
                  out: Path | str | None = None,
                  on_row: Callable[[Row], None] = lambda row: None) -> tuple[ConvNet, dict]:
    """Train a teacher on the whole pool of `dataset`; return it, rounded to float16 as it will be kept, and its card.

    Validation images are looked at after each epoch but decide nothing; the test images are read once, for the card.
    out: where the weights go in the end, with their card beside them. After each epoch they are kept in
        OUT.unfinished.safetensors: an interrupted hour is not lost, and only finished weights replace good ones.
    epochs, learning_rate: instead of the recipe's.
    on_row: called with light rows every ten steps and with each epoch's row.

    Raises ValueError for bad arguments, RuntimeError where the loss is no longer finite.
    """
    if out is not None and (Path(out).is_dir() or Path(out).with_suffix(".md").is_dir()):
        raise ValueError(f"out must be a file for the weights, such as teacher.safetensors; {out} or its card's place "
                         "is a folder")
    recipe = (recipe or recipe_for(dataset)).changed(epochs=epochs, learning_rate=learning_rate)
    device = choose_device(device)
    precision = choose_precision(precision, device)
    model = make_model(recipe.architecture, dataset.pool.images, seed).to(device)
    bank = ViewBank(dataset.pool.images, views_for(dataset.pool.images), device)
    batches = ViewBatches(bank, dataset.pool.labels, recipe.batch_size, seed)
    training = with_cutout(batches, recipe.cutout, seed) if recipe.cutout else batches
    validation = PlainBatches(ViewBank(dataset.validation.images, PLAIN, device), dataset.validation.labels)
    unfinished = None if out is None else Path(out).with_suffix(".unfinished.safetensors")
    keep_unfinished(model, unfinished, dataset, {"epoch": 0})  # no write access is better known before the hour
    steps = recipe.epochs * len(batches)
    warmup = round(recipe.warmup_epochs * len(batches))
    rate = recipe.learning_rate
    for row in train(model, training, validation, epochs=recipe.epochs, optimizer=Muon(model, recipe.muon_ratio),
                     learning_rate=warmup_then(linear(rate, 0.0, steps - warmup), rate, warmup),
                     temperature=constant(1.0), alpha=constant(1.0), every=10, precision=precision,
                     plain=lambda: (batch.images for batch in PlainBatches(bank, dataset.pool.labels))):
        on_row(row)
        if "stopped" in row:
            raise RuntimeError(row["stopped"])
        if row["kind"] == EPOCH:
            keep_unfinished(model, unfinished, dataset, row)
    card = card_of(model, dataset, {**asdict(recipe), "seed": seed, "label_smoothing": 0.0}, row["seconds"], precision)
    if out is not None:
        keep_teacher(model, out, card)
        unfinished.unlink()
    return model, card


def card_of(model: ConvNet, dataset: Dataset, recipe: dict, seconds: float, precision: str) -> dict:
    """Round a teacher to float16, as `save_model` will keep it, measure it, and say how it was made, for its card."""
    model.half().float()
    return {"data": dataset.pool.source, "data_licence": LICENCES.get(dataset.name, LICENCES["of a folder"]),
            "classes": list(dataset.pool.classes), "training_images": len(dataset.pool), "recipe": recipe,
            "seconds": round(seconds), "threads": torch.get_num_threads(), "precision": precision,
            "device": next(model.parameters()).device.type, "parameters": parameter_count(model),
            "forward_flops": forward_flops(model, model.architecture.image_size), "torch": torch.__version__,
            "validation": measure(model, dataset.validation), "test": measure(model, dataset.test)}


def keep_teacher(model: ConvNet, path: Path | str, card: dict) -> None:
    """Write a teacher's weights, and its card in Markdown beside them."""
    save_model(model, path, card)
    replace_file(Path(path).with_suffix(".md"), card_text(card).encode())


def with_cutout(batches: Iterable[Batch], side: int, seed: int) -> Altered:
    """Hide a square of each image behind the batch's mean colour (DeVries and Taylor, 2017).

    It lies at a new random place each time. Only for teachers: a student must see what its teacher saw.
    """
    generator = torch.Generator().manual_seed(seed)
    return Altered(batches, lambda epoch: (
        batch._replace(images=hide_squares(batch.images, side, generator)) for batch in epoch))


def hide_squares(images: Tensor, side: int, generator: torch.Generator) -> Tensor:
    """Hide a square of `side` pixels in each of the images [N, 3, H, W]."""
    def within(size: int) -> Tensor:  # which places along a line lie in the square
        start = torch.randint(size - side + 1, (len(images), 1), generator=generator)
        place = torch.arange(size)
        return (place >= start) & (place < start + side)                                 # (N, size)
    down, right = map(within, images.shape[2:])
    hidden = (down[:, None, :, None] & right[:, None, None, :]).to(images.device)        # (N, 1, H, W)
    return torch.where(hidden, images.mean((0, 2, 3), keepdim=True), images)


def forward_flops(model: nn.Module, image_size: int = 32) -> int:
    """Count the floating-point operations for an image forward, a multiply-add as two."""
    from torch.utils.flop_counter import FlopCounterMode
    image = torch.zeros(1, 3, image_size, image_size, device=next(model.parameters()).device)
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        deepcopy(model).eval()(image)
    return counter.get_total_flops()


def keep_unfinished(model: ConvNet, path: Path | None, dataset: Dataset, row: Row) -> None:
    """Write the weights so far, where a path is given."""
    if path is not None:
        save_model(model, path, {"classes": list(dataset.pool.classes), "unfinished": row})


def card_text(card: dict) -> str:
    """Write a teacher's card in Markdown: what it is, how it was made, what it can do and what is allowed."""
    recipe, large = card["recipe"], card.get("distilled_from")
    hidden = WORDS["hidden"].format(**recipe) if recipe.get("cutout") else ""
    words = {name: markdown(value) if isinstance(value, str) else value for name, value in card.items()}
    return WORDS["card"].format(
        **words, architecture=recipe["architecture"], class_names=markdown(", ".join(card["classes"])),
        mflop=card["forward_flops"] / 1e6, channels=", ".join(map(str, recipe["architecture"]["widths"])),
        how=WORDS["distilled" if large else "labels"].format(recipe=recipe, hidden=hidden, large=large))
