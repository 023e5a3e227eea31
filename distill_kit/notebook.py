"""What notebooks need beside the ideas: images named and fetched, and a run followed in one line of text."""
import os
import threading
import time

from .data import Dataset, download_cifar10
from .history import EPOCH
from .run import QUICK_EPOCHS, Materials, Run, Settings

ARCHIVE_BYTES = 170_498_071
EPOCHS = int(os.environ.get("DISTILL_KIT_EPOCHS", QUICK_EPOCHS))  # of the students in the notebooks; tests take one


def data_in_use(dataset: Dataset):
    """Say which images are in use. Where they are not CIFAR-10: with a button that fetches it.

    Shown by being the last line of a cell.
    """
    from IPython.display import Markdown
    if dataset.name == "cifar10":
        return Markdown(f"**Images in use.** {dataset.notice}")
    return download_button(f"Images in use: {dataset.notice}")


def download_button(notice: str = ""):
    """A button that fetches CIFAR-10 and shows size, share done and time left; an ipywidgets box.

    The download runs in a thread of its own, so that the notebook stays usable; on Colab, which does not show what a
    thread changes, in the foreground. Pressed again after a failure it goes on where it stopped.
    """
    import ipywidgets as widgets
    label = widgets.HTML(f"<p>{notice}</p>" if notice else "")
    button = widgets.Button(description=f"Fetch CIFAR-10 ({ARCHIVE_BYTES / 1e6:.0f} MB)", button_style="primary",
                            layout=widgets.Layout(width="auto"))
    bar = widgets.FloatProgress(min=0, max=1, layout=widgets.Layout(width="60%", visibility="hidden"))
    words = widgets.HTML()

    def fetch():
        started, first = time.monotonic(), None

        def follow(done: int, total: int) -> None:
            nonlocal first
            first = done if first is None else first  # what an earlier attempt brought is not this one's speed
            bar.value = done / (total or ARCHIVE_BYTES)
            words.value = progress_words(done, total or ARCHIVE_BYTES, first, time.monotonic() - started)

        try:
            download_cifar10(progress=False, on_progress=follow)
        except (OSError, ValueError) as error:
            words.value = f"<b>Not fetched.</b> {error}"
            button.disabled = False
        else:
            bar.value = 1
            words.value = "<b>CIFAR-10 is here.</b> Restart the kernel and run all cells (Run menu) to use it."

    def press(_):
        button.disabled, bar.layout.visibility, words.value = True, "visible", "Connecting ..."
        if _on_colab():
            fetch()
        else:
            threading.Thread(target=fetch, daemon=True).start()

    button.on_click(press)
    return widgets.VBox([label, widgets.HBox([button, bar]), words])


def progress_words(done: int, total: int, first: int, seconds: float) -> str:
    """"12 of 170 MB, 1.2 MB/s, about 2 min left"."""
    text = f"{done / 1e6:.0f} of {total / 1e6:.0f} MB"
    speed = (done - first) / seconds if seconds > 0 else 0
    return text if speed <= 0 else f"{text}, {speed / 1e6:.1f} MB/s, about {time_words((total - done) / speed)} left"


def time_words(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"


def train_and_tell(settings: Settings, materials: Materials, name: str = "student") -> Run:
    """Train one student to its end, with one line of text that follows it; returns the run.

    Interrupting the kernel stops it; what was learnt up to its best epoch is then on `run.student`.
    """
    from IPython.display import display
    run = Run(settings, materials)
    steps = settings.epochs * len(run.batches)
    line = display(_Line(f"{name}: starting"), display_id=True)
    started, told, epoch = time.monotonic(), 0.0, None
    for row in run.rows(every=5):
        epoch = row if row["kind"] == EPOCH else epoch
        now = time.monotonic()
        if now - told > 0.5:
            told = now
            left = time_words((now - started) / row["steps"] * (steps - row["steps"]))
            seen = f", validation accuracy {epoch['val_accuracy']:.1%}" if epoch and "val_accuracy" in epoch else ""
            line.update(_Line(f"{name}: epoch {row['epoch']} of {settings.epochs}{seen}, about {left} left"))
    best = max(row.get("val_accuracy", 0) for row in run.history)
    line.update(_Line(f"{name}: done in {time_words(now - started)}, best validation accuracy {best:.1%}"))
    return run


class _Line:
    """A line of text that a notebook shows without quotes."""

    def __init__(self, text: str):
        self.text = text

    def __repr__(self) -> str:
        return self.text


def _on_colab() -> bool:
    import sys
    return "google.colab" in sys.modules
