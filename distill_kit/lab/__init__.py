"""The lab: move a slider and watch a student train again.

experiments.py says what can be asked; session.py knows what was asked and found; orders.py trains, one thread at a
time; words.py and picture.py (on svg.py) say and draw it; stored.py knows results that ship with the kit; this file
puts it under the learner's hand, with the widgets of controls.py.
"""
import sys
import threading
import time
from base64 import b64encode
from html import escape
from pathlib import Path

import ipywidgets as widgets
from torch import nn

from ..data import load_dataset
from ..data.imageset import Dataset
from ..openmp import rest_threads
from ..teachers import load_teacher
from .controls import FOCUS, HELP, IPYWIDGETS_8, LINES, SLIDER, WIDE, button, folded, hint, row, text_box
from .experiments import EXPERIMENTS, Control, Experiment
from .export import runs_zip, still
from .orders import RUNNING
from .picture import CLASSES, HEIGHT, WIDTH, draw
from .session import REPEATS, LabRun, Session
from .share import command_line, python_lines, read_code
from .stored import stored_for
from .words import (LESS, MORE, SAME, alike_sentence, on_this_machine, per_cent, settings_words, softness,
                    state_sentence, verdict)

FRAME_SECONDS = 0.3  # between two pictures of one run
UNDRAWN = "This could not be drawn. Training goes on, and every run is on the disk."


