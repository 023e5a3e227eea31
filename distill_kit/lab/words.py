"""What a lab says about its runs: sentences, from plain figures."""
import json
from importlib.resources import files

from .orders import FAILED, FINISHED, RUNNING, STOPPED, WAITING
from .session import LabRun, Session


SHORT = {"temperature": "T", "learning_rate": "rate", "label_noise": "false labels", "labelled": "labels",
         "final_alpha": "alpha to", "final_temperature": "T to"}


def per_cent(share: float) -> str:
    return f"{100 * share:.1f} %"


def state_sentence(session: Session) -> str:
    """What goes on now, and how long it will take."""
    live = session.live
    if live is None:
        return "Nothing is trained yet. Move a slider, or press Train."
    if session.second is not None:
        return f"Now training what it is held against, once: {done(session.second)}."
    return {WAITING: "Waiting for the slider to come to rest.",
            RUNNING: f"Training: {done(live)}." if live.progress else "Fetching the images and the teacher's answers.",
            FINISHED: "Done.", STOPPED: "Stopped. What was learnt so far is kept in the table.",
            FAILED: f"This run failed: {live.error}"}[live.state]


def done(run: LabRun) -> str:
    left = run.seconds / run.progress * (1 - run.progress) if run.progress else None
    words = f"epoch {min(len(run.shares) + 1, run.settings.epochs)} of {run.settings.epochs}"
    return words if left is None else f"{words}, about {left:.0f} s left"


def stored_noise(session: Session) -> dict | None:
    """How seeds differ in this experiment at its first values, by benchmarks/lab_noise.py; None if not measured."""
    text = (files("distill_kit") / "assets" / "lab-noise.json").read_text(encoding="utf-8")
    return json.loads(text).get(session.dataset.name, {}).get(session.experiment.name)


MORE, SAME, LESS = "more", "about the same", "less"  # than what it is held against: what a learner may expect


def outcome(difference: float, noise: dict | None) -> str:
    """Of a difference in points: MORE, LESS, or SAME where another seed might have made it."""
    luck = 0.0 if noise is None else 2 * 100 * noise["sd"] * 2 ** 0.5  # twice the spread of a difference of two runs
    return SAME if abs(difference) <= luck else MORE if difference > 0 else LESS


def verdict(session: Session, noise: dict | None) -> str:
    """What happened, and how sure one can be. noise: "sd" and "n" of this measure over seeds; None if not measured."""
    live, baseline = session.live, session.baseline
    if live is None or live.best is None:
        return session.experiment.question
    here = f"{per_cent(live.best)} {session.experiment.measure.unit}"
    if live.state == RUNNING:
        return f"{here} so far."
    if baseline is None or baseline.best is None or baseline.settings == live.settings:
        return f"{here}."
    difference = 100 * (live.best - baseline.best)
    sentence = (f"{here}, against {per_cent(baseline.best)} for {session.experiment.baseline_name}: "
                f"{difference:+.1f} points, one run each.")
    came = outcome(difference, noise)
    if session.expected is not None:
        sentence = f"You expected {session.expected}; it is {came}. {sentence}"
    if noise is None:
        return sentence
    sure = ("That is within what another seed does: it may be luck." if came == SAME
            else "That is more than another seed does.")
    return (f"{sentence} Runs here that differ in their seed alone spread by {100 * noise['sd']:.1f} points "
            f"(standard deviation, {noise['n']} seeds). {sure}")


def settings_words(run: LabRun, session: Session) -> str:
    """The controls' values: "T 4, alpha 0.1, seed 0"."""
    parts = [f"{SHORT.get(name, name)} {value}" for name, value in run.values.items()]
    return ", ".join([*parts, f"seed {run.settings.seed}"])
