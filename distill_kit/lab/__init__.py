"""The lab: move a slider and watch a student train again.

experiments.py says what can be asked; session.py knows what was asked and found; orders.py trains, one thread at a
time; words.py and picture.py (on svg.py) say and draw it; this file puts it under the learner's hand.
"""
import threading
import time
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
from .picture import HEIGHT, WIDTH, draw
from .session import LabRun, Session
from .share import code_of, command_line, python_lines, read_code
from .words import LESS, MORE, SAME, per_cent, settings_words, state_sentence, stored_noise, verdict

WIDE = {"width": f"{WIDTH}px", "max_width": "100%"}
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
        self.session = Session(experiment, dataset, teacher, device=device, folder=folder,
                               on_change=self._refresh, **start)
        self.session.values.update(values)
        self.session.seed = seed
        self._drawn, self._shown, self._noise = 0.0, None, stored_noise(self.session)
        self._drawing, self._drawer = threading.Lock(), None  # the thread that draws: what it writes is no order
        self._build(experiment)
        for name in lesson.get("hide", ()):
            self.sliders[name].layout.display = "none"
        for name in lesson.get("lock", ()):
            self.sliders[name].disabled = True
        self._refresh()

    def _build(self, experiment: Experiment) -> None:
        self.sliders = {control.name: self._slider(control) for control in experiment.controls}
        self.picture = widgets.Image(format="svg+xml", width=WIDTH, height=HEIGHT,
                                     layout=widgets.Layout(width=f"{WIDTH}px", height=f"{HEIGHT}px", max_width="100%"))
        self.state, self.verdict, self.why = widgets.HTML(), widgets.HTML(), widgets.HTML()
        self.table = widgets.Select(options=[], rows=4, layout=WIDE)
        self.table.observe(self._restore, "value")
        self.code = widgets.Text(description="Code", continuous_update=False, layout=widgets.Layout(width="600px"),
                                 **hint("All values and the seed. Paste another one to set them."))
        self.code.observe(lambda change: self._paste(change["new"]), "value")
        self.lines = widgets.HTML()
        shown = widgets.Accordion([self.lines], selected_index=None, layout=WIDE)
        shown.set_title(0, "This run in Python and as a command")
        session = self.session
        buttons = [self._button("Train", session.train, "Train again with these values.", "primary"),
                   self._button("Stop", session.stop, "Stop at once; what was learnt is kept."),
                   self._button("New seed", session.new_seed, "Other first weights, another order: was it luck?"),
                   self._button("Pin", session.pin, "Keep the newest run in the picture."),
                   self._button("Download my runs", self._offer, "Table and histories, in one archive.")]
        self.offer = widgets.HTML()
        self.guess = widgets.Dropdown(
            options=[("no guess", ""), *((f"{words} than {experiment.baseline_name}" if words != SAME else
                                            f"{words} as {experiment.baseline_name}", words)
                                           for words in (MORE, SAME, LESS))],
            description="I expect", **hint("Say it before you train: what you expected is set against what came."))
        self.guess.observe(lambda change: setattr(session, "expected", change["new"] or None), "value")
        presets = [self._button(preset.name, lambda preset=preset: self._choose(preset), preset.why)
                   for preset in experiment.presets]
        head = widgets.HTML(f"<div style='line-height: 1.4'><b>{escape(experiment.title)}.</b> "
                            f"{escape(experiment.question)} <i>{escape(experiment.note)}</i></div>", layout=WIDE)
        self.box = widgets.VBox([head, *self.sliders.values(), self.guess, widgets.HBox([*buttons, self.offer]),
                                 widgets.HBox([widgets.Label("Try:"), *presets]), self.why, self.state, self.picture,
                                 self.verdict, widgets.Label("Runs so far; choose one to set its values again:"),
                                 self.table, self.code, shown])

    def _slider(self, control: Control) -> widgets.SelectionSlider:
        slider = widgets.SelectionSlider(
            options=control.stops, value=self.session.values[control.name], description=control.label,
            **hint(control.words), style={"description_width": "150px"},
            layout=widgets.Layout(width="600px"))
        slider.observe(lambda change: self._moved(control, change["new"]), "value")
        return slider

    def _button(self, name: str, press, words: str, style: str = "") -> widgets.Button:
        button = widgets.Button(description=name, tooltip=words, button_style=style,
                                layout=widgets.Layout(width="auto"))
        button.on_click(lambda _: press())
        return button

    # Callbacks: they leave an order and return

    def _moved(self, control: Control, value) -> None:
        if self.session.values[control.name] != value:
            self.session.move(**{control.name: value})

    def _choose(self, preset) -> None:
        self.why.value = escape(f"{preset.name}: {preset.why}")
        self._set(preset.values)

    def _restore(self, change) -> None:
        if change["new"] is not None and threading.get_ident() != self._drawer:
            self.session.restore(self.session.runs[change["new"]])
            self._follow()

    def _offer(self) -> None:
        content = b64encode(runs_zip(self.session)).decode()
        self.offer.value = (f"<a download='distill_kit-runs.zip' href='data:application/zip;base64,{content}'>"
                            f"Save {len(self.session.runs)} runs</a>")

    def _paste(self, code: str) -> None:
        if threading.get_ident() == self._drawer or code == self._code():
            return
        try:
            experiment, values, seed, _ = read_code(code)
            if experiment != self.session.experiment:
                raise ValueError(f"this code is for Lab({experiment.name!r})")
        except ValueError as error:
            self.why.value = escape(f"{error}.")
            return
        self.session.seed = seed
        self._set(values)

    def _code(self) -> str:
        return code_of(self.session.experiment, self.session.values, self.session.seed)

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
        live, now = self.session.live, time.monotonic()
        state = live and live.state, len(self.session.runs), self.session.second is not None, self.session.failure
        if state == self._shown and live is not None and live.state == RUNNING and now - self._drawn < FRAME_SECONDS:
            return
        self._drawn = now
        self.picture.value = draw(self.session).encode()
        self.state.value = escape(state_sentence(self.session))
        self.verdict.value = f"<b>{escape(self._verdict())}</b>"
        if state != self._shown:
            self.table.options = [(self._line(run), place) for place, run in enumerate(self.session.runs)]
            self.table.value = None
            settings = self.session.settings(self.session.values)
            self.lines.value = f"<pre>{escape(python_lines(settings))}</pre><pre>{escape(command_line(settings))}</pre>"
        self.code.value = self._code()
        self._shown = state

    def _line(self, run: LabRun) -> str:
        return (f"{run.number}   {settings_words(run, self.session)}:   {per_cent(run.best)} "
                f"({run.state}, {run.seconds:.1f} s)")

    def _repr_mimebundle_(self, **kwargs) -> dict:
        """The widget; where none can be shown, the words and the picture as they are now."""
        words = self._verdict()
        return {"application/vnd.jupyter.widget-view+json": {"version_major": 2, "version_minor": 0,
                                                             "model_id": self.box.model_id},
                "text/html": f"<p>{escape(words)}</p>{draw(self.session)}", "text/plain": words}

    def _verdict(self) -> str:
        return verdict(self.session, self._noise)
