"""From one set of images to another: splits, subsets, false labels, few labels, a class left out."""
import pytest
import torch

from distill_kit.data import NO_LABEL, ImageSet, class_number, keep_labels, leave_out, split, subset, with_label_noise
from distill_kit.data.imageset import set_aside

CLASSES = ("ant", "bee", "cow", "dog", "elk")


def numbered(count, classes=CLASSES, probabilities=False):
    """Images that carry their own number in their first four pixels."""
    images = torch.zeros(count, 3, 4, 4, dtype=torch.uint8)
    for place in range(3):
        images[:, 0, 0, place] = torch.arange(count).div(256 ** place, rounding_mode="floor") % 256
    labels = torch.randint(len(classes), (count,), generator=torch.Generator().manual_seed(count))
    known = torch.eye(len(classes))[labels] if probabilities else None
    return ImageSet(images, labels, classes, "numbered", known)


def numbers(images):
    return sum(images.images[:, 0, 0, place].long() * 256 ** place for place in range(3))


@pytest.fixture(autouse=True)
def global_random_state_untouched():
    before = torch.random.get_rng_state()
    yield
    assert torch.equal(before, torch.random.get_rng_state())


@pytest.fixture
def images():
    """A set that must be the same after the test."""
    made = numbered(3000, probabilities=True)
    yield made
    again = numbered(3000, probabilities=True)
    assert torch.equal(made.images, again.images) and torch.equal(made.labels, again.labels)
    assert torch.equal(made.probabilities, again.probabilities)


