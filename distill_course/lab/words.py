"""Words of a lab: sentences about its runs, from plain figures."""
import math
import statistics
from itertools import takewhile
from types import SimpleNamespace

from distill_kit.data.imageset import class_number
from distill_kit.metrics import entropy_bits, soft_targets
from distill_kit.neighbours import TAKEN
from distill_kit.openmp import cores, cpu_quota

from ..atlas import Cell
from ..diagnosis.faults import fault_of
from ..diagnosis.finding import HARMLESS, NOTE, SEVERE
from ..machine import counted, threads_in_words
from ..shipped import read_table
from ..statistics import by_luck, in_words, interval
from .experiments import Control, Preset
from .measures import teachers_share
from .session import LabRun, Session
from .worker import FINISHED, RUNNING, STOPPED

WORDS = read_table("lab-words")
SHORT = WORDS["short"]                          # names of controls where there is little room
SAY = SimpleNamespace(**WORDS["sentences"])
MORE, SAME, LESS = "better", "about the same", "worse"  # than what it is held against: what a learner may expect


def per_cent(share: float) -> str:
    """Write a share as learners read it: "61.8 %"."""
    return f"{100 * share:.1f} %"


def state_sentence(session: Session) -> str:
    """Say what goes on now, and how long it will take."""
    live = session.live
    if session.failure is not None:
        return f"That failed: {session.failure} The next move starts afresh."
    if live is None:
        return "Nothing is trained yet. Move a slider, or press Train."
    if session.second is not None:
        return f"Now training what it is held against, seed {live.settings.seed}: {done(session.second)}."
    early = live.state == RUNNING and not live.progress or live.state == STOPPED and not live.shares
    return WORDS["states"][f"{live.state} early" if early else live.state].format(done=done(live), error=live.error)


def done(run: LabRun) -> str:
    """Say where a run stands, and the time left for its steps and for what the teacher has still to be asked."""
    words = f"epoch {min(len(run.shares) + 1, run.settings.epochs)} of {run.settings.epochs}"
    if not run.progress:
        return words
    left = run.seconds / run.progress * (1 - run.progress) + run.teacher_left
    return f"{words}, about {left:.0f} s left"


def on_this_machine(run: LabRun | None) -> str:
    """Say how many threads a run on a CPU has, which cores it cannot have, and what that costs it."""
    if run is None or run.threads is None or run.settings.device not in (None, "cpu"):
        return ""
    taken, used = run.cores or (0.0, 0.0)
    words = f"It trains in {threads_in_words(run.threads, taken)}."
    if taken <= TAKEN:
        return words
    whole = min(cores(), cpu_quota() or math.inf)
    return f"{words} {SAY.slowed.format(used=used, times=whole / used)}"


def softness(session: Session) -> str:
    """Say what the sliders change without any training."""
    settings, classes = session.settings(session.values), session.images.classes
    if (says := session.teacher_says) is None:
        return "The teacher is yet to be trained: it is the student that only has the labels."
    targets = soft_targets(says[session.chosen[session.image]], settings.temperature)               # (C,)
    first = ", ".join(f"{classes[k]} {targets[k]:.0%}" for k in targets.argsort(descending=True)[:3])
    soft = teachers_share(says, session.seen.labels, settings.temperature, settings.alpha)
    # The loss of a fault may be another: then nothing is said of a first step.
    words = [SAY.teacher, SAY.first_step] if fault_of(settings) is None else [SAY.without_fault, SAY.teacher]
    return " ".join(words).format(settings=settings, first=first, bits=entropy_bits(targets),
                                  most=math.log2(len(classes)), soft=soft, hard=1 - soft)


def origin_words(session: Session, cell: Cell) -> str:
    """Say what the band is, or why there is none."""
    if cell.runs:
        return SAY.band.format(seeds=len(cell.runs), origin=cell.origin)
    return SAY.no_cell if session.in_atlas else SAY.no_atlas


def presets_measured(session: Session) -> list[tuple[Preset, Cell]]:
    """List the presets that the atlas has, each with its cell."""
    cells = [(preset, session.measured(session.settings({**session.experiment.first_values, **preset.values})))
             for preset in session.experiment.presets]
    return [(preset, cell) for preset, cell in cells if cell.runs]


def preset_sentences(session: Session) -> list[str]:
    """Say of each preset that was measured how it came out, and why."""
    return [f"{preset.name}: {per_cent(statistics.fmean(cell.best))} {session.experiment.measure.unit}. {preset.why}"
            for preset, cell in presets_measured(session)]


def measured_sentence(session: Session, control: Control | None) -> str:
    """Say what the atlas has of the values as they are, and which stops of a control come out the same.

    Stops are the same where zero lies in the 95 % interval of the differences, seeds paired.
    """
    here = session.measured(session.settings(session.values))
    if not here.runs:
        return origin_words(session, here)
    low, high = (per_cent(max(0.0, end)) for end in interval(here.best))
    words = SAY.measured.format(seeds=len(here.runs), mean=per_cent(statistics.fmean(here.best)), low=low, high=high)
    if control is None:
        return words

    def is_near(stop) -> bool:
        there = session.measured(session.settings({**session.values, control.name: stop}))
        low, high = interval([a - b for a, b in zip(there.best, here.best)])
        return low <= 0 <= high
    value, stops = session.values[control.name], control.stops_with(session.values[control.name])
    place = stops.index(value)
    near = [*reversed([*takewhile(is_near, stops[:place][::-1])]), value, *takewhile(is_near, stops[place + 1:])]
    return f"{words} {SAY.alike.format(label=control.label, low=near[0], high=near[-1])}" if len(near) > 1 else words


