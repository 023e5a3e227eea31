"""The lab's picture of a session: the run being trained in front, others behind it, one image beside it."""
from ..plotting import BLACK, BLUE
from . import svg
from .session import LabRun, Session
from .words import SHORT, per_cent

WIDTH, HEIGHT, GHOSTS = 820, 380, 3


def draw(session: Session) -> str:
    """SVG. Whatever is not known yet is left out; nothing else moves."""
    experiment, live = session.experiment, session.live
    epochs = live.settings.epochs if live else session.settings(session.values).epochs
    chart = svg.Chart(58, 58, 330, 250, epochs, *experiment.measure.shown)
    parts = [chart.frame(experiment.measure.label)]
    if live is not None:
        parts.append(chart.progress(live.progress))
    if live is not None and live.shares:
        parts.append(chart.line(live.shares, f"now {per_cent(live.shares[-1])}", BLUE, width=3, dots=True))
    if session.baseline is not None and session.baseline.shares:
        last = session.baseline.shares[-1]
        parts.append(chart.line(session.baseline.shares, f"{experiment.baseline_name.split(',')[0]} {per_cent(last)}",
                                BLACK, "7 4", 2))
    parts += [chart.line(run.shares, name_of(run, live), svg.GHOST, "2 3", 2) for run in ghosts(session)]
    return svg.document(WIDTH, HEIGHT, [*parts, beside(session)], experiment.title)


def ghosts(session: Session) -> list[LabRun]:
    """The last runs and those pinned, without the one in front."""
    newest = [run for run in session.runs if run is not session.live][-GHOSTS:]
    return [*session.pinned, *(run for run in newest if run not in session.pinned and run is not session.live)]


def name_of(run: LabRun, live: LabRun | None) -> str:
    """Number in the table, and the values in which it differs from the run in front."""
    differs = [(name, value) for name, value in run.values.items() if live is None or live.values.get(name) != value]
    words = ", ".join(f"{SHORT.get(name, name)} {value}" for name, value in differs[:2])
    return f"{run.number}: {words or f'seed {run.settings.seed}'}"


def beside(session: Session) -> str:
    """What teacher and student say of one validation image, the teacher at the temperature chosen."""
    temperature = session.values.get("temperature", 4.0)
    teacher = (session.teacher_logits / temperature).softmax(0).tolist()
    live = session.live
    student = live.probabilities[-1] if live is not None and live.probabilities else None
    label = session.dataset.validation.classes[session.dataset.validation.labels[session.image]]
    x = 628
    return (svg.text(x - 90, 40, f"One validation image, a {label}", weight="600")
            + svg.paired_bars(x, 58, 170, session.dataset.validation.classes, teacher, student,
                              (f"teacher at T = {temperature:g}", "student at T = 1")))
