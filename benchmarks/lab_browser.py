"""How fast the lab answers in a real browser, and (with --pictures) what it looks like.

    python benchmarks/lab_browser.py [--times 10] [--pictures FOLDER] [--theme dark]

Needs Playwright and Chromium. Writes benchmarks/lab_browser.json: medians, in seconds, of the page's own clock.
"""
import argparse
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))
import browser  # noqa: E402

CELL = """from distill_course.lab import Lab
lab = Lab({name!r})
lab"""
TIMED = """import time
spent = [0.0]
def timed(draw=lab.session.on_change):
    began = time.perf_counter()
    draw()
    spent[0] += time.perf_counter() - began
lab.session.on_change = timed"""
WATCH = """() => {
    const area = document.querySelector('.jp-OutputArea');
    const words = /Nothing is trained|Waiting for|Fetching|Training: epoch|Now training|Stopped(?:\\.| before)|Done\\./;
    const state = () => (area.innerText.match(words) || [''])[0];
    let last = state();
    window.states = [];
    new MutationObserver(() => {
        const now = state();
        if (now !== last) { last = now; window.states.push([now, performance.now()]); }
    }).observe(area, {subtree: true, childList: true, characterData: true}); }"""


def when(lab, words: str, since: float, seconds: float = 60) -> float:
    """Wait until the state begins with these words; return the seconds from `since`, of the page's clock, to then."""
    for _ in range(int(seconds / 0.02)):
        times = [at for state, at in lab.page.evaluate("window.states") if state.startswith(words) and at > since]
        if times:
            return (times[0] - since) / 1000
        lab.page.wait_for_timeout(20)
    raise AssertionError(f"{words!r} did not come; there is: {lab.text()}")


def measure(lab, times: int) -> dict:
    """Move the slider, stop, and take the times."""
    seconds: dict[str, list[float]] = {}
    lab.watch_frames()
    lab.page.evaluate(WATCH)
    lab.slider()
    lab.page.keyboard.press("ArrowRight")  # the first run: images, teacher's answers, baseline
    began = lab.now()
    when(lab, "Done.", began, 120)
    for number in range(times):
        key = "ArrowRight" if number % 2 else "ArrowLeft"
        lab.slider()
        began = lab.now()
        lab.page.keyboard.press(key)
        seconds.setdefault("first training frame", []).append(when(lab, "Training", began))
        whole = when(lab, "Done.", began)
        frames = [at for at in lab.frames() if at > began]
        seconds.setdefault("bars after a step", []).append((frames[0] - began) / 1000)
        trained = [at for at in frames if at > began + 1000 * seconds["first training frame"][-1]]
        seconds.setdefault("frames a second", []).append(len(trained) / (whole - seconds["first training frame"][-1]))
        seconds.setdefault("a run, from the move to its end", []).append(whole)
        lab.slider()
        began = lab.now()
        lab.page.keyboard.press("ArrowRight")
        when(lab, "Training", began)
        lab.page.wait_for_timeout(300)
        step = lab.now()
        lab.slider()
        lab.page.keyboard.press("ArrowLeft")  # while a run is under way
        lab.page.wait_for_timeout(250)
        seconds.setdefault("bars after a step, while training", []).append(
            ([at for at in lab.frames() if at > step][0] - step) / 1000)
        when(lab, "Training", step)
        lab.page.wait_for_timeout(300)
        began = lab.now()
        lab.press("Stop")
        seconds.setdefault("stop", []).append(when(lab, "Stopped", began))
    return {name: {"median": round(statistics.median(values), 3), "most": round(max(values), 3), "n": len(values)}
            for name, values in seconds.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=10)
    parser.add_argument("--pictures", type=Path, help="photograph all experiments into this folder; measure nothing")
    parser.add_argument("--theme", choices=("light", "dark"), default="light")
    options = parser.parse_args()
    from distill_course.lab.experiments import EXPERIMENTS
    names = list(EXPERIMENTS) if options.pictures else ["alpha"]
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder) / "work"
        work.mkdir()
        for name in names:
            browser.notebook(work / f"{name}.ipynb", CELL.format(name=name), TIMED, "spent[0]")
        theme = work / ".home" / "settings" / "@jupyterlab" / "apputils-extension" / "themes.jupyterlab-settings"
        theme.parent.mkdir(parents=True, exist_ok=True)
        theme.write_text(json.dumps({"theme": f"JupyterLab {options.theme.capitalize()}"}))
        with browser.jupyterlab(work, DISTILL_KIT_RUNS=folder + "/runs", PYTHONPATH=str(ROOT)) as address:
            for name in names:
                with browser.page_of(address, f"{name}.ipynb") as page:
                    lab = browser.LabPage(page)
                    lab.run_cell()
                    if options.pictures:
                        photograph(lab, options.pictures / f"{name}-{options.theme}.png")
                        continue
                    run(lab, 1)
                    began = time.perf_counter()
                    report = measure(lab, options.times)
                    seconds = time.perf_counter() - began
                    run(lab, 2)
                    spent = float(page.locator(".jp-OutputArea-output").last.inner_text())
                    report["drawing, share of all the time"] = round(spent / seconds, 4)
                    print(json.dumps(report, indent=1))
                    (ROOT / "benchmarks" / "lab_browser.json").write_text(json.dumps(report, indent=1) + "\n")


def run(lab, cell: int) -> None:
    """Run a cell of the notebook."""
    lab.page.locator(".jp-Notebook .jp-Cell .cm-content").nth(cell).click()
    lab.page.keyboard.press("Control+Enter")
    lab.page.wait_for_timeout(2_000)


def photograph(lab, path: Path) -> None:
    """Photograph the lab after two runs, so that the first stands behind the second."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lab.page.evaluate(WATCH)
    for key in ("ArrowRight", "ArrowLeft"):
        lab.slider()
        began = lab.now()
        lab.page.keyboard.press(key)
        when(lab, "Done.", began, 120)
        lab.page.wait_for_timeout(300)
    lab.page.locator(".jp-Cell").first.screenshot(path=path)
    print(path, flush=True)


if __name__ == "__main__":
    main()
