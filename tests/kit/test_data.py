"""load_dataset: what is found, in which order, and what is said about it."""
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from distill_kit.data import CIFAR10_CLASSES, Dataset, ImageSet, find_cifar10, load_dataset, split


def write_images(root, classes=CIFAR10_CLASSES, train=10, test=2, size=(32, 32), ending="png", indexed=True):
    """A tiny image folder; the pixels of every image, by (part, index). Indices run over the classes in turn."""
    random, pixels = np.random.default_rng(0), {}
    for part, count in (("train", train), ("test", test)):
        for index in range(count * len(classes)):
            name = classes[index * 7 % len(classes)]  # so that the official order is not that of the classes
            folder = root / part / name
            folder.mkdir(parents=True, exist_ok=True)
            pixels[part, index] = random.integers(0, 256, (*size, 3), dtype=np.uint8)
            Image.fromarray(pixels[part, index]).save(folder / (f"{index}_{name}.{ending}" if indexed
                                                                else f"{chr(97 + index % 26)}{index}.{ending}"))
    return pixels


def as_tensor(images):
    return torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2)


def together(dataset):
    """Every training image, as bytes with its label, in no order."""
    return sorted((image.numpy().tobytes(), int(label)) for part in (dataset.pool, dataset.validation)
                  for image, label in zip(part.images, part.labels))


