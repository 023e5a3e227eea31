"""A lab's runs as files to take away: a table for a spreadsheet, and all histories in one archive."""
import csv
import io
import zipfile

from .session import Session


def table_csv(session: Session) -> str:
    """One line a run: its number, controls, seed, state, best share, seconds, and the folder of its history."""
    controls = [control.name for control in session.experiment.controls]
    text = io.StringIO()
    lines = csv.writer(text, lineterminator="\n")
    lines.writerow(["number", *controls, "seed", "state", session.experiment.measure.label, "seconds", "folder"])
    for run in session.runs:
        lines.writerow([run.number, *(run.values[name] for name in controls), run.settings.seed, run.state, run.best,
                        round(run.seconds, 2), run.folder.name])
    return text.getvalue()


def runs_zip(session: Session) -> bytes:
    """The table, and below it each run's history as it lies on the disk."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("runs.csv", table_csv(session))
        for run in session.runs:
            archive.write(run.folder / "history.jsonl", f"{run.folder.name}/history.jsonl")
    return content.getvalue()
