"""Shapes-10: ten classes of drawn shapes that overlap by construction, with the true class probabilities of every image.

Every image shows one outline on a patterned ground. The outline is a blend: mostly one class's own outline (a prototype),
partly another's, partly a third's. Its label is then drawn by lot, from probabilities that fall with the outline's distance
to each of the ten prototypes:

    p(class k | outline) = softmax over k of -distance(outline, prototype k)^2 / TAU

`distance` is the root mean square difference of the two outlines as functions of the angle, both at the same area, in the
rotation where they lie closest. So p is a known function of the form drawn, the same wherever, however large, however
turned and in whatever colours it is drawn.

What is exact, and what is not. The label depends on the picture through the outline alone, so the probabilities kept with
an image are p(label | everything drawn): the truth, not an estimate. Position, size, rotation and colours can be read off a
picture, hence so can the outline, but only as sharply as 32x32 noisy pixels allow: p(label | pixels) is the mean of the true
probabilities over all outlines that could have given these pixels, and a network that sees pixels alone can at best reach
that. `best_accuracy` is therefore an upper bound: what a reader of the outline itself would reach.

Same for a seed on every machine. Whole numbers decide every pixel, and the random bits are those of PCG64, whose stream numpy
guarantees. Sines and exponentials, whose last bit may differ between machines, enter at two places, rounded to steps so much
coarser than that last bit that a difference is not to be expected: the ten prototypes (1/1024 of the radius), and the
probabilities (2^-24). A label compares a whole random number with whole sums of these steps.
"""
import numpy as np
import torch

from .data.imageset import Dataset, ImageSet, split

CLASSES = ("circle", "drop", "heart", "leaf", "triangle", "square", "cross", "star", "flower", "fish")
TRAINING_COUNT, TEST_COUNT = 25_000, 5_000
TRAINING_SEED, TEST_SEED = 10, 11

SIZE = 32            # pixels a side
ANGLES = 512         # an outline is its radius at so many angles
UNIT = 1024          # whole number that stands for the radius of a circle of the outline's area
SUB = 8              # positions are whole eighths of a pixel
TAU = 0.003          # how fast probabilities fall with squared distance (in units of that radius)
STEPS = 1 << 24      # probabilities are whole multiples of 1 / STEPS, which float32 holds exactly
TICKETS = (4, 3, 8, 8, 8, 6, 8, 7, 7, 9)
BOLDNESS = (128, 128, 60, 128, 60, 128, 128, 60, 60, 128)
CHUNK = 500          # images drawn at a time: small enough for the processor's cache


def load_shapes10() -> Dataset:
    """Shapes-10, drawn anew in about a second: pool, validation and test."""
    training, test = make_shapes(TRAINING_COUNT, TRAINING_SEED), make_shapes(TEST_COUNT, TEST_SEED)
    notice = (f"Shapes-10, drawn on this machine: {len(training):,} training and {len(test):,} test images of ten classes "
              f"that overlap; knowing the true probabilities, {best_accuracy(test):.1%} of the test labels can be guessed.")
    return split("shapes10", training, test, notice)


def best_accuracy(images: ImageSet) -> float:
    """The share of labels that the best possible guess gets right on average: the mean of each image's largest probability.

    Raises ValueError where the true probabilities are not known.
    """
    if images.probabilities is None:
        raise ValueError(f"images must carry their true probabilities; {images.source} does not")
    return images.probabilities.max(dim=1).values.double().mean().item()


def make_shapes(count: int, seed: int) -> ImageSet:
    """`count` images: uint8 [N, 3, 32, 32], labels int64 [N], true probabilities float32 [N, 10].

    The same bytes for a seed, whatever torch's and numpy's global random state. Raises ValueError for a bad count or seed.
    """
    if count < 1:
        raise ValueError(f"count must be 1 or more; got {count}")
    if seed < 0:
        raise ValueError(f"seed must be 0 or more; got {seed}")
    lot = Lot(seed, count)
    outlines = draw_outlines(lot)
    steps = probability_steps(outlines)
    labels = (steps.cumsum(1) <= lot.whole(0, STEPS)[:, None]).sum(1)
    images = draw_images(lot, outlines)
    return ImageSet(torch.from_numpy(images), torch.from_numpy(labels.astype(np.int64)), CLASSES,
                    f"Shapes-10, seed {seed}", torch.from_numpy((steps / STEPS).astype(np.float32)))