@pytest.fixture(autouse=True)
def own_folders(tmp_path, monkeypatch):
    monkeypatch.setenv("DISTILL_KIT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("DISTILL_KIT_DATA", str(tmp_path / "data"))
    monkeypatch.delenv("DISTILL_KIT_CIFAR10_URL", raising=False)


@pytest.fixture
def shapes(monkeypatch):
    """A stand-in for Shapes-10."""
    few = ImageSet(torch.zeros(50, 3, 32, 32, dtype=torch.uint8), torch.arange(50) % 10, tuple("abcdefghij"), "shapes")
    made = split("shapes10", few, few, "drawn")
    monkeypatch.setattr("distill_kit.data.load_shapes10", lambda: made)
    return made


# CIFAR-10 as an image folder

def test_index_in_the_name_restores_the_official_order(tmp_path):
    pixels = write_images(tmp_path / "data" / "cifar10")
    dataset = load_dataset("cifar10", progress=False)
    assert dataset.name == "cifar10" and dataset.test.classes == CIFAR10_CLASSES
    assert torch.equal(dataset.test.images, as_tensor([pixels["test", index] for index in range(20)]))
    assert dataset.test.labels.tolist() == [index * 7 % 10 for index in range(20)]
    training = as_tensor([pixels["train", index] for index in range(100)])
    in_order = split("", ImageSet(training, torch.arange(100) * 7 % 10, CIFAR10_CLASSES, ""), dataset.test)
    assert torch.equal(dataset.pool.images, in_order.pool.images)
    assert torch.equal(dataset.validation.images, in_order.validation.images)


def test_tensors_are_bytes_and_whole_numbers(tmp_path):
    write_images(tmp_path / "data" / "cifar10")
    dataset = load_dataset(progress=False)
    assert isinstance(dataset, Dataset)
    assert dataset.pool.images.dtype == torch.uint8 and list(dataset.pool.images.shape) == [90, 3, 32, 32]
    assert dataset.pool.labels.dtype == torch.int64 and len(dataset.validation) == 10


def test_jpeg_is_decoded_as_pillow_does(tmp_path):
    write_images(tmp_path / "data" / "cifar10", ending="jpg")
    dataset = load_dataset(progress=False)
    files = (tmp_path / "data" / "cifar10" / "test").rglob("*.jpg")
    files = sorted(files, key=lambda path: int(path.name.split("_")[0]))
    assert torch.equal(dataset.test.images, as_tensor([np.asarray(Image.open(path).convert("RGB")) for path in files]))
    assert "JPEG" in dataset.notice and "JPEG" in dataset.pool.source


def test_fewer_images_are_accepted_and_said(tmp_path):
    write_images(tmp_path / "data" / "cifar10")
    notice = load_dataset("auto", progress=False).notice
    assert "100 training and 20 test images" in notice and "fewer than the official 50,000 and 10,000" in notice


def test_the_data_folder_may_be_cifar10_itself(tmp_path, monkeypatch):
    write_images(tmp_path / "data" / "cifar10")
    monkeypatch.setenv("DISTILL_KIT_DATA", str(tmp_path / "data" / "cifar10"))
    assert load_dataset("cifar10", progress=False).name == "cifar10"


def test_data_beside_the_working_directory(tmp_path, monkeypatch):
    write_images(tmp_path / "data" / "cifar10")
    monkeypatch.delenv("DISTILL_KIT_DATA")
    monkeypatch.chdir(tmp_path)
    assert find_cifar10()[0].path == tmp_path / "data" / "cifar10"


def test_a_folder_named_cifar10_needs_its_classes(tmp_path):
    write_images(tmp_path / "data" / "cifar10", classes=("cat", "dog"))
    with pytest.raises(ValueError, match="ten class folders of CIFAR-10 .*; missing or unknown: airplane"):
        load_dataset("auto", progress=False)


def test_an_image_of_cifar10_has_32_pixels(tmp_path):
    write_images(tmp_path / "data" / "cifar10", size=(24, 24))
    with pytest.raises(ValueError, match="cifar10 must hold images of 32 x 32 pixels, .* got sides of 24 to 24"):
        load_dataset("cifar10", progress=False)


def test_cifar10_needs_its_test_images_and_keeps_its_own_validation_images(tmp_path):
    root = tmp_path / "data" / "cifar10"
    write_images(root)
    before = load_dataset("cifar10", progress=False)
    shutil.copytree(root / "test", root / "val")
    after = load_dataset("cifar10", progress=False)
    assert torch.equal(before.validation.images, after.validation.images) and len(after.pool) == 90
    shutil.rmtree(root / "test")
    with pytest.raises(ValueError, match="in train/ and test/; missing or unknown: test"):
        load_dataset("cifar10", progress=False)


@pytest.mark.parametrize("asked", [{"size": 32}, {"validation_share": 0.1}, {"test_share": 0.2}])
def test_what_is_for_folders_is_refused_with_a_data_set_that_is_fixed(tmp_path, shapes, asked):
    write_images(tmp_path / "data" / "cifar10")
    name, value = next(iter(asked.items()))
    for data in ("auto", "cifar10", "shapes10", tmp_path / "data"):
        with pytest.raises(ValueError, match=f"{name} is for folders of your own images; leave it out with .* {value}"):
            load_dataset(data, **asked)


# nothing at hand

def test_a_data_folder_that_is_not_there_is_said(tmp_path, shapes, monkeypatch):
    nowhere = tmp_path / "nowhere"
    monkeypatch.setenv("DISTILL_KIT_DATA", str(nowhere))
    assert f"{shapes.notice} No CIFAR-10 in the folder {nowhere}, which is not there." in load_dataset("auto").notice


def test_auto_takes_shapes10_and_says_how_to_get_cifar10(tmp_path, shapes):
    (tmp_path / "data").mkdir()
    dataset = load_dataset("auto")
    assert dataset.name == "shapes10" and dataset.pool is shapes.pool
    assert str(tmp_path / "data") in dataset.notice and "python -m distill_kit data --download" in dataset.notice
    assert dataset.notice.startswith(shapes.notice) and "DISTILL_KIT_DATA" in dataset.notice


def test_shapes10_by_name(shapes):
    assert load_dataset("shapes10") is shapes


def test_cifar10_missing_names_the_place_and_the_way(tmp_path):
    with pytest.raises(FileNotFoundError, match="(?s)No CIFAR-10 in .*data.* python -m distill_kit data --download"):
        load_dataset("cifar10")
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("name, near", [("cifar-10", "'cifar10'"), ("CIFAR10", "'cifar10'"), ("shapes", "'shapes10'")])
def test_unknown_name_gives_the_near_ones(name, near):
    with pytest.raises(FileNotFoundError, match=f"no data set and no folder named '{name}'; did you mean {near}"):
        load_dataset(name)


def test_unknown_folder_gives_the_near_ones(tmp_path):
    (tmp_path / "flowers").mkdir()
    with pytest.raises(FileNotFoundError, match="did you mean .*flowers'"):
        load_dataset(tmp_path / "flower")


@pytest.mark.parametrize("wrong", [None, 10, "", " "])
def test_what_is_no_name(wrong):
    with pytest.raises(ValueError, match="data must be one of auto, cifar10, shapes10 or a folder; got"):
        load_dataset(wrong)


def test_a_file_is_no_folder(tmp_path):
    (tmp_path / "images.zip").touch()
    with pytest.raises(ValueError, match="data must be a folder .*images.zip is a file"):
        load_dataset(tmp_path / "images.zip")


# what is quick shows no bar; what is imported is light

def test_no_bar_for_what_takes_less_than_a_second(tmp_path, capfd):
    write_images(tmp_path / "data" / "cifar10")
    load_dataset("cifar10")
    assert capfd.readouterr() == ("", "")


def test_import_is_light():
    code = ("import sys, torch; before = set(sys.modules); import distill_kit.data; new = set(sys.modules) - before; "
            "print(sorted(new & {'PIL', 'torchvision', 'tqdm', 'urllib.request', 'ssl', 'filelock', 'platformdirs'}))")
    result = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True,
                            cwd=Path(__file__).resolve().parents[2])
    assert result.stdout.strip() == "[]", result.stderr


