"""Logits on the disk: of the right teacher, image and view or not at all; shared by any number of processes."""
import multiprocessing
import os
import signal
import subprocess
import sys
import time
import warnings
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from small import ColourTeacher, coloured_images

from distill_kit.data import leave_out, subset, with_label_noise
from distill_kit.files import UNFINISHED
from distill_kit.kept_logits import KeptLogits, LogitStore, addresses
from distill_kit.models import Architecture, make_model
from distill_kit.teachers import Teacher
from distill_kit.views import VIEWS, ViewBank

IMAGES = coloured_images(90)
MANY_FILES = 25
ARCHITECTURE = Architecture(widths=(8,), num_classes=4, image_size=16)


class Counting(Teacher):
    """A teacher that counts the images it was shown."""
    asked = 0

    def __call__(self, images):
        self.asked += len(images)
        return super().__call__(images)


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("DISTILL_KIT_CACHE", str(tmp_path))
    return tmp_path


def teacher(seed=0, **options):
    return Counting(make_model(ARCHITECTURE, IMAGES.images, seed), **options)


def every_view(frozen, images=IMAGES, on_disk=True):
    """All logits of all images, float16 [N, V, C], and what is on the disk afterwards."""
    bank = ViewBank(images.images)
    logits = KeptLogits(frozen, bank, len(images), images.images if on_disk else None)
    rows, views = torch.arange(len(images)).repeat(len(VIEWS)), torch.arange(len(VIEWS)).repeat_interleave(len(images))
    values = logits.take(rows, views)
    logits.save()
    return values.view(len(VIEWS), len(images), -1).transpose(0, 1)


def files(cache):
    return sorted(cache.glob("logits/*/*"))


def test_a_second_run_does_not_ask_the_teacher_and_sees_the_same():
    first, second = teacher(), teacher()
    made = every_view(first)
    assert first.asked >= 90 * len(VIEWS) and torch.equal(every_view(second), made) and second.asked == 0
    assert torch.equal(every_view(teacher(), on_disk=False), made)


@pytest.mark.parametrize("change", [
    lambda images: images[torch.randperm(90, generator=torch.Generator().manual_seed(1))],
    lambda images: subset(images, 40, seed=2),
    lambda images: with_label_noise(images, 0.5, seed=3),
    lambda images: leave_out(images, "green")])
def test_whatever_is_done_to_the_images_each_keeps_its_logits(change):
    every_view(teacher())
    warm = teacher()
    changed = change(IMAGES)
    assert torch.equal(every_view(warm, changed), every_view(teacher(), changed, on_disk=False)) and warm.asked == 0


def test_only_what_is_missing_is_asked_for():
    every_view(teacher(), IMAGES[:64])
    more = teacher()
    assert torch.equal(every_view(more), every_view(teacher(), on_disk=False))
    assert more.asked < 64 * len(VIEWS)


def test_an_image_that_changed_by_one_step_of_grey_is_another():
    every_view(teacher())
    pixels = IMAGES.images.clone()
    pixels[5, 0, 0, 0] ^= 1
    warm = teacher()
    every_view(warm, replace(IMAGES, images=pixels))
    assert 0 < warm.asked <= 64 and (addresses(pixels) != addresses(IMAGES.images)).nonzero()[0].tolist() == [5]


@pytest.mark.parametrize("other", [{"seed": 1}, {"precision": "bfloat16"}])
def test_another_teacher_or_precision_has_another_store(other):
    made = every_view(teacher())
    changed = teacher(**other)
    assert not torch.equal(every_view(changed), made) and changed.asked >= 90 * len(VIEWS)


def test_a_weight_that_changed_means_another_store():
    every_view(teacher())
    changed = teacher()
    with torch.no_grad():
        changed.module.head.bias[0] += 1
    assert LogitStore.of(changed, VIEWS).key != LogitStore.of(teacher(), VIEWS).key
    assert LogitStore.of(teacher(), VIEWS[:2]).key != LogitStore.of(teacher(), VIEWS).key


def test_a_module_of_another_kind_is_asked_anew(cache):
    hooked = teacher()
    hooked.module.register_forward_hook(lambda module, inputs, output: 2 * output)
    for frozen in (Teacher(ColourTeacher()), hooked):
        every_view(frozen)
    assert files(cache) == []


