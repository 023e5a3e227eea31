"""Teachers: how they answer and are measured; and those that ship, against their cards."""
import math
from dataclasses import replace

import pytest
import torch
from small import ColourTeacher, LittleNet, coloured_dataset, coloured_images
from torch import nn

from distill_kit.data import find_cifar10, load_dataset
from distill_kit.kept_logits import KeptLogits
from distill_kit.metrics import accuracy, answers, classification_figures, measure
from distill_kit.models import Architecture, make_model
from distill_kit.teachers import CPU_BLOCK, Teacher, load_teacher, shipped_path
from distill_kit.views import PLAIN, VIEWS, ViewBank
from distill_kit.weights import save_model

DATASET = coloured_dataset()


def calibration_error(probabilities, labels, bins=15):
    """Guo et al. 2017, in plain Python."""
    groups = {}
    for row, label in zip(probabilities.tolist(), labels.tolist()):
        confidence = max(row)
        right = row.index(confidence) == label
        groups.setdefault(min(math.ceil(confidence * bins), bins), []).append((confidence, right))
    return sum(abs(sum(confidence - right for confidence, right in group)) for group in groups.values()) / len(labels)


def test_figures_agree_with_plain_python():
    generator = torch.Generator().manual_seed(0)
    logits = 2 * torch.randn(300, 5, generator=generator)
    labels = logits.softmax(1).multinomial(1, generator=generator).squeeze(1)  # calibrated, but for chance
    figures = classification_figures(logits, labels)
    probabilities = logits.softmax(1)
    right = [row.index(max(row)) == label for row, label in zip(logits.tolist(), labels.tolist())]
    assert figures["accuracy"] == accuracy(logits, labels) == pytest.approx(sum(right) / 300)
    assert figures["cross_entropy"] == pytest.approx(-probabilities[range(300), labels].log().mean().item(), rel=1e-5)
    assert figures["ece"] == pytest.approx(calibration_error(probabilities, labels), abs=1e-5)


def test_measuring_is_over_every_image_in_eval_mode():
    model = LittleNet().train()
    images = coloured_images(70)
    expected = LittleNet().eval()(images.images.float() / 255)
    assert torch.allclose(answers(model, images), expected, atol=2e-3)
    assert measure(model, images)["accuracy"] == accuracy(expected, images.labels)
    assert measure(ColourTeacher(), images)["accuracy"] > 0.9 and measure(model, images)["images"] == 70


def network(images):
    """A network of the kit's family."""
    return make_model(Architecture((8, 16), num_classes=4, image_size=16), images)


class Comparing(nn.Module):
    """Answers an image by what it is beside the others: so shows in its answers what hides in others' last bits."""

    def __init__(self, images):
        super().__init__()
        self.network = LittleNet()

    def forward(self, images):
        return self.network(images - images.mean(0)) + len(images)


@pytest.mark.parametrize("make", [network, Comparing])
@pytest.mark.parametrize("views", [PLAIN, VIEWS])
@pytest.mark.parametrize("count", [1, CPU_BLOCK - 1, CPU_BLOCK, CPU_BLOCK + 1, 2 * CPU_BLOCK + 22])
def test_answers_about_plain_images_are_the_kept_ones_bit_for_bit(count, views, make):
    images = coloured_images(count).images
    teacher = Teacher(make(images))
    rows = torch.arange(count)
    kept = KeptLogits(teacher, ViewBank(images, views), count).take(rows, torch.zeros_like(rows))
    given = teacher.about(images)
    assert given.dtype == torch.float16 and given.shape == (count, 4) and torch.equal(given, kept)
    assert torch.equal(answers(teacher.module, coloured_images(count)), given.float())
    assert answers(teacher.module, coloured_images(count)).dtype == torch.float32


@pytest.mark.parametrize("count", [1, CPU_BLOCK, CPU_BLOCK + 1])
def test_a_teacher_is_shown_whole_blocks_whatever_it_is_asked_about(count):
    images, shown = coloured_images(count).images, []
    teacher = Teacher(network(images))
    assert teacher.block == CPU_BLOCK
    teacher.module.register_forward_pre_hook(lambda module, inputs: shown.append(inputs[0]))
    teacher.about(images)
    assert [len(block) for block in shown] == [CPU_BLOCK] * -(-count // CPU_BLOCK)
    assert torch.equal(torch.cat(shown)[:count], images / 255)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_network_on_a_gpu_answers_there_and_its_logits_come_back():
    model, images = LittleNet().cuda(), coloured_images(70)
    given = answers(model, images)
    assert given.device.type == "cpu" and next(model.parameters()).is_cuda
    torch.testing.assert_close(given, answers(model.cpu(), images), rtol=2e-3, atol=4e-3)


def test_a_data_set_without_a_shipped_teacher_says_how_to_make_one():
    with pytest.raises(FileNotFoundError, match="no teacher for 'coloured'.*teacher --train"):
        load_teacher(DATASET)


def test_a_teacher_of_other_classes_is_refused(tmp_path):
    save_model(network(DATASET.pool.images), tmp_path / "teacher.safetensors", {"classes": list(DATASET.pool.classes)})
    assert load_teacher(DATASET, tmp_path / "teacher.safetensors")[1]["classes"] == list(DATASET.pool.classes)
    other = replace(DATASET, pool=replace(DATASET.pool, classes=("ant", "bee", "cow", "dog")))
    with pytest.raises(ValueError, match="knows the classes red, green, .*; the data set has ant, bee, cow, dog"):
        load_teacher(other, tmp_path / "teacher.safetensors")


# The shipped teachers

def shipped(name):
    """The data set, the teacher and its card; skips where one of them is not there."""
    if not shipped_path(name).is_file():
        pytest.skip(f"{shipped_path(name).name} is not in the package")
    if name == "cifar10" and not find_cifar10():
        pytest.skip("no CIFAR-10 at hand")
    dataset = load_dataset(name, progress=False)
    return dataset, *load_teacher(dataset)


# `least` finds a file that is broken; the figure that counts is the card's.
@pytest.mark.parametrize("name, least", [("cifar10", 0.9), ("shapes10", 0.6)])
def test_a_shipped_teacher_has_the_accuracy_of_its_card(name, least):
    dataset, model, card = shipped(name)
    assert "unfinished" not in card
    figures = measure(model, dataset.test)
    if dataset.pool.source == card["data"] and len(dataset.test) == card["test"]["images"]:
        # A few images may fall to the other side where another machine sums in another order.
        assert figures["accuracy"] == pytest.approx(card["test"]["accuracy"], abs=0.001)
        assert figures["ece"] == pytest.approx(card["test"]["ece"], abs=0.001)
        assert figures["accuracy"] >= least
    else:  # another copy of the images, or a part of them
        noise = 4 * (least * (1 - least) / len(dataset.test)) ** 0.5
        assert figures["accuracy"] >= least - noise
