"""The lab on the screen: what its widgets do when they are moved, and what they show when something is new."""
import sys
import threading
import time
from base64 import b64encode
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
from .picture import CLASSES, draw, draw_stored
from .session import LabRun, Session
from .share import command_line, is_seed, python_lines, read_code
from .stored_runs import stored_for
from .words import alike_sentence, line_of, on_this_machine, softness, state_sentence, stored_sentences, verdict
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
        self.foreground = "google.colab" in sys.modules
        self.session = Session(experiment, dataset, teacher, folder=folder, on_change=self._refresh,
                               foreground=self.foreground, **{"seed": seed, **start, **values})
        self.stored = stored_for(dataset.name, experiment.name)
        self.undrawn: Exception | None = None                   # why a drawing failed
        self._drawn, self._shown, self._alike_code = 0.0, None, ""
        self._drawing, self._drawer = threading.Lock(), None  # the thread that draws: what it writes is no order
        presses = {"Train": self.session.train, "Stop": self.session.stop, "New seed": self.session.new_seed,
                   "Repeat with three seeds": self.session.repeat, "Pin": self._pin, "Download my runs": self._offer,
                   "Open the test images": self._open_test}
        self.panel = Panel(experiment, self.session, self.foreground, presses, self._choose)
        self._connect(experiment)
        for name in lesson.get("hide", ()):
            self.panel.rows[name].layout.display = "none"
        for name in lesson.get("lock", ()):
            self.panel.sliders[name].disabled = self.panel.typed[name].disabled = True
        self._refresh()

    def run(self, **values) -> LabRun:
        """Set controls, train and wait for the end: the lab without a hand on it. Raises what the run failed with."""
        self._set(values)
        self.session.join()
        if self.undrawn is not None:
            raise self.undrawn
        return self.session.live

    def _connect(self, experiment: Experiment) -> None:
        session, panel = self.session, self.panel
        for control in experiment.controls:
            self._on(panel.sliders[control.name], lambda value, control=control: self._moved(control, value))
            self._on(panel.typed[control.name], lambda text, control=control: self._type(control, text))
        for widget, react in ((panel.table, self._restore), (panel.again, self._go_back), (panel.seed, self._sow),
                              (panel.code, self._paste), (panel.beside, self._show_beside)):
            self._on(widget, react)
        self._on(panel.show, lambda is_on: setattr(panel.lines.layout, "display", "" if is_on else "none"))
        self._on(panel.guess, lambda word: setattr(session, "expected", word or None))

    def _on(self, widget, react) -> None:
        """Hear a widget's new value, unless it was written by a drawing: that is no order."""
        def hear(change: dict) -> None:
            if threading.get_ident() != self._drawer:
                react(change["new"])
        widget.observe(hear, "value")

    # Reactions: they leave an order and return

    def _moved(self, control: Control, value) -> None:
        self.panel.typed[control.name].value = str(value)
        if self.session.values[control.name] != value:
            self.session.move(**{control.name: value})
            self._explain("")  # it was about a preset
            self._alike_code = self.session.code()  # the sentence only holds for these values and this seed
            sentence = alike_sentence(self.session, self.stored, control)
            self.panel.alike.value = lines(sentence) if sentence else ""

    def _type(self, control: Control, text: str) -> None:
        try:
            self.panel.sliders[control.name].value = control.read(text)
        except ValueError as error:
            self._explain(f"{error}.")
            self.panel.typed[control.name].value = str(self.session.values[control.name])

    def _choose(self, preset: Preset) -> None:
        self._explain(f"{preset.name}: {preset.why}")
        self._set(preset.values)

    def _explain(self, words: str) -> None:
        self.panel.why.value = lines(words)

    def _pin(self) -> None:
        run = self.session.pin()
        self._explain("There is no run yet that could be pinned." if run is None else
                      f"Run {run.number} {'stays in the picture' if run in self.session.pinned else 'is let go'}.")

    def _open_test(self) -> None:
        self._explain("" if self.session.runs else "There is no run yet that could be measured.")
        self.session.open_test()

    def _go_back(self, text: str) -> None:
        numbers = [str(run.number) for run in self.session.runs]
        if text.strip() in numbers:
            self._restore(numbers.index(text.strip()))
        elif text:
            self._explain(f"There is no run {text.strip()}; there are {len(numbers)}.")
        self.panel.again.value = ""

    def _sow(self, text: str) -> None:
        if not is_seed(text):
            self._explain(f"A seed is a whole number from 0; got {text!r}. The largest is 2**63 - 1.")
            self.panel.seed.value = str(self.session.seed)
        elif text != str(self.session.seed):
            self.session.move(seed=int(text))

    def _restore(self, place: int | None) -> None:
        if place is not None:
            self.session.restore(self.session.runs[place])
            self._follow()

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
        if code == self.session.code():
            return
        try:
            experiment, values, seed, _ = read_code(code)
            if experiment != self.session.experiment:
                raise ValueError(f"this code is for Lab({experiment.name!r})")
            self._set({"seed": seed, **values})
            self.panel.refused.value = ""
        except ValueError as error:
            self.panel.refused.value = lines(f"Not taken: {error}.")

    def _set(self, values: dict) -> None:  # all at once: a single run begins, and the sliders follow
        self.session.move(**values)
        self._follow()

    def _follow(self) -> None:
        for name, value in self.session.values.items():
            self.panel.sliders[name].value = value

    # From the worker's thread

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
        state = (live and live.state, len(session.runs), session.second is not None, session.failure, session.looks)
        if state == self._shown and live is not None and live.state == RUNNING and now - self._drawn < FRAME_SECONDS:
            return
        self._drawn = now
        panel.picture.value = draw(session, self.stored, panel.beside.value).encode()
        words = f"{state_sentence(session)} {on_this_machine(session.second or live)}".strip()
        panel.state.value = LINES.format(escape(words) + error_folded(session.failure))
        panel.softness.value = lines(softness(session))
        panel.verdict.value = lines(verdict(session, self.stored), bold=True)
        if state != self._shown:
            panel.table.options = [(line_of(run), place) for place, run in enumerate(session.runs)][::-1]
            panel.table.value = None
            panel.offer.value = ""
            settings = session.settings(session.values)
            panel.lines.value = f"{python_lines(settings)}\n\n# or, in a terminal:\n{command_line(settings)}"
        panel.code.value, panel.seed.value = session.code(), str(session.seed)
        if self._alike_code != session.code():
            panel.alike.value = ""
        self._shown, self.undrawn = state, None

    def _repr_mimebundle_(self, **kwargs) -> dict:
        """Show the widget; where none can be shown, the run in front, or what is stored of the presets."""
        session, stored, experiment = self.session, self.stored, self.session.experiment
        if session.live is not None:
            picture, words = draw(session, stored), [verdict(session, stored) or experiment.question]
        else:
            picture = draw_stored(experiment, stored)
            words = [experiment.question, *stored_sentences(experiment, stored)]
        source = f"data:image/svg+xml;base64,{b64encode(picture.encode()).decode()}"
        sentences = "".join(f"<p>{escape(sentence)}</p>" for sentence in words)
        return bundle(self.panel.box, text_html=f"<img alt='{escape(experiment.title)}' src='{source}'/>{sentences}",
                      text_plain="\n".join(words))
