"""The lab: move a slider and watch a student train again.

experiments.py says what can be asked; session.py knows what was asked and found; orders.py trains, one thread at a
time; words.py and picture.py (on svg.py) say and draw it; stored.py knows results that ship with the kit; this file
puts it under the learner's hand.
"""
import sys
import threading
import time
import traceback
from base64 import b64encode
from html import escape
from pathlib import Path

import ipywidgets as widgets
from torch import nn

from ..data import load_dataset
from ..data.imageset import Dataset
from ..teachers import load_teacher
from .experiments import EXPERIMENTS, Control, Experiment
from .export import runs_zip
from .orders import RUNNING
from .picture import CLASSES, HEIGHT, WIDTH, draw, draw_stored
from .session import REPEATS, LabRun, Session
from .share import command_line, python_lines, read_code
from .stored import stored_for
from .words import (LESS, MORE, SAME, alike_sentence, per_cent, settings_words, softness, state_sentence,
                    stored_sentences, verdict)

LINES = "<div style='line-height: 1.4; padding: 2px 0'>{}</div>"  # widgets.HTML has them twice as far apart
WIDE = {"width": f"{WIDTH}px", "max_width": "100%"}
FOCUS = "<style>.distill-kit-lab :focus { outline: 3px solid #0072B2 !important; outline-offset: 1px }</style>"
FRAME_SECONDS = 0.3  # between two pictures of one run


