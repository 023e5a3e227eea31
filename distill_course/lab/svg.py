"""SVG, of which the lab's picture is made: numbers and words in, text out; sizes in pixels.

It is written in a millisecond, where a matplotlib figure would take a tenth of a second from the training that it
shows.
"""
from base64 import b64encode
from collections.abc import Sequence
from io import BytesIO
from itertools import accumulate

from torch import Tensor

from distill_kit.colours import BLACK, BLUE, GREY

from ..markup import escape

NAME_HEIGHT, NAME_LETTERS = 16, 22  # of a line's name: pixels, letters
FAINT, GHOST = "#666666", "#707070"
FONT = "font-family='system-ui, Segoe UI, Helvetica, Arial, sans-serif'"


def document(width: int, height: int, parts: Sequence[str], title: str) -> str:
    """Put parts together to a picture."""
    return (f"<svg xmlns='http://www.w3.org/2000/svg' width='{width}' height='{height}' viewBox='0 0 {width} {height}' "
            f"role='img' {FONT} font-size='14'><title>{escape(title)}</title>"
            f"<rect width='{width}' height='{height}' rx='6' fill='white'/>{''.join(parts)}</svg>")


def text(x: float, y: float, words: str, colour: str = BLACK, anchor: str = "start", size: int = 14,
         weight: str = "normal") -> str:
    """Write words at a place."""
    return (f"<text x='{x:.1f}' y='{y:.1f}' fill='{colour}' text-anchor='{anchor}' font-size='{size}' "
            f"font-weight='{weight}'>{escape(words)}</text>")


def pixels(x: float, y: float, size: float, image: Tensor) -> str:
    """Draw an image uint8 [3, H, W], its pixels as squares."""
    from PIL import Image
    content = BytesIO()
    Image.fromarray(image.permute(1, 2, 0).numpy()).save(content, "PNG")                    # (H, W, 3)
    return (f"<image x='{x}' y='{y}' width='{size}' height='{size}' style='image-rendering: pixelated' "
            f"href='data:image/png;base64,{b64encode(content.getvalue()).decode()}'/>")


def spread(heights: Sequence[float], gap: float, top: float, bottom: float) -> list[float]:
    """Move rising heights apart to `gap`, inside of top and bottom as far as there is room."""
    down = list(accumulate([top - gap, *heights], lambda above, height: max(height, above + gap)))[1:]
    up = list(accumulate([bottom + gap, *reversed(down)], lambda below, height: min(height, below - gap)))[1:]
    return up[::-1]


