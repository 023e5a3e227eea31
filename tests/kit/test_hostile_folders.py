"""Folders of images as nobody should leave them: names, links, layouts and contents of files, and the cache of it."""
import io
import os
import pickle
import shutil
import struct
import zlib
from collections import Counter
from itertools import product

import numpy as np
import pytest
import torch
from hostile import altered, count, inputs, read_or_refused
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from distill_kit.data import load_dataset

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Windows has no such names and links")


def written(image, format, **options):
    """The bytes of an image in a format."""
    file = io.BytesIO()
    image.save(file, format, **options)
    return file.getvalue()


def oriented(number):
    exif = Image.Exif()
    exif[0x0112] = number
    return exif


def declared(width, height):
    """A PNG that says it is so large, with the pixels of a small one."""
    head = struct.pack(">II", width, height)
    small = written(NOISE, "PNG")
    return small[:16] + head + small[24:29] + struct.pack(">I", zlib.crc32(b"IHDR" + head + small[24:29])) + small[33:]


NOISE = Image.fromarray(np.random.default_rng(0).integers(0, 256, (9, 12, 3), dtype=np.uint8))
CLEAR = NOISE.convert("P")
CLEAR.info["transparency"] = bytes(range(200))
DEEP = Image.fromarray(np.arange(81, dtype=np.uint16).reshape(9, 9) * 800)

# Endings and bytes of images that are taken, and of files that pass for images by their names and are none.
GOOD = [(f".{format.lower()}", written(NOISE.convert(mode), format)) for format, modes in {
    "PNG": ("1", "L", "LA", "P", "RGB", "RGBA"), "JPEG": ("L", "RGB", "CMYK"), "TIFF": ("1", "L", "P", "RGB", "CMYK"),
    "WEBP": ("RGB", "RGBA"), "BMP": ("1", "L", "P", "RGB"), "GIF": ("L", "P"), "PPM": ("1", "L", "RGB"),
    "TGA": ("L", "RGB"), "PCX": ("L", "RGB"), "SGI": ("L", "RGB"), "ICO": ("RGBA",), "DDS": ("RGBA",)
}.items() for mode in modes]
GOOD += [(".jpg", written(NOISE, "JPEG", exif=oriented(number))) for number in (*range(10), 65_535)]
GOOD += [(".PNG", written(Image.new("L", size, 200), "PNG")) for size in ((1, 1), (1, 5_000), (5_000, 1), (7, 3))]
GOOD += [(".Png", written(CLEAR, "PNG")), (".tif", written(DEEP, "TIFF")), (".png", written(DEEP, "PNG")),
         (".gif", written(NOISE, "GIF", save_all=True, append_images=[Image.new("RGB", NOISE.size)])),
         (".jpg", written(NOISE, "PNG")), (".png", written(NOISE, "JPEG", exif=b"Exif\0\0no such thing"))]
