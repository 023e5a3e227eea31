"""A real JupyterLab in a real Chromium, for the lab's tests and for benchmarks/lab_browser.py.

Needs Playwright for Python and a Chromium; `missing()` says what is not there.
"""
import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import sysconfig
import time
import venv
from pathlib import Path

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
KERNEL = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}


def missing() -> str:
    """What a browser test lacks here; empty where nothing."""
    try:
        import playwright.sync_api  # noqa: F401
    except ImportError:
        return "Playwright is not installed: pip install playwright"
    return "" if CHROMIUM else "no Chromium on the PATH"


def environment_with(folder: Path, *packages: str) -> Path:
    """A Python whose own packages are these, and which borrows all others from the one that runs the tests."""
    python = folder / "bin" / "python"
    if not python.exists():
        venv.create(folder, with_pip=True)
    subprocess.run([python, "-m", "pip", "install", "--quiet", "--no-deps", *packages], check=True, capture_output=True)
    own = subprocess.run([python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"], check=True,
                         capture_output=True, text=True).stdout.strip()
    borrowed = [sysconfig.get_path("purelib"), str(Path(__file__).resolve().parents[1])]
    (Path(own) / "borrowed.pth").write_text("\n".join(borrowed) + "\n")
    return python


def notebook(path: Path, *cells: str) -> None:
    code = {"cell_type": "code", "metadata": {}, "execution_count": None, "outputs": []}
    path.write_text(json.dumps({"nbformat": 4, "nbformat_minor": 5, "metadata": KERNEL, "cells": [
        {**code, "id": f"cell-{number}", "source": source} for number, source in enumerate(cells)]}))


@contextlib.contextmanager
def jupyterlab(folder: Path, python: Path | str = sys.executable, **environment: str):
    """The address of a JupyterLab that serves a folder, with its token."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    prefix = Path(sys.prefix) / "share" / "jupyter" / "lab"
    home = folder / ".home"
    notices = home / "settings" / "@jupyterlab" / "apputils-extension" / "notification.jupyterlab-settings"
    notices.parent.mkdir(parents=True, exist_ok=True)
    notices.write_text('{"fetchNews": "false"}')
    env = {**os.environ, "JUPYTER_PATH": "", "JUPYTER_CONFIG_DIR": str(home / "config"),
           "JUPYTER_DATA_DIR": str(home / "data"), "JUPYTER_RUNTIME_DIR": str(home / "runtime"),
           "IPYTHONDIR": str(home / "ipython"), **environment}
    command = [str(python), "-m", "jupyterlab", "--no-browser", "--allow-root", f"--port={port}",
               "--ServerApp.port_retries=0", "--IdentityProvider.token=test", f"--ServerApp.root_dir={folder}",
               f"--app-dir={prefix}", f"--LabApp.workspaces_dir={home}/workspaces",
               f"--LabApp.user_settings_dir={home}/settings"]
    with (home / "log.txt").open("w") as log:
        server = subprocess.Popen(command, env=env, stdout=log, stderr=subprocess.STDOUT, cwd=folder)
    try:
        for _ in range(600):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            if server.poll() is not None:
                raise RuntimeError((home / "log.txt").read_text()[-2000:])
            time.sleep(0.1)
        yield f"http://127.0.0.1:{port}", "test"
    finally:
        server.terminate()
        server.wait(20)


@contextlib.contextmanager
def page_of(address: tuple[str, str], path: str, width: int = 1280, height: int = 1400, theme: str = "light"):
    """A page that shows a notebook, its kernel ready."""
    from playwright.sync_api import sync_playwright
    url, token = address
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu",
                                                                             "--disable-background-networking"])
        try:
            page = browser.new_page(viewport={"width": width, "height": height}, color_scheme=theme)
            page.goto(f"{url}/lab/tree/{path}?reset&token={token}", timeout=90_000)
            page.wait_for_selector(".jp-Notebook .jp-Cell", timeout=90_000)
            page.wait_for_selector('.jp-Notebook-ExecutionIndicator[data-status="idle"]', timeout=90_000)
            yield page
        finally:
            browser.close()


class LabPage:
    """The lab on a page: what a learner does with it, and what is to be read."""

    def __init__(self, page):
        self.page = page

    def run_cell(self, number: int = 0) -> None:
        page = self.page
        page.locator(".jp-Notebook .jp-Cell .cm-content").nth(number).click()
        for _ in range(5):  # a press before the kernel is connected is lost
            page.keyboard.press("Control+Enter")
            with contextlib.suppress(Exception):
                page.wait_for_selector(".widget-image", timeout=20_000)
                return
        raise AssertionError("the lab did not appear: " + page.locator(".jp-Notebook").inner_text()[-1500:])

    def text(self) -> str:
        return self.page.locator(".jp-OutputArea-output").first.inner_text()

    def says(self, words: str, seconds: float = 60) -> None:
        """Wait until the lab shows these words."""
        for _ in range(int(seconds / 0.02)):
            if words in self.text():
                return
            self.page.wait_for_timeout(20)
        raise AssertionError(f"{words!r} was not shown within {seconds} s; there is:\n{self.text()}")

    def press(self, button: str) -> None:
        self.page.get_by_role("button", name=button, exact=True).click()

    def slider(self, number: int = 0):
        """Its handle, with the keyboard's focus."""
        handle = self.page.locator(".noUi-handle, .ui-slider-handle").nth(number)
        handle.focus()
        return handle

    def picture(self) -> str:
        """The SVG that is shown."""
        return self.page.evaluate("""async () => {
            const shown = document.querySelector('img.widget-image, .widget-image img');
            return await (await fetch(shown.src)).text(); }""")

    def watch_frames(self) -> None:
        """Note from now on, in milliseconds of the page's clock, when another picture was put there."""
        self.page.evaluate("""() => {
            const shown = document.querySelector('img.widget-image, .widget-image img');
            window.frames_at = [];
            new MutationObserver(() => window.frames_at.push(performance.now()))
                .observe(shown, {attributes: true, attributeFilter: ['src']}); }""")

    def frames(self) -> list[float]:
        return self.page.evaluate("window.frames_at")

    def now(self) -> float:
        return self.page.evaluate("performance.now()")
