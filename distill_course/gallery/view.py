"""The gallery on the screen: four panels of a run without its name, a list of what it may have, a score."""
from base64 import b64encode
from collections.abc import Sequence
from random import sample

from IPython.core.pylabtools import print_figure

from ..diagnosis.faults import FAULTS
from ..diagnosis.finding import NOTE
from ..markup import escape
from ..shown import LINES, bundle, button, folded, glossary, lines, widgets
from .game import HEALTHY, Game, Patient, stored_patients
from .panels import figures_table, four_panels

SHAPE = {"width": "880px", "max_width": "calc(100% - 4px)"}


def spelled(name: str) -> str:
    """Write a fault's name as people do."""
    return name.replace("_", " ")


WRONG = {spelled(name): fault.sentence for name, fault in FAULTS.items()}
MEANINGS = {HEALTHY: "nothing is wrong.", **WRONG}


class Gallery:
    """A game of runs to be judged, shown by being the last line of a cell.

        >>> Gallery()

    patients: the stored ones of the course where None.
    """

    def __init__(self, patients: Sequence[Patient] | None = None):
        self.game = Game(stored_patients() if patients is None else patients)
        self.picture = widgets.Image(format="png", layout=SHAPE)
        self.head, self.figures, self.meaning, self.answered, self.score, known = (
            widgets.HTML(layout=SHAPE) for _ in range(6))
        known.value = folded("What can go wrong", glossary(WRONG))
        # A box to type in, with a list: JupyterLab takes the keys of a closed list for its own.
        self.choice = widgets.Combobox(options=list(MEANINGS), description="It has", layout={"width": "420px"},
                                       placeholder="healthy, or a fault: type, or arrow down")
        self.choice.observe(lambda _: self._explain(), "value")
        self.answer = button("Say it", "Your answer for this run; then you see what it has.", self._say)
        self.next = button("Next run", "The next run of the gallery.", self._next)
        row = widgets.HBox([self.choice, self.answer, self.next])
        self.box = widgets.VBox([self.head, self.picture, self.figures, row, self.meaning, self.answered, self.score,
                                 known])
        self._show()

    @property
    def _meant(self) -> list[str]:
        """List the names that what is written in the box is a part of; only itself where it is one."""
        typed = spelled(self.choice.value.strip().lower())
        return [typed] if typed in MEANINGS else [name for name in MEANINGS if typed and typed in name]

    @property
    def _answered(self) -> bool:
        return len(self.game.answers) > self.game.place

    def _explain(self) -> None:
        meant = self._meant
        self.meaning.value = LINES.format(glossary({meant[0]: MEANINGS[meant[0]]})) if len(meant) == 1 else ""

    def _show(self, findings: Sequence = ()) -> None:
        game, patient = self.game, self.game.patient
        self.choice.disabled, self.next.description = patient is None, "Begin anew" if patient is None else "Next run"
        self.answer.disabled = patient is None or self._answered
        self.score.value = self._table() if game.answers else ""
        if patient is None:
            self.head.value = lines("That was the last run.", bold=True)
            return
        self.head.value = LINES.format(f"<b>Run {game.place + 1} of {len(game.patients)}.</b> Is it healthy? If not, "
                                       f"what does it have? {escape(patient.how)}")
        self.picture.value = self._png(patient, findings)
        self.figures.value = folded("The figures as a table", figures_table(patient.rows))

    def _png(self, patient: Patient, findings: Sequence = (), dpi: int = 140) -> bytes:
        marked = [finding for finding in findings if finding.severity != NOTE]
        return print_figure(four_panels(patient.rows, marked), bbox_inches=None, dpi=dpi)

    def _say(self) -> None:
        if self._answered:
            return
        meant = self._meant
        if len(meant) != 1:
            near = ", or ".join(meant) or "healthy, or what is wrong"
            self.answered.value = lines(f"Choose from the list first: {near}.")
            return
        sentence, findings = self.game.say(meant[0].replace(" ", "_")), self.game.patient.findings()
        self.answered.value = lines(sentence, bold=True) + "".join(
            lines(f"{finding.severity}: {finding.in_words()}") for finding in findings)
        self._show(findings)

    def _next(self) -> None:
        if self.game.patient is None:  # the same runs in another order
            self.game = Game(sample(self.game.patients, len(self.game.patients)))
        elif not self._answered:
            self.answered.value = lines("Say something first; a wrong guess costs nothing.")
            return
        else:
            self.game.next()
        self.choice.value, self.answered.value = "", ""
        self._show()

    def _table(self) -> str:
        score = self.game.score()
        cell = "<td style='padding: 0 12px'>"
        rows = "".join(f"<tr>{cell}{escape(spelled(truth))}</td>{cell}{yours} of {n}</td>{cell}{kit} of {n}</td></tr>"
                       for truth, (n, yours, kit) in score.items())
        sums = [sum(part) for part in zip(*score.values())]
        return (f"<table><tr><th>what it was</th><th>you</th><th>the kit</th></tr>{rows}<tr><th>all</th>"
                f"<th>{sums[1]} of {sums[0]}</th><th>{sums[2]} of {sums[0]}</th></tr></table>")

    def _repr_mimebundle_(self, **kwargs) -> dict:
        """Show the run in front as a picture where there are no widgets."""
        picture = {} if self.game.patient is None else {
            "image_png": b64encode(self._png(self.game.patient, dpi=80)).decode()}
        return bundle(self.box, **picture,
                      text_plain=f"A gallery of {len(self.game.patients)} runs, to be judged in a live notebook.")
