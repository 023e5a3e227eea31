"""Buttons, boxes and lines of text as the lab has them, in both generations of ipywidgets."""
import traceback
from collections.abc import Callable
from html import escape

import ipywidgets as widgets

from .picture import WIDTH

LINES = "<div style='line-height: 1.4; padding: 2px 0'>{}</div>"  # widgets.HTML has them twice as far apart
WIDE = {"width": f"{WIDTH}px", "max_width": "calc(100% - 4px)"}  # a widget has two pixels of margin on each side
SLIDER = {"flex": "1 1 200px", "width": "auto", "max_width": "420px"}
GLOSSARY = {
    "teacher": "a large network that knows these classes already. It gives each image a probability for every class.",
    "student": "the small network that is trained here: from labels, from what the teacher says, or from both.",
    "T": "the temperature: what logits are divided by before softmax. Above 1, small probabilities become visible.",
    "alpha": "the weight of the labels in the loss: 1 is labels alone, 0 the teacher alone.",
    "entropy": "how undecided a distribution is, in bits: 0 for one class alone, 3.3 where ten classes are alike.",
    "stored": "a run of these settings that came with the course, to see at once what yours is likely to do. It was "
              "made on another machine; yours may differ as from another seed. Not every setting has one.",
    "best epoch": "the one with the highest accuracy on validation images, ringed: its weights are kept. A curve of "
                  "something else than that accuracy may be higher in another epoch.",
    "swallowed": "the student says of a training image what its false label says.",
    "pin": "keep a run in the picture while you train others.",
    "short code": "all values and the seed in one line. Paste it into a lab to have them again."}
KEYS = ("Tab and Shift+Tab go from one control to the next, arrows move a slider, Page Up and Page Down move it far, "
        "Space presses a button. Escape does not leave a slider: Shift+Tab as often as needed leads back to the cell. "
        "Running the cell again makes a new lab; the runs of the old one stay on the disk.")
HELP = ("<details><summary>Words and keys</summary>" + "".join(f"<b>{word}</b>: {meaning}<br/>" for word, meaning in
                                                               GLOSSARY.items()) + f"<b>keys</b>: {KEYS}</details>")
FOCUS = ("<style>.distill-kit-lab :focus { outline: 3px solid #0072B2 !important; outline-offset: 2px; "
         "box-shadow: 0 0 0 2px white !important }</style>")
IPYWIDGETS_8 = int(widgets.__version__.split(".")[0]) >= 8


def hint(words: str) -> dict:
    """What is said of a control that the pointer rests on, by its name in this version of ipywidgets."""
    return {"tooltip" if IPYWIDGETS_8 else "description_tooltip": words}


def text_box(name: str, width: str, words: str) -> widgets.Text:
    """A box with a name before it; what is typed counts with Enter, or when the box is left."""
    return widgets.Text(description=name, continuous_update=False,
                        layout=widgets.Layout(width=width, max_width=WIDE["max_width"]), **hint(words))


def row(typed: widgets.Text, slider: widgets.SelectionSlider, words: str) -> widgets.HBox:
    """A control's typed value, its slider, and what it does."""
    said = widgets.HTML(LINES.format(f"<small style='padding-left: 12px; display: block'>{escape(words)}</small>"),
                        layout=widgets.Layout(flex="1 1 260px", width="auto"))
    return widgets.HBox([typed, slider, said], layout=widgets.Layout(**WIDE))


def button(name: str, press: Callable[[], object], words: str, style: str = "") -> widgets.Button:
    made = widgets.Button(description=name, tooltip=words, button_style=style, layout=widgets.Layout(width="auto"))
    made.on_click(lambda _: press())
    return made


def folded(error: BaseException | None) -> str:
    """The whole traceback, behind a fold."""
    if error is None:
        return ""
    lines = "".join(traceback.format_exception(error))
    return f"<details><summary>The whole error</summary><pre>{escape(lines)}</pre></details>"
