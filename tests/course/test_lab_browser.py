"""The lab in a real JupyterLab and a real Chromium, with both generations of ipywidgets.

Skipped where Playwright or Chromium is missing: the rest of the lab's tests need neither.
"""
import random
import re
import subprocess

import browser
import pytest

pytestmark = pytest.mark.skipif(bool(browser.missing()), reason=browser.missing() or "-")
OLD = ("ipywidgets==7.7.1", "widgetsnbextension==3.6.1", "jupyterlab_widgets==1.1.11", "ipykernel<7", "ipython<9",
       "ipython_genutils", "decorator")
CELL = """from distill_course.lab import Lab
from distill_kit.data import load_dataset
import ipywidgets, ipykernel
print(ipywidgets.__version__, ipykernel.__version__)
lab = Lab("alpha", load_dataset("shapes10"), images=600, epochs=6, batch_size=60, student="small")
lab"""


@pytest.fixture(scope="module", params=["as installed", "ipywidgets 7.7.1"])
def lab(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("browser")
    python = browser.sys.executable
    if request.param != "as installed":
        try:
            python = browser.environment_with(folder / "old", *OLD)
        except subprocess.CalledProcessError as error:
            pytest.skip(f"no second environment: {error.stderr[-200:]}")
    work = folder / "work"
    work.mkdir()
    browser.notebook(work / "lab.ipynb", CELL)
    with browser.jupyterlab(work, python, DISTILL_KIT_RUNS=str(folder / "runs")) as address, \
            browser.page_of(address, "lab.ipynb") as page:
        shown = browser.LabPage(page)
        shown.run_cell()
        shown.versions = page.locator(".jp-OutputArea-output").first.inner_text().split()[:2]
        shown.generation = request.param
        shown.text = lambda: page.locator(".jp-OutputArea").first.inner_text()
        yield shown


def table(lab) -> list[str]:
    """The lines of all lists; their blanks are such that do not break."""
    return [line.replace("\N{NO-BREAK SPACE}", " ") for line in lab.page.locator("select option").all_text_contents()]


def finished(lab) -> int:
    """How many runs the table says were finished."""
    return sum("(finished, " in line for line in table(lab))


def rests_with(lab, count: int) -> None:
    """Wait until nothing is being trained and so many runs are finished: no fewer, and a second later no more."""
    for _ in range(1_500):
        if finished(lab) == count and "Done." in lab.text():
            break
        lab.page.wait_for_timeout(40)
    lab.page.wait_for_timeout(1_000)
    assert finished(lab) == count and "Done." in lab.text(), table(lab)


def test_the_generation_is_the_one_that_is_meant(lab):
    assert lab.versions[0].split(".")[0] == ("7" if "7" in lab.generation else lab.versions[0].split(".")[0])
    assert "Labels that cannot be trusted" in lab.text() and "Nothing is trained yet" in lab.text()


def test_the_keyboard_moves_a_slider_and_a_student_trains_again(lab):
    lab.watch_frames()
    lab.slider()
    lab.page.keyboard.press("ArrowRight")
    lab.says("At alpha = 0.3", 10)
    rests_with(lab, 1)
    assert len(lab.frames()) >= 4
    picture = lab.picture()
    assert picture.count("<polyline") == 2 and "this run " in picture and "alpha = 1" in picture
    assert re.search(r"\d\d\.\d % of the validation images right( \(its best epoch, number \d\))?, "
                     r"against \d\d\.\d % for alpha = 1", lab.text())


def test_stop_keeps_what_was_learnt_and_the_next_move_works(lab):
    before = finished(lab)
    lab.slider()
    lab.page.keyboard.press("ArrowRight")
    lab.says("Training: epoch")
    lab.press("Stop")
    lab.says("Stopped", 10)
    assert finished(lab) == before
    lab.press("Train")
    rests_with(lab, before + 1)


def test_of_a_burst_of_moves_the_last_one_is_trained_and_no_other(lab):
    before, draw = finished(lab), random.Random(0)
    lab.slider()
    for _ in range(20):
        lab.page.keyboard.press(draw.choice(["ArrowRight", "ArrowRight", "ArrowLeft"]))
        lab.page.wait_for_timeout(draw.choice([5, 20, 60, 150, 400]))
    rests_with(lab, before + 1)
    typed = lab.page.locator(".widget-text input").first.input_value()
    assert f"At alpha = {float(typed):g} " in lab.text()
    assert any(f"alpha {typed}, " in line and "finished" in line for line in table(lab))


def test_a_value_that_is_no_stop_is_refused_in_words(lab):
    box = lab.page.locator(".widget-text input").first
    before = box.input_value()
    box.fill("7")
    box.press("Enter")
    lab.says("alpha must be one of", 10)
    assert box.input_value() == before


def test_every_control_can_be_reached_and_has_a_name(lab):
    """Tab goes through all of them; each has a name of its own or one beside it."""
    page = lab.page
    lab.slider()
    for _ in range(8):
        page.keyboard.press("Shift+Tab")
    names = []
    for _ in range(50):
        names.append(page.evaluate("""() => { const at = document.activeElement;
            return at.getAttribute('aria-label') || at.innerText || at.title || at.placeholder ||
                at.closest('.widget-inline-hbox, .jupyter-widgets')?.innerText || at.className; }"""))
        page.keyboard.press("Tab")
    seen = " | ".join(names)
    for name in ("Train", "Stop", "New seed", "Repeat with three seeds", "Pin", "Open the test images",
                 "Download my runs", "Show the code", "about the same", "Right side", "Back to run", "Seed",
                 "Short code"):
        assert name in seen, f"{name} was not reached: {seen}"


def test_there_is_no_sideways_scrolling_at_1000_pixels(lab):
    lab.page.set_viewport_size({"width": 1000, "height": 1400})
    lab.page.wait_for_timeout(500)
    wide = lab.page.evaluate("""() => [...document.querySelectorAll('.jp-OutputArea-output, .jp-WindowedPanel-outer')]
        .filter(part => part.scrollWidth > part.clientWidth + 2).map(part => part.className + part.scrollWidth)""")
    assert wide == []


def test_a_tab_closed_and_opened_again_shows_the_lab_as_it_is_and_it_moves(lab):
    """Last: the page is another one afterwards."""
    page, before = lab.page, finished(lab)
    lab.slider()  # the keyboard may be anywhere; what is saved is the document that has it
    page.keyboard.press("Control+s")
    page.wait_for_timeout(2_000)
    page.reload()
    page.wait_for_selector(".widget-image", timeout=60_000)
    assert finished(lab) == before
    lab.press("Train")
    rests_with(lab, before + 1)
