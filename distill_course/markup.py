"""Names and errors on their way into HTML, SVG and Markdown: what they hold is shown as it is, and does nothing."""
import html
import re

UNSEEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # what no XML may hold, so no SVG either
MARKS = re.compile(r"([\\`*_\[\]|$~#])")


def escape(words: object) -> str:
    """Write words for HTML and SVG, inside an attribute, too."""
    return html.escape(UNSEEN.sub("\ufffd", str(words)))


def markdown(words: object) -> str:
    """Write words for a line of Markdown, inside a table's cell, too."""
    return MARKS.sub(r"\\\1", " ".join(escape(words).split()))