@pytest.mark.parametrize("damage", [lambda content: content[: len(content) // 2], lambda content: b"",
                                    lambda content: content[:400] + bytes([content[400] ^ 1]) + content[401:],
                                    lambda content: content[:-900] + bytes(100) + content[-800:]])
def test_a_damaged_file_is_removed_and_made_again(cache, damage):
    made = every_view(teacher())
    damaged, = files(cache)
    damaged.write_bytes(damage(damaged.read_bytes()))
    again = teacher()
    assert torch.equal(every_view(again), made) and again.asked >= 90 * len(VIEWS)
    assert not damaged.exists() and len(files(cache)) == 1


def test_a_file_of_another_store_is_not_believed(cache):
    every_view(teacher(1))
    other, = files(cache)
    made = every_view(teacher(), on_disk=False)
    place = LogitStore.of(teacher(), VIEWS).folder
    place.mkdir(parents=True)
    (place / "1-a.npz").write_bytes(other.read_bytes())
    assert torch.equal(every_view(teacher()), made)


def test_many_files_are_read_as_one(cache):
    store = LogitStore.of(teacher(), VIEWS)
    made, address = every_view(teacher(), on_disk=False), addresses(IMAGES.images)
    for image in range(MANY_FILES):
        store.add(address[[image]], np.array([image % len(VIEWS)]), made[[image], [image % len(VIEWS)]].numpy())
    known, values = store.read(address)
    assert len(files(cache)) == known.sum() == MANY_FILES and torch.equal(values[known], made[known])


def fill(seed):
    torch.set_num_threads(1)
    return every_view(teacher(seed)).float().sum().item()


def test_six_processes_that_fill_a_store_at_once_agree():
    with ProcessPoolExecutor(6, multiprocessing.get_context("spawn")) as pool:  # one that dies is an error, not a wait
        sums = list(pool.map(fill, [0] * 6))
    warm = teacher()
    assert len(set(sums)) == 1 and every_view(warm).float().sum().item() == sums[0] and warm.asked == 0


@pytest.mark.skipif(os.name == "nt", reason="no SIGKILL there")
def test_a_process_killed_while_it_writes_leaves_nothing_that_is_trusted(cache, tmp_path):
    code = """
import os, sys
sys.path.insert(0, "tests/kit"), sys.path.insert(0, "tests")
import test_kept_logits as t
def stop(*arguments):
    print("writing", flush=True)
    import time; time.sleep(60)
os.fsync = stop
t.every_view(t.teacher())
"""
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True,
                               cwd=Path(__file__).resolve().parents[2])
    assert process.stdout.readline() == "writing\n"
    process.send_signal(signal.SIGKILL)
    process.wait()
    left, = files(cache)
    assert left.name.endswith(UNFINISHED)
    later = teacher()
    assert torch.equal(every_view(later), every_view(teacher(), on_disk=False)) and later.asked >= 90 * len(VIEWS)


def test_a_full_disk_costs_a_warning_and_nothing_else(monkeypatch, cache):
    def full(*arguments):
        raise OSError(28, "No space left on device")
    monkeypatch.setattr("distill_kit.kept_logits.write_arrays", full)
    frozen, bank = teacher(), ViewBank(IMAGES.images)
    logits = KeptLogits(frozen, bank, len(IMAGES), IMAGES.images)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for view in range(3):
            logits.take(torch.arange(90), torch.full((90,), view))
            logits.save()
    warning, = {str(warned.message) for warned in caught}  # of which Python shows the first, where it is told nothing
    assert "the run goes on" in warning and "No space left" in warning
    assert frozen.asked >= 270


def test_leftovers_of_the_killed_are_removed_in_the_end(cache):
    every_view(teacher())
    folder = LogitStore.of(teacher(), VIEWS).folder
    old, young = folder / f".1-a.npz.0{UNFINISHED}", folder / f".1-b.npz.1{UNFINISHED}"
    old.write_bytes(b"cut"), young.write_bytes(b"being written")
    os.utime(old, (time.time() - 7200,) * 2)
    every_view(teacher())
    assert not old.exists() and young.exists()