BAD = [(ending, content[: len(content) // 2]) for ending, content in GOOD[:24]]
BAD += [(".png", b""), (".png", b"no image"), (".jpg", b"<svg xmlns='http://www.w3.org/2000/svg'/>"),
        (".tif", written(Image.fromarray(np.ones((9, 9), np.float32)), "TIFF")),
        (".png", declared(60_000, 60_000)), (".png", declared(12_000, 9_000)), (".png", declared(0, 9)),
        (".png", declared(2**31 - 1, 2**31 - 1)), (".jpg", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n")]
OTHER = ["", ".txt", ".csv", ".eps", ".\n", ".jpg~", ".db", ".<b>", ".zip", ".h5"]  # endings that are passed over

odd_names = st.sampled_from(["<img src=x onerror=alert(1)>", "two\nlines", os.fsdecode(b"\xff\xfe"), "n" * 200, "日本",
                             "café", "cafe\u0301", " ", "-rf", "%s{0}", "a.png", "nan", "0_x", "\u202e\u2028",
                             "\x1b[31m", "$\\frac$", "`|", "1"])
class_names = st.one_of(odd_names, odd_names, st.sampled_from(["train", "Test", "VALID"]))
extras = st.sampled_from(["hidden file", "hidden folder", "tool", "lost", "circle", "back", "pipe", "other", "outside",
                          "empty class", "deeper", "linked image", "class that leads back"])
trees = st.fixed_dictionaries({
    "above": st.sampled_from(["", "", "", "own/", "a/\u202e/"]),
    "parts": st.sampled_from([("",), ("",), ("train",), ("train", "test"), ("Training", "VAL"),
                              ("TRAIN", "test", "val"), ("test",), ("train", "Train"),
                              ("train", "valid", "Validation")]),
    "classes": st.lists(class_names, min_size=2, max_size=4, unique=True),
    "counts": st.lists(st.sampled_from([4, 3, 5, 6, 4, 4, 2, 1, 0]), min_size=12, max_size=12),
    "files": st.lists(st.tuples(st.integers(0, len(GOOD) - 1), odd_names), min_size=4, max_size=4),
    "bad": st.one_of(st.just([]), st.just([]), st.lists(st.integers(0, len(BAD) - 1), max_size=1)),
    "extras": st.lists(extras, max_size=4, unique=True),
    "cut": st.fixed_dictionaries({}, optional={
        "size": st.sampled_from([8, 9, 32]), "validation_share": st.sampled_from([1e-9, 0.3, 0.5, 0.999]),
        "test_share": st.sampled_from([1e-9, 0.3, 0.5])})})


class Planted:
    """A tree on the disk, and what must come of it: images by class, things passed over, files that are none."""

    def __init__(self, root, tree):
        self.root, self.images, self.passed_over, self.bad = root, Counter(), 0, []
        self.training = Counter()
        parts, classes, counts = tree["parts"], tree["classes"], iter(tree["counts"])
        names = {"train", "test", "valid"}
        self.is_plain = len(set(map(str.lower, parts))) == len(parts) and not names & set(map(str.lower, classes))
        for part in parts:
            for label in classes:
                for number in range(next(counts)):
                    good, name = tree["files"][number % 4]
                    ending, content = GOOD[good]
                    self.write(f"{tree['above']}{part}/{label}/{number}{name}{ending}", content)
                    self.images[label] += 1
                    self.training[label] += part.lower().startswith("train") or not part
        base = root / tree["above"] / parts[0]
        folder = base / classes[0]
        for ending, content in map(BAD.__getitem__, tree["bad"]):
            self.bad.append(self.write(f"{tree['above']}{parts[0]}/{classes[0]}/bad{ending}", content))
        for extra in tree["extras"]:
            folder.mkdir(parents=True, exist_ok=True)
            self.passed_over += extra not in ("empty class", "deeper", "linked image")
            getattr(self, extra.replace(" ", "_"))(base, folder)

    def write(self, place, content):
        path = self.root / str(place).lstrip("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return path.name

    def hidden_file(self, base, folder):
        (folder / ".hidden.png").touch()

    def hidden_folder(self, base, folder):
        (base / ".git").mkdir()
        (base / ".git" / "x.png").touch()

    def tool(self, base, folder):
        (base / "__MACOSX" / "deep").mkdir(parents=True)

    def lost(self, base, folder):
        (folder / "lost.png").symlink_to("nowhere")

    def circle(self, base, folder):
        (folder / "circle.png").symlink_to("circle.png")

    def back(self, base, folder):
        (folder / "back").symlink_to(base)

    def class_that_leads_back(self, base, folder):
        (base / "leads back").symlink_to(base)

    def pipe(self, base, folder):
        os.mkfifo(folder / "pipe.png")

    def other(self, base, folder):
        for number, ending in enumerate(OTHER):
            (folder / f"{number}{ending}").touch()
        self.passed_over += len(OTHER) - 1

    def outside(self, base, folder):
        (base / "outside.png").write_bytes(GOOD[0][1])

    def empty_class(self, base, folder):
        (base / "empty").mkdir()

    def deeper(self, base, folder):
        self.write((folder / "x" / "x" / "deep.png").relative_to(self.root), GOOD[0][1])
        self.images[folder.name] += 1
        self.training[folder.name] += 1

    def linked_image(self, base, folder):
        (self.root.parent / "linked").write_bytes(GOOD[0][1])
        (folder / "linked.png").symlink_to(self.root.parent / "linked")
        self.images[folder.name] += 1
        self.training[folder.name] += 1


@pytest.fixture
def place(tmp_path, monkeypatch):
    """Where trees are planted, one at a time; the cache beside them."""
    monkeypatch.setenv("DISTILL_KIT_CACHE", str(tmp_path / "cache"))
    return tmp_path / "place"


def printed(name):
    return "".join(sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in name)


OPTIONS = {"validation": "validation_share", "test": "test_share"}


def meant(tree):
    """Which of train, validation and test the tree has, in the order of its parts; a part may come twice."""
    return ["validation" if part.lower().startswith("val") else part.lower().removesuffix("ing") or "train"
            for part in tree["parts"]]


def must_be_read(planted, tree):
    """Is nothing wrong with the folder, and are images left for each part?"""
    parts = meant(tree)
    return planted.is_plain and parts == ["train"] and not planted.bad and 0.999 not in tree["cut"].values() \
        and sum(number >= 3 for number in planted.training.values()) >= 2 \
        and sum(tree["cut"].get(option, 0.2) for option in OPTIONS.values()) < 1


@inputs(10)
@given(trees)
def test_a_folder_of_images_is_read_whole_or_refused(place, tree):
    shutil.rmtree(place, ignore_errors=True)
    planted = Planted(place / "root", tree)
    read = read_or_refused("folders of images", lambda: load_dataset(planted.root, progress=False, **tree["cut"]),
                           str(planted.root), "must be below 1 together")
    assert read or not must_be_read(planted, tree)
    for dataset in read:
        parts = (dataset.pool, dataset.validation, dataset.test)
        size, passed_over = dataset.details["size"], Counter(dataset.details["passed_over"])
        assert not planted.bad and all(len(part) and part.images.shape[1:] == (3, size, size) for part in parts)
        assert tree["cut"].get("size", size) == size
        assert not any(OPTIONS.get(part) in tree["cut"] for part in meant(tree)) or not planted.is_plain
        if planted.is_plain:
            counted = sum((Counter(dict(zip(part.classes, part.class_counts()))) for part in parts), Counter())
            assert counted == Counter({printed(name): number for name, number in planted.images.items()})
            assert passed_over.total() - passed_over["empty class folders"] == planted.passed_over
        texts = [dataset.name, dataset.notice, *dataset.pool.classes, dataset.pool.source, *passed_over,
                 *dataset.details["layout"]]
        assert all(text and text.isprintable() for text in texts)


NAMES = [f"class {number}" for number in range(100)]
PICKLES = {"meta": {"fine_label_names": NAMES}, **{part: {
    "fine_labels": [5, 5, 99, 99], "data": np.arange(4 * 3072, dtype=np.uint32).astype(np.uint8).reshape(4, 3072)}
    for part in ("train", "test")}}


@inputs(10)
@given(st.data())
def test_a_copy_of_cifar100_whose_bytes_were_altered_is_still_one_or_is_refused(place, data):
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir()
    harmed = data.draw(st.sampled_from(list(PICKLES)))
    for name, content in PICKLES.items():
        written = pickle.dumps(content, protocol=2)
        (place / name).write_bytes(data.draw(altered(written)) if name == harmed else written)
    for dataset in read_or_refused("CIFAR-100", lambda: load_dataset(place, progress=False), str(place), "too few"):
        assert len(dataset.pool) + len(dataset.validation) == len(dataset.test) == 4
        assert dataset.name == "cifar100" and dataset.pool.images.shape[1:] == (3, 32, 32)
        assert all(isinstance(name, str) and name.isprintable() for name in dataset.pool.classes)
        assert harmed == "meta" or dataset.pool.classes == tuple(NAMES)


def changed(root, change, number):
    """Change a folder as people do, between two loads."""
    files = sorted(root.rglob("*.png"))
    path, other = files[number % len(files)], files[(number + 1) % len(files)]
    if change == "pixels":
        path.write_bytes(written(Image.new("RGB", (9, 9), (number, 0, 0)), "PNG"))
    elif change == "renamed":
        path.rename(path.with_name(f"{number} renamed.png"))
    elif change == "moved":
        path.rename(root / ("b" if path.parent.name == "a" else "a") / f"{number} moved.png")
    elif change == "exchanged":
        first, second = path.read_bytes(), other.read_bytes()
        path.write_bytes(second), other.write_bytes(first)
    elif change == "removed" and len(files) > 8:
        path.unlink()
    elif change == "class":
        (root / "a").rename(root / f"c{number}"), (root / f"c{number}").rename(root / "a")


@inputs(5)
@given(st.data())
def test_images_that_were_kept_are_those_of_the_folder_as_it_is_or_are_read_anew(place, data):
    root, kept = place / "changing", place.parent / "cache" / "images"
    shutil.rmtree(place, ignore_errors=True)
    for label, number in product("ab", range(8)):
        (root / label).mkdir(parents=True, exist_ok=True)
        (root / label / f"{number}.png").write_bytes(written(Image.new("RGB", (9, 9), (ord(label), 9, number)), "PNG"))
    load_dataset(root, progress=False)
    if harmed := data.draw(st.booleans()):
        path, = kept.glob("*.npz")
        path.write_bytes(data.draw(altered(path.read_bytes())))
    else:
        changed(root, data.draw(st.sampled_from(["pixels", "renamed", "moved", "exchanged", "removed", "class"])),
                data.draw(st.integers(0, 99)))
    dataset = load_dataset(root, progress=False)
    shutil.rmtree(kept)
    count("kept images", "harmed" if harmed else "changed")
    expected = load_dataset(root, progress=False)
    assert dataset.notice == expected.notice and dataset.details == expected.details
    for part in ("pool", "validation", "test"):
        assert torch.equal(getattr(dataset, part).images, getattr(expected, part).images)
        assert torch.equal(getattr(dataset, part).labels, getattr(expected, part).labels)
