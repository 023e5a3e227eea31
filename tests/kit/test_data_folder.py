"""load_dataset on a folder of one's own images: what is read, and what is said of a folder that is wrong."""
import os

import numpy as np
import pytest
import torch
from PIL import Image
from test_data import as_tensor, own_folders, write_images  # noqa: F401, a fixture

from distill_kit.data import load_dataset


def test_own_folder_ordered_by_class_and_name(tmp_path):
    write_images(tmp_path / "own", classes=("sun", "moon"), size=(20, 20), indexed=False)
    dataset = load_dataset(str(tmp_path / "own"), progress=False)
    files = sorted((tmp_path / "own" / "test").rglob("*.png"))
    assert dataset.name == "own" and dataset.pool.classes == ("moon", "sun")
    assert torch.equal(dataset.test.images, as_tensor([np.asarray(Image.open(path)) for path in files]))
    assert dataset.test.labels.tolist() == [0, 0, 1, 1] and list(dataset.pool.images.shape[1:]) == [3, 20, 20]
    assert len(dataset.pool) == 18 and len(dataset.validation) == 2
    assert "18 training, 2 validation and 4 test images of 2 classes" in dataset.notice


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


@pytest.mark.parametrize("name", ["cifar10", "CIFAR-10", "Shapes10", "auto", "cifar100"])
def test_own_folder_named_like_a_data_set_is_not_that_data_set(tmp_path, name):
    write_images(tmp_path / name, classes=("sun", "moon"))
    assert load_dataset(tmp_path / name, progress=False).name == str(tmp_path / name)


def test_another_data_set_with_the_classes_of_cifar10_is_not_cifar10(tmp_path):
    write_images(tmp_path / "cinic", indexed=False)
    assert load_dataset(tmp_path / "cinic", progress=False).name == "cinic"


@pytest.mark.parametrize("ending", ["png", "jpg"])
@pytest.mark.parametrize("keep", [0, 30, 0.6])
def test_cut_image_is_named(tmp_path, ending, keep):
    write_images(tmp_path / "own", classes=("sun", "moon"), ending=ending)
    path = tmp_path / "own" / "train" / "moon" / f"3_moon.{ending}"
    data = path.read_bytes()
    path.write_bytes(data[: keep if keep >= 1 or keep == 0 else int(keep * len(data))])
    with pytest.raises(ValueError, match=f"1 of 24 images in .* cannot be read: cut, .*train.moon.3_moon.{ending}"):
        load_dataset(tmp_path / "own", progress=False)


def images_at(root, places, size=12):
    """An image for each of these paths; no two are alike."""
    random = np.random.default_rng(len(places))
    for place in places:
        (root / place).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(random.integers(0, 256, (size, size, 3), dtype=np.uint8)).save(root / place)


def tree(train="train", test="test", validation=None, classes=("moon", "sun"), count=10):
    return [f"{part}/{name}/{number}.png".lstrip("/") for part, each in ((train, count), (test, 3), (validation, 4))
            if part is not None for name in classes for number in range(each)]


def loaded(root, **options):
    return load_dataset(root, progress=False, **options)


def sizes(dataset):
    return len(dataset.pool), len(dataset.validation), len(dataset.test)


def all_pixels(images):
    return {image.numpy().tobytes() for image in images.images}


@pytest.mark.parametrize("train, test, validation", [
    ("train", "test", "val"), ("Training", "Testing", "Validation"), ("TRAIN", "Test", "valid"),
    ("own/train", "own/test", "own/val"), ("a/b/train", "a/b/test", "a/b/val"), ("train/x", "test/y", "val")])
def test_case_3_and_26_parts_by_the_names_that_people_give_them(tmp_path, train, test, validation):
    images_at(tmp_path, tree(train, test, validation))
    dataset = loaded(tmp_path)
    assert sizes(dataset) == (20, 8, 6) and dataset.pool.classes == ("moon", "sun")
    assert all_pixels(dataset.validation) == {
        np.asarray(Image.open(path)).transpose(2, 0, 1).tobytes() for path in (tmp_path / validation).rglob("*.png")}
    assert ("everything lies in" in dataset.notice.lower()) is (train.count("/") > 0)


