"""Views to the pixel, and a teacher's logits that stay with their image and view."""
import numpy as np
import pytest
import torch
from small import ColourTeacher, LittleNet, PixelTeacher, coloured_images

from distill_course.teacher_training import ALL_VIEWS
from distill_kit.batches import PlainBatches, ViewBatches
from distill_kit.kept_logits import KeptLogits
from distill_kit.optimizers import adamw
from distill_kit.schedules import constant
from distill_kit.teachers import CPU_BLOCK, Teacher
from distill_kit.training import train
from distill_kit.views import PLAIN, VIEWS, ViewBank

pytestmark = pytest.mark.usefixtures("global_random_state_untouched")
IMAGES = coloured_images(40)


def every(count, views):
    """All pairs of image and view."""
    rows, numbers = torch.meshgrid(torch.arange(count), torch.arange(views), indexing="ij")
    return rows.flatten(), numbers.flatten()


def seen(image, view):
    """A view of one uint8 image [3, H, W], in numpy: flip, mirror the edges outwards, cut out."""
    flip, dy, dx = view
    image = np.asarray(image)[:, :, ::-1] if flip else np.asarray(image)
    padded = np.pad(image, ((0, 0), (4, 4), (4, 4)), mode="reflect")
    height, width = image.shape[1:]
    return padded[:, 4 + dy:4 + dy + height, 4 + dx:4 + dx + width].astype(np.float32) / np.float32(255)


