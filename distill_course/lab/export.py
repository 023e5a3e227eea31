"""What a lab leaves: its runs as a table and in one archive."""
import csv
import io
import zipfile

from .session import Session


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
