"""What a lab leaves: its runs as a table and in one archive, and a still picture where no widget can be shown."""
import csv
import io
import zipfile
from base64 import b64encode

from ..markup import escape
from .picture import draw, draw_stored
from .session import Session
from .stored_runs import Stored
from .words import stored_sentences, verdict


def table_csv(session: Session) -> str:
    """One line a run: its number, controls, seed, state, best share, seconds, and the folder of its history."""
    text = io.StringIO()
    lines = csv.writer(text, lineterminator="\n")
    lines.writerow(["number", *session.values, "seed", "state", session.experiment.measure.label, "seconds", "folder"])
    for run in session.runs:
        lines.writerow([run.number, *map(run.values.get, session.values), run.settings.seed, run.state, run.best,
                        round(run.seconds, 2), run.folder.name])
    return text.getvalue()


def runs_zip(session: Session) -> bytes:
    """The table, and below it each run's history as it lies on the disk, if it is still there."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("runs.csv", table_csv(session))
        for run in session.runs:
            if (run.folder / "history.jsonl").is_file():  # the learner may have deleted it
                archive.write(run.folder / "history.jsonl", f"{run.folder.name}/history.jsonl")
    return content.getvalue()


def still(session: Session, stored: Stored) -> dict:
    """What stands where no widget can: the run in front or, before any, what is stored of the presets; by MIME type."""
    experiment, trained = session.experiment, session.live is not None
    words = ([verdict(session, stored) or experiment.question] if trained
             else [experiment.question, *stored_sentences(experiment, stored)])
    picture = b64encode((draw(session, stored) if trained else draw_stored(experiment, stored)).encode()).decode()
    lines = "".join(f"<p>{escape(sentence)}</p>" for sentence in words)
    return {"text/html": f"<img alt='{escape(experiment.title)}' src='data:image/svg+xml;base64,{picture}'/>{lines}",
            "text/plain": "\n".join(words)}
