"""What notebooks need beside the ideas: images named and fetched, and a run followed to its end."""
import os
import sys
import threading
import time

from IPython.display import Markdown, display

from distill_kit.data import Dataset, download_cifar10
from distill_kit.progress import training_bar
from distill_kit.run import Materials, Run
from distill_kit.settings import QUICK_EPOCHS, Settings

from .markup import escape, markdown
from .shown import Line, button, widgets

ARCHIVE_BYTES = 170_498_071
EPOCHS = int(os.environ.get("DISTILL_KIT_EPOCHS", QUICK_EPOCHS))  # of the students in the notebooks; tests take 1


def data_in_use(dataset: Dataset):
    """Say which images are in use. Where they are not CIFAR-10: with a button that fetches it.

    Shown by being the last line of a cell.
    """
    if dataset.name == "cifar10":
        return Markdown(f"**Images in use.** {markdown(dataset.notice)}")
    return download_button(f"Images in use: {dataset.notice}")


def download_button(notice: str = "") -> widgets.VBox:
    """Make a button that fetches CIFAR-10, with a bar that shows size, speed and time left.

    The download runs in a thread of its own, so that the notebook stays usable; on Colab, which does not show what a
    thread changes, in the foreground. Pressed again after a failure it goes on where it stopped.
    """
    from tqdm.notebook import tqdm
    bar = tqdm(total=ARCHIVE_BYTES, desc="CIFAR-10", unit="B", unit_scale=True, display=False)
    bar.container.layout.display = "none"
    words = widgets.HTML()

    def follow(done: int, total: int) -> None:
        if not bar.n:
            bar.n = bar.last_print_n = bar.initial = done  # what an earlier attempt brought is not this one's speed
        bar.update(done - bar.n)

    def fetch() -> None:
        try:
            download_cifar10(progress=False, on_progress=follow)
        except (OSError, ValueError) as error:
            words.value = f"<b>Not fetched.</b> {escape(error)}"
            fetching.disabled = False
        else:
            words.value = "<b>CIFAR-10 is here.</b> Restart the kernel and run all cells (Run menu) to use it."

    def press() -> None:
        fetching.disabled, bar.container.layout.display, words.value = True, "", "Connecting ..."
        bar.reset(ARCHIVE_BYTES)
        if "google.colab" in sys.modules:
            fetch()
        else:
            threading.Thread(target=fetch, daemon=True).start()

    fetching = button(f"Fetch CIFAR-10 ({ARCHIVE_BYTES / 1e6:.0f} MB)", "After a failure it goes on where it stopped.",
                      press, style="primary")
    above = widgets.HTML(f"<p>{escape(notice)}</p>" if notice else "")
    return widgets.VBox([above, widgets.HBox([fetching, bar.container]), words])


def train_and_tell(settings: Settings, materials: Materials, name: str = "student") -> Run:
    """Train a student to its end, with a progress bar, and say how it came out; returns the run.

    Interrupting the kernel stops it; `run.student` then has the weights of its best epoch so far.
    """
    run, started = Run(settings, materials), time.monotonic()
    with training_bar(settings.epochs * len(run.batches), name) as follow:
        for row in run.rows(every=5):
            follow(row)
    best = f"best validation accuracy {max(row.get('val_accuracy', 0) for row in run.history):.1%}"
    how = f"stopped. {run.history[-1]['stopped']} Before that" if "stopped" in run.history[-1] else "done"
    display(Line(f"{name}: {how} in {time.monotonic() - started:.0f} s, {best}"))
    return run
