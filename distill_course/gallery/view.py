"""The gallery on the screen: four panels of a run without its name, a list of what it may have, a score."""
from base64 import b64encode
from collections.abc import Sequence
from io import BytesIO
from random import sample

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


MEANINGS = glossary({spelled(name): fault.sentence for name, fault in FAULTS.items()})


class Gallery:
    """A game of runs to be judged, shown by being the last line of a cell.

        >>> Gallery()

    patients: the stored ones of the course where None.
    """

    def __init__(self, patients: Sequence[Patient] | None = None):
        self.game = Game(stored_patients() if patients is None else patients)
        self.picture = widgets.Image(format="png", layout=widgets.Layout(**SHAPE))
        self.head, self.figures, self.meaning, self.answered, self.score = (
            widgets.HTML(layout=widgets.Layout(**SHAPE)) for _ in range(5))
        # A box to type in, with a list: JupyterLab takes the keys of a closed list for its own.
        self.choice = widgets.Combobox(options=[HEALTHY, *map(spelled, FAULTS)],
                                       description="It has", placeholder="healthy, or a fault: type, or arrow down",
                                       layout=widgets.Layout(width="420px"))
        self.choice.observe(lambda _: self._explain(), "value")
        self.answer = button("Say it", "Your answer for this run; then you see what it has.", self._say)
        self.next = button("Next run", "The next run of the gallery.", self._next)
        row = widgets.HBox([self.choice, self.answer, self.next])
        self.box = widgets.VBox([self.head, self.picture, self.figures, row, self.meaning, self.answered, self.score,
                                 widgets.HTML(folded("What can go wrong", MEANINGS), layout=widgets.Layout(**SHAPE))])
        self._show()

    @property
    def _chosen(self) -> str:
        """Return what is written in the box, or the only name that it is a part of; "" where there is none."""
        typed, names = self.choice.value.strip().lower().replace(" ", "_"), (HEALTHY, *FAULTS)
        near = [name for name in names if typed and typed in name]
        return typed if typed in names else near[0] if len(near) == 1 else ""

    def _explain(self) -> None:
        name = self._chosen
        words = "nothing is wrong." if name == HEALTHY else FAULTS[name].sentence if name in FAULTS else ""
        self.meaning.value = LINES.format(glossary({spelled(name): words})) if words else ""

    def _show(self, findings: Sequence = ()) -> None:
        game, patient = self.game, self.game.patient
        if patient is None:
            self.head.value = lines("That was the last run.", bold=True)
            self.choice.disabled = self.answer.disabled = True
            self.next.description = "Begin anew"
            return
        self.head.value = LINES.format(f"<b>Run {game.place + 1} of {len(game.patients)}.</b> Is it healthy? If not, "
                                       f"what does it have? {escape(patient.how)}")
        self.picture.value = self._png(patient, findings)
        self.figures.value = folded("The figures as a table", figures_table(patient.rows))
        self.answer.disabled, self.next.disabled = bool(findings), False

    def _png(self, patient: Patient, findings: Sequence = (), dpi: int = 140) -> bytes:
        content = BytesIO()
        marked = [finding for finding in findings if finding.severity != NOTE]
        four_panels(patient.rows, marked).savefig(content, format="png", dpi=dpi)
        return content.getvalue()

    def _say(self) -> None:
        if len(self.game.answers) > self.game.place:  # it has been answered
            return
        if not self._chosen:
            typed = self.choice.value.strip().lower()
            near = ", or ".join(name for name in map(spelled, FAULTS) if typed and typed in name)
            self.answered.value = lines(f"Choose from the list first: {near or 'healthy, or what is wrong'}.")
            return
        patient, sentence = self.game.patient, self.game.say(self._chosen)
        findings = patient.findings()
        self.answered.value = lines(sentence, bold=True) + "".join(
            lines(f"{finding.severity}: {finding.in_words()}") for finding in findings)
        self._show(findings)
        self.answer.disabled = True
        self.score.value = self._table()

    def _next(self) -> None:
        if self.game.patient is None:
            self._begin_anew()
            return
        if len(self.game.answers) <= self.game.place:
            self.answered.value = lines("Say something first; a wrong guess costs nothing.")
            return
        self.game.next()
        self.choice.value, self.answered.value = "", ""
        self._show()

    def _begin_anew(self) -> None:
        """Show the same runs in another order."""
        self.game = Game(sample(self.game.patients, len(self.game.patients)))
        self.choice.disabled, self.next.description, self.score.value = False, "Next run", ""
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
