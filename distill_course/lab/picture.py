"""The lab's picture of a session: the run being trained in front, others behind it, an image or the classes beside."""
import statistics

from distill_kit.colours import BLACK, BLUE, LINES, SKY
from distill_kit.metrics import soft_targets

from ..diagnosis.faults import fault_of
from . import svg
from .experiments import Experiment
from .session import LabRun, Session
from .words import SHORT, origin_words, per_cent, presets_measured
from .worker import FINISHED, RUNNING

WIDTH, HEIGHT, GHOSTS = 820, 380, 3
CLASSES = "every class"  # what may stand beside the curves instead of one of the images


def draw(session: Session, beside: int | str = 0) -> str:
    """Draw a session as SVG. What is not known yet is left out; nothing else moves.

    beside: which of the session's images stands beside the curves, or CLASSES.
    """
    experiment, live = session.experiment, session.live
    own = live.settings if live else session.settings(session.values)
    baseline, behind, cell = session.baseline, ghosts(session), session.measured(own)
    shown = [*(run.shares for run in (live, baseline, *behind) if run is not None), *cell.curves]
    chart = chart_for(experiment, session.dataset.name, shown, max(own.epochs, experiment.baseline_of(own).epochs))
    parts = [chart.frame(experiment.measure.label)]
    if cell.runs:
        lows, means, highs = zip(*cell.band)
        parts += [chart.band(lows, highs, SKY), chart.line(means, f"{len(cell.runs)} seeds "
                                                           f"{per_cent(statistics.fmean(cell.best))}", svg.GHOST)]
    parts.append(svg.text(18, HEIGHT - 8, origin_words(session, cell), svg.FAINT, size=12))
    if live is not None and live.state == RUNNING:
        parts.append(svg.bar(chart.x, chart.y - 8, chart.width * live.progress, 3, BLUE, full=True))  # above the lines
    if live is not None and live.shares:
        over = live.state == FINISHED and live.best is not None
        name = f"this run {per_cent(live.best)}" if over else f"now {per_cent(live.shares[-1])}"
        parts.append(chart.line(live.shares, name, BLUE, width=3, dots=True, best=live.best_epoch if over else None))
    if baseline is not None and baseline.best is not None:
        name = f"{experiment.baseline_name.split(',')[0]} {per_cent(baseline.best)}"
        parts.append(chart.line(baseline.shares, name, BLACK, "7 4", 2, best=baseline.best_epoch))
    parts += [chart.line(run.shares, name_of(run, live), svg.GHOST, "2 3", 2) for run in behind]
    parts.append(chart.names())
    panel = class_bars(session) if beside == CLASSES else one_image(session)
    return svg.document(WIDTH, HEIGHT, [*parts, panel], experiment.title)


def draw_presets(session: Session) -> str:
    """Draw what the atlas has of the presets as SVG: what a reader sees where nothing can be moved."""
    measured = presets_measured(session)
    curves = [[mean for _, mean, _ in cell.band] for _, cell in measured]
    chart = chart_for(session.experiment, session.dataset.name, curves)
    lines = [chart.line(curve, f"{preset.name} {per_cent(statistics.fmean(cell.best))}", colour, dash, 2)
             for (preset, cell), curve, (colour, dash, _) in zip(measured, curves, LINES)]
    origin = f"Means of 5 seeds or more; {measured[0][1].origin}" if measured else ""
    below = svg.text(18, HEIGHT - 8, origin, svg.FAINT, size=12)
    return svg.document(WIDTH, HEIGHT, [chart.frame(session.experiment.measure.label), *lines, chart.names(letters=50),
                                        below], session.experiment.title)


def chart_for(experiment: Experiment, data: str, shown: list[list[float]], epochs: int = 1) -> svg.Chart:
    """Make the chart that holds these curves. epochs: at least so many; its axis goes down to 0 where a curve does."""
    low, high = experiment.measure.on_cifar10 if data == "cifar10" else (0.0, 1.0)
    if any(share < low for shares in shown for share in shares):
        low = 0.0
    return svg.Chart(58, 58, 330, 250, max(epochs, *map(len, shown), 1), low, high)


def ghosts(session: Session) -> list[LabRun]:
    """List the pinned runs and the last ones, without the run in front."""
    newest = [run for run in session.runs if run is not session.live][-GHOSTS:]
    return [*session.pinned, *(run for run in newest if run not in session.pinned)]


def name_of(run: LabRun, live: LabRun | None) -> str:
    """Write a run's number in the table, and the values in which it differs from the run in front."""
    if (ill := fault_of(run.settings)) is not None:
        fault, strength = ill
        return f"{run.number}: {strength} {fault.name.replace('_', ' ')}"
    differs = [(name, value) for name, value in run.values.items() if live is None or live.values.get(name) != value]
    words = ", ".join(f"{SHORT.get(name, name)} {value}" for name, value in differs[:2])
    return f"{run.number}: {words or f'seed {run.settings.seed}'}"


def one_image(session: Session) -> str:
    """Draw what teacher and student say of a validation image, both at the chosen temperature."""
    temperature, live, images = session.settings(session.values).temperature, session.live, session.images
    teacher = student = None
    if (says := session.teacher_says) is not None:
        teacher = soft_targets(says[session.chosen[session.image]], temperature).tolist()
    if live is not None and live.logits:  # as the loss compares them: both at the same temperature
        student = soft_targets(live.logits[-1][session.image], temperature).tolist()
    x, kind = 628, images.classes[images.labels[session.image]]
    return (svg.text(x - 38, 28, "One validation image,", weight="600")
            + svg.text(x - 38, 46, f"a {kind}", weight="600") + svg.pixels(x - 92, 8, 44, images.images[session.image])
            + svg.paired_bars(x, 62, 170, images.classes, teacher, student,
                              (f"teacher at T = {temperature:g}", f"student at T = {temperature:g}")))


def class_bars(session: Session) -> str:
    """Draw how many images of each class the run and its baseline get right, once they are over."""
    x, names = 628, (session.experiment.baseline_name.split(",")[0], "this run")
    shares = [run.by_class if run is not None else None for run in (session.baseline, session.live)]
    title = "Right, of each class" if any(shares) else "Each class: when a run is over"
    return (svg.text(x - 92, 40, title, weight="600")
            + svg.paired_bars(x, 62, 170, session.images.classes, *shares, names))