def test_split_is_disjoint_whole_and_the_same_share_of_each_class(images):
    dataset = split("numbered", images, images[:10])
    pool, validation = numbers(dataset.pool), numbers(dataset.validation)
    assert torch.equal(torch.cat([pool, validation]).sort().values, torch.arange(3000))
    counts = images.labels.bincount()
    assert torch.equal(dataset.validation.labels.bincount(), (counts + 5) // 10)
    assert torch.equal(dataset.pool.labels, images.labels[pool])
    assert torch.equal(dataset.validation.labels, images.labels[validation])
    assert torch.equal(dataset.validation.probabilities, images.probabilities[validation])


def test_split_is_stable(images):
    # Fixed for good: a teacher that ships has not seen these validation images.
    assert numbers(split("", images, images).validation)[:8].tolist() == [44, 1272, 111, 2484, 2371, 1049, 1321, 2173]
    assert numbers(split("another name", images, images[:5]).validation)[:3].tolist() == [44, 1272, 111]


def test_the_first_validation_images_are_a_fair_sample(images):
    shares = split("", images, images).validation.labels[:150].bincount(minlength=5) / 150
    assert (shares - 0.2).abs().max() < 0.1


def test_subset_is_drawn_without_replacement_and_nested(images):
    few, more = numbers(subset(images, 100)), numbers(subset(images, 500))
    assert torch.equal(few, more[:100]) and len(more.unique()) == 500
    assert torch.equal(few, numbers(subset(images, 100))) and not torch.equal(few, numbers(subset(images, 100, seed=1)))
    assert torch.equal(subset(images, 100).labels, images.labels[few])


@pytest.mark.parametrize("count", [0, -1, 3001])
def test_subset_of_more_than_there_are(images, count):
    with pytest.raises(ValueError, match=f"count must be 1 or more; got {count}. It is a whole number up to 3,000"):
        subset(images, count)


@pytest.mark.parametrize("share", [0.0, 0.4, 1.0])
def test_label_noise_is_even_over_the_classes(share):
    images = numbered(40_000)
    noisy = with_label_noise(images, share, seed=3)
    changed = noisy.labels != images.labels
    assert abs(changed.double().mean() - share * 4 / 5) < 0.01  # one in five is drawn right
    if share:
        drawn = noisy.labels[changed].bincount(minlength=5) / changed.sum()
        assert (drawn - 0.2).abs().max() < 0.02
    assert torch.equal(noisy.labels, with_label_noise(images, share, seed=3).labels)
    assert noisy.images is images.images


def test_label_noise_gives_no_label_to_an_image_without(images):
    few = keep_labels(images, 100)
    assert torch.equal(with_label_noise(few, 1.0).labels == NO_LABEL, few.labels == NO_LABEL)


@pytest.mark.parametrize("share", [-0.1, 1.1, float("nan")])
def test_label_noise_is_a_share(images, share):
    with pytest.raises(ValueError, match=f"must be 0 to 1; got {share}"):
        with_label_noise(images, share)


def test_keep_labels_keeps_the_images(images):
    few, more = keep_labels(images, 100), keep_labels(images, 500)
    assert (few.labels != NO_LABEL).sum() == 100 and len(few) == 3000
    assert torch.equal(few.labels[few.labels != NO_LABEL], images.labels[few.labels != NO_LABEL])
    assert (more.labels != NO_LABEL)[few.labels != NO_LABEL].all()
    assert (keep_labels(images, 0).labels == NO_LABEL).all()
    with pytest.raises(ValueError, match="labelled must be 0 or more; got 3001. It is a whole number up to 3,000"):
        keep_labels(images, 3001)


def test_leave_out_takes_one_class(images):
    left = leave_out(images, "cow")
    assert torch.equal(numbers(left), (images.labels != 2).nonzero().squeeze(1))
    assert left.classes == CLASSES  # numbers and names stay


def test_class_that_does_not_exist_gives_the_near_ones(images):
    with pytest.raises(ValueError, match="no class named 'cw'; did you mean 'cow'.* ant, bee, cow, dog, elk"):
        leave_out(images, "cw")
    assert class_number(CLASSES, "elk") == 4


@pytest.mark.parametrize("pick", [slice(3, 7), torch.tensor([6, 2, 2]), torch.arange(3000) % 7 == 0])
def test_rows(images, pick):
    rows = images[pick]
    assert torch.equal(rows.images, images.images[pick]) and torch.equal(rows.labels, images.labels[pick])
    assert torch.equal(rows.probabilities, images.probabilities[pick])


@pytest.mark.parametrize("pixels, labels, says", [
    (torch.zeros(2, 3, 4, 4), [0, 1], "images must be uint8"),
    (torch.zeros(2, 1, 4, 4, dtype=torch.uint8), [0, 1], r"images must be uint8 .* got torch.uint8 \[2, 1, 4, 4\]"),
    (torch.zeros(2, 3, 4, 4, dtype=torch.uint8), [0], r"one per image, \[2\]; got \[1\]"),
    (torch.zeros(2, 3, 4, 4, dtype=torch.uint8), [0, 5], "labels must be -100 or 0 to 4; got 0 to 5"),
    (torch.zeros(2, 3, 4, 4, dtype=torch.uint8), [-1, 1], "labels must be -100 or 0 to 4; got -1 to 1")])
def test_image_set_refuses(pixels, labels, says):
    with pytest.raises(ValueError, match=says):
        ImageSet(pixels, torch.tensor(labels), CLASSES, "")


@pytest.mark.parametrize("counts", [(6, 6), (6, 2), (6, 0)])
def test_images_of_a_class_are_counted_and_those_without_a_label_left_out(counts):
    labels = torch.tensor([0] * counts[0] + [1] * counts[1] + [NO_LABEL] * 9)
    images = ImageSet(torch.zeros(len(labels), 3, 4, 4, dtype=torch.uint8), labels, ("ant", "bee"), "")
    assert images.class_counts() == list(counts)


def test_case_13_a_class_keeps_an_image_to_train_on_and_gives_one_if_it_has_two():
    labels = torch.tensor([0] + [1] * 2 + [2] * 4 + [3] * 30)
    images = ImageSet(torch.zeros(len(labels), 3, 4, 4, dtype=torch.uint8), labels, CLASSES, "")
    dataset = split("", images, images)
    assert dataset.validation.class_counts() == [0, 1, 1, 3, 0] and dataset.pool.class_counts() == [1, 1, 3, 27, 0]


@pytest.mark.parametrize("share, left, counts", [(0.5, 1, [0, 1, 3, 0, 0]), (0.99, 2, [0, 0, 3, 0, 0])])
def test_a_share_leaves_as_many_as_it_is_asked_to(share, left, counts):
    labels = torch.tensor([0] + [1] * 2 + [2] * 5)
    images = ImageSet(torch.zeros(len(labels), 3, 4, 4, dtype=torch.uint8), labels, CLASSES, "")
    assert set_aside(images, share, left)[1].class_counts() == counts
