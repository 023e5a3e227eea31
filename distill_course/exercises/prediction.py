"""A guess before a run, compared with the result afterwards: it helps to understand (Kim, Reinecke, Hullman, 2017)."""
import math

from ..shown import Line


class Prediction:
    """A guess before a run, to be compared with the result afterwards.

        >>> guess = Prediction(3.0, "the teacher knows more than the labels", "points")
        >>> guess.against(2.0)
        You said 3 points; measured: 2 points. That is 1 points too high. Your reason was: ... Does it still hold?

    value: a number, or `...` for no guess. because: your reason. unit: "points", for example.
    """

    def __init__(self, value: float = ..., because: str = "", unit: str = ""):
        if value is not ... and not (isinstance(value, int | float) and math.isfinite(value)):
            raise ValueError(f"value must be a number, or ... for no guess; got {value!r}")
        if unit == "%" and value is not ... and not 0 <= value <= 100:
            raise ValueError(f"value must be 0 to 100 per cent, or ... for no guess; got {value!r}")
        self.value, self.because, self.unit = value, str(because or ""), f" {unit}" if unit else ""

    def __repr__(self) -> str:
        if self.value is ...:
            return "No guess yet. Put a number in place of the ..., and your reason beside it; or go on without."
        reason = f", because {self.because}" if self.because else ". And why?"
        return f"Noted: {self.value:g}{self.unit}{reason}"

    def against(self, measured: float, luck: float = 0.0) -> Line:
        """Compare the guess with what was measured. luck: a difference that another seed might make."""
        if self.value is ...:
            return Line(f"Measured: {measured:.3g}{self.unit}. You made no guess.")
        measured = float(f"{measured:.3g}")  # as it is shown, so that the sentence adds up
        off = self.value - measured
        unit = " points" if self.unit == " %" else self.unit  # two shares differ by points
        how = ("within what another seed does" if abs(off) <= luck else "just that" if abs(off) < 1e-9 else
               f"{abs(off):.3g}{unit} too {'high' if off > 0 else 'low'}")
        stop = "" if self.because.rstrip().endswith((".", "!", "?")) else "."
        asked = f" Your reason was: {self.because.strip()}{stop} Does it still hold?" if self.because else ""
        return Line(f"You said {self.value:g}{self.unit}; measured: {measured:g}{self.unit}. That is {how}.{asked}")
