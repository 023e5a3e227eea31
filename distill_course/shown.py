"""Pieces of what a notebook shows: lines, folds, buttons, and a widget with something to stand in for it."""
from collections.abc import Callable

from .markup import escape

try:
    import ipywidgets as widgets
except ModuleNotFoundError as error:
    how = 'pip install "distill_kit[course]" (in a clone: pip install -r requirements.txt)'
    raise ModuleNotFoundError(f"the course needs {error.name}, which is missing: {how}", name=error.name) from None

IPYWIDGETS_8 = int(widgets.__version__.split(".")[0]) >= 8
LINES = "<div style='line-height: 1.4; padding: 2px 0'>{}</div>"  # widgets.HTML has them twice as far apart


class Line(str):
    """A sentence that a notebook shows without quotes."""
    __repr__ = str.__str__


def lines(words: str, bold: bool = False) -> str:
    """Make HTML of a sentence, its lines close together."""
    return LINES.format(f"<b>{escape(words)}</b>" if bold else escape(words))


def folded(summary: str, html: str) -> str:
    """Make HTML that is hidden behind its summary until somebody opens it."""
    return f"<details><summary>{escape(summary)}</summary>{html}</details>"


def glossary(words: dict[str, str]) -> str:
    """Make HTML of words and what they mean."""
    return "".join(f"<b>{escape(word)}</b>: {escape(meaning)}<br/>" for word, meaning in words.items())


def hint(words: str) -> dict:
    """Return the keyword for a hint that shows where the pointer rests, by its name in this version of ipywidgets."""
    return {"tooltip" if IPYWIDGETS_8 else "description_tooltip": words}


def button(name: str, words: str, press: Callable[[], object] = lambda: None, style: str = "") -> widgets.Button:
    """Make a button as wide as its name; words: a hint."""
    made = widgets.Button(description=name, tooltip=words, button_style=style, layout=widgets.Layout(width="auto"))
    made.on_click(lambda _: press())
    return made


def bundle(box: widgets.Widget, **others) -> dict:
    """Return what `_repr_mimebundle_` must: the widget, and by MIME type what stands where no widget can be shown.

    The types are written with underscores for their slashes and pluses: text_plain, text_html, image_png.
    """
    view = {"version_major": 2, "version_minor": 0, "model_id": box.model_id}
    return {"application/vnd.jupyter.widget-view+json": view,
            **{mime.replace("_", "/"): content for mime, content in others.items()}}
