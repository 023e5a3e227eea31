"""Shapes-10: the same for a seed, and its probabilities are the truth."""
import hashlib
import importlib.util
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import torch

from distill_kit.data import load_dataset
from distill_kit.data import shapes10 as shapes
from distill_kit.data.imageset import ImageSet
from distill_kit.data.shapes10 import (
    CLASSES,
    STEPS,
    Scene,
    best_accuracy,
    coverage,
    make_shapes,
    probability_steps,
    prototypes,
)

ROOT = Path(__file__).resolve().parents[2]
MIDDLE = (shapes.SIZE - 1) * shapes.EIGHTH // 2


@pytest.fixture(scope="module")
def dataset():
    return load_dataset("shapes10")


def scene(outlines: np.ndarray, turn: int = 0, size: int = 7) -> Scene:
    """Outlines in the middle of the image, for `coverage`, which does not look at colours."""
    def fill(value):
        return np.full(len(outlines), value)
    return Scene(outlines, fill(size * shapes.FINE), fill(turn), fill(MIDDLE), fill(MIDDLE), *[None] * 7)


def test_same_for_a_seed_and_other_for_another():
    one, again, other = make_shapes(20, 3), make_shapes(20, 3), make_shapes(20, 4)
    assert torch.equal(one.images, again.images) and torch.equal(one.labels, again.labels)
    assert torch.equal(one.probabilities, again.probabilities)
    assert (one.images != other.images).float().mean() > 0.5


def test_the_stored_checksum():
    made = make_shapes(shapes.CHUNK + 20, 0)
    assert hashlib.sha256(made.images.numpy().tobytes()).hexdigest()[:16] == "8c939b7d05c063e5"
    assert hashlib.sha256(made.labels.numpy().tobytes()).hexdigest()[:16] == "34ccf621969aa95d"


def test_global_random_states_are_neither_read_nor_moved():
    torch_before, numpy_before = torch.get_rng_state(), np.random.get_state()[1].copy()
    first = make_shapes(8, 1)
    assert torch.equal(torch.get_rng_state(), torch_before) and (np.random.get_state()[1] == numpy_before).all()
    torch.manual_seed(99), np.random.seed(99)
    assert torch.equal(make_shapes(8, 1).images, first.images)


def test_types_and_sizes(dataset):
    assert (len(dataset.pool), len(dataset.validation)) == pytest.approx((22_500, 2_500), abs=5)
    for images in (dataset.pool, dataset.validation, dataset.test):
        assert images.images.shape[1:] == (3, 32, 32) and images.images.dtype == torch.uint8
        assert images.labels.dtype == torch.int64 and images.classes == CLASSES
        assert images.probabilities.dtype == torch.float32 and images.probabilities.shape == (len(images), 10)


def test_memory_stays_near_what_is_kept():
    tracemalloc.start()
    made = make_shapes(3_000, 0)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < made.images.numel() + 3_000 * 4 * shapes.ANGLES + 60e6


def test_probabilities_are_whole_steps_that_sum_to_one(dataset):
    probabilities = dataset.test.probabilities.double()
    assert (probabilities.sum(1) == 1).all() and (probabilities > 0).all()
    assert ((probabilities * STEPS) % 1 == 0).all()


