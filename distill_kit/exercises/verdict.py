"""What a learner is told of an answer, and how a notebook shows it."""
from dataclasses import dataclass
from html import escape

from .record import Exercise

NOT_ATTEMPTED, ERROR, WRONG, RIGHT = "not attempted", "an error in your code", "not yet right", "right"
SIGNS = {NOT_ATTEMPTED: "○", ERROR: "▲", WRONG: "✗", RIGHT: "✓"}  # beside the word, never instead of it


@dataclass(frozen=True)
class Verdict:
    """Shown by being the last line of a cell."""
    exercise: Exercise
    kind: str
    words: str = ""      # the error, or the property that did not hold
    inputs: str = ""     # the smallest that show it
    result: str = ""     # what the answer made of them
    seed: int = 0        # of the inputs

    @property
    def sentences(self) -> list[str]:
        if self.kind == NOT_ATTEMPTED:
            return ["Put your code in place of the `...` above, run that cell, and then this one."]
        found = [self.words] if self.words else []
        if self.kind == WRONG:
            found = [f"This should hold, and does not: {self.words}"]
        if self.inputs and self.kind in (ERROR, WRONG):
            came = f", which gave {self.result}" if self.result else ""
            found.append(f"Seen with {self.inputs}{came}.")
        return found

    def __str__(self) -> str:
        return " ".join([f"{SIGNS[self.kind]} {self.exercise.name}: {self.kind}.", *self.sentences])

    __repr__ = __str__

    @property
    def html(self) -> str:
        said = " ".join(marked(sentence) for sentence in self.sentences)
        head = f"<p>{SIGNS[self.kind]} <b>{self.kind[0].upper() + self.kind[1:]}.</b> {said}</p>"
        if self.kind == RIGHT:
            return head
        hints = "".join(f"<details><summary>Hint {number}</summary><p>{marked(hint)}</p></details>"
                        for number, hint in enumerate(self.exercise.hints, start=1))
        return head + hints

    def _repr_mimebundle_(self, **kwargs) -> dict:
        bundle = {"text/plain": str(self), "text/html": self.html}
        if self.kind in (ERROR, WRONG, RIGHT):
            bundle["application/vnd.jupyter.widget-view+json"] = {
                "version_major": 2, "version_minor": 0, "model_id": self._box().model_id}
        return bundle

    def _box(self):
        """The verdict with the solution behind a button. A widget: what it shows is not stored in the notebook."""
        import ipywidgets as widgets
        button = widgets.Button(description="Show a solution", layout=widgets.Layout(width="auto"))
        solution = widgets.HTML()

        def press(_):
            solution.value = f"<pre>{escape(self.exercise.reference)}</pre>"

        button.on_click(press)
        return widgets.VBox([widgets.HTML(self.html), button, solution])


def marked(text: str) -> str:
    """HTML of a sentence in which code stands between backticks."""
    parts = escape(text, quote=False).split("`")
    return "".join(f"<code>{part}</code>" if place % 2 else part for place, part in enumerate(parts))
