"""Images as people have them: any format, mode, size and orientation becomes a square of RGB bytes, or is named."""
import json
import os
import re
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw
from test_data import own_folders  # noqa: F401, a fixture

from distill_kit.data import load_dataset, pixels

RED, GREEN, BLUE = (200, 30, 30), (30, 160, 60), (40, 60, 200)
GREY = {"L", "LA", "1", "I;16", "16 bits", "32 bits"}


def quarters(width=48, height=48):
    """Red at the top left, green at the top right, blue at the bottom left, white at the bottom right."""
    image = Image.new("RGB", (width, height), "white")
    draw = ImageDraw.Draw(image)
    for colour, left, top in ((RED, 0, 0), (GREEN, 1, 0), (BLUE, 0, 1)):
        draw.rectangle((left * width // 2, top * height // 2, (left + 1) * width // 2 - 1,
                        (top + 1) * height // 2 - 1), colour)
    return image


def sixteen_bits(image):
    """Grey in the high byte, and a low byte that says nothing."""
    return Image.fromarray(np.asarray(image.convert("L")).astype(np.uint16) * 256 + 130)


def clear_corner(image):
    """The bottom right transparent, with a black beneath that must not show."""
    image = image.convert("RGBA")
    width, height = image.size
    image.paste((0, 0, 0, 0), (width // 2, height // 2, width, height))
    return image


def turned(path, image, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    back = {3: Image.ROTATE_180, 6: Image.ROTATE_90, 8: Image.ROTATE_270}[orientation]
    image.transpose(back).save(path, exif=exif, quality=95)


def write(path, kind):
    image = quarters()
    if kind.startswith("turned"):
        turned(path, image, int(kind[-1]))
    elif kind == "animated":
        image.save(path, save_all=True, append_images=[Image.new("RGB", image.size, "black")] * 2)
    elif kind == "16 bits":
        sixteen_bits(image).save(path)
    elif kind == "32 bits":
        Image.fromarray(np.asarray(image.convert("L")).astype(np.int32)).save(path)
    elif kind == "palette with holes":
        clear_corner(image).quantize(8).save(path)
    elif kind in ("RGBA", "LA"):
        clear_corner(image).convert(kind).save(path)
    elif kind == "wide":
        wide = Image.new("RGB", (144, 48), "black")
        wide.paste(image, (48, 0))
        wide.save(path)
    else:
        image.convert(kind).save(path, **({"quality": 95} if path.suffix.lower() == ".jpg" else {}))


KINDS = [("rgb.png", "RGB"), ("Big Name.JPG", "RGB"), ("rgb.WebP", "RGB"), ("rgb.bmp", "RGB"), ("rgb.tif", "RGB"),
         ("rgb.ppm", "RGB"), ("grey.pgm", "L"), ("rgb.tga", "RGB"), ("still.gif", "P"), ("moving.gif", "animated"),
         ("moving.png", "animated"), ("moving.webp", "animated"), ("grey.png", "L"), ("palette.png", "P"),
         ("holes.png", "RGBA"), ("holes grey.png", "LA"), ("holes palette.png", "palette with holes"),
         ("holes.webp", "RGBA"), ("print.jpg", "CMYK"), ("print.tiff", "CMYK"), ("deep.png", "16 bits"),
         ("deep.tif", "16 bits"), ("whole.tif", "32 bits"), ("ink.png", "1"), ("ink.tif", "1"),
         ("turned 3.jpg", "turned3"), ("turned 6.jpg", "turned6"), ("turned 8.png", "turned8"),
         ("wide.png", "wide"), ("日本 é.png", "RGB")]


@pytest.fixture
def kinds(tmp_path):
    """A folder with every kind of image as a test image of its own, in the order of KINDS."""
    for number, (name, kind) in enumerate(KINDS):
        (tmp_path / "own" / "test" / "some").mkdir(parents=True, exist_ok=True)
        write(tmp_path / "own" / "test" / "some" / f"{number:02} {name}", kind)
    for label in ("some", "other"):
        (tmp_path / "own" / "train" / label).mkdir(parents=True)
        for number in range(3):
            quarters(20 + 9 * number, 40).save(tmp_path / "own" / "train" / label / f"{number}.png")
    return tmp_path / "own"


def test_case_3_and_12_every_kind_of_image_looks_as_it_does_to_people(kinds):
    dataset = load_dataset(kinds, progress=False)
    assert len(dataset.test) == len(KINDS) and list(dataset.test.images.shape[1:]) == [3, 32, 32]
    for (name, kind), image in zip(KINDS, dataset.test.images):
        expected = torch.tensor([RED, GREEN, BLUE, (255, 255, 255)], dtype=torch.float)
        corners = torch.stack([image[:, y:y + 6, x:x + 6].float().mean((1, 2)) for y in (5, 21) for x in (5, 21)])
        if kind in GREY:
            expected = (expected @ torch.tensor([0.299, 0.587, 0.114]))[:, None].expand(4, 3)
        if kind == "1":
            assert corners[3].min() == 255 and corners[:3].max() < 130, name
        else:
            assert (corners - expected).abs().max() < (40 if kind == "CMYK" else 16), (name, corners)


def test_a_picture_prepared_as_the_page_shows_is_what_the_kit_learns_from(kinds):
    """The code of data/README.md, for whoever uses an exported network without the kit."""
    page = (Path(pixels.__file__).parents[2] / "data" / "README.md").read_text(encoding="utf-8")
    names = {}
    exec(re.search(r"<!-- picture -->\n```python\n(.*?)```", page, re.DOTALL)[1], names)
    for number, (name, kind) in enumerate(KINDS):
        path = kinds / "test" / "some" / f"{number:02} {name}"
        if "bits" not in kind:
            expected = torch.from_numpy(pixels._square(path, 20).copy()).permute(2, 0, 1) / 255
            assert torch.equal(names["prepared"](path, 20)[0], expected), name


def test_case_12_what_is_transparent_is_said_to_be_white(kinds):
    dataset = load_dataset(kinds, progress=False)
    assert dataset.details["transparent"] == 4 and "What is transparent in 4 of them is white here." in dataset.notice
    for path in (kinds / "test" / "some").glob("*holes*"):
        path.unlink()
    assert "transparent" not in load_dataset(kinds, progress=False).notice
    assert "what is transparent becomes white" in " ".join(load_dataset.__doc__.split())


def test_the_notice_and_the_details_say_what_was_done(kinds):
    dataset = load_dataset(kinds, progress=False)
    assert "They have 20 to 144 pixels a side: scaled to 32 on the shorter one and cut in the middle" in dataset.notice
    assert dataset.details["modes"]["CMYK"] == 2 and dataset.details["formats"]["WEBP"] == 3
    assert dataset.details == load_dataset(kinds, progress=False).details  # from the cache, too
    json.dumps(dataset.details)


def test_case_29_a_size_may_be_asked_for_and_has_a_place_of_its_own_in_the_cache(kinds):
    for size in (16, 48, 16):
        assert list(load_dataset(kinds, size=size, progress=False).pool.images.shape[1:]) == [3, size, size]
    same = load_dataset(kinds, size=48, progress=False).test.images[0]
    assert torch.equal(same.permute(1, 2, 0), torch.from_numpy(np.array(quarters())))  # 48 pixels: as it is


@pytest.mark.parametrize("side, scaled", [(8, False), (11, False), (96, False), (7, True), (97, True)])
def test_images_of_one_size_stay_as_they_are_where_networks_can_take_them(tmp_path, side, scaled):
    pixels_of = np.random.default_rng(0).integers(0, 256, (side, side, 3), dtype=np.uint8)
    for place in ("train/a/1.png", "train/a/2.png", "train/b/1.png", "train/b/2.png", "test/a/1.png"):
        (tmp_path / "own" / place).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels_of).save(tmp_path / "own" / place)
    dataset = load_dataset(tmp_path / "own", progress=False)
    assert list(dataset.test.images.shape) == [1, 3, 32 if scaled else side, 32 if scaled else side]
    assert torch.equal(dataset.test.images[0].permute(1, 2, 0), torch.from_numpy(pixels_of)) is not scaled
    assert ("scaled" in dataset.notice) is scaled


def test_a_large_photograph_is_made_small_without_false_patterns(tmp_path):
    """Lines of one pixel become grey; picking every n-th pixel would leave them black or white."""
    lines = np.zeros((900, 1200), np.uint8)
    lines[::2] = 255
    for place in ("train/a/1.jpg", "train/a/2.jpg", "train/b/1.png", "train/b/2.png", "test/a/1.jpg", "test/b/1.png"):
        (tmp_path / "own" / place).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(lines).save(tmp_path / "own" / place)
    images = load_dataset(tmp_path / "own", progress=False).test.images
    assert (images.float() - 127.5).abs().max() < 20


def test_files_that_cannot_be_read_are_named_all_at_once(kinds):
    folder = kinds / "train" / "some"
    whole = (kinds / "test" / "some" / "01 Big Name.JPG").read_bytes()
    (folder / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    (folder / "empty.png").touch()
    (folder / "text.bmp").write_text("no image")
    (folder / "pro\ngram.png").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n")
    Image.fromarray(np.ones((9, 9), np.float32)).save(folder / "floats.tif")
    with pytest.raises(ValueError, match="5 of 41 images in .* cannot be read") as caught:
        load_dataset(kinds, progress=False)
    words = str(caught.value)
    assert "\n" not in words
    assert all(name in words for name in ("cut.jpg", "empty.png", "text.bmp", r"pro\ngram.png", "floats.tif"))
    assert "text.bmp (cannot identify image file)" in words and "floats.tif (its values, of mode F, are not" in words


@pytest.mark.parametrize("limit", [1000, 5000])  # beyond twice the limit Pillow raises, before that it warns
def test_an_image_too_large_is_a_sentence(kinds, monkeypatch, limit):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
    with warnings.catch_warnings(), pytest.raises(ValueError, match="cannot be read: .* too large"):
        warnings.simplefilter("error")
        load_dataset(kinds, progress=False)


def test_what_was_kept_before_the_images_were_treated_otherwise_is_not_believed(kinds, monkeypatch):
    load_dataset(kinds, progress=False)
    monkeypatch.setattr("distill_kit.data.own_images.VERSION", pixels.VERSION + 1)
    monkeypatch.setattr(pixels, "_square", lambda path, size: np.full((size, size, 3), 7, np.uint8))
    assert (load_dataset(kinds, progress=False).test.images == 7).all()


def test_nothing_is_decoded_that_pillow_would_have_run():
    assert {"PNG", "JPEG", "WEBP", "TIFF", "GIF", "BMP", "PPM"} <= set(pixels.FORMATS)
    assert not {".eps", ".ps", ".h5", ".mpg"} & pixels.ENDINGS and {".png", ".jpeg", ".tif"} <= pixels.ENDINGS


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such names")
def test_names_that_cannot_be_printed_are_escaped(tmp_path, capsys):
    odd = os.fsdecode(b"two\nlines \xff")
    for part, count in (("train", 2), ("test", 1)):
        for label in (odd, "plain"):
            (tmp_path / odd / part / label).mkdir(parents=True)
            for number in range(count):
                quarters(16, 16).save(tmp_path / odd / part / label / f"{number}.png")
    (tmp_path / odd / "train" / "plain" / odd).touch()
    dataset = load_dataset(tmp_path / odd, progress=False)
    print(dataset.name, dataset.notice, *dataset.pool.classes, dataset.pool.source, dataset.details)
    assert capsys.readouterr().out.count("\n") == 1 and dataset.pool.classes[1] == r"two\nlines \udcff"
    (tmp_path / odd / "test" / odd / "0.png").write_bytes(b"")
    with pytest.raises(ValueError, match=r"^[^\n]*two\\nlines[^\n]*$") as caught:
        load_dataset(tmp_path / odd, progress=False)
    print(caught.value)
