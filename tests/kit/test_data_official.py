"""The official batches and their archive: read in the official order, or refused."""
import importlib.util
import io
import os
import pickle
import struct
import tarfile
from hashlib import md5

import numpy as np
import pytest
import torch

from distill_kit.data import ImageSet, load_dataset, official, split
from distill_kit.data.official import ARCHIVE, BATCHES, TEST_BATCH, TRAIN_BATCHES


class Python2Pickler(pickle._Pickler):
    """Writes bytes and names as Python 2 did, as the official batches have them."""
    dispatch = dict(pickle._Pickler.dispatch)

    def save_old_string(self, value):
        value = value.encode() if isinstance(value, str) else value
        self.write(pickle.BINSTRING + struct.pack("<i", len(value)) + value)

    dispatch[bytes] = dispatch[str] = save_old_string


def pickled(batch):
    file = io.BytesIO()
    Python2Pickler(file, protocol=2).dump(batch)
    return file.getvalue().replace(b"numpy._core.multiarray", b"numpy.core.multiarray")


def make_batches(images_each=20):
    """{name: pickle} of six batches, and their pixels [N, 3, 32, 32] and labels in the official order."""
    random, files, pixels, labels = np.random.default_rng(0), {}, {}, {}
    for name in (*TRAIN_BATCHES, TEST_BATCH):
        pixels[name] = random.integers(0, 256, (images_each, 3072), dtype=np.uint8)
        labels[name] = [int(label) for label in random.permutation(images_each) % 10]
        files[name] = pickled({"batch_label": name, "labels": labels[name], "data": pixels[name],
                               "filenames": ["x.png"] * images_each})
    return files, pixels, labels


def make_archive(files, order=None):
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name in order or sorted(files, reverse=True):
            member = tarfile.TarInfo(f"{BATCHES}/{name}")
            member.size = len(files[name])
            archive.addfile(member, io.BytesIO(files[name]))
    return packed.getvalue()


FILES, PIXELS, LABELS = make_batches()
CONTENT = make_archive(FILES)


