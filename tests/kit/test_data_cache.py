"""Decoded images on the disk: believed only when intact and of this very folder, shared by any number of processes."""
import mmap
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from distill_kit.data import cache, load_dataset, own_images
from distill_kit.files import UNFINISHED

CLASSES = ("moon", "star", "sun")


def write_images(root, seed=0):
    random = np.random.default_rng(seed)
    for part, count in (("train", 10), ("test", 2)):
        for index in range(count * len(CLASSES)):
            name = CLASSES[index % len(CLASSES)]
            (root / part / name).mkdir(parents=True, exist_ok=True)
            pixels = random.integers(0, 256, (8, 8, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(root / part / name / f"{index}_{name}.png")
    return root


def test_images(root):
    """The test images as they lie there, decoded by hand."""
    files = sorted((root / "test").rglob("*.png"), key=lambda path: int(path.name.split("_")[0]))
    return torch.from_numpy(np.stack([np.asarray(Image.open(path)) for path in files])).permute(0, 3, 1, 2)


test_images.__test__ = False


def load(root):
    return load_dataset(root, progress=False)


@pytest.fixture(autouse=True)
def kept(tmp_path, monkeypatch):
    """The cache folder, empty at first. Any warning is an error."""
    monkeypatch.setenv("DISTILL_KIT_CACHE", str(tmp_path / "cache"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield tmp_path / "cache"


@pytest.fixture
def images(tmp_path):
    return write_images(tmp_path / "images")


@pytest.fixture
def decoded(monkeypatch):
    """The folders that were decoded, as they are."""
    roots, decode = [], own_images.decode
    monkeypatch.setattr(own_images, "decode",
                        lambda listing, *rest: roots.append(listing.root) or decode(listing, *rest))
    return roots


def entries(kept):
    return sorted(kept.rglob("*.npz"))


def unfinished(kept):
    return [path for path in kept.rglob("*") if path.name.endswith(UNFINISHED)]


def test_second_load_decodes_nothing_and_gives_the_same(images, kept, decoded):
    first, second = load(images), load(images)
    assert decoded == [images] and len(entries(kept)) == 1
    for part in ("pool", "validation", "test"):
        assert torch.equal(getattr(first, part).images, getattr(second, part).images)
        assert torch.equal(getattr(first, part).labels, getattr(second, part).labels)
    assert torch.equal(second.test.images, test_images(images)) and second.notice == first.notice


def test_large_arrays_lie_in_the_file_and_what_is_written_to_them_stays_in_the_process(tmp_path):
    arrays_made = []

    def make():
        arrays_made.append({"large": np.arange(9_000, dtype=np.uint8).reshape(90, 100),
                            "numbers": np.arange(9_000), "small": np.arange(3)})
        return {name: array.copy() for name, array in arrays_made[0].items()}
    for _ in range(2):  # made, and then found
        arrays = cache.cached(tmp_path, "key", make)
        assert all(np.array_equal(arrays[name], array) for name, array in arrays_made[0].items())
        base = arrays["large"]
        while isinstance(base.base, np.ndarray):
            base = base.base
        assert isinstance(base.base, mmap.mmap) and arrays["numbers"].flags.aligned
        arrays["large"][:] = 0
    assert len(arrays_made) == 1  # what was written would have harmed the file


def test_what_was_loaded_does_not_hang_on_the_file(images, kept):
    load(images)
    dataset = load(images)
    entries(kept)[0].write_bytes(b"")
    shutil.rmtree(kept)
    assert torch.equal(dataset.test.images, test_images(images))
    assert torch.equal(load(images).test.images, test_images(images))


@pytest.mark.parametrize("change", ["pixels", "time", "name", "more", "fewer"])
def test_changed_folder_is_read_anew(images, kept, decoded, change):
    load(images)
    path = images / "test" / "sun" / "2_sun.png"
    if change == "pixels":
        Image.new("RGB", (8, 8), "red").save(path)
    elif change == "time":  # same size, other pixels
        status = path.stat()
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns + 1_000_000))
    elif change == "name":
        path.rename(path.with_name("90_sun.png"))
    elif change == "more":
        shutil.copy(path, path.with_name("91_sun.png"))
    else:
        path.unlink()
    assert torch.equal(load(images).test.images, test_images(images))
    assert len(decoded) == 2 and len(entries(kept)) == 1  # the old entry is gone


def test_another_folder_is_read_anew(images, kept, tmp_path, decoded):
    other = shutil.copytree(images, tmp_path / "other")  # same names, sizes and times
    load(images), load(other), load(images)
    assert decoded == [images, other] and len(entries(kept)) == 2


def test_a_link_to_a_folder_is_that_folder(images, kept, tmp_path, decoded):
    try:
        (tmp_path / "link").symlink_to(images)
    except OSError:
        pytest.skip("no links here")
    load(images), load(tmp_path / "link")
    assert decoded == [images]


@pytest.mark.parametrize("harm", ["empty", "cut", "cut a little", "no such file at all", "one byte",
                                  "every byte in turn"])
def test_harmed_entry_is_made_again(images, kept, decoded, harm):
    load(images)
    path, = entries(kept)
    intact = path.read_bytes()
    size = len(intact)
    places = range(0, size, 101) if harm == "every byte in turn" else [size // 2]
    for place in places:
        harmed = bytearray(intact)
        harmed[place] ^= 0x55
        path.write_bytes({"empty": b"", "cut": intact[: size // 2], "cut a little": intact[:-1],
                          "no such file at all": b"\x93NUMPY"}.get(harm, harmed))
        assert torch.equal(load(images).test.images, test_images(images))
    if harm != "every byte in turn":  # some bytes of a zip file mean nothing
        assert decoded == [images, images]
    decoded.clear()
    load(images)
    assert decoded == []


def test_entry_under_a_wrong_name_is_not_believed(images, kept, tmp_path, decoded):
    other = write_images(tmp_path / "other", seed=1)
    load(images), load(other)
    first, second = entries(kept)
    shutil.copy(first, second), decoded.clear()
    assert torch.equal(load(images).test.images, test_images(images))
    assert torch.equal(load(other).test.images, test_images(other))
    assert len(decoded) == 1


@pytest.mark.parametrize("break_it", ["file in place of the folder", "no write access", "no lock", "full disk"])
def test_no_cache_means_one_warning_and_all_the_images(images, kept, monkeypatch, break_it):
    if break_it == "file in place of the folder":
        kept.touch()
    elif break_it == "no write access":
        monkeypatch.setattr(Path, "mkdir", refuse)
    elif break_it == "no lock":
        monkeypatch.setattr("filelock.FileLock.acquire", refuse)
    else:
        monkeypatch.setattr(np, "savez", refuse)
    with pytest.warns(UserWarning, match="cannot be kept in .*cache.* set DISTILL_KIT_CACHE") as warned:
        dataset = load(images)
    assert len(warned) == 1 and torch.equal(dataset.test.images, test_images(images))
    assert entries(kept) == [] and unfinished(kept) == []


def refuse(*_, **__):
    raise PermissionError(13, "Permission denied")


def test_wrong_image_leaves_no_entry_and_no_lock(images, kept):
    path = images / "test" / "sun" / "2_sun.png"
    whole = path.read_bytes()
    path.write_bytes(whole[:50])
    with pytest.raises(ValueError, match="cannot be read: .*2_sun.png"):
        load(images)
    assert entries(kept) == []
    path.write_bytes(whole)
    assert torch.equal(load(images).test.images, test_images(images))


# many processes

def one_of_many(root, barrier, log):
    decode = own_images.decode

    def slow(*arguments):
        with open(log, "a") as file:
            file.write("decoded\n")
        time.sleep(0.2)
        return decode(*arguments)

    own_images.decode = slow
    barrier.wait(60)
    images = load(root).test.images
    with open(log, "a") as file:
        file.write(f"loaded {images.long().sum()}\n")


def test_ten_processes_at_once_on_an_empty_cache(images, kept, tmp_path):
    method = "forkserver" if "forkserver" in multiprocessing.get_all_start_methods() else "spawn"
    context = multiprocessing.get_context(method)
    if method == "forkserver":
        context.set_forkserver_preload(["distill_kit.data", "PIL.Image", "PIL.PngImagePlugin"])
    barrier = context.Barrier(10)
    processes = [context.Process(target=one_of_many, args=(images, barrier, tmp_path / "log")) for _ in range(10)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == [0] * 10
    lines = (tmp_path / "log").read_text().splitlines()
    assert sorted(lines) == ["decoded"] + [f"loaded {test_images(images).long().sum()}"] * 10
    assert len(entries(kept)) == 1 and unfinished(kept) == []
    with np.load(entries(kept)[0]) as file:
        assert len(file["train_labels"]) == 30


KILLED = """
import os, signal, sys, numpy as np
from distill_kit.data import load_dataset

def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)

def write_half(file, **arrays):
    save(file, **arrays)
    file.truncate(file.tell() // 2)
    file.flush()
    die()

save = np.savez
if sys.argv[2] == "before the rename":
    os.replace = die
else:
    np.savez = write_half
load_dataset(sys.argv[1])
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no SIGKILL on Windows")
@pytest.mark.parametrize("moment", ["half-way", "before the rename"])
def test_killed_while_it_writes(images, kept, decoded, moment):
    result = subprocess.run([sys.executable, "-c", KILLED, str(images), moment], check=False, capture_output=True,
                            text=True, env=os.environ | {"PYTHONPATH": str(Path(__file__).resolve().parents[2])})
    assert result.returncode == -signal.SIGKILL, result.stderr
    assert entries(kept) == [] and len(unfinished(kept)) == 1
    assert torch.equal(load(images).test.images, test_images(images))
    assert decoded == [images]  # nothing that was left was believed,
    assert len(entries(kept)) == 1 and unfinished(kept) == []  # and the next run cleared it away


def test_only_old_remains_of_other_folders_are_cleared(images, kept):
    (kept / "images").mkdir(parents=True)
    old, new = (kept / "images" / f".other-{number}.npz.{number}{UNFINISHED}" for number in (1, 2))
    old.touch(), new.touch()
    os.utime(old, (time.time() - cache.OLD_SECONDS - 60,) * 2)
    load(images)
    assert not old.exists() and new.exists()  # another process may be at it


def test_cache_folder_is_the_users_by_default(monkeypatch):
    import platformdirs
    monkeypatch.delenv("DISTILL_KIT_CACHE")
    assert cache.cache_folder() == platformdirs.user_cache_path("distill_kit", appauthor=False)