# the real thing

REAL = os.environ.get("DISTILL_KIT_DATA")  # read before the fixture changes it


@pytest.mark.skipif(not REAL or not find_cifar10([Path(REAL)]), reason="needs CIFAR-10 under $DISTILL_KIT_DATA")
def test_the_real_cifar10(monkeypatch):
    monkeypatch.setenv("DISTILL_KIT_DATA", REAL)
    monkeypatch.delenv("DISTILL_KIT_CACHE")
    dataset = load_dataset("cifar10", progress=False)
    if len(dataset.pool) + len(dataset.validation) < 50_000 or len(dataset.test) < 10_000:
        pytest.skip("a part of CIFAR-10")
    assert (len(dataset.pool), len(dataset.validation), len(dataset.test)) == (45_000, 5_000, 10_000)
    assert dataset.validation.labels.bincount().tolist() == [500] * 10
    assert dataset.test.labels.bincount().tolist() == [1000] * 10
    # The first ten labels of the official test batch, and of the official test images the means of the channels.
    assert dataset.test.labels[:10].tolist() == [3, 8, 8, 0, 6, 6, 1, 6, 3, 1]
    means = dataset.test.images.double().mean((0, 2, 3)) / 255
    assert torch.allclose(means, torch.tensor([0.4942, 0.4851, 0.4504], dtype=torch.float64), atol=0.005)
    place = find_cifar10([Path(REAL)])[0]
    if place.kind == "folder":
        from distill_kit.data.folder import list_images
        listing = list_images(place.path, (".png", ".jpg"))
        assert [file[0] for file in listing.files["train"]] == list(range(50_000))
        assert [file[0] for file in listing.files["test"]] == list(range(10_000))


def test_a_path_is_said_in_short(tmp_path, monkeypatch):
    from distill_kit.data.places import in_short
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("USERPROFILE", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    assert in_short(tmp_path / "data" / "cifar10") == "data/cifar10"
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert in_short(tmp_path / "home" / "images") == "~/images"
    assert in_short(tmp_path / "other") == str(tmp_path / "other")