def test_case_26_what_lies_beside_the_one_folder_is_counted(tmp_path):
    images_at(tmp_path / "own", tree())
    for name in ("README.txt", ".DS_Store"):
        (tmp_path / name).touch()
    (tmp_path / "__MACOSX").mkdir()
    details = loaded(tmp_path).details
    assert details["passed_over"] == {"hidden": 2, "outside class folders": 1}
    assert details["layout"][0] == "everything lies in own/"


def test_validation_images_of_their_own_are_shuffled(tmp_path):
    images_at(tmp_path, tree(validation="val"))
    assert loaded(tmp_path).validation.labels.tolist() not in ([0] * 4 + [1] * 4, [1] * 4 + [0] * 4)


def test_case_26_train_and_val_without_test(tmp_path):
    images_at(tmp_path, tree(test=None, validation="val"))
    dataset = loaded(tmp_path)
    assert sizes(dataset) == (16, 8, 4)
    assert "4 of 20 images (20%) were set aside for test." in dataset.notice
    assert sizes(loaded(tmp_path, test_share=0.5)) == (10, 8, 10)


def test_case_26_class_folders_without_parts(tmp_path):
    images_at(tmp_path, tree(train="", test=None, count=20))
    dataset = loaded(tmp_path)
    assert sizes(dataset) == (28, 4, 8) and dataset.test.class_counts() == [4, 4]
    parts = [all_pixels(part) for part in (dataset.pool, dataset.validation, dataset.test)]
    assert len(set.union(*parts)) == 40
    assert dataset.details["layout"] == ["4 of 40 images (10%) were set aside for validation",
                                         "8 of 40 images (20%) were set aside for test"]
    assert sizes(loaded(tmp_path, validation_share=0.25, test_share=0.25)) == (20, 10, 10)


def test_the_same_files_land_in_the_same_part_in_whatever_order_a_folder_lists_them(tmp_path):
    images_at(tmp_path / "one", tree(train="", test=None))
    for path in sorted((tmp_path / "one").rglob("*.png"), reverse=True):
        copy = tmp_path / "other" / path.relative_to(tmp_path / "one")
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(path.read_bytes())
    mine, other = loaded(tmp_path / "one"), loaded(tmp_path / "other")
    for part in ("pool", "validation", "test"):
        assert torch.equal(getattr(mine, part).images, getattr(other, part).images)


def test_a_share_where_there_is_such_a_part(tmp_path):
    images_at(tmp_path, tree(validation="val"))
    for name in ("validation", "test"):
        with pytest.raises(ValueError, match=f"{name}_share must be left out: .* have a {name} folder; got 0.3"):
            loaded(tmp_path, **{f"{name}_share": 0.3})


@pytest.mark.parametrize("wrong, message", [
    ({"size": 7}, "size must be 8 to 96 pixels, a whole number; got 7"), ({"size": 97}, "got 97"),
    ({"size": 32.0}, "got 32.0"), ({"test_share": 0}, "test_share must be above 0 and below 1; got 0"),
    ({"validation_share": float("nan")}, "validation_share must be above 0 and below 1; got nan")])
def test_what_no_folder_can_give(tmp_path, wrong, message):
    with pytest.raises(ValueError, match=message):
        loaded(tmp_path, **wrong)


@pytest.mark.parametrize("shares, message", [
    ({"validation_share": 0.5, "test_share": 0.5}, "got 0.5 and 0.5"), ({"test_share": 0.95}, "got 0.1 and 0.95"),
    ({"validation_share": 0.3, "test_share": 0.7}, "got 0.3 and 0.7")])
def test_shares_that_leave_nothing_to_train_with(tmp_path, shares, message):
    images_at(tmp_path, tree(train="", test=None))
    with pytest.raises(ValueError, match=f"validation_share and test_share must be below 1 together; {message}"):
        loaded(tmp_path, **shares)


def test_a_large_share_for_validation_where_there_is_a_test_folder(tmp_path):
    images_at(tmp_path, tree())
    assert sizes(loaded(tmp_path, validation_share=0.9)) == (2, 18, 6)


def test_case_3_images_in_folders_inside_a_class(tmp_path):
    images_at(tmp_path, [place.replace("moon/", "moon/night/deep/") for place in tree()])
    dataset = loaded(tmp_path)
    assert sizes(dataset) == (18, 2, 6) and "Images in folders inside class folders are taken, too" in dataset.notice


def test_a_class_may_be_called_train(tmp_path):
    images_at(tmp_path, tree(train="", test=None, classes=("car", "train", "tram")))
    dataset = loaded(tmp_path)
    assert dataset.pool.classes == ("car", "train", "tram")
    assert "Train/ holds no class folders and is taken as a class" in dataset.notice


