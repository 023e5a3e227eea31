"""A small family of convolutional networks, for teachers and students alike.

A fixed whitening stem, then blocks of 3x3 convolutions, then one linear layer. The shape follows Keller Jordan's
airbench (2024); the stem was introduced by Page (2019). Images go in as floats from 0 to 1, [N, 3, H, W]; logits come
out, [N, C].
"""
import threading
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .data.imageset import ImageSet
from .data.official import CLASSES as CIFAR10_CLASSES

STEM_PATCH = 2                          # the stem sees 2x2 pixels: 12 numbers
STEM_CHANNELS = 2 * 3 * STEM_PATCH**2   # each whitened direction and its negative: 24 at most
DRAWING = threading.Lock()              # weights are drawn by a generator that all threads share
NORMS = {"batch": nn.BatchNorm2d, "layer": lambda channels: nn.GroupNorm(1, channels)}


@dataclass(frozen=True)
class Architecture:
    """What a network of the family is, apart from its weights."""
    widths: tuple[int, ...] = (32, 64, 128)  # channels of each block; a block halves height and width
    depth: int = 1                           # convolutions a block
    stem_stride: int = 2
    head: str = "flat"                       # "flat" reads the whole last block, "max" its strongest place per channel
    num_classes: int = 10
    image_size: int = 32
    last_halves: bool = True                 # does the last block halve, too?
    norm: str = "batch"                      # "layer" asks no other image of the batch
    kernels: tuple[int, ...] = ()            # side of each block's first filters: 3, or 2 without padding
    stem_channels: int = STEM_CHANNELS       # fewer leave out the directions in which patches differ least

    def __post_init__(self):
        for name in ("widths", "kernels"):  # JSON only knows lists
            object.__setattr__(self, name, tuple(getattr(self, name)))
        whole = (*self.widths, self.depth, self.stem_stride, self.num_classes, self.image_size)
        if not self.widths or not all(type(number) is int and 0 < number < 2**20 for number in whole):
            raise ValueError("widths, depth, stem_stride, num_classes and image_size must be whole numbers from 1, "
                             f"below 2**20; got {self}")
        if self.head not in ("flat", "max"):
            raise ValueError(f"head must be 'flat' or 'max'; got {self.head!r}")
        if self.norm not in NORMS:
            raise ValueError(f"norm must be one of {', '.join(NORMS)}; got {self.norm!r}")
        if len(self.filters) != len(self.widths) or not set(self.kernels) <= {2, 3}:
            raise ValueError(f"kernels must be 2 or 3, for each of the {len(self.widths)} blocks; got {self.kernels}")
        if self.stem_channels not in range(2, STEM_CHANNELS + 1, 2):
            raise ValueError(f"stem_channels must be even, from 2 to {STEM_CHANNELS}; got {self.stem_channels!r}")
        if self.final_size < 1:
            raise ValueError(f"image_size {self.image_size} is too small for {len(self.widths)} blocks")

    def fitted(self, images: ImageSet) -> "Architecture":
        """Return the same for the classes and the size of these images."""
        classes, size = images.classes, images.images.shape[-1]
        kernels = self.kernels or SMALL_FILTERS.get((classes, size, len(self.widths)), ())
        return replace(self, num_classes=len(classes), image_size=size, kernels=kernels)

    @property
    def filters(self) -> tuple[int, ...]:
        """The side of each block's first filters: 3 where `kernels` says nothing."""
        return self.kernels or (3,) * len(self.widths)

    @property
    def final_size(self) -> int:
        """Height and width behind the last block."""
        size = (self.image_size - STEM_PATCH) // self.stem_stride + 1
        for place, kernel in enumerate(self.filters, start=1):
            # Where a block halves, filters of 2x2 take no more: its pool keeps the line that is left over.
            size = size // 2 if place < len(self.widths) or self.last_halves else size - (kernel == 2)
        return size


