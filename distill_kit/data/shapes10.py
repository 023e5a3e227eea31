"""Shapes-10: ten classes of drawn shapes that overlap by construction, with each image's true class probabilities.

An image shows one outline on a patterned ground. The outline is a blend: mostly one class's own (a prototype), partly
another's, a little of a third's. Its label is then drawn by lot, from probabilities that fall with its distance to
the ten prototypes:

    p(class k | outline) = softmax over k of  -distance(outline, prototype k)^2 / TAU

where `distance` is the root mean square difference of the two outlines as functions of the angle, both scaled to one
area and turned to where they lie closest. So p is a known function of the form drawn, the same wherever, however
large, however turned and in whatever colours it is drawn.

What is exact, and what is not. The label only depends on the picture through the outline, so the probabilities kept
with an image are p(label | all that was drawn): the truth, not an estimate. The outline can be read off the picture,
but only as sharply as 32x32 noisy pixels show it: p(label | pixels) is the mean of the true probabilities over all
outlines that may have left these pixels, and a network, which only sees pixels, can at best learn that.
`best_accuracy` is therefore an upper bound: what somebody would reach who knew the outline itself.

The same for a seed on every machine: whole numbers decide every pixel, and the random bits are PCG64's, a stream that
numpy guarantees. The prototypes are whole numbers in a file. Exponentials, whose last bit may differ between machines,
enter at one place, and are rounded there to steps far coarser than that bit: the probabilities (to 2^-24). A label
compares a whole random number with sums of those steps. So images are the same everywhere, and labels may be taken to
be; a probability may once in a long while be off by one step.
"""
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from ..schedules import check_whole
from .imageset import Dataset, ImageSet, split

CLASSES = ("circle", "drop", "heart", "leaf", "triangle", "square", "cross", "star", "flower", "fish")
# How much of a second form a blend may hold, in 256ths; the shyer of the two decides. A square may be half a circle, so
# those two are truly ambiguous; a star stays a star, though it resembles a flower: only soft targets tell of that.
BOLDNESS = np.array([112, 112, 112, 112, 112, 112, 112, 24, 24, 112])
TICKETS = np.array([3, 3, 8, 9, 8, 6, 8, 7, 7, 10])  # in the lottery for the first form: the classes get about as many
TAU = 0.0025                                          # how fast probabilities fall with squared distance (radius 1)

TRAINING_COUNT, TEST_COUNT = 25_000, 5_000
TRAINING_SEED, TEST_SEED = 10, 11

SIZE = 32            # pixels a side
ANGLES = 512         # an outline is its radius at so many angles; angle 0 points up
UNIT = 1024          # the whole number that stands for the radius of a circle of the outline's area
EIGHTH, FINE = 8, 64  # positions are whole eighths of a pixel, lengths whole 64ths
STEPS = 1 << 24      # probabilities are whole multiples of 1 / STEPS, which float32 holds exactly
CHUNK = 500          # images made at a time: what fits the processor's cache
FORMS = Path(__file__).parents[1] / "assets" / "shapes10.npy"

# Okabe and Ito's palette, which colour-blind people can tell apart (its black softened).
PALETTE = np.array([(230, 159, 0), (86, 180, 233), (0, 158, 115), (240, 228, 66), (0, 114, 178), (213, 94, 0),
                    (204, 121, 167), (60, 60, 70)])


def load_shapes10() -> Dataset:
    """Draw Shapes-10 anew, in about a second: pool, validation and test."""
    training, test = make_shapes(TRAINING_COUNT, TRAINING_SEED), make_shapes(TEST_COUNT, TEST_SEED)
    notice = (f"Shapes-10, drawn on this machine: {len(training):,} training and {len(test):,} test images of ten "
              f"kinds of shapes that overlap, so that even the best possible guess is right for only "
              f"{best_accuracy(test):.1%} of the test images.")
    return split("shapes10", training, test, notice)


def best_accuracy(images: ImageSet) -> float:
    """Compute the share of labels that the best possible guess gets right: the mean of the largest probabilities.

    Raises ValueError where the true probabilities are not known.
    """
    if images.probabilities is None:
        raise ValueError(f"images must carry their true probabilities; those of {images.source!r} are not known")
    return images.probabilities.max(dim=1).values.double().mean().item()


