"""The gallery under the learner's hand: four panels of a run without its name, a list of what it may have, a score."""
from base64 import b64encode
from collections.abc import Sequence
from html import escape
from io import BytesIO
from random import sample

import ipywidgets as widgets

from .diagnosis.faults import FAULTS
from .diagnosis.finding import NOTE
from .diagnosis.game import HEALTHY, Game, Patient, stored_patients
from .panels import figures_table, four_panels

LINE = "<div style='line-height: 1.4; padding: 2px 0'>{}</div>"
SHAPE = {"width": "880px", "max_width": "calc(100% - 4px)"}
FAULTS_FOLD = "<details><summary>What can go wrong</summary>" + "".join(
    f"<b>{name.replace('_', ' ')}</b>: {escape(fault.sentence)}<br/>" for name, fault in FAULTS.items()) + "</details>"


class Gallery:
    """Shown by being the last line of a cell. patients: those that come with the kit where None."""

    def __init__(self, patients: Sequence[Patient] | None = None):
        self.game = Game(stored_patients() if patients is None else patients)
        self.picture = widgets.Image(format="png", layout=widgets.Layout(**SHAPE))
        self.head, self.figures, self.meaning, self.told, self.score = (
            widgets.HTML(layout=widgets.Layout(**SHAPE)) for _ in range(5))
        # A box to type in, with a list: JupyterLab takes the keys of a closed list for its own.
        self.choice = widgets.Combobox(options=[HEALTHY, *(name.replace("_", " ") for name in FAULTS)],
                                       description="It has", placeholder="healthy, or a fault: type, or arrow down",
                                       layout=widgets.Layout(width="420px"))
        self.choice.observe(lambda _: self._explain(), "value")
        self.answer = self._button("Say it", self._say, "Your answer for this run; then you see what it has.")
        self.next = self._button("Next run", self._next, "The next run of the gallery.")
        row = widgets.HBox([self.choice, self.answer, self.next])
        self.box = widgets.VBox([self.head, self.picture, self.figures, row, self.meaning, self.told, self.score,
                                 widgets.HTML(FAULTS_FOLD, layout=widgets.Layout(**SHAPE))])
        self._show()

    def _button(self, name: str, press, words: str) -> widgets.Button:
        made = widgets.Button(description=name, tooltip=words, layout=widgets.Layout(width="auto"))
        made.on_click(lambda _: press())
        return made

    @property
    def _chosen(self) -> str:
        """What is written in the box, or the one name that it is a part of; "" where there is none or more than one."""
        typed, names = self.choice.value.strip().lower().replace(" ", "_"), (HEALTHY, *FAULTS)
        near = [name for name in names if typed and typed in name]
        return typed if typed in names else near[0] if len(near) == 1 else ""

    def _explain(self) -> None:
        name, words = self._chosen, "nothing is wrong." if self._chosen == HEALTHY else ""
        if name in FAULTS:
            words = FAULTS[name].sentence
        self.meaning.value = LINE.format(f"<b>{name.replace('_', ' ')}</b>: {escape(words)}") if words else ""

    def _show(self, findings: Sequence = ()) -> None:
        game, patient = self.game, self.game.patient
        if patient is None:
            self.head.value = LINE.format("<b>That was the last run.</b>")
            self.choice.disabled = self.answer.disabled = True
            self.next.description = "Begin anew"
            return
        self.head.value = LINE.format(f"<b>Run {game.place + 1} of {len(game.patients)}.</b> Is it healthy? If not, "
                                      f"what does it have? {escape(patient.how)}")
        self.picture.value = self._png(patient, findings)
        self.figures.value = ("<details><summary>The figures as a table</summary>"
                              f"{figures_table(patient.rows)}</details>")
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
            typed, names = self.choice.value.strip().lower(), [name.replace("_", " ") for name in FAULTS]
            near = ", or ".join(name for name in names if typed and typed in name)
            self.told.value = LINE.format(f"Choose from the list first: {near or 'healthy, or what is wrong'}.")
            return
        patient = self.game.patient
        sentence = self.game.say(self._chosen)
        findings = patient.findings()
        lines = [f"<b>{escape(sentence)}</b>"]
        for finding in findings:
            rests = "; ".join(map(str, finding.evidence))
            lines.append(f"{escape(finding.severity)}: {escape(finding.sentence)} Seen in: {escape(rests)}."
                         + (" Only a probe can see that." if finding.probed else "")
                         + f" <i>To be sure: {escape(finding.experiment)} Then: {escape(finding.remedy)}</i>")
        self.told.value = "".join(LINE.format(line) for line in lines)
        self._show(findings)
        self.answer.disabled = True
        self.score.value = self._table()

    def _next(self) -> None:
        if self.game.patient is None:
            self._begin_anew()
            return
        if len(self.game.answers) <= self.game.place:
            self.told.value = LINE.format("Say something first; a wrong guess costs nothing.")
            return
        self.game.next()
        self.choice.value, self.told.value = "", ""
        self._show()

    def _begin_anew(self) -> None:
        """The same runs in another order."""
        self.game = Game(sample(self.game.patients, len(self.game.patients)))
        self.choice.disabled, self.next.description, self.score.value = False, "Next run", ""
        self._show()

    def _table(self) -> str:
        score = self.game.score()
        cell = "<td style='padding: 0 12px'>"
        rows = "".join(f"<tr>{cell}{truth.replace('_', ' ')}</td>{cell}{yours} of {n}</td>{cell}{kit} of {n}</td></tr>"
                       for truth, (n, yours, kit) in score.items())
        sums = [sum(part) for part in zip(*score.values())]
        return (f"<table><tr><th>what it was</th><th>you</th><th>the kit</th></tr>{rows}<tr><th>all</th>"
                f"<th>{sums[1]} of {sums[0]}</th><th>{sums[2]} of {sums[0]}</th></tr></table>")

    def _repr_mimebundle_(self, **kwargs) -> dict:
        """Where there are no widgets, the run in front as a picture."""
        bundle = {"application/vnd.jupyter.widget-view+json": {"version_major": 2, "version_minor": 0,
                                                               "model_id": self.box.model_id},
                  "text/plain": f"A gallery of {len(self.game.patients)} runs, to be judged in a live notebook."}
        if self.game.patient is not None:
            bundle["image/png"] = b64encode(self._png(self.game.patient, dpi=80)).decode()
        return bundle
