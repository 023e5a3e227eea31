"""The lab's widgets and how they lie on the screen. What they do when they are moved stands in view.py."""
import traceback
from collections.abc import Callable
from functools import partial

from ..markup import escape
from ..shipped import elsewhere
from ..shown import IPYWIDGETS_8, LINES, button, folded, glossary, hint, widgets
from .experiments import Control, Experiment, Preset
from .picture import CLASSES, HEIGHT, WIDTH
from .session import Session
from .words import LESS, MORE, SAME, WORDS

WIDE = {"width": f"{WIDTH}px", "max_width": "calc(100% - 4px)"}  # a widget has two pixels of margin on each side
FIT = {"width": "auto"}
HINTS = WORDS["hints"]
HELP = folded("Words and keys", glossary({word: says.format(elsewhere=elsewhere())
                                          for word, says in WORDS["glossary"].items()}))
FOCUS = ("<style>.distill-kit-lab :focus { outline: 3px solid #0072B2 !important; outline-offset: 2px; "
         "box-shadow: 0 0 0 2px white !important }</style>")


class Panel:
    """All widgets of a lab; `box` holds them."""

    def __init__(self, experiment: Experiment, session: Session, foreground: bool,
                 presses: dict[str, Callable[[], object]], choose: Callable[[Preset], None]):
        """presses: what each button does. choose: what is done with a preset.

        foreground: a run holds its cell until it is over, so that sliders only count when they are let go.
        """
        controls, values = experiment.controls, session.values
        self.rows = {control.name: _row(control, values[control.name], foreground) for control in controls}
        self.typed = {name: row.children[0] for name, row in self.rows.items()}
        self.sliders = {name: row.children[1] for name, row in self.rows.items()}
        self.buttons = {name: button(name, words, presses[name]) for name, words in WORDS["buttons"].items()}
        self.buttons["Train"].button_style = "primary"
        self.presets = [(preset, button(preset.name, preset.why, partial(choose, preset)))
                        for preset in experiment.presets]
        self.picture = widgets.Image(format="svg+xml", width=WIDTH, height=HEIGHT,
                                     layout={"height": f"{HEIGHT}px", **WIDE})
        self.state, self.verdict, self.why, self.softness, self.measured, self.offer, self.refused = (
            widgets.HTML(layout=WIDE) for _ in range(7))
        self.offer.layout = FIT
        # A list takes no keys: JupyterLab has the letters and arrows first, and an "m" turns the cell into text. It is
        # for the mouse; beside it, a number can be typed.
        self.table = widgets.Select(options=[], rows=4, layout=WIDE, **({"tabbable": False} if IPYWIDGETS_8 else {}))
        self.again = _text_box("Back to run", "160px", HINTS["again"])
        self.seed = _text_box("Seed", "120px", HINTS["seed"])
        self.code = _text_box("Short code", WIDE["width"], HINTS["code"])
        self.lines = widgets.Textarea(rows=11, description="This run", layout={"display": "none", **WIDE})
        self.show = widgets.ToggleButton(description="Show the code", layout=FIT, **hint(HINTS["show"]))
        guesses = [("no guess", ""), *((word, word) for word in (MORE, SAME, LESS))]
        self.guess = widgets.ToggleButtons(options=guesses, style={"button_width": "auto"}, **hint(HINTS["guess"]))
        images = [(f"image {place + 1}: {session.images.classes[label]}", place)
                  for place, label in enumerate(session.images.labels)]
        self.beside = widgets.SelectionSlider(options=[*images, (CLASSES, CLASSES)], description="Right side",
                                              layout={"width": "420px"}, **hint(HINTS["beside"]))
        self.box = self._laid_out(experiment, session)

    def _laid_out(self, experiment: Experiment, session: Session) -> widgets.VBox:
        unseen = session.settings(session.values).leave_out
        note = experiment.note if unseen is None else f"The class is: {unseen}. {experiment.note}"
        head = LINES.format(f"<b>{escape(experiment.title)}.</b> {escape(experiment.question)} <i>{escape(note)}</i>")
        press = self.buttons
        guess = [widgets.Label("My guess: it comes out"), self.guess,
                 widgets.Label(f"beside {experiment.baseline_name}")]
        train = [press["Train"], press["Stop"], press["New seed"], self.seed, press["Repeat with three seeds"],
                 press["Pin"]]
        tries = [widgets.Label("Try:"), *(pressed for _, pressed in self.presets)]
        after = [press["Download my runs"], self.offer, press["Open the test images"], self.show]
        box = widgets.VBox([
            widgets.HTML(FOCUS + head + HELP, layout=WIDE), _wrapped(guess), *self.rows.values(), _wrapped(train),
            self.state, self.verdict, self.picture, self.beside, self.softness, self.measured, _wrapped(tries),
            self.why, widgets.Label("Runs so far, the newest first"), self.table, self.again, _wrapped(after),
            self.lines, self.code, self.refused])
        box.add_class("distill-kit-lab")
        return box


def error_folded(error: BaseException | None) -> str:
    """Make HTML of a whole traceback, behind a fold; nothing where there is none."""
    if error is None:
        return ""
    return folded("The whole error", f"<pre>{escape(''.join(traceback.format_exception(error)))}</pre>")


def _wrapped(children: list) -> widgets.HBox:
    return widgets.HBox(children, layout={"flex_flow": "row wrap", **WIDE})


def _text_box(name: str, width: str, words: str) -> widgets.Text:
    """Make a box with a name before it; what is typed counts with Enter, or when the box is left."""
    return widgets.Text(description=name, continuous_update=False, layout={**WIDE, "width": width}, **hint(words))


def _row(control: Control, value, foreground: bool) -> widgets.HBox:
    """Put a box to type a control's value in, its slider and what it does side by side.

    The box bears the name that a screen reader reads; a slider cannot have a name.
    """
    typed = _text_box(control.label, "370px" if control.name == "fault" else "250px", control.words)
    typed.value, typed.style.description_width = str(value), "150px"
    slider = widgets.SelectionSlider(options=control.stops_with(value), value=value, readout=False,
                                     layout={"flex": "1 1 200px", "width": "auto", "max_width": "420px"},
                                     continuous_update=not foreground, **hint(control.words))
    meaning = f"<small style='padding-left: 12px; display: block'>{escape(control.words)}</small>"
    beside = widgets.HTML(LINES.format(meaning), layout={"flex": "1 1 260px", "width": "auto"})
    return widgets.HBox([typed, slider, beside], layout=WIDE)
