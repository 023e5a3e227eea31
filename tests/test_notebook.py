"""The plumbing of notebooks, and the notebooks' own files."""
import json
import re
import time
from pathlib import Path

import pytest

import distill_kit
from distill_kit import notebook
from distill_kit.data import Dataset, ImageSet

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("**/*.ipynb"))


def press(monkeypatch, download):
    """Press the button with `download` in place of the real one; return what it says in the end, and the box."""
    monkeypatch.setattr(notebook, "download_cifar10", download)
    box = notebook.download_button("Images in use: none.")
    button, words = box.children[1].children[0], box.children[2]
    button.click()
    end = time.monotonic() + 10
    while words.value in ("", "Connecting ...") or (" left" in words.value and time.monotonic() < end):
        assert time.monotonic() < end, "the download never reported"
        time.sleep(0.01)
    return words.value, button


def test_the_button_fetches_and_says_what_to_do_next(monkeypatch):
    asked = []

    def download(progress, on_progress):
        asked.append(progress)
        on_progress(10, 100)
        on_progress(100, 100)

    words, button = press(monkeypatch, download)
    assert asked == [False]
    assert "CIFAR-10 is here" in words and "Restart the kernel" in words
    assert button.disabled


def test_a_failed_download_is_told_and_the_button_can_be_pressed_again(monkeypatch):
    def download(progress, on_progress):
        raise ConnectionError("no mirror answered")

    words, button = press(monkeypatch, download)
    assert "no mirror answered" in words
    assert not button.disabled


def test_progress_counts_only_what_this_attempt_brought():
    # 40 of 100 MB, of which 20 were there before: 20 MB in 10 s, so 60 MB take 30 s
    assert notebook.progress_words(40_000_000, 100_000_000, 20_000_000, 10.0) == "40 of 100 MB, 2.0 MB/s, about 30 s left"
    assert notebook.progress_words(5_000_000, 100_000_000, 5_000_000, 0.0) == "5 of 100 MB"


def test_cifar10_is_named_without_a_button():
    import torch
    images = ImageSet(torch.zeros(1, 3, 4, 4, dtype=torch.uint8), torch.zeros(1, dtype=torch.int64), ("a",), "test")
    shown = notebook.data_in_use(Dataset("cifar10", images, images, images, "CIFAR-10 from here."))
    assert "CIFAR-10 from here." in shown.data
    shown = notebook.data_in_use(Dataset("shapes10", images, images, images, "Shapes-10."))
    assert "Fetch CIFAR-10" in shown.children[1].children[0].description


def test_the_repository_is_named_in_one_way():
    """The address in notebooks, README and packaging is the package's constant."""
    owner_and_name = distill_kit.REPOSITORY.removeprefix("https://github.com/")
    for path in [*NOTEBOOKS, ROOT / "README.md"]:
        text = path.read_text(encoding="utf-8")
        for found in re.findall(r"(?:github\.com/|colab/?github/|research\.google\.com/github/|/v2/gh/)([\w-]+/[\w-]+)", text):
            assert found == owner_and_name, f"{path.name} names {found}"


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_a_notebook_opens_without_questions_and_carries_its_outputs(path):
    content = json.loads(path.read_text(encoding="utf-8"))
    assert content["metadata"]["kernelspec"]["name"] == "python3"  # or JupyterLab asks for a kernel
    cells = [cell for cell in content["cells"] if cell["cell_type"] == "code"]
    outputs = [output for cell in cells for output in cell["outputs"]]
    assert outputs, "stored outputs are what a reader without a kernel sees"
    assert not [output for output in outputs if output["output_type"] == "error"]
    assert not [output for output in outputs if output.get("name") == "stderr"]
    assert len(cells[0]["outputs"]) == 0 and "google.colab" in "".join(cells[0]["source"])


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_links_between_the_projects_files_lead_somewhere(path):
    text = "".join("".join(cell["source"]) for cell in json.loads(path.read_text(encoding="utf-8"))["cells"])
    for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", text):
        assert (path.parent / target).exists(), f"{path.name} links to {target}"


def test_the_readmes_links_lead_somewhere():
    for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", (ROOT / "README.md").read_text(encoding="utf-8")):
        assert (ROOT / target).exists(), target


def test_the_readmes_figures_are_those_measured():
    report = json.loads((ROOT / "benchmarks" / "first_run.json").read_text())
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    for name in ("quick run", "default run"):
        gain = report[name]["gain"]
        assert f"{gain['mean']:.1f} ± {gain['sd']:.1f}" in text
