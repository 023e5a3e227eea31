"""load_dataset on a folder of one's own images: what is read, and what is said of a folder that is wrong."""
import numpy as np
import pytest
import torch
from PIL import Image
from test_data import as_tensor, own_folders, write_images  # noqa: F401, a fixture

from distill_kit.data import load_dataset


def test_own_folder_ordered_by_class_and_name(tmp_path):
    write_images(tmp_path / "own", classes=("sun", "moon"), size=(20, 24), indexed=False)
    dataset = load_dataset(str(tmp_path / "own"), progress=False)
    files = sorted((tmp_path / "own" / "test").rglob("*.png"))
    assert dataset.name == "own" and dataset.pool.classes == ("moon", "sun")
    assert torch.equal(dataset.test.images, as_tensor([np.asarray(Image.open(path)) for path in files]))
    assert dataset.test.labels.tolist() == [0, 0, 1, 1] and list(dataset.pool.images.shape[1:]) == [3, 20, 24]
    assert len(dataset.pool) == 18 and len(dataset.validation) == 2 and "20 training and 4 test" in dataset.notice


def test_one_name_without_index_means_order_by_name(tmp_path):
    write_images(tmp_path / "own", classes=("sun", "moon"))
    (tmp_path / "own" / "test" / "sun" / "0_sun.png").rename(tmp_path / "own" / "test" / "sun" / "last.png")
    assert load_dataset(tmp_path / "own", progress=False).test.labels.tolist() == [0, 0, 1, 1]


def test_grey_and_palette_become_rgb(tmp_path):
    write_images(tmp_path / "own", classes=("sun", "moon"))
    grey = np.arange(1024, dtype=np.uint8).reshape(32, 32)
    Image.fromarray(grey).save(tmp_path / "own" / "test" / "moon" / "1_moon.png")
    image = load_dataset(tmp_path / "own", progress=False).test.images[1]
    assert torch.equal(image, torch.from_numpy(grey).expand(3, 32, 32))


def test_hidden_folders_and_other_files_are_passed_over(tmp_path):
    write_images(tmp_path / "own", classes=("sun", "moon"))
    (tmp_path / "own" / "train" / ".ipynb_checkpoints").mkdir()
    (tmp_path / "own" / "test" / "__MACOSX").mkdir()
    (tmp_path / "own" / "test" / "sun" / "Thumbs.db").touch()
    (tmp_path / "own" / "test" / "sun" / "._0_sun.png").touch()
    assert len(load_dataset(tmp_path / "own", progress=False).test) == 4


@pytest.mark.parametrize("name", ["cifar10", "CIFAR-10", "Shapes10"])
def test_own_folder_named_like_a_data_set_is_not_that_data_set(tmp_path, name):
    write_images(tmp_path / name, classes=("sun", "moon"))
    assert load_dataset(tmp_path / name, progress=False).name == str(tmp_path / name)


def test_another_data_set_with_the_classes_of_cifar10_is_not_cifar10(tmp_path):
    write_images(tmp_path / "cinic", indexed=False)
    assert load_dataset(tmp_path / "cinic", progress=False).name == "cinic"


def test_image_of_another_size_is_named(tmp_path):
    write_images(tmp_path / "own", classes=("sun", "moon"))
    Image.new("RGB", (40, 30)).save(tmp_path / "own" / "test" / "sun" / "0_sun.png")
    with pytest.raises(ValueError, match="0_sun.png is 30 x 40 .*; 32 x 32 is expected"):
        load_dataset(tmp_path / "own", progress=False)


@pytest.mark.parametrize("ending", ["png", "jpg"])
@pytest.mark.parametrize("keep", [0, 30, 0.6])
def test_cut_image_is_named(tmp_path, ending, keep):
    write_images(tmp_path / "own", classes=("sun", "moon"), ending=ending)
    path = tmp_path / "own" / "train" / "moon" / f"3_moon.{ending}"
    data = path.read_bytes()
    path.write_bytes(data[: keep if keep >= 1 or keep == 0 else int(keep * len(data))])
    with pytest.raises(ValueError, match=f"3_moon.{ending} cannot be read as an image: it is cut"):
        load_dataset(tmp_path / "own", progress=False)


def test_more_than_8_bits_are_refused(tmp_path):
    write_images(tmp_path / "own", classes=("sun", "moon"))
    Image.fromarray(np.zeros((32, 32), np.uint16)).save(tmp_path / "own" / "train" / "sun" / "0_sun.png")
    with pytest.raises(ValueError, match="0_sun.png has more than 8 bits"):
        load_dataset(tmp_path / "own", progress=False)


def test_train_without_test(tmp_path):
    write_images(tmp_path / "own", classes=("sun", "moon"), test=0)
    with pytest.raises(FileNotFoundError, match="own holds no test/, only train/"):
        load_dataset(tmp_path / "own", progress=False)


def test_a_folder_without_either(tmp_path):
    with pytest.raises(FileNotFoundError, match="holds no train/; an image folder needs train/<class>/"):
        load_dataset(tmp_path, progress=False)


def test_class_folders_that_differ(tmp_path):
    write_images(tmp_path / "own", classes=("sun", "moon"))
    (tmp_path / "own" / "test" / "moon").rename(tmp_path / "own" / "test" / "Moon2")
    with pytest.raises(ValueError, match="only once there: train/moon, test/Moon2"):
        load_dataset(tmp_path / "own", progress=False)


def test_class_folder_without_images(tmp_path):
    write_images(tmp_path / "own", classes=("sun", "moon"))
    for path in (tmp_path / "own" / "test" / "sun").iterdir():
        path.unlink()
    with pytest.raises(ValueError, match="sun holds no image"):
        load_dataset(tmp_path / "own", progress=False)


def test_one_class_is_too_few(tmp_path):
    write_images(tmp_path / "own", classes=("sun",))
    with pytest.raises(ValueError, match="a folder for each class, two at least; got sun"):
        load_dataset(tmp_path / "own", progress=False)


def test_too_few_images_to_split(tmp_path):
    write_images(tmp_path / "own", classes=("sun", "moon"), train=4)
    with pytest.raises(ValueError, match="8 training images are too few"):
        load_dataset(tmp_path / "own", progress=False)


def test_photographs_would_fill_the_memory(tmp_path, monkeypatch):
    monkeypatch.setattr("distill_kit.data.folder.MOST_BYTES", 24 * 3 * 32 * 32 - 1)
    write_images(tmp_path / "own", classes=("sun", "moon"))
    with pytest.raises(ValueError, match="32 x 32, would take .* of memory"):
        load_dataset(tmp_path / "own", progress=False)