def test_probabilities_depend_on_the_form_alone():
    """Not on where the outline is turned to, nor on its size, nor on which side of the mirror it is."""
    outlines = shapes.draw_outlines(shapes.Lots(5, 50)).astype(np.int64)
    expected = probability_steps(outlines) / STEPS
    turned, mirrored = np.roll(outlines, 3 * shapes.ANGLES // 64, 1), outlines[:, -np.arange(shapes.ANGLES)]
    for changed in (turned, mirrored, 2 * outlines):
        assert np.abs(probability_steps(changed) / STEPS - expected).max() < 0.01


def test_probabilities_follow_the_formula():
    """Against distances computed one by one."""
    outline, own = shapes.unit_area(shapes.draw_outlines(shapes.Lots(6, 1)))[0], shapes.unit_area(prototypes())
    squared = [min(((np.roll(outline, turn) - form)**2).mean() for turn in range(64)) for form in own]
    expected = torch.tensor(squared).div(-shapes.TAU).softmax(0)
    found = make_shapes(1, 6).probabilities[0].double()
    assert torch.allclose(found, expected, atol=2 / STEPS)


def test_each_class_is_likeliest_for_its_own_outline():
    assert (probability_steps(prototypes()).argmax(1) == np.arange(10)).all()


def test_the_outline_is_what_is_drawn():
    """Against a plain rule: a pixel belongs to the shape if it lies nearer to the centre than the outline does."""
    own, size = prototypes().astype(np.int16), 7
    down, right = np.mgrid[:32, :32] - 15.5
    angle = np.rint(np.arctan2(right, -down) / (2 * np.pi) * shapes.ANGLES).astype(int) % shapes.ANGLES
    gap = own[:, angle] / shapes.UNIT * size - np.hypot(down, right)     # pixels to the outline, (10, 32, 32)
    drawn = coverage(scene(own, size=size))
    assert (drawn[gap > 0.6] == 16).all() and (drawn[gap < -0.6] == 0).all()
    assert drawn.sum((1, 2)) / 16 == pytest.approx(np.pi * size**2, rel=0.03)           # all cover the same area


def test_a_turned_outline_is_a_turned_picture():
    own = prototypes().astype(np.int16)
    upright, turned = coverage(scene(own)), coverage(scene(own, turn=shapes.ANGLES // 4))
    assert np.abs(turned - np.rot90(upright, -1, (1, 2))).max() <= 1


def test_no_shape_touches_the_edge_of_its_image():
    lots = shapes.Lots(7, 300)
    cover = coverage(shapes.draw_scene(lots, shapes.draw_outlines(lots)))
    assert not np.concatenate([cover[:, [0, -1]].ravel(), cover[:, :, [0, -1]].ravel()]).any()


def test_labels_are_drawn_from_the_probabilities(dataset):
    """Of the (image, class) pairs of probability about p, a share of p carry that label: at every p, in every class."""
    probabilities = dataset.pool.probabilities.double()
    hit = torch.nn.functional.one_hot(dataset.pool.labels, 10).double()
    spread = probabilities * (1 - probabilities)
    edges = torch.tensor([.001, .01, .05, .1, .2, .3, .4, .5, .6, .7, .8, .9, .95, .99], dtype=torch.float64)
    bins = torch.bucketize(probabilities, edges)
    groups = [bins == place for place in range(15)]
    groups += [torch.zeros_like(bins).index_fill_(1, torch.tensor(label), 1).bool() for label in range(10)]
    for group in groups:
        difference = (hit[group] - probabilities[group]).sum()
        assert abs(difference) < 4 * spread[group].sum().sqrt() + 1


def test_best_accuracy_lies_where_there_is_something_to_teach(dataset):
    assert 0.75 < best_accuracy(dataset.test) < 0.90
    right = dataset.pool.probabilities.argmax(1) == dataset.pool.labels
    assert right.double().mean().item() == pytest.approx(best_accuracy(dataset.pool), abs=0.01)
    assert f"{best_accuracy(dataset.test):.1%}" in dataset.notice


def test_best_accuracy_needs_the_truth():
    photo = torch.zeros(1, 3, 32, 32, dtype=torch.uint8)
    unknown = ImageSet(photo, torch.zeros(1, dtype=torch.int64), CLASSES, "my photos")
    with pytest.raises(ValueError, match="my photos"):
        best_accuracy(unknown)


def test_every_class_is_about_as_frequent(dataset):
    share = torch.bincount(dataset.pool.labels, minlength=10) / len(dataset.pool)
    assert share.min() > 0.07 and share.max() < 0.14


def test_classes_are_mistaken_for_several_others_and_the_star_only_resembles_the_flower(dataset):
    pool = dataset.pool
    probabilities = torch.stack([pool.probabilities[pool.labels == label].mean(0) for label in range(10)])
    star, flower = CLASSES.index("star"), CLASSES.index("flower")
    several = (probabilities > 0.002).sum(1) >= 4
    assert [CLASSES[label] for label in range(10) if not several[label]] == ["star", "flower"]
    assert probabilities[flower, star] < 0.01
    stars = pool.probabilities[pool.labels == star]
    assert (stars.topk(2).indices[:, 1] == flower).double().mean() > 0.95


def test_training_and_test_images_differ(dataset):
    seen = {image.tobytes() for image in dataset.pool.images.numpy()}
    assert len(seen) == len(dataset.pool)
    assert not any(image.tobytes() in seen for image in dataset.test.images.numpy())


@pytest.mark.parametrize("count, seed, name", [(0, 0, "count"), (-3, 0, "count"), (5, -1, "seed")])
def test_bad_arguments_are_named(count, seed, name):
    with pytest.raises(ValueError, match=f"{name} must be .*got {min(count, seed)}"):
        make_shapes(count, seed)


def test_the_file_of_forms_is_what_its_corners_and_curves_give():
    spec = importlib.util.spec_from_file_location("forms", ROOT / "benchmarks" / "forms.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert np.abs(module.forms() - prototypes()).max() <= 1  # a sine's last bit may differ between machines
    assert prototypes().shape == (10, 512) and np.abs((prototypes() / 1024.0)**2).mean(1) == pytest.approx(1, abs=2e-3)