class Lot:
    """Whole random numbers, one per image, from the raw stream of PCG64."""

    def __init__(self, seed: int, count: int):
        self._bits, self.count = np.random.PCG64(seed), count

    def whole(self, low: int, high: int) -> np.ndarray:
        """int64 [count], low to high - 1, evenly."""
        return low + ((self._bits.random_raw(self.count) >> np.uint64(32)).astype(np.int64) * (high - low) >> 32)

    def bytes(self, *shape: int) -> np.ndarray:
        """uint8 of any shape (a multiple of 8 bytes)."""
        words = self._bits.random_raw(int(np.prod(shape)) // 8)
        return words.astype("<u8", copy=False).view(np.uint8).reshape(shape)


# ---------------------------------------------------------------- outlines and their probabilities

def prototypes() -> np.ndarray:
    """The ten classes' own outlines: int64 [10, ANGLES], radius by angle, all of one area."""
    turn = np.linspace(0, 2 * np.pi, 720, endpoint=False)
    sin, cos = np.sin(turn), np.cos(turn)
    star = [(radius * np.sin(np.pi * k / 5), -radius * np.cos(np.pi * k / 5)) for k, radius in enumerate([1, .37] * 5)]
    fish = [(-.9, 0), (-.55, .4), (-.1, .52), (.3, .38), (.6, .12), (1, .5), (1, -.5), (.6, -.12), (.3, -.38), (-.1, -.52),
            (-.55, -.4)]
    petals = 1 + .2 * np.cos(5 * turn)
    heart = np.stack([16 * sin**3, -13 * cos + 5 * np.cos(2 * turn) + 2 * np.cos(3 * turn) + np.cos(4 * turn)], 1)
    leaf = np.stack([.47 * np.sign(sin) * np.abs(sin)**1.3, -cos], 1)
    drop = np.concatenate([[(0, -2.1)], np.stack([sin, -cos], 1)[80:641]])
    corners = {"triangle": [(0, -1), (.87, .5), (-.87, .5)], "square": [(-1, -1), (1, -1), (1, 1), (-1, 1)],
               "fish": fish, "star": star,
               "cross": [(-a * s, -b * t) for a, b, s, t in [
                   (.36, 1, 1, 1), (.36, 1, -1, 1), (.36, .36, -1, 1), (1, .36, -1, 1), (1, .36, -1, -1), (.36, .36, -1, -1),
                   (.36, 1, -1, -1), (.36, 1, 1, -1), (.36, .36, 1, -1), (1, .36, 1, -1), (1, .36, 1, 1), (.36, .36, 1, 1)]],
               "circle": np.stack([sin, -cos], 1), "flower": np.stack([petals * sin, -petals * cos], 1),
               "heart": heart, "leaf": leaf, "drop": drop}
    return np.stack([radii(np.asarray(corners[name], dtype=float)) for name in CLASSES])


def radii(corners: np.ndarray) -> np.ndarray:
    """Distance from the origin to a closed polygon [K, 2] around it, at each angle (0 points up), at unit area: int64."""
    corners = corners - centroid(corners)
    angle = 2 * np.pi * np.arange(ANGLES)[:, None] / ANGLES + 1e-6                       # (A, 1), past the corners
    x, y = np.sin(angle), -np.cos(angle)
    (ax, ay), (bx, by) = corners.T, np.roll(corners, -1, 0).T                            # edges from a to b, (K,) each
    ex, ey = bx - ax, by - ay
    with np.errstate(divide="ignore", invalid="ignore"):
        reach = (ax * ey - ay * ex) / (x * ey - y * ex)                                  # along the ray, (A, K)
        place = (ax * y - ay * x) / (x * ey - y * ex)                                    # along the edge, 0 to 1
        hit = (reach > 0) & (place >= -1e-9) & (place <= 1 + 1e-9)
    radius = np.where(hit, reach, 0).max(1)
    return np.rint(UNIT * radius / np.sqrt((radius**2).mean())).astype(np.int64)


def centroid(corners: np.ndarray) -> np.ndarray:
    """The centre of gravity of a polygon [K, 2]."""
    after = np.roll(corners, -1, 0)
    weight = corners[:, 0] * after[:, 1] - corners[:, 1] * after[:, 0]                   # twice each triangle's area
    return ((corners + after) * weight[:, None]).sum(0) / (3 * weight.sum())


def draw_outlines(lot: Lot) -> np.ndarray:
    """int64 [N, ANGLES]: a blend of three prototypes, the first at least half of it."""
    own = prototypes()
    first = np.repeat(np.arange(10), TICKETS)[lot.whole(0, sum(TICKETS))]
    second = (first + lot.whole(1, 10)) % 10
    third = (first + lot.whole(1, 10)) % 10
    b = lot.whole(0, 257) * np.minimum(np.array(BOLDNESS)[first], np.array(BOLDNESS)[second]) >> 8
    c = lot.whole(0, 25)
    a = 256 - b - c
    return (a[:, None] * own[first] + b[:, None] * own[second] + c[:, None] * own[third]) >> 8


def probability_steps(outlines: np.ndarray) -> np.ndarray:
    """True class probabilities of outlines [N, ANGLES], in whole steps that sum to STEPS: int64 [N, 10]."""
    every = ANGLES // 64                                                                 # 64 angles tell forms apart
    own = unit_area(prototypes()[:, ::every])
    turned = np.stack([np.roll(own, k, 1) for k in range(own.shape[1])], 1)              # (10, turns, angles)
    flat = unit_area(outlines[:, ::every])
    steps = np.empty((len(outlines), len(CLASSES)), dtype=np.int64)
    for start in range(0, len(outlines), CHUNK):
        likeness = flat[start:start + CHUNK] @ turned.reshape(-1, flat.shape[1]).T       # (n, 10 * turns)
        likeness = likeness.reshape(len(likeness), len(CLASSES), -1).max(2) / flat.shape[1]
        logits = -2 * (1 - likeness) / TAU                                               # the squared distance is 2 - 2 likeness
        weights = np.exp(logits - logits.max(1, keepdims=True))
        steps[start:start + CHUNK] = np.maximum(np.rint(STEPS * weights / weights.sum(1, keepdims=True)), 1)
    steps[np.arange(len(steps)), steps.argmax(1)] += STEPS - steps.sum(1)
    return steps


def unit_area(outlines: np.ndarray) -> np.ndarray:
    """Outlines as float64, scaled to the area of a circle of radius 1."""
    outlines = outlines.astype(np.float64)
    return outlines / np.sqrt((outlines**2).mean(1, keepdims=True))


# ---------------------------------------------------------------- pixels

# Okabe and Ito's palette, which colour-blind people can tell apart.
PALETTE = np.array([(230, 159, 0), (86, 180, 233), (0, 158, 115), (240, 228, 66), (0, 114, 178), (213, 94, 0),
                    (204, 121, 167), (60, 60, 70)], dtype=np.int64)


def polar_table() -> np.ndarray:
    """uint32 [512 * 512]: angle << 16 | radius (in 1/64 pixel) for each offset, in eighths of a pixel, from a centre."""
    span = SIZE * SUB
    y, x = np.mgrid[-span:span, -span:span]
    angle = np.rint(np.arctan2(x, -y) / (2 * np.pi) * ANGLES + 1e-6).astype(np.int64) % ANGLES
    radius = np.rint(np.sqrt(x * x + y * y) * (64 / SUB)).astype(np.int64)
    return (angle << 16 | radius).astype(np.uint32).ravel()


def draw_images(lot: Lot, outlines: np.ndarray) -> np.ndarray:
    """uint8 [N, 3, 32, 32]."""
    count, span = lot.count, SIZE * SUB
    table = polar_table()
    radius = lot.whole(6 * 64, 9 * 64)                                                   # 1/64 pixel
    room = 6 * SUB - radius * SUB // 110
    centre = [SIZE * SUB // 2 - SUB // 2 + lot.whole(-64, 65) * room // 64 for _ in range(2)]
    turn = lot.whole(0, ANGLES)
    shape, ground = lot.whole(0, 8), lot.whole(1, 8)
    shape_colour, ground_colour = PALETTE[shape], PALETTE[(shape + ground) % 8]
    pale = lot.whole(120, 220)[:, None]
    ground_colour = ground_colour + (255 - ground_colour) * pale // 256
    slant = [lot.whole(-12, 13) for _ in range(2)]
    depth = lot.whole(0, 40)
    phase = lot.whole(0, 64)
    noise = lot.whole(6, 30)
    images = np.empty((count, 3, SIZE, SIZE), dtype=np.uint8)
    grid = np.arange(SIZE)
    for start in range(0, count, CHUNK):
        part = slice(start, min(start + CHUNK, count))
        reach = (outlines[part] * radius[part, None] // UNIT).astype(np.int16)           # (n, ANGLES), 1/64 pixel
        rows = (grid * SUB - centre[0][part, None] + span) * (2 * span)
        columns = grid * SUB - centre[1][part, None] + span
        polar = table[rows[:, :, None] + columns[:, None, :]]                            # (n, 32, 32)
        angle = (polar >> 16).astype(np.int64) - turn[part, None, None] & ANGLES - 1
        edge = np.take(reach, angle + ANGLES * np.arange(len(reach))[:, None, None])
        cover = np.clip((edge - (polar & 0xFFFF).astype(np.int16) >> 2) + 8, 0, 16)      # 0 to 16 sixteenths
        wave = (grid[:, None] * slant[0][part, None, None] + grid * slant[1][part, None, None] + phase[part, None, None]) & 63
        shade = ((np.abs(wave - 32) - 16) * depth[part, None, None] >> 5).astype(np.int16)
        static = lot.bytes(len(reach), 3, SIZE, SIZE).astype(np.int16) - 128
        for channel in range(3):
            low = ground_colour[part, channel].astype(np.int16)[:, None, None]
            high = shape_colour[part, channel].astype(np.int16)[:, None, None]
            value = low + ((high - low) * cover >> 4) + shade
            value += static[:, channel] * noise[part].astype(np.int16)[:, None, None] >> 7
            images[part, channel] = np.clip(value, 0, 255)
    return images