class Chart:
    """A box in which shares from `low` to `high` stand over epochs 1 to `epochs`; it does not move during a run."""

    def __init__(self, x: int, y: int, width: int, height: int, epochs: int, low: float, high: float):
        self.x, self.y, self.width, self.height = x, y, width, height
        self.epochs, self.low, self.high = epochs, low, high
        self._names: list[tuple[float, float, str, str, str]] = []  # of lines: where one ends, words, colour, weight

    def at(self, epoch: float, share: float) -> tuple[float, float]:
        """Find the place of a share in an epoch."""
        right = (epoch - 1) / max(self.epochs - 1, 1)
        up = (share - self.low) / (self.high - self.low)
        return self.x + self.width * right, self.y + self.height * (1 - up)

    def frame(self, title: str) -> str:
        """Draw the axes with their numbers."""
        parts = [f"<clipPath id='inside'><rect x='{self.x - 6}' y='{self.y}' width='{self.width + 12}' "
                 f"height='{self.height}'/></clipPath>", text(self.x - 40, self.y - 18, title, weight="600")]
        lines = round((self.high - self.low) / (0.1 if self.high - self.low < 0.8 else 0.2))
        for step in range(lines + 1):
            share = self.low + (self.high - self.low) * step / lines
            _, y = self.at(1, share)
            parts += [f"<line x1='{self.x}' x2='{self.x + self.width}' y1='{y:.1f}' y2='{y:.1f}' stroke='{GREY}'/>",
                      text(self.x - 8, y + 5, f"{share:.0%}", FAINT, "end", 13)]
        for epoch in range(1, self.epochs + 1, 1 + self.epochs // 20):  # as many numbers as there is room for
            x, _ = self.at(epoch, self.low)
            parts.append(text(x, self.y + self.height + 20, str(epoch), FAINT, "middle", 13))
        parts.append(text(self.x + self.width, self.y + self.height + 40, "epoch", FAINT, "end", 13))
        return "".join(parts)

    def line(self, shares: Sequence[float], name: str, colour: str, dash: str = "", width: float = 1.5,
             dots: bool = False, best: int | None = None) -> str:
        """Draw a line; `names` writes its name. best: the epoch to be ringed, from 1."""
        points = [self.at(*place) for place in enumerate(shares, start=1)]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        drawn = [f"<polyline points='{path}' fill='none' stroke='{colour}' stroke-width='{width}' "
                 f"stroke-dasharray='{dash}'/>"]
        if dots:
            drawn += [f"<circle cx='{x:.1f}' cy='{y:.1f}' r='3.5' fill='{colour}'/>" for x, y in points]
        if best is not None:
            x, y = points[best - 1]
            drawn.append(f"<circle cx='{x:.1f}' cy='{y:.1f}' r='7' fill='none' stroke='{colour}' stroke-width='2'/>")
        end_x, end_y = points[-1]
        end_y = min(max(end_y, self.y), self.y + self.height)
        self._names.append((end_x, end_y, name, colour, "600" if dots else "normal"))
        return f"<g clip-path='url(#inside)'>{''.join(drawn)}</g>"  # what lies below the axis is not drawn

    def band(self, lows: Sequence[float], highs: Sequence[float], colour: str) -> str:
        """Fill what lies between two lines."""
        lows, highs = ([self.at(*place) for place in enumerate(shares, start=1)] for shares in (lows, highs))
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in (*lows, *reversed(highs)))
        return f"<polygon points='{path}' fill='{colour}' fill-opacity='0.35' clip-path='url(#inside)'/>"

    def names(self, letters: int = NAME_LETTERS) -> str:
        """Write the names of the lines, right of the box, in their order and a hair's breadth from them."""
        lines = sorted(self._names, key=lambda line: line[1])
        places = spread([y for _, y, *_ in lines], NAME_HEIGHT, self.y, self.y + self.height)
        parts, right = [], self.x + self.width
        for (x, y, words, colour, weight), place in zip(lines, places):
            if x < right - 1 or abs(place - y) > 5:
                parts.append(f"<path d='M{x + 4:.1f} {y:.1f} L{right + 2} {place:.1f} H{right + 8}' fill='none' "
                             f"stroke='{colour}' stroke-width='0.7'/>")
            words = words if len(words) <= letters else words[:letters - 1] + "…"
            parts.append(text(right + 10, place + 5, words, colour, size=13, weight=weight))
        return "".join(parts)


def bar(x: float, y: float, width: float, height: float, colour: str, full: bool) -> str:
    """Draw a bar."""
    return (f"<rect x='{x}' y='{y}' width='{width:.1f}' height='{height}' stroke='{colour}' "
            f"fill='{colour if full else 'none'}'/>")


def paired_bars(x: int, y: int, width: int, names: Sequence[str], first: Sequence[float] | None,
                second: Sequence[float] | None, words: tuple[str, str]) -> str:
    """Draw two shares for each name: the first as a hollow bar, the second as a full bar inside it."""
    parts, unknown = [], [0.0] * len(names)  # a bar without width is not drawn
    for row, (name, hollow, full) in enumerate(zip(names, first or unknown, second or unknown)):
        top = y + 24 * row
        parts += [text(x - 8, top + 14, name, anchor="end", size=13),
                  bar(x, top, width * hollow, 18, BLACK, full=False),
                  bar(x, top + 4, width * full, 10, BLUE, full=True)]
    below = y + 24 * len(names) + 18
    parts += [bar(x, below - 12, 14, 14, BLACK, full=False), text(x + 20, below, words[0], size=13),
              bar(x, below + 9, 14, 10, BLUE, full=True), text(x + 20, below + 19, words[1], size=13)]
    return "".join(parts)