def make_shapes(count: int, seed: int) -> ImageSet:
    """Draw `count` images: uint8 [N, 3, 32, 32], labels int64 [N], true probabilities float32 [N, 10].

    The same for a seed; neither torch's nor numpy's global random state is read or moved. Raises ValueError for a
    count below 1 or a seed below 0.
    """
    check_whole("count", count, 1)
    check_whole("seed", seed, 0)
    lots = Lots(seed, count)
    outlines = draw_outlines(lots)
    steps = probability_steps(outlines)                                                  # (N, 10)
    labels = (steps.cumsum(1) <= lots.whole(0, STEPS - 1)[:, None]).sum(1)
    images = draw_images(lots, outlines)
    return ImageSet(torch.from_numpy(images), torch.from_numpy(labels.astype(np.int64)), CLASSES,
                    f"Shapes-10, seed {seed}", torch.from_numpy((steps / STEPS).astype(np.float32)))


class Lots:
    """Whole random numbers, a number per image and call, from the raw stream of PCG64."""

    def __init__(self, seed: int, count: int):
        self._bits, self._count = np.random.PCG64(seed), count

    def whole(self, low: int, high: int) -> np.ndarray:
        """Draw int64 [count], from low to high, both included, all equally likely."""
        bits = (self._bits.random_raw(self._count) >> np.uint64(32)).astype(np.int64)    # 32 of 64
        return low + (bits * (high - low + 1) >> 32)

    def bytes(self, *shape: int) -> np.ndarray:
        """Draw uint8 of this shape, a multiple of eight in all."""
        words = self._bits.random_raw(int(np.prod(shape)) // 8)
        return words.astype("<u8", copy=False).view(np.uint8).reshape(shape)


# ---- outlines and their probabilities

@cache
def prototypes() -> np.ndarray:
    """Read the classes' own outlines: int64 [10, ANGLES], radius by angle, all of one area.

    benchmarks/forms.py computed them, from the corners and curves that it names.
    """
    return np.load(FORMS, allow_pickle=False).astype(np.int64)


def draw_outlines(lots: Lots) -> np.ndarray:
    """Blend three prototypes an image: int16 [N, ANGLES]."""
    first = np.repeat(np.arange(10), TICKETS)[lots.whole(0, TICKETS.sum() - 1)]
    second, third = ((first + lots.whole(1, 9)) % 10 for _ in range(2))
    limit = np.minimum(BOLDNESS[first], BOLDNESS[second])
    b = np.maximum(lots.whole(0, 256), lots.whole(0, 256)) * limit >> 8                  # more often much than little
    c = lots.whole(0, 256) * limit >> 10
    shares = np.zeros((len(first), 10), dtype=np.int64)                                  # of each prototype, in 256ths
    for form, share in (first, 256 - b - c), (second, b), (third, c):
        shares[np.arange(len(first)), form] += share
    parts = np.split(shares, range(CHUNK, len(first), CHUNK))
    return np.concatenate([(part @ prototypes() >> 8).astype(np.int16) for part in parts])


def probability_steps(outlines: np.ndarray) -> np.ndarray:
    """Compute the true probabilities of outlines [N, ANGLES] in whole steps, STEPS a row: int64 [N, 10]."""
    own, drawn = unit_area(prototypes()), unit_area(outlines)                            # 64 angles each
    turned = np.stack([np.roll(own, turn, 1) for turn in range(own.shape[1])])           # (turns, 10, 64)
    steps = np.empty((len(outlines), len(CLASSES)), dtype=np.int64)
    for start in range(0, len(outlines), CHUNK):
        part = slice(start, start + CHUNK)
        likeness = turned @ drawn[part].T / own.shape[1]                                 # (turns, 10, n)
        nearest = likeness.max(0).T                                                      # (n, 10)
        logits = (2 * nearest - 2) / TAU       # the squared distance of outlines of mean square 1 is 2 - 2 * likeness
        weights = np.exp(logits - logits.max(1, keepdims=True))
        steps[part] = np.maximum(np.rint(STEPS * weights / weights.sum(1, keepdims=True)), 1)
    steps[np.arange(len(steps)), steps.argmax(1)] += STEPS - steps.sum(1)                # what rounding took or gave
    return steps


def unit_area(outlines: np.ndarray) -> np.ndarray:
    """Scale every eighth angle of outlines [N, ANGLES] to the area of a circle of radius 1: float64 [N, 64]."""
    outlines = outlines[:, ::ANGLES // 64].astype(np.float64)
    return outlines / np.sqrt((outlines**2).mean(1, keepdims=True))


# ---- pixels

class Scene(NamedTuple):
    """What is drawn, an entry per image. Nothing of it but the outline has a say in the label."""
    outline: np.ndarray         # int16 [N, ANGLES]
    size: np.ndarray            # radius of a circle of the same area, in 64ths of a pixel
    turn: np.ndarray            # 0 to ANGLES - 1
    row: np.ndarray             # of the centre, in eighths of a pixel
    column: np.ndarray
    ground: np.ndarray          # int16 [N, 3]: colour behind the shape
    paint: np.ndarray           # int16 [N, 3]: the shape's colour less the ground's
    slant_down: np.ndarray      # the pattern's direction and fineness: how far its phase moves a pixel
    slant_right: np.ndarray
    phase: np.ndarray
    depth: np.ndarray           # strength of the pattern
    noise: np.ndarray           # strength of the noise


def draw_scene(lots: Lots, outlines: np.ndarray) -> Scene:
    """Draw where, how large, how turned and in which colours outlines [N, ANGLES] lie."""
    size = lots.whole(5 * FINE, 8 * FINE)
    reach = outlines.max(1) * size // UNIT
    room = np.clip((15 * FINE - reach) * EIGHTH // FINE, 0, 4 * EIGHTH)                  # so that no part is cut off
    middle = (SIZE - 1) * EIGHTH // 2
    colour = lots.whole(0, 7)
    pale = PALETTE[(colour + lots.whole(1, 7)) % 8]
    ground = pale + (255 - pale) * lots.whole(110, 220)[:, None] // 256
    paint = (PALETTE[colour] - ground) * lots.whole(128, 256)[:, None] // 256
    turn = lots.whole(0, ANGLES - 1)
    return Scene(outlines, size, turn, *(middle + lots.whole(-64, 64) * room // 64 for _ in range(2)),
                 ground.astype(np.int16), paint.astype(np.int16), *(lots.whole(-12, 12) for _ in range(2)),
                 lots.whole(0, 63), lots.whole(0, 44), lots.whole(8, 40))


def draw_images(lots: Lots, outlines: np.ndarray) -> np.ndarray:
    """Draw the pixels of outlines [N, ANGLES]: uint8 [N, 3, 32, 32]."""
    scene = draw_scene(lots, outlines)
    images = np.empty((len(outlines), 3, SIZE, SIZE), dtype=np.uint8)
    for start in range(0, len(images), CHUNK):
        part = Scene(*(values[start:start + CHUNK] for values in scene))
        cover, shade = coverage(part), pattern(part)                                     # (n, 32, 32) each
        static = lots.bytes(len(cover), 3, SIZE, SIZE).astype(np.int16) - 128
        static = static * part.noise[:, None, None, None].astype(np.int16) >> 7
        value = (part.paint[:, :, None, None] * cover[:, None] >> 4) + part.ground[:, :, None, None]  # (n, 3, 32, 32)
        images[start:start + CHUNK] = np.clip(value + shade[:, None] + static, 0, 255)
    return images


def coverage(scene: Scene) -> np.ndarray:
    """Compute how much of each pixel the shape covers, in 16ths: int16 [n, 32, 32]."""
    span, pixels = SIZE * EIGHTH, np.arange(SIZE) * EIGHTH
    down = pixels - scene.row[:, None] + span                                            # (n, 32), from the centre
    right = pixels - scene.column[:, None] + span
    polar = polar_table().take(down[:, :, None] * (2 * span) + right[:, None, :])       # (n, 32, 32)
    angle = (polar >> 16).astype(np.int64) - scene.turn[:, None, None] & ANGLES - 1
    reach = (scene.outline.astype(np.int32) * scene.size[:, None] // UNIT).astype(np.int16)  # (n, ANGLES), in 64ths
    edge = reach.take(angle + ANGLES * np.arange(len(angle))[:, None, None])
    return np.clip((edge - (polar & 0xFFFF).astype(np.int16) >> 2) + 8, 0, 16)           # a soft edge, one pixel wide


@cache
def polar_table() -> np.ndarray:
    """Tabulate angle << 16 | distance in 64ths of a pixel, by offset (down, right) in eighths: uint32 [512 * 512]."""
    span = SIZE * EIGHTH
    down, right = np.mgrid[-span:span, -span:span]
    angle = np.rint(np.arctan2(right, -down) / (2 * np.pi) * ANGLES).astype(np.int64) % ANGLES
    distance = np.rint(np.sqrt(down**2 + right**2) * (FINE // EIGHTH)).astype(np.int64)
    return (angle << 16 | distance).astype(np.uint32).ravel()


def pattern(scene: Scene) -> np.ndarray:
    """Draw slanted light and dark stripes over ground and shape: int16 [n, 32, 32]."""
    pixels = np.arange(SIZE)
    down = scene.slant_down[:, None] * pixels + scene.phase[:, None]
    wave = (down[:, :, None] + (scene.slant_right[:, None] * pixels)[:, None, :]).astype(np.int16) & 63
    return (np.abs(wave - 32) - 16) * scene.depth[:, None, None].astype(np.int16) >> 5
