"""What tests of sweeps share: a PostgreSQL server, sweeps as processes that are killed, and a reader of studies."""
import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil
import pytest

ROOT = Path(__file__).resolve().parents[2]
TINY = ["--data", "shapes10", "--images", "100", "--epochs", "1", "--batch-size", "25", "--student", "tiniest",
        "--device", "cpu", "--precision", "float32"]
CLOCKS = {"seconds", "teacher_seconds", "images_per_second"}
LONG = 120  # seconds after which a test gives up


def until(is_so, what, seconds=LONG, every=0.02):
    """Wait until something is so; returns what it gave."""
    end = time.monotonic() + seconds
    while not (answer := is_so()):
        assert time.monotonic() < end, f"not within {seconds} s: {what}"
        time.sleep(every)
    return answer


# Sweeps

class Sweep:
    """`python -m distill_kit sweep` as a process, in a group of its own with all that it starts."""

    def __init__(self, folder, *options, before=(), environment=None):
        self.folder, self.options, self.before = Path(folder), [*map(str, options)], [*before]
        self.environment = {**os.environ, "DISTILL_KIT_RUNS": str(self.folder), "PYTHONPATH": str(ROOT),
                            "OMP_NUM_THREADS": "1", **(environment or {})}
        self.groups = []
        self.outs = tempfile.TemporaryFile("w+"), tempfile.TemporaryFile("w+")  # noqa: SIM115
        self.start()

    def start(self):
        self.process = subprocess.Popen(
            [*self.before, sys.executable, "-m", "distill_kit", "sweep", *self.options, "--json"], cwd=ROOT,
            env=self.environment, stdin=subprocess.DEVNULL, stdout=self.outs[0], stderr=self.outs[1],
            # In the background of a shell an interrupt is ignored, and what is begun there inherits that.
            start_new_session=True, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
        self.groups.append(self.process.pid)

    @property
    def workers(self):
        """The numbers of its worker processes."""
        with contextlib.suppress(psutil.Error):
            return sorted(child.pid for child in psutil.Process(self.process.pid).children(recursive=True)
                          if "spawn_main" in " ".join(child.cmdline()))
        return []

    @property
    def finished(self):
        """How many results lie on the disk."""
        return len(list(self.folder.glob("sweeps/*/results/*.json")))

    def end(self, seconds=LONG):
        """Wait for its end; returns exit status, report (or None) and standard error."""
        try:
            status = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            pytest.fail(f"the sweep does not end: {self.read()[1][-2000:]}")
        out, errors = self.read()
        return status, json.loads(out) if out else None, errors

    def read(self):
        texts = []
        for file in self.outs:
            file.seek(0)
            texts.append(file.read())
        return texts

    def kill(self):
        """Kill the process that was started, as a machine's end would: its workers have to end by themselves."""
        self.process.kill()
        self.process.wait()

    def stop(self):
        """Kill all that is left of it, however often it was started."""
        for group in self.groups:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(group, signal.SIGKILL)
        self.process.wait()

    @property
    def left(self):
        """Groups of which a process still runs."""
        groups = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error, OSError):
                if process.status() != psutil.STATUS_ZOMBIE:
                    groups.append(os.getpgid(process.pid))
        return set(groups) & set(self.groups)


@pytest.fixture
def sweep(tmp_path):
    """Starts sweeps; whatever is left of them at the end is killed."""
    begun = []

    def start(*options, folder=tmp_path / "runs", **more):
        begun.append(Sweep(folder, *options, **more))
        return begun[-1]
    yield start
    for each in begun:
        each.stop()


# Studies, read without the kit and without Optuna

def trials_of(url):
    """All trials of a database: their numbers, states and attributes."""
    from sqlalchemy import create_engine, text
    engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://"))
    try:
        with engine.connect() as connection:
            trials = {number: {"id": number, "state": state, "attributes": {}} for number, state in connection.execute(
                text("select trial_id, state from trials order by trial_id"))}
            for number, key, value in connection.execute(text("select trial_id, key, value_json from "
                                                              "trial_user_attributes")):
                trials[number]["attributes"][key] = json.loads(value)
    finally:
        engine.dispose()
    return list(trials.values())


def count_of(url):
    """How many trials a database has; 0 where it is not made yet."""
    with contextlib.suppress(Exception):
        return len(trials_of(url))
    return 0


def results_in(url):
    """The results of a study as (key, result), a pair for each time that one was entered."""
    return [pair for trial in trials_of(url) if trial["state"] in ("COMPLETE", "FAIL")
            for pair in trial["attributes"].get("results", {}).items()]


def figures(result):
    """All that is to be equal however often a sweep was killed: no clocks."""
    own = {**result, "rows": [{name: value for name, value in row.items() if name not in CLOCKS}
                              for row in result["rows"]]}
    return {**own, "report": {name: value for name, value in result["report"].items() if name not in CLOCKS}}


# A server

def program(name):
    """The path of one of PostgreSQL's programs, or None; Debian does not put them where programs are looked for."""
    own = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    return str(own[-1]) if own else shutil.which(name)


class Server:
    """A PostgreSQL server of a test: on a free port and a socket, and it trusts everybody."""

    def __init__(self, folder):
        self.folder = folder
        self.user = {"user": "nobody", "group": "nogroup", "extra_groups": []} if os.geteuid() == 0 else {}
        if self.user:
            shutil.chown(folder, "nobody", "nogroup")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self._do("initdb", "-D", folder / "data", "-A", "trust", "-U", "kit", "--no-sync")
        self.start()

    def _do(self, name, *arguments):
        subprocess.run([program(name), *map(str, arguments)], check=True, cwd=self.folder, stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL, timeout=60, **self.user)

    def start(self):
        self._do("pg_ctl", "-D", self.folder / "data", "-w", "-l", self.folder / "log", "-o",
                 f"-k {self.folder} -p {self.port} -c listen_addresses=127.0.0.1 -c fsync=off", "start")

    def stop(self):
        self._do("pg_ctl", "-D", self.folder / "data", "-w", "-m", "immediate", "stop")

    def database(self, name):
        """Make a database; returns its address."""
        import psycopg
        with psycopg.connect(host="127.0.0.1", port=self.port, user="kit", dbname="postgres", autocommit=True) as own:
            own.execute(f'create database "{name}"')
        return f"postgresql://kit@127.0.0.1:{self.port}/{name}"

    def by_socket(self, url):
        """The same database by its socket, a file: so it is reached where there is no network."""
        return f"postgresql://kit@/{url.rpartition('/')[2]}?host={self.folder}&port={self.port}"


@pytest.fixture(scope="session")
def server():
    if program("initdb") is None:
        pytest.skip("PostgreSQL is not installed (initdb)")
    with tempfile.TemporaryDirectory(prefix="kit-postgres-") as folder:  # below /tmp, which its user may enter
        own = Server(Path(folder))
        yield own
        with contextlib.suppress(subprocess.SubprocessError):
            own.stop()


@pytest.fixture
def database(server, request):
    """A new database for a test; the server runs again afterwards, whatever the test did."""
    import secrets
    url = server.database(secrets.token_hex(4))
    yield url
    with contextlib.suppress(subprocess.SubprocessError):
        server.start()
