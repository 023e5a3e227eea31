"""The lab on the screen: what its widgets do when they are moved, and what they show when something is new."""
import sys
import threading
import time
from base64 import b64encode
from functools import partial
from pathlib import Path

from torch import nn

from distill_kit.data import Dataset, load_dataset
from distill_kit.openmp import rest_threads
from distill_kit.teachers import load_teacher

from ..markup import escape
from ..shown import LINES, bundle, lines
from .experiments import EXPERIMENTS, Control, Experiment, Preset
from .export import runs_zip
from .panel import Panel, error_folded
from .picture import CLASSES, draw, draw_presets
from .session import LabRun, Session
from .share import command_line, python_lines, read_code, read_seed
from .words import line_of, measured_sentence, on_this_machine, preset_sentences, softness, state_sentence, verdict
from .worker import RUNNING

FRAME_SECONDS = 0.3  # between two pictures of one run
UNDRAWN = "This could not be drawn. Training goes on, and every run is on the disk."


class Lab:
    """Sliders that train a student again, shown by being the last line of a cell.

        >>> Lab("temperature")
        >>> Lab("alpha/alpha=0.5/label_noise=0.4/seed=3", epochs=4)

    experiment: a name from EXPERIMENTS, a code (share.py), or a record of your own.
    dataset, teacher: the best at hand where None.
    folder: where runs go. start: further fields of Settings (epochs=4, device="cpu", say).
    """

    def __init__(self, experiment: str | Experiment = "plain", dataset: Dataset | None = None,
                 teacher: nn.Module | None = None, *, folder: Path | str | None = None, **start):
        values, seed, lesson = {}, 0, {}
        if isinstance(experiment, str) and ("/" in experiment or experiment in EXPERIMENTS):
            experiment, values, seed, lesson = read_code(experiment)
        if not isinstance(experiment, Experiment):
            raise ValueError(f"experiment must be one of {', '.join(EXPERIMENTS)}, a code or an Experiment; got "
                             f"{experiment!r}")
        dataset = load_dataset() if dataset is None else dataset
        teacher = load_teacher(dataset)[0] if teacher is None else teacher
        # Colab shows nothing that another thread does to a widget, so there a run holds its cell until it is over.
        foreground = "google.colab" in sys.modules
        self.session = Session(experiment, dataset, teacher, folder=folder, on_change=self._refresh,
                               foreground=foreground, **{"seed": seed, **start, **values})
        self.undrawn: Exception | None = None                   # why a drawing failed
        self._drawn, self._shown = 0.0, None
        self._moved_last: Control | None = None
        self._drawing, self._drawer = threading.Lock(), None  # the thread that draws: what it writes is no order
        presses = {"Train": self.session.train, "Stop": self.session.stop, "New seed": self.session.new_seed,
                   "Repeat with three seeds": self.session.repeat, "Pin": self._pin, "Download my runs": self._offer,
                   "Open the test images": self._open_test}
        self.panel = Panel(experiment, self.session, foreground, presses, self._choose)
        self._connect()
        for name in lesson.get("hide", ()):
            self.panel.rows[name].layout.display = "none"
        for name in lesson.get("lock", ()):
            self.panel.sliders[name].disabled = self.panel.typed[name].disabled = True
        self._refresh()

    def run(self, **values) -> LabRun:
        """Set controls, train and wait for the end: the lab without a hand on it. Raises what the run failed with."""
        self.session.move(**values)
        self.session.join()
        if self.undrawn is not None:
            raise self.undrawn
        return self.session.live

    def _connect(self) -> None:
        session, panel = self.session, self.panel
        for control in session.experiment.controls:
            self._on(panel.sliders[control.name], partial(self._move, control))
            self._on(panel.typed[control.name], lambda text, control=control: self._move(control, control.read(text)))
        self._on(panel.seed, lambda text: session.move(seed=read_seed(text)))
        self._on(panel.code, self._paste)
        self._on(panel.table, session.restore)
        self._on(panel.again, self._go_back)
        self._on(panel.beside, self._show_beside)
        self._on(panel.show, lambda is_on: setattr(panel.lines.layout, "display", "" if is_on else "none"))
        self._on(panel.guess, lambda word: setattr(session, "expected", word or None))

    def _on(self, widget, react) -> None:
        """Hear a widget's new value, unless it was written by a drawing: that is no order. Say what is refused."""
        def hear(change: dict) -> None:
            if threading.get_ident() == self._drawer:
                return
            try:
                react(change["new"])
            except ValueError as error:
                self._explain(f"{error}.")
                self._refresh()  # the widget shows again what holds
        widget.observe(hear, "value")

    # Reactions: they leave an order and return

    def _move(self, control: Control, value) -> None:
        if self.session.values[control.name] != value:
            self._moved_last = control
            self._explain("")  # it was about a preset
            self.session.move(**{control.name: value})

    def _choose(self, preset: Preset) -> None:
        self._explain(f"{preset.name}: {preset.why}")
        self.session.move(**preset.values)

    def _explain(self, words: str) -> None:
        self.panel.why.value = lines(words)

    def _pin(self) -> None:
        run = self.session.pin()
        self._explain("There is no run yet that could be pinned." if run is None else
                      f"Run {run.number} {'stays in the picture' if run in self.session.pinned else 'is let go'}.")

    def _open_test(self) -> None:
        self._explain("" if self.session.runs else "There is no run yet that could be measured.")
        self.session.open_test()

    def _go_back(self, number: str) -> None:
        runs = {str(run.number): run for run in self.session.runs}
        if number.strip() not in runs:
            raise ValueError(f"There is no run {number.strip()}; there are {len(runs)}")
        self.session.restore(runs[number.strip()])

    def _show_beside(self, chosen: int | str) -> None:
        self.session.image = chosen if chosen != CLASSES else self.session.image
        self._drawn = 0.0
        self._refresh()

    def _offer(self) -> None:
        if not self.session.runs:
            self._explain("There is no run yet that could be saved.")
            return
        content, runs = b64encode(runs_zip(self.session)).decode(), self.session.runs
        if gone := [str(run.number) for run in runs if not (run.folder / "history.jsonl").is_file()]:
            self._explain(f"The folder of run {', '.join(gone)} is gone: only the table has its figures.")
        self.panel.offer.value = ("<a style='text-decoration: underline' download='distill_kit-runs.zip' "
                                  f"href='data:application/zip;base64,{content}'>Save {len(runs)} runs</a>")

    def _paste(self, code: str) -> None:
        self.panel.refused.value = ""
        try:
            experiment, values, seed, _ = read_code(code)
            if experiment != self.session.experiment:
                raise ValueError(f"this code is for Lab({experiment.name!r})")
            self.session.move(seed=seed, **values)
        except ValueError as error:  # said beside the box
            self.panel.refused.value = lines(f"Not taken: {error}.")

    # From the worker's thread, and after each move

    def _refresh(self) -> None:
        with self._drawing:
            self._drawer = threading.get_ident()
            try:
                self._draw()
            except Exception as error:
                self.undrawn = error
                self.panel.state.value = LINES.format(UNDRAWN + error_folded(error))
            finally:
                self._drawer = None
                if threading.current_thread() is threading.main_thread():
                    rest_threads()  # drawing started OpenMP helpers for this thread; see there

    def _draw(self) -> None:
        session, panel, now, live = self.session, self.panel, time.monotonic(), self.session.live
        for control in session.experiment.controls:
            slider, value = panel.sliders[control.name], session.values[control.name]
            if value not in slider.options:  # it lies between two stops
                slider.options = control.stops_with(value)
            slider.value, panel.typed[control.name].value = value, str(value)
        panel.code.value, panel.seed.value, panel.again.value = session.code(), str(session.seed), ""
        state = (live and live.state, len(session.runs), session.second is not None, session.failure, session.looks)
        if state == self._shown and live is not None and live.state == RUNNING and now - self._drawn < FRAME_SECONDS:
            return
        self._drawn = now
        panel.picture.value = draw(session, panel.beside.value).encode()
        words = f"{state_sentence(session)} {on_this_machine(session.second or live)}".strip()
        panel.state.value = LINES.format(escape(words) + error_folded(session.failure))
        panel.softness.value = lines(softness(session))
        panel.verdict.value = lines(verdict(session), bold=True)
        panel.measured.value = lines(measured_sentence(session, self._moved_last))
        if state != self._shown:
            panel.table.options = [(line_of(run), run) for run in reversed(session.runs)]
            panel.table.value, panel.offer.value = None, ""
            settings = session.settings(session.values)
            panel.lines.value = f"{python_lines(settings)}\n\n# or, in a terminal:\n{command_line(settings)}"
        self._shown, self.undrawn = state, None

    def _repr_mimebundle_(self, **kwargs) -> dict:
        """Show the widget; where none can be shown, the run in front, or what is stored of the presets."""
        session, experiment = self.session, self.session.experiment
        if session.live is not None:
            picture, words = draw(session), [verdict(session) or experiment.question]
        else:
            picture, words = draw_presets(session), [experiment.question, *preset_sentences(session)]
        source = f"data:image/svg+xml;base64,{b64encode(picture.encode()).decode()}"
        sentences = "".join(f"<p>{escape(sentence)}</p>" for sentence in words)
        return bundle(self.panel.box, text_html=f"<img alt='{escape(experiment.title)}' src='{source}'/>{sentences}",
                      text_plain="\n".join(words))
