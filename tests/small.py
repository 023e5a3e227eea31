"""Small things to test with: images whose colour tells the class, a teacher that knows it, a network that learns it."""
from types import SimpleNamespace

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from distill_kit import train_student_with_distillation
from distill_kit.data.imageset import ImageSet, split
from distill_kit.loaders import LoaderBatches
from distill_kit.optimizers import adamw
from distill_kit.schedules import constant
from distill_kit.teachers import Teacher
from distill_kit.training import train

CLASSES = ("red", "green", "blue", "grey")
COLOURS = torch.tensor([[170.0, 110, 110], [110, 170, 110], [110, 110, 170], [130, 130, 130]])


def coloured_images(count, size=16, seed=0):
    """Noise around the colour of the class; no two images are alike."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(len(CLASSES), (count,), generator=generator)
    noise = 40 * torch.randn(count, 3, size, size, generator=generator)
    pixels = (COLOURS[labels][:, :, None, None] + noise).clamp(0, 255).to(torch.uint8)
    return ImageSet(pixels, labels, CLASSES, "coloured noise")


def coloured_dataset(count=200, test=60, size=16):
    return split("coloured", coloured_images(count, size), coloured_images(test, size, seed=1), "Coloured noise.")


class ColourTeacher(nn.Module):
    """Knows the classes from the mean colour, in any view."""

    def __init__(self, sharpness=100.0):
        super().__init__()
        self.sharpness = sharpness
        self.register_buffer("colours", COLOURS / 255)

    def forward(self, images):
        distance = (images.mean((2, 3)).unsqueeze(1) - self.colours).square().sum(2)
        return -self.sharpness * distance


class PixelTeacher(nn.Module):
    """Says what it sees, to a pixel: its answer to another view or another image is another."""

    def forward(self, images):
        return torch.cat([images[:, :, 0, 0], images[:, :1, 1, 2]], dim=1)


class LittleNet(nn.Module):
    """Convolution, BatchNorm, mean, linear; its weights come from `seed` alone."""

    def __init__(self, seed=0, classes=4, width=8, dtype=torch.float32):
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        with torch.random.fork_rng(devices=[]):
            self.convolution = nn.Conv2d(3, width, 3, padding=1, bias=False, dtype=dtype)
            self.norm = nn.BatchNorm2d(width, dtype=dtype)
            self.head = nn.Linear(width, classes, dtype=dtype)
        with torch.no_grad():
            for parameter in (self.convolution.weight, self.head.weight, self.head.bias):
                parameter.copy_(torch.randn(parameter.shape, generator=generator) / 4)

    def forward(self, images):
        return self.head(self.norm(self.convolution(images)).relu().mean((2, 3)))


class Talkative(nn.Module):
    """Returns an object with .logits, as models of Transformers do."""

    def __init__(self, module):
        super().__init__()
        self.module = module

    def forward(self, images):
        return SimpleNamespace(logits=self.module(images), hidden_states=None)


def loader_of(images, batch_size=16, shuffle_seed=None, drop_last=False):
    """A DataLoader of (floats from 0 to 1, labels) with a random generator of its own."""
    pairs = TensorDataset(images.images.float() / 255, images.labels)
    generator = torch.Generator().manual_seed(shuffle_seed or 0)
    return DataLoader(pairs, batch_size, shuffle=shuffle_seed is not None, generator=generator, drop_last=drop_last)


def state_of(module):
    return {name: value.clone() for name, value in module.state_dict().items()}


def same_state(state, other):
    """Bit for bit."""
    return state.keys() == other.keys() and all(torch.equal(state[name], other[name]) for name in state)


IMAGES, VALIDATION = coloured_images(80), coloured_images(30, seed=5)


def run_of(student, batches, validation=None, epochs=2, **changes):
    """`train` with everything filled in; the rows come as they are made."""
    options = {"optimizer": adamw(student), "learning_rate": constant(1e-2), "temperature": constant(4.0),
               "alpha": constant(0.3), **changes}
    return train(student, batches, validation, epochs=epochs, **options)


def loader_batches(teacher=None, images=IMAGES, **options):
    frozen = None if teacher is None else Teacher(teacher)
    return LoaderBatches(loader_of(images, **options), frozen, torch.device("cpu"))


def distil(student=None, teacher=None, seed=3, **changes):
    """`train_student_with_distillation` on little images; the student and its rows."""
    student = LittleNet() if student is None else student
    rows = changes.pop("history", [])
    options = {"num_epochs": 3, "learning_rate": 1e-2, "device": "cpu", "history": rows, **changes}
    train_student_with_distillation(student, ColourTeacher() if teacher is None else teacher,
                                    options.pop("train_loader", loader_of(IMAGES, shuffle_seed=seed)),
                                    options.pop("val_loader", loader_of(VALIDATION)), **options)
    return student, rows