def test_case_3_what_is_passed_over_is_counted_with_its_reason(tmp_path):
    images_at(tmp_path, tree())
    for place in ("README.txt", "train/labels.csv", "train/moon/a.txt", "train/moon/b.TXT", "test/sun/noending",
                  "train/moon/.hidden.png", ".git/x.png", "__MACOSX/y.png", "docs/z.png", "train/stars/only.md"):
        (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / place).touch()
    (tmp_path / "train" / "sun" / "lost.png").symlink_to(tmp_path / "nowhere.png")
    (tmp_path / "train" / "sun" / "back").symlink_to(tmp_path / "train" / "sun")
    dataset = loaded(tmp_path)
    assert sizes(dataset) == (18, 2, 6) and dataset.pool.classes == ("moon", "sun")
    assert dataset.details["passed_over"] == {
        "hidden": 3, "outside class folders": 2, "other folders beside the parts": 1, ".txt files": 2, ".md files": 1,
        "files without an ending": 1, "empty class folders": 1, "links that lead nowhere": 1,
        "links that lead back": 1}
    assert "Passed over: " in dataset.notice and ".txt files (2)" in dataset.notice


@pytest.mark.parametrize("places, message", [
    ([], "holds no folder; an image folder needs train/<class>/ and test/<class>/, or only <class>/"),
    (["1.png", "2.png"], "holds no folder; an image folder needs"),
    (["train/1.png", "test/1.png"], "holds test/, train/; an image folder needs"),
    (["test/sun/1.png", "test/moon/1.png"], "holds test/; an image folder needs"),
    (["train/a/1.png", "Training/a/1.png"], "holds Training/, train/, which mean the same part; keep one of them"),
    (["train/sun/1.png", "test/sun/1.png"], "a folder of images for each class, two at least; got sun"),
    (["sun/train/1.png", "moon/train/1.png"], "moon is a class folder with train/ in it; put the parts outside"),
    (["train/sun/1.png", "train/moon/1.png", "test/Moon2/1.png"], "needs training images; without them: test/Moon2")])
def test_case_26_what_cannot_be_meant_says_what_is_there_and_what_is_needed(tmp_path, places, message):
    images_at(tmp_path, places)
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        loaded(tmp_path)


def test_a_folder_without_permission_is_a_sentence(tmp_path, monkeypatch):
    images_at(tmp_path, tree())
    scandir = os.scandir

    def refusing(path):
        if str(path).endswith("sun"):
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)
    monkeypatch.setattr(os, "scandir", refusing)
    with pytest.raises(OSError, match="sun cannot be read: Permission denied[.]"):
        loaded(tmp_path)


def test_case_13_small_classes_have_a_validation_image_where_they_can(tmp_path):
    images_at(tmp_path, [f"{name}/{number}.png" for name, count in (("few", 1), ("many", 10), ("three", 3), ("two", 2))
                         for number in range(count)])
    dataset = loaded(tmp_path)
    assert dataset.pool.class_counts() == [1, 7, 1, 1]
    assert dataset.validation.class_counts() == [0, 1, 1, 1] and dataset.test.class_counts() == [0, 2, 1, 0]
    assert "No validation image: few. No test image: few, two." in dataset.notice


def test_classes_of_one_image_cannot_be_split(tmp_path):
    images_at(tmp_path, ["train/sun/1.png", "train/moon/1.png", "test/sun/1.png", "test/moon/1.png"])
    with pytest.raises(ValueError, match="2 training images are too few: none is left as validation image"):
        loaded(tmp_path)


def test_case_13_a_class_without_test_images_is_named(tmp_path):
    images_at(tmp_path, tree())
    for path in (tmp_path / "test" / "sun").iterdir():
        path.unlink()
    assert "No test image: sun." in loaded(tmp_path).notice


def test_photographs_would_fill_the_memory(tmp_path, monkeypatch):
    monkeypatch.setattr("distill_kit.data.pixels.MOST_BYTES", 24 * 3 * 32 * 32 - 1)
    write_images(tmp_path / "own", classes=("sun", "moon"))
    with pytest.raises(ValueError, match="24 images of 32 x 32 in .* would take .* of memory"):
        load_dataset(tmp_path / "own", progress=False)
