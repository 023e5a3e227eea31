"""A guess, said before a run and set against what came: it helps to understand (Kim, Reinecke, Hullman, 2017)."""
import math


class Prediction:
    """`guess = Prediction(0.4, "because ...")`, then, when the run is over, `guess.against(measured)`.

    value: a number, or `...` for no guess; because: the reason, in words. unit: "points", say.
    """

    def __init__(self, value: float = ..., because: str = "", unit: str = ""):
        if value is not ... and not (isinstance(value, int | float) and math.isfinite(value)):
            raise ValueError(f"value must be a number, or ... for no guess; got {value!r}")
        if unit == "%" and value is not ... and not 0 <= value <= 100:
            raise ValueError(f"value must be 0 to 100 per cent, or ... for no guess; got {value!r}")
        self.value, self.because, self.unit = value, because, f" {unit}" if unit else ""

    @property
    def given(self) -> bool:
        return self.value is not ...

    def __repr__(self) -> str:
        if not self.given:
            return "No guess yet. Put a number in place of the ..., and your reason beside it; or go on without."
        reason = f", because {self.because}" if self.because else ". And why?"
        return f"Noted: {self.value:g}{self.unit}{reason}"

    def against(self, measured: float, luck: float = 0.0) -> "Told":
        """Beside what was measured. luck: a difference that another seed might make."""
        if not self.given:
            return Told(f"Measured: {measured:.3g}{self.unit}. You made no guess.")
        measured = float(f"{measured:.3g}")  # as it is shown, so that the sentence adds up
        off = self.value - measured
        unit = " points" if self.unit == " %" else self.unit  # two shares differ by points
        how = ("within what another seed does" if abs(off) <= luck else "just that" if abs(off) < 1e-9 else
               f"{abs(off):.3g}{unit} too {'high' if off > 0 else 'low'}")
        reason = self.because.strip()
        reason += "" if reason.endswith((".", "!", "?")) else "."
        asked = f" Your reason was: {reason} Does it still hold?" if self.because else ""
        return Told(f"You said {self.value:g}{self.unit}; measured: {measured:g}{self.unit}. That is {how}.{asked}")


class Told(str):
    """A sentence that a notebook shows without quotes."""

    def __repr__(self) -> str:
        return str(self)
