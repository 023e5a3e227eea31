"""Buttons, boxes and lines of text as the lab has them, in both generations of ipywidgets."""
import traceback
from collections.abc import Callable
from html import escape

import ipywidgets as widgets

from .picture import WIDTH

LINES = "<div style='line-height: 1.4; padding: 2px 0'>{}</div>"  # widgets.HTML has them twice as far apart
WIDE = {"width": f"{WIDTH}px", "max_width": "100%"}
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