@pytest.mark.parametrize("views", [VIEWS, PLAIN, ALL_VIEWS])
@pytest.mark.parametrize("height, width", [(16, 16), (7, 12)])
def test_views_are_exact_to_the_pixel(views, height, width):
    pixels = torch.randint(256, (5, 3, height, width), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    rows, numbers = every(5, len(views))
    taken = ViewBank(pixels, views).take(rows, numbers)
    expected = np.stack([seen(pixels[row], views[number]) for row, number in zip(rows, numbers)])
    assert taken.dtype == torch.float32 and np.array_equal(taken.numpy(), expected)


def test_views_are_those_of_torchvision():
    functional = pytest.importorskip("torchvision.transforms.functional")
    bank = ViewBank(IMAGES.images)
    for number, (flip, dy, dx) in enumerate(VIEWS):
        image = functional.hflip(IMAGES.images[3]) if flip else IMAGES.images[3]
        image = functional.crop(functional.pad(image, [2], padding_mode="reflect"), 2 + dy, 2 + dx, 16, 16)
        assert torch.equal(bank.take(torch.tensor([3]), torch.tensor([number]))[0], image / 255)


def test_there_are_four_views_and_the_first_is_the_image_itself():
    assert len(set(VIEWS)) == 4 and VIEWS[0] == PLAIN[0] == (False, 0, 0)
    assert len(set(ALL_VIEWS)) == 2 * 9 * 9


def test_images_come_channels_last():
    taken = ViewBank(IMAGES.images).take(torch.arange(4), torch.arange(4))
    assert taken.is_contiguous(memory_format=torch.channels_last)


# Kept logits

class Counting(Teacher):
    """Keeps every image that it was asked about, without the filling of short blocks."""

    def __init__(self, module):
        super().__init__(module)
        self.blocks = []

    def __call__(self, images):
        self.blocks.append(images)
        return super().__call__(images)


def kept(module=None, images=IMAGES):
    return KeptLogits(Counting(PixelTeacher() if module is None else module), ViewBank(images.images), len(images))


def test_kept_logits_are_what_the_teacher_says_of_that_view():
    logits = kept()
    rows, views = every(len(IMAGES), len(VIEWS))
    order = torch.randperm(len(rows), generator=torch.Generator().manual_seed(1))
    for part in order.split(17):
        logits.take(rows[part], views[part])
    expected = np.stack([seen(IMAGES.images[row], VIEWS[view]) for row, view in zip(rows, views)])
    expected = PixelTeacher()(torch.from_numpy(expected)).half()
    assert torch.equal(logits.take(rows, views), expected)


def test_kept_logits_do_not_depend_on_order_or_company():
    teacher = LittleNet(seed=7, width=24, classes=10)
    rows, views = every(len(IMAGES), len(VIEWS))
    at_once = kept(teacher).take(rows, views)
    for seed in range(3):
        bit_by_bit, generator = kept(teacher), torch.Generator().manual_seed(seed)
        for part in torch.randperm(len(rows), generator=generator).split(7 + 23 * seed):
            bit_by_bit.take(rows[part], views[part])
        assert torch.equal(at_once, bit_by_bit.take(rows, views))


def test_kept_logits_equal_fresh_ones():
    teacher = Teacher(LittleNet(seed=7))
    bank = ViewBank(IMAGES.images)
    logits = KeptLogits(teacher, bank, len(IMAGES))
    rows, views = torch.arange(40), torch.arange(40) % len(VIEWS)
    fresh = teacher(bank.take(torch.cat([rows, rows[-1:].expand(24)]), torch.cat([views, views[-1:].expand(24)])))[:40]
    assert torch.equal(logits.take(rows, views), fresh) and torch.equal(logits.take(rows, views), fresh)


def test_the_teacher_is_asked_once_for_each_image_and_view():
    logits = kept()
    rows, views = torch.arange(30), torch.zeros(30, dtype=torch.int64)
    logits.take(rows, views)
    logits.take(rows.flip(0)[:20], views[:20])
    assert len(logits.teacher.blocks) == 1
    logits.take(torch.arange(25, 40), views[:15])  # ten of these are new
    images = torch.cat(logits.teacher.blocks)
    assert len(logits.teacher.blocks) == 2 and images[:64].unique(dim=0).shape[0] == 30
    assert images[64:].unique(dim=0).shape[0] == 10
    logits.take(rows, views + 1)
    assert len(logits.teacher.blocks) == 3


def test_the_teacher_is_always_asked_in_blocks_of_one_size():
    logits = kept()
    logits.take(*(part[:200] for part in every(40, len(VIEWS))))
    logits.take(torch.tensor([39]), torch.tensor([3]))
    assert {len(block) for block in logits.teacher.blocks} == {CPU_BLOCK}


def test_the_teachers_time_is_counted():
    logits = kept()
    assert logits.seconds == 0
    logits.take(torch.arange(3), torch.arange(3))
    spent = logits.seconds
    logits.take(torch.arange(3), torch.arange(3))
    assert logits.seconds == spent > 0


# Batches

def batches_of(images=IMAGES, size=8, seed=0, module=None, bank=None, **options):
    bank = bank or ViewBank(images.images)
    logits = KeptLogits(Teacher(module or PixelTeacher()), bank, len(images))
    return ViewBatches(bank, images.labels, size, seed, logits, **options)


def which(batch_images, images=IMAGES):
    """The number of the image and of the view that each image of a batch is."""
    rows, views = every(len(images), len(VIEWS))
    table = ViewBank(images.images).take(rows, views)
    places = [int((table == image).flatten(1).all(1).nonzero()[0]) for image in batch_images]
    return rows[places], views[places]


def test_teacher_and_labels_are_those_of_the_image_and_view_that_the_student_sees():
    batches = batches_of()
    for _ in range(6):  # all four views, and then from memory
        for images, labels, logits in batches:
            assert torch.equal(logits, PixelTeacher()(images).half())
            assert torch.equal(labels, IMAGES.labels[which(images)[0]])


def test_each_image_comes_once_a_pass_and_its_views_take_turns():
    batches, history = batches_of(), torch.full((40, 4), -1)
    for epoch in range(4):
        rows, views = which(torch.cat([batch.images for batch in batches]))
        assert rows.sort().values.tolist() == list(range(40))
        history[rows, epoch] = views
    assert torch.equal(history, (history[:, :1] + torch.arange(4)) % 4)
    assert len(history[:, 0].unique()) == 4  # they do not all start with the same


def test_order_changes_from_epoch_to_epoch():
    batches = batches_of()
    first, second = ([batch.labels.tolist() for batch in batches] for _ in range(2))
    assert first != second


def test_a_ragged_last_batch_is_dropped():
    assert [len(batch.images) for batch in batches_of(size=12)] == [12, 12, 12]


def test_a_batch_is_at_most_all_images():
    assert [len(batch.images) for batch in batches_of(size=100)] == [40]


def test_more_steps_go_through_fewer_images_again():
    batches = batches_of(steps=9)
    rows, _ = which(torch.cat([batch.images for batch in batches]))
    assert len(batches) == 9 and rows.bincount(minlength=40).tolist().count(2) == 32  # 72 images: one pass and 32 more
    assert rows[:40].unique().numel() == 40
    rest, _ = which(torch.cat([batch.images for batch in batches])[:8])
    assert torch.cat([rows[40:], rest]).unique().numel() == 40  # the next epoch goes on where this one stopped


def test_rows_choose_the_images():
    chosen = torch.tensor([3, 5, 8, 13, 21, 34])
    batches = batches_of(size=3, steps=6, rows=chosen)
    rows, _ = which(torch.cat([batch.images for batch in batches]))
    assert rows.bincount(minlength=40)[chosen].tolist() == [3] * 6 and len(rows) == 18


def test_same_seed_same_batches_and_another_seed_others():
    bank = ViewBank(IMAGES.images)

    def images(seed):
        return torch.cat([batch.images for batch in batches_of(bank=bank, seed=seed)])
    assert torch.equal(images(1), images(1)) and not torch.equal(images(1), images(2))


def test_without_a_teacher_the_batches_are_the_same():
    bank = ViewBank(IMAGES.images)
    for one, other in zip(batches_of(bank=bank), ViewBatches(bank, IMAGES.labels, 8, 0)):
        assert torch.equal(one.images, other.images) and torch.equal(one.labels, other.labels)
        assert other.teacher_logits is None


def test_plain_batches_are_all_images_in_order_and_as_they_are():
    bank = ViewBank(IMAGES.images, PLAIN)
    batches = PlainBatches(bank, IMAGES.labels, KeptLogits(Teacher(PixelTeacher()), bank, 40), batch_size=16)
    parts = list(batches)
    assert len(parts) == 3
    assert torch.equal(torch.cat([batch.images for batch in parts]), IMAGES.images / 255)
    assert torch.equal(torch.cat([batch.labels for batch in parts]), IMAGES.labels)
    assert all(torch.equal(batch.teacher_logits, PixelTeacher()(batch.images).half()) for batch in parts)


class Scrambled:
    """Logits of another image: the bug that a shuffled loader and logits kept by position make together."""

    def __init__(self, logits, count):
        self.logits = logits
        self.other = torch.randperm(count, generator=torch.Generator().manual_seed(0))

    def take(self, rows, views):
        return self.logits.take(self.other[rows], views)


@pytest.mark.parametrize("scrambled", [False, True])
def test_a_student_of_a_scrambled_teacher_learns_nothing(scrambled):
    images = coloured_images(160)
    bank = ViewBank(images.images)
    logits = KeptLogits(Teacher(ColourTeacher()), bank, 160)
    if scrambled:
        logits = Scrambled(logits, 160)
    student = LittleNet()
    test = coloured_images(100, seed=9)
    plain = PlainBatches(ViewBank(test.images, PLAIN), test.labels)
    batches = ViewBatches(bank, images.labels, 16, 0, logits)
    rows = list(train(student, batches, plain, epochs=5, optimizer=adamw(student),
                      learning_rate=constant(2e-2), temperature=constant(2.0), alpha=constant(0.0)))
    assert rows[-1]["val_accuracy"] < 0.6 if scrambled else rows[-1]["val_accuracy"] > 0.8


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_views_and_kept_logits_on_cuda_are_those_of_the_cpu():
    rows, views = every(40, len(VIEWS))
    bank = ViewBank(IMAGES.images, device="cuda")
    taken = bank.take(rows, views)
    # a GPU multiplies by 1 / 255 where a CPU divides: the last bit may differ
    assert taken.is_cuda
    torch.testing.assert_close(taken.cpu(), ViewBank(IMAGES.images).take(rows, views), rtol=3e-7, atol=0)
    logits = KeptLogits(Teacher(PixelTeacher(), "cuda"), bank, 40).take(rows, views)
    assert logits.is_cuda
    torch.testing.assert_close(logits.cpu(), kept().take(rows, views), rtol=2e-3, atol=2e-3)  # float16's last bits