def outcome(difference: float, luck: float) -> str:
    """Judge a difference in points: MORE, LESS, or SAME where another seed might have made it."""
    return SAME if round(abs(difference), 1) <= round(luck, 1) else MORE if difference > 0 else LESS


def chance(share: float, images: int) -> float:
    """Compute points by which two equally good students differ on so many images, 19 times of 20, at most.

    As if each got its own images right by lot; `share` is drawn towards a half as if of two images more.
    """
    share = (share * images + 1) / (images + 2)
    return 196 * math.sqrt(2 * share * (1 - share) / max(images, 1))


def verdict(session: Session) -> str:
    """Say what happened, and how sure you can be."""
    live, baseline = session.live, session.baseline
    if live is None or live.best is None:
        return ""
    here = f"{per_cent(live.best)} {session.experiment.measure.unit}"
    if live.state == RUNNING:
        return f"{trend(live.shares)} {what_is_wrong(live)}".strip()
    if live.state == STOPPED:
        return SAY.stopped.format(epochs=len(live.shares), of=live.settings.epochs, here=here)
    wrong = what_is_wrong(live)
    here += f" (its best epoch, number {live.best_epoch})" if live.best_epoch != len(live.shares) else ""
    if baseline is None or baseline.best is None:
        return f"{here}. {wrong}".strip()
    if baseline.settings == live.settings:
        return f"{here}. This is itself what the others are held against: {session.experiment.baseline_name}."
    difference = round(100 * live.best, 1) - round(100 * baseline.best, 1)  # of the figures that are shown
    sentences = [f"{here}, against {per_cent(baseline.best)} for {session.experiment.baseline_name}: "
                 f"{difference:+.1f} points, one run each."]
    seen, unseen = session.dataset.validation, live.settings.leave_out
    count = len(seen) if unseen is None else seen.class_counts()[class_number(seen.classes, unseen)]
    spread = [session.measured(run.settings).best for run in (live, baseline)]
    seeds = min(map(len, spread))
    luck = 100 * by_luck(*map(statistics.stdev, spread), seeds) if seeds else chance((live.best + baseline.best) / 2,
                                                                                     count)
    came = outcome(difference, luck)
    if session.expected is not None:
        sentences.insert(0, f"You expected {session.expected}; it came out {came}.")
    if len(pairs := session.pairs(live)) > 1:
        sentences.append(f"All pairs: {in_words([100 * (a - b) for a, b in pairs])}.")
    elif not seeds:
        sentences.append(SAY.luck_of_images.format(images=counted(count, "image"), luck=luck))
    else:
        more = "no more" if came == SAME else "more"
        sentences.append(SAY.luck_of_seeds.format(luck=luck, seeds=seeds, more=more))
    if live.swallowed is not None and baseline.swallowed is not None:
        sentences.append(f"Of the false labels the student has swallowed {live.swallowed:.0%}; "
                         f"{session.experiment.baseline_name}: {baseline.swallowed:.0%}.")
    if live.test is not None:
        times = "once" if session.looks == 1 else f"{session.looks} times"
        sentences.append(SAY.test.format(right=per_cent(live.test), times=times))
    return " ".join([*sentences, wrong]).strip()


def what_is_wrong(run: LabRun) -> str:
    """Say the first severe finding. In the faults' lab, once the run is over, also a milder one, or that there is none.

    Empty otherwise.
    """
    asked = "fault" in run.values and run.state == FINISHED
    fault, _ = fault_of(run.settings) or (None, "")
    missed = asked and fault and not {finding.name for finding in run.findings} & set(fault.findings)
    milder = asked and not missed  # beside a fault that is not found they would mislead
    first = next((finding for finding in run.findings if milder or finding.severity == SEVERE), None)
    if first is None:
        nothing = "does not find this fault here" if missed else "finds nothing wrong with it"
        return f"The kit {nothing}." if asked else ""
    how = ("Something is wrong" if first.severity == SEVERE else "Worth a look" if first.kind != HARMLESS else
           "By the way" if first.severity == NOTE else "This looks wrong, and seldom costs anything")
    return f"{how}: {first.in_words()}"


def trend(shares: list[float]) -> str:
    """Say how a run goes: where it began, where it is now, and which way it moves."""
    if len(shares) == 1:
        return f"{per_cent(shares[0])} after one epoch."
    step = shares[-1] - shares[-2]
    way = "hardly moving" if abs(step) < 0.005 else "rising" if step > 0 else "fell in the last epoch"
    return f"Began at {per_cent(shares[0])}, now {per_cent(shares[-1])}, {way}."


def line_of(run: LabRun) -> str:
    """Write a run as a line of the table."""
    return f"{run.number}   {settings_words(run)}:   {per_cent(run.best)} ({run.state}, {run.seconds:.1f} s)"


def settings_words(run: LabRun) -> str:
    """Write the controls' values: "T 4, alpha 0.1, seed 0"."""
    parts = [f"{SHORT.get(name, name)} {value}" for name, value in run.values.items()]
    return ", ".join([*parts, f"seed {run.settings.seed}"])
