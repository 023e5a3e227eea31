"""Folders of images with links, pipes, depths and names that few people make on purpose."""
import os
import sys

import pytest
from test_data import own_folders  # noqa: F401, a fixture
from test_data_folder import images_at, loaded, sizes, tree

from distill_kit.data.folder import list_images


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such links and pipes")
def test_links_that_lead_in_a_circle_or_back_and_pipes_are_passed_over(tmp_path):
    images_at(tmp_path, tree(train="", test=None))
    (tmp_path / "circle").symlink_to("circle")
    (tmp_path / "moon" / "circle.png").symlink_to("circle.png")
    (tmp_path / "class").symlink_to(tmp_path)  # would hold the images of both
    (tmp_path / "moon" / "other").symlink_to(tmp_path / "sun")
    (tmp_path / "sun" / "zero.png").symlink_to("/dev/zero")
    dataset = loaded(tmp_path)
    assert sum(sizes(dataset)) == 20 and dataset.pool.classes == ("moon", "sun")
    assert dataset.details["passed_over"] == {"links that lead nowhere": 2, "links that lead back": 1,
                                              "linked folders in class folders": 1, "neither files nor folders": 1}


def test_a_link_to_a_class_folder_elsewhere_is_followed(tmp_path):
    images_at(tmp_path, [*tree(), "elsewhere/stars/1.png", "elsewhere/stars/2.png", "elsewhere/stars/3.png"])
    try:
        (tmp_path / "train" / "stars").symlink_to(tmp_path / "elsewhere" / "stars")
    except OSError:
        pytest.skip("no links here")
    assert loaded(tmp_path).pool.classes == ("moon", "stars", "sun")


@pytest.mark.skipif(os.name == "nt", reason="Windows has no paths so long")
def test_folders_inside_each_other_may_be_deeper_than_functions_may_call_each_other(tmp_path):
    images_at(tmp_path, tree(train="", test=None))
    images_at(tmp_path, [f"moon/{'d/' * 400}deep.png"])
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(350)
    try:
        listing = list_images(tmp_path, {".png"})
    finally:
        sys.setrecursionlimit(limit)
    assert len(listing.files["train"]) == 21


@pytest.mark.parametrize("part", ["val", "test"])
def test_a_part_without_an_image_is_named(tmp_path, part):
    images_at(tmp_path, tree(test=None))
    (tmp_path / part / "moon").mkdir(parents=True)
    (tmp_path / part / "sun").mkdir()
    with pytest.raises(ValueError, match=f"{part} holds class folders and no image in them; put images there, or remo"):
        loaded(tmp_path)


def test_where_no_class_is_left_it_is_said_what_was_passed_over(tmp_path):
    for number, name in enumerate(("moon/a.heic", "moon/b.HEIC", "sun/c.heic", "sun/.d.png")):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(bytes(number))
    with pytest.raises(ValueError, match="got none. Passed over: .*.heic files \\(3\\)"):
        loaded(tmp_path)


@pytest.mark.parametrize("name", ["x" * 5_000, "~nobody of that name/x", "a\0b", "a\0b/c", "\ud800"], ids=repr)
def test_a_name_that_no_folder_can_have_is_a_folder_that_is_not_there(tmp_path, monkeypatch, name):
    with pytest.raises(FileNotFoundError, match="no data set and no folder named"):
        loaded(name)
    if "\0" not in name and "\ud800" not in name:  # which no environment holds
        monkeypatch.setenv("DISTILL_KIT_DATA", name)
        with pytest.raises(FileNotFoundError, match="No CIFAR-10 in the folder"):
            loaded("cifar10")