def hint(words: str) -> dict:
    """What is said of a control that the pointer rests on, by its name in this version of ipywidgets."""
    return {"tooltip" if int(widgets.__version__.split(".")[0]) >= 8 else "description_tooltip": words}


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
        self._drawn, self._shown = 0.0, None
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
        return self.session.live

    def _build(self, experiment: Experiment) -> None:
        session = self.session
        self.sliders = {control.name: self._slider(control) for control in experiment.controls}
        self.typed = {control.name: self._typed(control) for control in experiment.controls}
        self.rows = {name: widgets.HBox([slider, self.typed[name]]) for name, slider in self.sliders.items()}
        self.picture = widgets.Image(format="svg+xml", width=WIDTH, height=HEIGHT,
                                     layout=widgets.Layout(width=f"{WIDTH}px", height=f"{HEIGHT}px", max_width="100%"))
        self.state, self.verdict, self.why, self.softness, self.alike, self.offer, self.lines = (
            widgets.HTML(layout=WIDE) for _ in range(7))
        self.table = widgets.Select(options=[], rows=4, description="Runs", layout=WIDE,
                                    style={"description_width": "40px"})
        self.table.observe(self._restore, "value")
        self.code = widgets.Text(description="Code", continuous_update=False, layout=widgets.Layout(width="600px"),
                                 **hint("All values and the seed. Paste another one to set them."))
        self.code.observe(lambda change: self._paste(change["new"]), "value")
        self.lines.layout.display = "none"
        show = widgets.ToggleButton(description="Show the code", layout=widgets.Layout(width="auto"),
                                    **hint("This run in Python, and as a command."))
        show.observe(lambda change: setattr(self.lines.layout, "display", "" if change["new"] else "none"), "value")
        train = [self._button("Train", session.train, "Train again with these values.", "primary"),
                 self._button("Stop", session.stop, "Stop at once; what was learnt is kept."),
                 self._button("New seed", session.new_seed, "Other first weights, another order: was it luck?"),
                 self._button("Repeat with three seeds", session.repeat,
                              f"Train {REPEATS} seeds with and without, for an interval."),
                 self._button("Pin", session.pin, "Keep the newest run in the picture.")]
        after = [self._button("Open the test images", session.open_test,
                              "Measure the newest run on images that no choice was made with. It is counted."),
                 self._button("Download my runs", self._offer, "Table and histories, in one archive."),
                 show, self.offer]
        self.guess = widgets.Dropdown(
            options=[("no guess", ""), *((f"{words} than {experiment.baseline_name}" if words != SAME else
                                            f"{words} as {experiment.baseline_name}", words)
                                           for words in (MORE, SAME, LESS))],
            description="I expect", layout=widgets.Layout(width="420px"),
            **hint("Say it before you train: what you expected is set against what came."))
        self.guess.observe(lambda change: setattr(session, "expected", change["new"] or None), "value")
        classes = session.images.classes
        self.beside = widgets.Dropdown(
            options=[*((f"image {place + 1}: {classes[label]}", place)
                       for place, label in enumerate(session.images.labels)), (CLASSES, CLASSES)],
            description="Beside", layout=widgets.Layout(width="300px"),
            **hint("What stands beside the curves: an image that the teacher is in doubt about, or every class."))
        self.beside.observe(self._show_beside, "value")
        presets = [self._button(preset.name, lambda preset=preset: self._choose(preset), preset.why)
                   for preset in experiment.presets]
        head = widgets.HTML(FOCUS + LINES.format(f"<b>{escape(experiment.title)}.</b> {escape(experiment.question)} "
                                         f"<i>{escape(experiment.note)}</i>"), layout=WIDE)
        wrap = widgets.Layout(flex_flow="row wrap", **WIDE)
        self.box = widgets.VBox([head, *self.rows.values(), self.softness,
                                 widgets.HBox([self.guess, self.beside], layout=wrap),
                                 widgets.HBox(train, layout=wrap),
                                 widgets.HBox([widgets.Label("Try:"), *presets], layout=wrap), self.why, self.state,
                                 self.picture, self.verdict, self.alike,
                                 widgets.Label("Runs so far; choose one to set its values again."), self.table,
                                 widgets.HBox(after, layout=wrap), self.lines, self.code])
        self.box.add_class("distill-kit-lab")

    def _slider(self, control: Control) -> widgets.SelectionSlider:
        slider = widgets.SelectionSlider(
            options=control.stops, value=self.session.values[control.name], description=control.label, readout=False,
            continuous_update=not self.foreground, **hint(control.words), style={"description_width": "150px"},
            layout=widgets.Layout(width="520px"))
        slider.observe(lambda change: self._moved(control, change["new"]), "value")
        return slider

    def _typed(self, control: Control) -> widgets.Text:
        """The value beside a slider, which can be typed as well."""
        typed = widgets.Text(value=str(self.session.values[control.name]), continuous_update=False,
                             layout=widgets.Layout(width="90px"), **hint(f"{control.label}: type a value."))
        typed.observe(lambda change: self._type(control, change["new"]), "value")
        return typed

    def _button(self, name: str, press, words: str, style: str = "") -> widgets.Button:
        button = widgets.Button(description=name, tooltip=words, button_style=style,
                                layout=widgets.Layout(width="auto"))
        button.on_click(lambda _: press())
        return button

    # Callbacks: they leave an order and return

    def _moved(self, control: Control, value) -> None:
        self.typed[control.name].value = str(value)
        if self.session.values[control.name] != value:
            self.alike.value = ""
            self.session.move(**{control.name: value})
            self.alike.value = LINES.format(escape(alike_sentence(self.session, self.stored, control)))

    def _type(self, control: Control, text: str) -> None:
        try:
            self.sliders[control.name].value = control.read(text)
        except ValueError as error:
            self._explain(f"{error}.")
            self.typed[control.name].value = str(self.session.values[control.name])

    def _choose(self, preset) -> None:
        self._explain(f"{preset.name}: {preset.why}")
        self._set(preset.values)

    def _explain(self, words: str) -> None:
        self.why.value = LINES.format(escape(words))

    def _restore(self, change) -> None:
        if change["new"] is not None and threading.get_ident() != self._drawer:
            self.session.restore(self.session.runs[change["new"]])
            self._follow()

    def _show_beside(self, change) -> None:
        self.session.image = change["new"] if change["new"] != CLASSES else self.session.image
        self._drawn = 0.0
        self._refresh()

    def _offer(self) -> None:
        content = b64encode(runs_zip(self.session)).decode()
        self.offer.value = (f"<a download='distill_kit-runs.zip' href='data:application/zip;base64,{content}'>"
                            f"Save {len(self.session.runs)} runs</a>")

    def _paste(self, code: str) -> None:
        if threading.get_ident() == self._drawer or code == self.session.code():
            return
        try:
            experiment, values, seed, _ = read_code(code)
            if experiment != self.session.experiment:
                raise ValueError(f"this code is for Lab({experiment.name!r})")
        except ValueError as error:
            self._explain(f"{error}.")
            return
        self.session.seed = seed
        self._set(values)

    def _set(self, values: dict) -> None:
        """All at once: one run begins, and the sliders follow."""
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
            finally:
                self._drawer = None

    def _draw(self) -> None:
        session, now = self.session, time.monotonic()
        live = session.live
        state = (live and live.state, len(session.runs), session.second is not None, session.failure, session.looks)
        if state == self._shown and live is not None and live.state == RUNNING and now - self._drawn < FRAME_SECONDS:
            return
        self._drawn = now
        self.picture.value = draw(session, self.stored, self.beside.value).encode()
        self.state.value = LINES.format(escape(state_sentence(session)) + folded(session.failure))
        self.softness.value = LINES.format(escape(softness(session)))
        self.verdict.value = LINES.format(f"<b>{escape(verdict(session, self.stored))}</b>")
        if state != self._shown:
            self.table.options = [(self._line(run), place) for place, run in enumerate(session.runs)]
            self.table.value = None
            settings = session.settings(session.values)
            self.lines.value = f"<pre>{escape(python_lines(settings))}</pre><pre>{escape(command_line(settings))}</pre>"
        self.code.value = session.code()
        self._shown = state

    def _line(self, run: LabRun) -> str:
        return (f"{run.number}   {settings_words(run, self.session)}:   {per_cent(run.best)} "
                f"({run.state}, {run.seconds:.1f} s)")

    def _repr_mimebundle_(self, **kwargs) -> dict:
        """The widget; where none can be shown, the run that is shown now, or what is stored of the presets."""
        experiment, trained = self.session.experiment, self.session.live is not None
        words = [verdict(self.session, self.stored)] if trained else [experiment.question,
                                                                      *stored_sentences(experiment, self.stored)]
        picture = b64encode((draw(self.session, self.stored) if trained else
                             draw_stored(experiment, self.stored)).encode()).decode()
        said = "".join(f"<p>{escape(sentence)}</p>" for sentence in words)
        return {"application/vnd.jupyter.widget-view+json": {"version_major": 2, "version_minor": 0,
                                                             "model_id": self.box.model_id},
                "text/html": f"<img alt='{escape(experiment.title)}' src='data:image/svg+xml;base64,{picture}'/>{said}",
                "text/plain": "\n".join(words)}


def folded(error: BaseException | None) -> str:
    """The whole traceback, behind a fold."""
    if error is None:
        return ""
    lines = "".join(traceback.format_exception(error))
    return f"<details><summary>The whole error</summary><pre>{escape(lines)}</pre></details>"