class Lab:
    """Shown by being the last line of a cell: `Lab("temperature")`.

    experiment: a name from EXPERIMENTS, a code (see share.py), or a record of one's own.
    dataset, teacher: the best at hand where None.
    start: further fields of run.Settings (epochs=4, say).
    """

    def __init__(self, experiment: str | Experiment = "plain", dataset: Dataset | None = None,
                 teacher: nn.Module | None = None, *, device: str | None = None, folder: Path | str | None = None,
                 **start):
        values, seed, lesson = {}, 0, {}
        if isinstance(experiment, str):
            if "/" not in experiment and experiment not in EXPERIMENTS:
                raise ValueError(f"experiment must be one of {', '.join(EXPERIMENTS)}, or a code; got {experiment!r}")
            experiment, values, seed, lesson = read_code(experiment)
        dataset = load_dataset() if dataset is None else dataset
        teacher = load_teacher(dataset)[0] if teacher is None else teacher
        # Colab shows nothing that another thread does to a widget, so there a run holds its cell until it is over.
        self.foreground = "google.colab" in sys.modules
        self.session = Session(experiment, dataset, teacher, device=device, folder=folder, on_change=self._refresh,
                               foreground=self.foreground, **start)
        self.session.values.update(values)
        self.session.seed = seed
        self.stored = stored_for(dataset.name, experiment.name)
        self._drawn, self._shown, self._alike_code, self.undrawn = 0.0, None, "", None  # the last: why a drawing failed
        self._drawing, self._drawer = threading.Lock(), None  # the thread that draws: what it writes is no order
        self._build(experiment)
        for name in lesson.get("hide", ()):
            self.rows[name].layout.display = "none"
        for name in lesson.get("lock", ()):
            self.sliders[name].disabled = self.typed[name].disabled = True
        self._refresh()

    def run(self, **values) -> LabRun:
        """Set controls, train, wait for the end: the lab without a hand on it. Raises what the run failed with."""
        self._set(values)
        self.session.join()
        if self.undrawn is not None:
            raise self.undrawn
        return self.session.live

    def _build(self, experiment: Experiment) -> None:
        session = self.session
        self.sliders = {control.name: self._slider(control) for control in experiment.controls}
        self.typed = {control.name: self._typed(control) for control in experiment.controls}
        self.rows = {control.name: row(self.typed[control.name], self.sliders[control.name], control.words)
                     for control in experiment.controls}
        self.picture = widgets.Image(format="svg+xml", width=WIDTH, height=HEIGHT,
                                     layout=widgets.Layout(height=f"{HEIGHT}px", **WIDE))
        self.state, self.verdict, self.why, self.softness, self.alike, self.offer, self.refused = (
            widgets.HTML(layout=WIDE) for _ in range(7))
        self.offer.layout = widgets.Layout(width="auto")
        # A list takes no keys: JupyterLab has the letters and arrows first, and an "m" turns the cell into text. It is
        # for the mouse; beside it, a number can be typed.
        self.table = widgets.Select(options=[], rows=4, layout=WIDE, **({"tabbable": False} if IPYWIDGETS_8 else {}))
        self.table.observe(self._restore, "value")
        self.again = text_box("Back to run", "160px", "Type the number of a run in the list to set its values again.")
        self.again.observe(lambda change: self._go_back(change["new"]), "value")
        self.seed = text_box("Seed", "120px", "First weights and order of the batches. Another one: was it luck?")
        self.seed.observe(lambda change: self._sow(change["new"]), "value")
        self.code = text_box("Short code", WIDE["width"], "All values and the seed. Paste another one to set them.")
        self.code.observe(lambda change: self._paste(change["new"]), "value")
        self.lines = widgets.Textarea(rows=11, description="This run", layout=widgets.Layout(display="none", **WIDE))
        show = widgets.ToggleButton(description="Show the code", layout=widgets.Layout(width="auto"),
                                    **hint("This run in Python, and as a command."))
        show.observe(lambda change: setattr(self.lines.layout, "display", "" if change["new"] else "none"), "value")
        train = [button("Train", session.train, "Train again with these values.", "primary"),
                 button("Stop", session.stop, "Stop at once; what was learnt is kept."),
                 button("New seed", session.new_seed, "Other first weights, another order: was it luck?"),
                 self.seed,
                 button("Repeat with three seeds", session.repeat,
                        f"Train {REPEATS} seeds with and without, for an interval."),
                 button("Pin", self._pin, "Keep the newest run in the picture; again, to let it go.")]
        after = [button("Download my runs", self._offer, "Table and histories, in one archive."), self.offer,
                 button("Open the test images", self._open_test,
                        "Measure the newest run on images that no choice was made with. It is counted."), show]
        self.guess = widgets.ToggleButtons(
            options=[("no guess", ""), *((word, word) for word in (MORE, SAME, LESS))], style={"button_width": "auto"},
            **hint("Say it before you train: what you expected is set against what came."))
        self.guess.observe(lambda change: setattr(session, "expected", change["new"] or None), "value")
        beside = widgets.Label(f"beside {experiment.baseline_name}")
        guess = [widgets.Label("My guess: it comes out"), self.guess, beside]
        classes = session.images.classes
        self.beside = widgets.SelectionSlider(
            options=[*((f"image {place + 1}: {classes[label]}", place)
                       for place, label in enumerate(session.images.labels)), (CLASSES, CLASSES)],
            description="Right side", layout=widgets.Layout(width="420px"),
            **hint("What stands beside the curves: an image that the teacher is in doubt about, or every class."))
        self.beside.observe(self._show_beside, "value")
        presets = [button(preset.name, lambda preset=preset: self._choose(preset), preset.why)
                   for preset in experiment.presets]
        unseen = session.settings(session.values).leave_out
        note = experiment.note if unseen is None else f"The class is: {unseen}. {experiment.note}"
        head = widgets.HTML(FOCUS + LINES.format(f"<b>{escape(experiment.title)}.</b> {escape(experiment.question)} "
                                         f"<i>{escape(note)}</i>") + HELP, layout=WIDE)
        wrap = widgets.Layout(flex_flow="row wrap", **WIDE)
        self.box = widgets.VBox([head, widgets.HBox(guess, layout=wrap), *self.rows.values(),
                                 widgets.HBox(train, layout=wrap), self.state, self.verdict, self.picture, self.beside,
                                 self.softness, self.alike,
                                 widgets.HBox([widgets.Label("Try:"), *presets], layout=wrap), self.why,
                                 widgets.Label("Runs so far, the newest first"), self.table, self.again,
                                 widgets.HBox(after, layout=wrap), self.lines, self.code, self.refused])
        self.box.add_class("distill-kit-lab")

    def _slider(self, control: Control) -> widgets.SelectionSlider:
        slider = widgets.SelectionSlider(
            options=control.stops, value=self.session.values[control.name], readout=False,
            continuous_update=not self.foreground, **hint(control.words),
            layout=widgets.Layout(**SLIDER))
        slider.observe(lambda change: self._moved(control, change["new"]), "value")
        return slider

    def _typed(self, control: Control) -> widgets.Text:
        """The value, to be typed as well. It bears the name that a screen reader finds; a slider cannot have one."""
        typed = text_box(control.label, "370px" if control.name == "fault" else "250px", control.words)
        typed.value, typed.style.description_width = str(self.session.values[control.name]), "150px"
        typed.observe(lambda change: self._type(control, change["new"]), "value")
        return typed

    # Callbacks: they leave an order and return

    def _moved(self, control: Control, value) -> None:
        self.typed[control.name].value = str(value)
        if self.session.values[control.name] != value:
            self.session.move(**{control.name: value})
            self._explain("")  # what was said of a preset
            self._say_alike(alike_sentence(self.session, self.stored, control))

    def _type(self, control: Control, text: str) -> None:
        try:
            self.sliders[control.name].value = control.read(text)
        except ValueError as error:
            self._explain(f"{error}.")
            self.typed[control.name].value = str(self.session.values[control.name])

    def _say_alike(self, sentence: str) -> None:
        """It holds for these values and this seed alone."""
        self._alike_code = self.session.code()
        self.alike.value = LINES.format(escape(sentence)) if sentence else ""

    def _choose(self, preset) -> None:
        self._explain(f"{preset.name}: {preset.why}")
        self._set(preset.values)

    def _explain(self, words: str) -> None:
        self.why.value = LINES.format(escape(words))

    def _pin(self) -> None:
        run = self.session.pin()
        self._explain("There is no run yet that could be pinned." if run is None else
                      f"Run {run.number} {'stays in the picture' if run in self.session.pinned else 'is let go'}.")

    def _open_test(self) -> None:
        self._explain("" if self.session.runs else "There is no run yet that could be measured.")
        self.session.open_test()

    def _go_back(self, text: str) -> None:
        if not text or threading.get_ident() == self._drawer:
            return
        run = next((run for run in self.session.runs if str(run.number) == text.strip()), None)
        if run is None:
            self._explain(f"There is no run {text.strip()}; there are {len(self.session.runs)}.")
        else:
            self.session.restore(run)
            self._follow()
        self.again.value = ""

    def _sow(self, text: str) -> None:
        if threading.get_ident() == self._drawer or text == str(self.session.seed):
            return
        if not text.strip().isdecimal():
            self._explain(f"A seed is a whole number from 0; got {text!r}.")
            self.seed.value = str(self.session.seed)
            return
        self.session.seed = int(text)
        self.session.train()

    def _restore(self, change) -> None:
        if change["new"] is not None and threading.get_ident() != self._drawer:
            self.session.restore(self.session.runs[change["new"]])
            self._follow()

    def _show_beside(self, change) -> None:
        self.session.image = change["new"] if change["new"] != CLASSES else self.session.image
        self._drawn = 0.0
        self._refresh()

    def _offer(self) -> None:
        if not self.session.runs:
            self._explain("There is no run yet that could be saved.")
            return
        content = b64encode(runs_zip(self.session)).decode()
        self.offer.value = (f"<a style='text-decoration: underline' download='distill_kit-runs.zip' "
                            f"href='data:application/zip;base64,{content}'>Save {len(self.session.runs)} runs</a>")

    def _paste(self, code: str) -> None:
        if threading.get_ident() == self._drawer or code == self.session.code():
            return
        try:
            experiment, values, seed, _ = read_code(code)
            if experiment != self.session.experiment:
                raise ValueError(f"this code is for Lab({experiment.name!r})")
        except ValueError as error:
            self.refused.value = LINES.format(escape(f"Not taken: {error}."))
            return
        self.refused.value = ""
        self.session.seed = seed
        self._set(values)

    def _set(self, values: dict) -> None:  # all at once: one run begins, and the sliders follow
        self.session.move(**values)
        self._follow()

    def _follow(self) -> None:
        for name, value in self.session.values.items():
            self.sliders[name].value = value

    # From the worker's thread

    def _refresh(self) -> None:
        with self._drawing:
            self._drawer = threading.get_ident()
            try:
                self._draw()
            except Exception as error:
                self.undrawn = error
                self.state.value = LINES.format(UNDRAWN + folded(error))
            finally:
                self._drawer = None
                if threading.current_thread() is threading.main_thread():
                    rest_threads()  # that drawing woke: see there

    def _draw(self) -> None:
        session, now = self.session, time.monotonic()
        live = session.live
        state = (live and live.state, len(session.runs), session.second is not None, session.failure, session.looks)
        if state == self._shown and live is not None and live.state == RUNNING and now - self._drawn < FRAME_SECONDS:
            return
        self._drawn = now
        self.picture.value = draw(session, self.stored, self.beside.value).encode()
        words = f"{state_sentence(session)} {on_this_machine(session.second or live)}".strip()
        self.state.value = LINES.format(escape(words) + folded(session.failure))
        self.softness.value = LINES.format(escape(softness(session)))
        self.verdict.value = LINES.format(f"<b>{escape(verdict(session, self.stored))}</b>")
        if state != self._shown:
            self.table.options = [(self._line(run), place) for place, run in enumerate(session.runs)][::-1]
            self.table.value = None
            self.offer.value = ""
            settings = session.settings(session.values)
            self.lines.value = f"{python_lines(settings)}\n\n# or, in a terminal:\n{command_line(settings)}"
        self.code.value, self.seed.value = session.code(), str(session.seed)
        if self._alike_code != session.code():
            self.alike.value = ""
        self._shown, self.undrawn = state, None

    def _line(self, run: LabRun) -> str:
        return (f"{run.number}   {settings_words(run, self.session)}:   {per_cent(run.best)} "
                f"({run.state}, {run.seconds:.1f} s)")

    def _repr_mimebundle_(self, **kwargs) -> dict:
        """The widget; where none can be shown, the run that is shown now, or what is stored of the presets."""
        return {"application/vnd.jupyter.widget-view+json": {"version_major": 2, "version_minor": 0,
                                                             "model_id": self.box.model_id},
                **still(self.session, self.stored)}
