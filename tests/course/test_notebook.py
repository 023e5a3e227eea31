"""The plumbing of notebooks, and the notebooks' own files."""
import json
import re
import sys
import time
from pathlib import Path

import pytest
from small import ColourTeacher, coloured_dataset

import distill_kit
from distill_course import notebook
from distill_kit.data import Dataset, ImageSet
from distill_kit.run import Materials
from distill_kit.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = sorted(path for path in (ROOT / "notebooks").glob("**/*.ipynb") if ".ipynb_checkpoints" not in path.parts)


def press(monkeypatch, download):
    """Press the button with `download` in place of the real one; return what it says in the end, and the box."""
    monkeypatch.setattr(notebook, "download_cifar10", download)
    box = notebook.download_button("Images in use: none.")
    button, words = box.children[1].children[0], box.children[2]
    button.click()
    end = time.monotonic() + 10
    while words.value in ("", "Connecting ..."):
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


@pytest.fixture
def bar_of(monkeypatch):
    """Press the button where a download reports (seconds since the press, bytes that are there); return the bar."""
    monkeypatch.setitem(sys.modules, "google.colab", object())  # in the foreground
    box = notebook.download_button()
    button, container = box.children[1].children
    bar, clock = container.pbar, [0.0]
    bar._time = lambda: clock[0]

    def report(*reports):
        def download(progress, on_progress):
            began = clock[0]
            for seconds, done in reports:
                clock[0] = began + seconds
                on_progress(done, notebook.ARCHIVE_BYTES)
            raise ConnectionError("no mirror answered")
        monkeypatch.setattr(notebook, "download_cifar10", download)
        button.click()
        return bar
    yield report
    assert box  # which has the bar: it must live so long


def words_of(bar):
    return bar.container.children[-1].value


def test_the_bar_is_shown_once_the_button_is_pressed():
    box = notebook.download_button()
    assert box.children[1].children[1].layout.display == "none"


def test_progress_counts_only_what_this_attempt_brought(bar_of):
    bar = bar_of((1, 20_000_000), (11, 40_000_000))  # 20 MB were there before: 20 MB in 10 s, so 130 MB take 65 s
    assert (bar.initial, bar.n, bar.total) == (20_000_000, 40_000_000, notebook.ARCHIVE_BYTES)
    assert "40.0M/170M" in words_of(bar) and bar.container.layout.display != "none"
    bar = bar_of((1, 40_000_000), (11, 70_000_000))
    assert (bar.initial, bar.n) == (40_000_000, 70_000_000)  # the second attempt has what the first brought


def test_the_speed_shown_is_that_of_this_attempt(bar_of):
    assert "2.00MB/s" in words_of(bar_of((1, 20_000_000), (11, 40_000_000)))


def test_a_run_that_a_notebook_follows_ends_in_a_line(monkeypatch, tmp_path):
    monkeypatch.setenv("DISTILL_KIT_CACHE", str(tmp_path))
    shown, bars, real = [], [], notebook.training_bar
    monkeypatch.setattr(notebook, "display", shown.append)
    monkeypatch.setattr(notebook, "training_bar", lambda *given: bars.append(given) or real(*given))
    settings = Settings(images=96, epochs=2, batch_size=16, student="small", device="cpu", precision="float32")
    run = notebook.train_and_tell(settings, Materials.of(settings, coloured_dataset(), ColourTeacher()), "a pupil")
    best = max(row["val_accuracy"] for row in run.history)
    assert len(run.history) == 2 and bars == [(12, "a pupil")]
    (line,) = map(repr, shown)
    assert re.fullmatch(rf"a pupil: done in \d+ s, best validation accuracy {100 * best:.1f}%", line)


def test_a_run_that_diverged_is_not_called_done(monkeypatch, tmp_path):
    monkeypatch.setenv("DISTILL_KIT_CACHE", str(tmp_path))
    shown = []
    monkeypatch.setattr(notebook, "display", shown.append)
    settings = Settings(images=96, epochs=3, batch_size=16, student="small", device="cpu", precision="float32",
                        learning_rate=1e30)
    run = notebook.train_and_tell(settings, Materials.of(settings, coloured_dataset(), ColourTeacher()), "a pupil")
    (line,) = map(repr, shown)
    assert line.startswith(f"a pupil: stopped. {run.history[-1]['stopped']} Before that") and "done" not in line


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
    places = r"(?:github\.com/|colab/?github/|research\.google\.com/github/|/v2/gh/)([\w-]+/[\w-]+)"
    for path in [*NOTEBOOKS, ROOT / "README.md"]:
        text = path.read_text(encoding="utf-8")
        for named in re.findall(places, text):
            assert named == owner_and_name, f"{path.name} names {named}"


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


def test_the_readmes_figures_are_those_measured():
    report = json.loads((ROOT / "benchmarks" / "first_run.json").read_text())
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    for name in ("quick run", "default run"):
        gain = report[name]["gain"]
        assert f"{gain['mean']:.1f} ± {gain['sd']:.1f}" in text
