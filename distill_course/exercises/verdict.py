"""A verdict on an answer, and how a notebook shows it."""
from dataclasses import dataclass
from html import escape

from ..shown import bundle, button, folded, widgets
from .exercise import Exercise

# What kinds there are, each with a sign, which stands beside the word, never instead of it
SIGNS = {"not attempted": "○", "an error in your code": "▲", "takes too long": "▲", "not yet right": "✗", "right": "✓"}
NOT_ATTEMPTED, ERROR, TOO_LONG, WRONG, RIGHT = SIGNS


@dataclass(frozen=True)
class Verdict:
    """The verdict on an answer. A notebook shows it where it is the last line of a cell."""
    exercise: Exercise
    kind: str
    words: str = ""      # the error, the property that did not hold, or what to do
    inputs: str = ""     # the smallest that show it
    result: str = ""     # what the answer made of them
    seed: int = 0        # of the inputs

    @property
    def sentences(self) -> list[str]:
        """What the learner reads, without the sign and the kind."""
        words = f"This should hold, and does not: {self.words}" if self.kind == WRONG else self.words
        sentences = [words if words.endswith((".", "!", "?")) else f"{words}."] if words else []
        if self.inputs and self.kind in (ERROR, TOO_LONG, WRONG):
            came = f", which gave {self.result}" if self.result else ""
            sentences.append(f"Seen with {self.inputs}{came}.")
        return sentences

    def __repr__(self) -> str:
        return " ".join([f"{SIGNS[self.kind]} {self.exercise.name}: {self.kind}.", *self.sentences])

    @property
    def html(self) -> str:
        """The same for a notebook, with the hints to unfold where the answer is not right."""
        words = " ".join(marked(sentence) for sentence in self.sentences)
        head = f"<p>{SIGNS[self.kind]} <b>{self.kind[0].upper() + self.kind[1:]}.</b> {words}</p>"
        hints = [] if self.kind == RIGHT else self.exercise.hints
        return head + "".join(folded(f"Hint {n}", f"<p>{marked(hint)}</p>") for n, hint in enumerate(hints, start=1))

    def _repr_mimebundle_(self, **kwargs) -> dict:
        words = {"text/plain": str(self), "text/html": self.html}
        return words if self.kind == NOT_ATTEMPTED else bundle(self._box(), **words)

    def _box(self):
        """Put the solution behind a button below the verdict. As a widget it is not stored in the notebook."""
        solution = widgets.HTML()
        answer = f"<pre>{escape(self.exercise.answer)}</pre>"
        show = button("Show a solution", "A model answer.", lambda: setattr(solution, "value", answer))
        return widgets.VBox([widgets.HTML(self.html), show, solution])


def marked(text: str) -> str:
    """HTML of a sentence in which code stands between backticks."""
    parts = escape(text, quote=False).split("`")
    return "".join(f"<code>{part}</code>" if place % 2 else part for place, part in enumerate(parts))