@pytest.fixture(autouse=True)
def own_folders(tmp_path, monkeypatch):
    monkeypatch.setenv("DISTILL_KIT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("DISTILL_KIT_DATA", str(tmp_path / "data"))
    monkeypatch.setattr(official, "MD5", md5(CONTENT).hexdigest())
    (tmp_path / "data").mkdir()


@pytest.fixture
def data(tmp_path):
    return tmp_path / "data"


def unpack(data, files=FILES):
    (data / BATCHES).mkdir()
    for name, content in files.items():
        (data / BATCHES / name).write_bytes(content)


def assert_official(dataset):
    assert dataset.name == "cifar10" and (len(dataset.pool), len(dataset.validation)) == (90, 10)
    assert np.array_equal(dataset.test.images, PIXELS[TEST_BATCH].reshape(-1, 3, 32, 32))
    assert dataset.test.labels.tolist() == LABELS[TEST_BATCH]
    training = np.concatenate([PIXELS[name] for name in TRAIN_BATCHES]).reshape(-1, 3, 32, 32)
    labels = [label for name in TRAIN_BATCHES for label in LABELS[name]]
    place = {pixels.tobytes(): index for index, pixels in enumerate(training)}
    pool = [place[image.numpy().tobytes()] for image in dataset.pool.images]
    validation = [place[image.numpy().tobytes()] for image in dataset.validation.images]
    assert pool == sorted(pool) and sorted(pool + validation) == list(range(100))
    assert dataset.pool.labels.tolist() == [labels[index] for index in pool]
    assert dataset.validation.labels.tolist() == [labels[index] for index in validation]


# what lies there

def test_unpacked_batches(data):
    unpack(data)
    dataset = load_dataset("auto")
    assert_official(dataset)
    assert "official images" in dataset.notice and "fewer than the official" in dataset.notice


def test_archive(data):
    (data / ARCHIVE).write_bytes(CONTENT)
    assert_official(load_dataset("cifar10"))
    assert_official(load_dataset("cifar10"))  # from the cache
    assert sorted(path.name for path in data.iterdir()) == [ARCHIVE]  # nothing is unpacked


def test_batches_by_their_folder(data, tmp_path):
    unpack(data)
    assert_official(load_dataset(data))
    assert_official(load_dataset(data / BATCHES))


def test_official_before_image_folder(data):
    unpack(data)
    (data / "cifar10" / "train").mkdir(parents=True)
    assert_official(load_dataset("auto"))


def test_batches_pickled_by_this_python(data):
    unpack(data, {name: pickle.dumps(pickle.loads(content, encoding="latin1"), protocol=2)
                  for name, content in FILES.items()})
    assert_official(load_dataset("auto"))


def test_altered_archive_is_not_used_and_named(data, monkeypatch):
    (data / ARCHIVE).write_bytes(CONTENT[:-1] + b"x")
    with pytest.raises(FileNotFoundError, match=f"{ARCHIVE} is cut, altered or another file: its md5 is"):
        load_dataset("cifar10")
    monkeypatch.setattr("distill_kit.data.load_shapes10", lambda: load_small())
    assert f"{ARCHIVE} is cut" in load_dataset("auto").notice
    with pytest.raises(ValueError, match=f"{ARCHIVE} is cut"):
        load_dataset(data)


def test_archive_altered_after_its_first_load(data):
    (data / ARCHIVE).write_bytes(CONTENT)
    load_dataset("cifar10")
    (data / ARCHIVE).write_bytes(CONTENT + b"x")
    with pytest.raises(FileNotFoundError, match="cut, altered"):
        load_dataset("cifar10")


def load_small():
    few = ImageSet(torch.zeros(20, 3, 32, 32, dtype=torch.uint8), torch.arange(20) % 2, ("a", "b"), "")
    return split("shapes10", few, few)


@pytest.mark.parametrize("name", [TEST_BATCH, "data_batch_3"])
def test_missing_batch(data, name):
    unpack(data, {other: content for other, content in FILES.items() if other != name})
    with pytest.raises(FileNotFoundError, match=f"{name} cannot be read"):
        load_dataset("cifar10")


@pytest.mark.parametrize("content", [
    b"", FILES[TEST_BATCH][:1000], b"<html>no batch</html>", pickle.dumps([1, 2]),
    pickled({"data": np.zeros((2, 3072), np.uint8), "labels": [1]}),
    pickled({"data": np.zeros((2, 3072), np.float32), "labels": [1, 1]}),
    pickled({"data": np.zeros((2, 3072), np.uint8), "labels": [1, 10]})])
def test_batch_that_is_none(data, content):
    unpack(data, FILES | {"data_batch_2": content})
    with pytest.raises(FileNotFoundError, match="data_batch_2 is no batch of CIFAR-10"):
        load_dataset("cifar10")


class Runs:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (self.path,)


def test_a_pickle_that_runs_code_runs_nothing(data, tmp_path):
    unpack(data, FILES | {"data_batch_1": pickle.dumps(Runs(str(tmp_path / "ran")))})
    with pytest.raises(FileNotFoundError, match="it names .*mkdir, which no batch of images needs"):
        load_dataset("cifar10")
    assert not (tmp_path / "ran").exists()


def test_batches_cut_but_archive_intact(data):
    unpack(data, FILES | {"data_batch_2": b""})
    (data / ARCHIVE).write_bytes(CONTENT)
    dataset = load_dataset("auto")
    assert_official(dataset)
    assert "data_batch_2 is no batch" in dataset.notice


# CIFAR-100

def write_cifar100(folder, **changes):
    """A small copy with all hundred classes; its test images and labels."""
    random, names = np.random.default_rng(1), [f"class {number}" for number in range(100)]
    folder.mkdir(parents=True)
    for part, count in (("train", 500), ("test", 100)):
        pixels = random.integers(0, 256, (count, 3072), dtype=np.uint8)
        fine = [int(label) for label in random.permutation(count) % 100]
        (folder / part).write_bytes(changes.get(part) or pickled({
            "fine_labels": fine, "coarse_labels": [label // 5 for label in fine], "data": pixels}))
    (folder / "meta").write_bytes(changes.get("meta") or pickled({"fine_label_names": names}))
    return pixels.reshape(-1, 3, 32, 32), fine


def test_case_26_cifar100_by_its_folder_or_the_folder_that_holds_it(tmp_path):
    pixels, labels = write_cifar100(tmp_path / "own" / "cifar-100-python")
    for folder in (tmp_path / "own", tmp_path / "own" / "cifar-100-python"):
        dataset = load_dataset(folder)
        assert dataset.name == "cifar100" and dataset.pool.classes[99] == "class 99"
        assert np.array_equal(dataset.test.images, pixels) and dataset.test.labels.tolist() == labels
        assert dataset.validation.class_counts() == [1] * 100 and "500 training and 100 test" in dataset.notice
    with pytest.raises(ValueError, match="size is for folders of your own images; leave it out with cifar100"):
        load_dataset(tmp_path / "own", size=16)


@pytest.mark.parametrize("name", ["train", "meta"])
@pytest.mark.parametrize("content", [b"no pickle", pickle.dumps([1]), pickle.dumps({"data": 1}), b"\x80\x02"])
def test_a_cifar100_that_is_none_is_a_sentence(tmp_path, name, content):
    write_cifar100(tmp_path / "own", **{name: content})
    with pytest.raises(ValueError, match="own.* is no .*CIFAR-100"):
        load_dataset(tmp_path / "own")


@pytest.mark.parametrize("name", ["train", "meta"])
def test_a_pickle_of_cifar100_that_runs_code_runs_nothing(tmp_path, name):
    write_cifar100(tmp_path / "own", **{name: pickle.dumps(Runs(str(tmp_path / "ran")))})
    with pytest.raises(ValueError, match="it names .*mkdir, which no batch of images needs"):
        load_dataset(tmp_path / "own")
    assert not (tmp_path / "ran").exists()


def test_official_md5():
    fresh = importlib.util.module_from_spec(official.__spec__)
    official.__spec__.loader.exec_module(fresh)
    assert fresh.MD5 == "c58f30108f718f92721af3b95e74349a"