# Filters of 2x2 where that was seen to pay: on CIFAR-10 a third less time for half a point (docs/recipe.md). On
# Shapes-10 they cost five points, and of a learner's own images nobody knows.
SMALL_FILTERS = {(CIFAR10_CLASSES, 32, 3): (2, 3, 2)}  # by classes and size of the images and the number of blocks
STUDENTS = {name: Architecture(widths, last_halves=False, stem_channels=16) for name, widths in {
    "small": (16, 32, 64), "default": (32, 64, 128), "wide": (48, 96, 192), "wider": (64, 128, 256),
    "tiny": (4, 8, 16), "tiniest": (2, 3, 4)}.items()}
STUDENTS["layer_norm"] = replace(STUDENTS["default"], norm="layer")


class Block(nn.Module):
    """A convolution, a 2x2 max pool where the block halves, a norm, ReLU; then further 3x3 convolutions of that size.

    Filters of 2x2 are not padded: less than half the work of 3x3. The pool then keeps a line that is left over.
    From a depth of 3 on, what the first convolution made is added again before the last ReLU (He et al., 2016).
    """

    def __init__(self, inputs: int, outputs: int, depth: int, halves: bool, norm: str, kernel: int):
        super().__init__()
        self.halves, self.keeps_rest = halves, kernel == 2
        self.relu = nn.ReLU(inplace=True)  # a module, so that what it lets through can be looked at (figures.py)
        shapes = [(inputs, outputs, kernel), *[(outputs, outputs, 3)] * (depth - 1)]
        self.convolutions = nn.ModuleList(nn.Conv2d(*shape, padding=shape[2] // 3, bias=False) for shape in shapes)
        self.norms = nn.ModuleList(NORMS[norm](outputs) for _ in range(depth))
        for convolution in self.convolutions:  # at first each channel is passed on, too (Zagoruyko, Komodakis, 2017)
            nn.init.dirac_(convolution.weight.data[:convolution.in_channels])

    def forward(self, x: Tensor) -> Tensor:
        """Map [N, inputs, h, w] to [N, outputs, h, w], or half that height and width."""
        x = self.convolutions[0](x)                                                            # (N, width, h, w)
        if self.halves:  # before norm and ReLU: the same result in the mean, a quarter of the work
            x = F.max_pool2d(x, 2, ceil_mode=self.keeps_rest)                                  # (N, width, h/2, w/2)
        first = x = self.relu(self.norms[0](x))
        for place in range(1, len(self.convolutions)):
            x = self.norms[place](self.convolutions[place](x))
            x = self.relu(x + first if 2 <= place == len(self.convolutions) - 1 else x)
        return x


class ConvNet(nn.Module):
    """A network of the family whose stem is not fitted yet; `make_model` gives one that is ready to be trained."""

    def __init__(self, architecture: Architecture = Architecture()):
        super().__init__()
        self.architecture = architecture
        # Buffers: the stem is computed from images, never trained, and no parameter to be counted.
        channels = (architecture.stem_channels, *architecture.widths)
        self.register_buffer("stem_weight", torch.zeros(channels[0], 3, STEM_PATCH, STEM_PATCH))
        self.register_buffer("stem_bias", torch.zeros(channels[0]))
        halves = [True] * (len(architecture.widths) - 1) + [architecture.last_halves]
        self.blocks = nn.Sequential(*(Block(a, b, architecture.depth, half, architecture.norm, kernel) for
                                      a, b, half, kernel in zip(channels, channels[1:], halves, architecture.filters)))
        places = architecture.final_size**2 if architecture.head == "flat" else 1
        self.head = nn.Linear(channels[-1] * places, architecture.num_classes)

    def forward(self, images: Tensor) -> Tensor:
        """Map images [N, 3, H, W], floats from 0 to 1, to logits [N, C]."""
        x = F.conv2d(images, self.stem_weight, self.stem_bias, stride=self.architecture.stem_stride)  # (N, stem, h, w)
        x = self.blocks(F.relu_(x))                                                                   # (N, width, s, s)
        if self.architecture.head == "max":
            x = F.max_pool2d(x, x.shape[-2:])  # the adaptive one: ONNX has no word for it            # (N, width, 1, 1)
        # Channels last, as they lie in memory: to flatten them so copies nothing, forward or backward.
        return self.head(x.permute(0, 2, 3, 1).flatten(1))                                            # (N, C)


STEM_IMAGES = 2_000  # enough for a covariance of 12 numbers, and quick


@torch.no_grad()
def whitening_stem(images: Tensor, epsilon: float = 5e-4) -> dict[str, Tensor]:
    """Fit a stem to images uint8 [N, 3, H, W]: their 2x2 patches come out uncorrelated and equally strong.

    Returns the buffers of a ConvNet: stem_weight, float32 [STEM_CHANNELS, 3, 2, 2], and stem_bias, [STEM_CHANNELS].
    It holds the eigenvectors of the patches' covariance, each over the root of its eigenvalue plus epsilon, and
    their negatives (ReLU would lose half of each direction). The mean is folded into the bias. Only the first
    STEM_IMAGES images count.
    """
    patches = F.unfold(images[:STEM_IMAGES].double() / 255, STEM_PATCH, stride=STEM_PATCH)  # (N, 12, L)
    patches = patches.transpose(1, 2).flatten(0, 1)                                         # (N * L, 12)
    mean = patches.mean(0)
    values, vectors = torch.linalg.eigh(torch.cov(patches.T))
    # An eigenvector's sign is arbitrary and differs between machines; the largest entry is made positive.
    largest = vectors.gather(0, vectors.abs().argmax(0, keepdim=True))
    rows = (vectors * largest.sign() / torch.sqrt(values + epsilon)).T                      # (12, 12)
    weight = torch.cat([rows, -rows])                                                       # (24, 12)
    return {"stem_weight": weight.float().view(STEM_CHANNELS, 3, STEM_PATCH, STEM_PATCH),
            "stem_bias": (-weight @ mean).float()}


def make_model(architecture: Architecture, images: Tensor, seed: int = 0,
               stem: dict[str, Tensor] | None = None) -> ConvNet:
    """Make a fresh network: weights drawn from `seed`, its stem fitted to images uint8 [N, 3, H, W].

        >>> student = make_model(STUDENTS["default"], images, seed=0)
        >>> student(images[:256].float() / 255).shape
        torch.Size([256, 10])

    stem: what `whitening_stem` made of these images, where many networks are to have it; made here if None.
    torch's global random state is the same before and after. Raises ValueError for images of another size.
    """
    if tuple(images.shape[2:]) != (architecture.image_size,) * 2:
        raise ValueError(f"images must be {architecture.image_size} x {architecture.image_size} pixels; "
                         f"got {' x '.join(map(str, images.shape[2:]))}")
    with DRAWING, torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)  # torch.manual_seed would seed every GPU as well
        model = ConvNet(architecture)
    half = architecture.stem_channels // 2  # eigenvalues ascend, so the strongest directions are the last ones
    model.load_state_dict({name: value.unflatten(0, (2, -1))[:, -half:].flatten(0, 1) for name, value
                           in (whitening_stem(images) if stem is None else stem).items()}, strict=False)
    return model.to(memory_format=torch.channels_last)


def logits_of(output) -> Tensor:
    """Get the logits [N, C] from what a module returned.

    That is a tensor, an object with `.logits` or a dict with "logits" (as in Transformers), or a tuple that begins with
    one of these (as in mdistiller).
    """
    first = output[0] if isinstance(output, tuple | list) and len(output) else output
    logits = first.get("logits") if isinstance(first, dict) else getattr(first, "logits", first)
    if not isinstance(logits, Tensor):
        raise ValueError("a model must return a tensor of logits or an object with .logits; "
                         f"got {type(output).__name__}")
    return logits


@contextmanager
def in_eval_mode(model: nn.Module):
    """Open a context in which a model is in eval mode; each of its modules is in its own mode again afterwards."""
    with ExitStack() as afterwards:
        for module in model.modules():
            afterwards.callback(setattr, module, "training", module.training)
        with suppress(NotImplementedError):  # a module of torch.export, which has no modes
            model.eval()
        yield model


def parameter_count(model: nn.Module) -> int:
    """Count the trainable parameters."""
    return sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
