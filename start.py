#!/usr/bin/env python3
"""Set up the kit and open its notebooks. Needs Python 3.10 or newer and nothing else.

python3 start.py              make .venv, install, open JupyterLab at your copy of the first notebook
python3 start.py setup        only the set-up
python3 start.py test         the set-up, then every test and every notebook (further arguments go to pytest)
python3 start.py reset NAME   a fresh copy of one notebook; the one that you changed is kept beside it

--cpu, --gpu    on Linux: which builds of PyTorch to install (default: what this machine can use)
Further arguments go to JupyterLab: python3 start.py --no-browser --port 8890
"""
import sys

if sys.version_info < (3, 10):  # this file keeps to the syntax of Python 3.6, so that an older one gets this far
    sys.exit("The kit needs Python 3.10 or newer and this is Python %d.%d: get a newer one from python.org and run "
             "start.py with it, for example: python3.12 start.py" % sys.version_info[:2])

import errno
import hashlib
import json
import os
import re
import shutil
import subprocess
import time
import urllib.request
from pathlib import Path

BEGAN, VERSION = time.monotonic(), "%d.%d" % sys.version_info[:2]
ROOT = Path(__file__).resolve().parent
LISTS = [ROOT / "requirements.txt", *sorted((ROOT / "requirements").glob("*.txt"))]  # the first includes the others
NOTEBOOKS, WORK = sorted((ROOT / "notebooks").glob("*.ipynb")), ROOT / "work"
COPIES = WORK / ".copies.json"  # notebook -> sha256 of the copy as the learner got it
VENV, LOG, LOCK = ROOT / ".venv", ROOT / ".venv-setup.log", ROOT / ".venv-setup.lock"
PYTHON = VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
SITE = VENV / ("Lib" if os.name == "nt" else "lib/python" + VERSION) / "site-packages"
STAMP, TORCH_FROM = VENV / "set-up.json", VENV / "torch-from.txt"
CPU_INDEX = "https://download.pytorch.org/whl/cpu"
PIP_AT = re.compile(r"(?m)^ *(Collecting|Downloading|Installing)(?: collected (packages)| (?:\S*/)?(\w+).*?(\(.*\))?$)")
SETTINGS = Path("share/jupyter/lab/settings/overrides.json")  # below an environment's prefix; binder/ writes it too
OVERRIDES = {  # JupyterLab's defaults, in the words of its settings schemas
    "@jupyterlab/apputils-extension:notification": {"fetchNews": "false"},
    # with subshells, a widget's callbacks run beside the cells in another thread, and pictures get mixed up
    "@jupyterlab/apputils-extension:kernels-settings": {"commsOverSubshells": "disabled"},
}


def sha256(content):
    return hashlib.sha256(content).hexdigest()


def write(path, content):
    """Write bytes, or a value as JSON, so that the file is there as a whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name("%s.%d.part" % (path.name, os.getpid()))
    part.write_bytes(content if isinstance(content, bytes) else json.dumps(content, indent=1).encode())
    part.replace(path)


def read_json(path):
    try:
        return dict(json.loads(path.read_text()))
    except (FileNotFoundError, ValueError, TypeError):  # missing or damaged
        return {}


def hold_lock():
    """This folder's lock, held until the returned file is closed. The system frees it with its last holder, so that a
    killed start.py leaves none behind; the commands of a set-up inherit it, so that a pip that outlived one counts."""
    file = LOCK.open("a")
    for attempt in range(10 ** 9):
        try:
            if os.name == "nt":
                import msvcrt
                msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
            else:
                import fcntl
                os.set_inheritable(file.fileno(), True)
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return file
        except (BlockingIOError, PermissionError):
            if attempt == 0:
                print("Another start.py is at work in this folder: waiting for its end (Ctrl-C gives up).", flush=True)
            time.sleep(0.3)
        except OSError:  # a file system that has no locks
            return file


def child_env():
    """The environment of all that runs in .venv: nothing from outside comes before its packages and its kernel."""
    env = {key: value for key, value in os.environ.items() if key not in ("PYTHONHOME", "PYTHONPATH", "JUPYTERLAB_DIR")}
    for key, first in ("PATH", PYTHON.parent), ("JUPYTER_PATH", VENV / "share" / "jupyter"):
        env[key] = os.pathsep.join(filter(None, [str(first), env.get(key)]))
    return dict(env, VIRTUAL_ENV=str(VENV), PYTHONUNBUFFERED="1", PIP_USER="0")


def log_end(count):
    return "\n".join([line for line in LOG.read_text(errors="replace").splitlines() if line.strip()][-count:])


def free_gigabytes():
    return shutil.disk_usage(ROOT).free / 1e9


def exit_with_log(sentence):
    if re.search(r"No space left|Errno 28|not enough space", log_end(60)) or free_gigabytes() < 0.1:
        raise OSError(errno.ENOSPC, "disk full")
    sys.exit(re.sub("(?m)^", "     | ", log_end(8)) + "\n" + sentence)


def logged(*command):
    """Run a command with its output in the log, and show meanwhile that it lives; return its exit status."""
    with LOG.open("ab") as log:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, cwd=ROOT,
                                   env=child_env(), close_fds=False)
    while True:
        try:
            return process.wait(timeout=15)
        except subprocess.TimeoutExpired:
            at = (PIP_AT.findall(log_end(200)) or [["at work"]])[-1]
            minutes, seconds = divmod(int(time.monotonic() - BEGAN), 60)
            print("     %d:%02d  %s" % (minutes, seconds, " ".join(filter(None, at))), flush=True)


def install(what, *arguments):
    """pip install; a failure becomes one sentence, below the log's last lines where the reason is not plain."""
    if logged(PYTHON, "-m", "pip", "install", "--no-input", "--progress-bar", "off", *arguments) != 0:
        if re.search(r"Connection|Timeout|resolution|refused|unreachable|getaddrinfo", log_end(60)):
            sys.exit("No network: %s could not be fetched. Check your connection (or proxy), then run the same command "
                     "again; what is installed already is kept. (pip's own words: %s)" % (what, LOG.name))
        exit_with_log("pip could not install %s for Python %s: the lines above (all of them: %s) say why. Where they "
                      "find no matching version, another Python helps." % (what, VERSION, LOG.name))


def make_venv():
    """Keep the .venv at hand where it works and is of this Python's version, else make a new one."""
    if not (SITE.exists() and PYTHON.exists() and logged(PYTHON, "-c", "import pip._internal.cli.main") == 0):
        if VENV.exists():
            print("     .venv is unfinished or of another Python: it is made anew.", flush=True)
        if logged(sys.executable, "-m", "venv", "--clear", VENV) != 0:
            exit_with_log("Python could not make .venv; see above. (On Debian, Ubuntu: sudo apt install python3-venv)")
    for info in SITE.glob("*.dist-info"):
        if not (info / "INSTALLER").exists():  # pip writes it after a package's files: this one was cut off
            shutil.rmtree(info)


def torch_source(builds):
    """"cpu" for PyTorch's index of CPU builds, else "default"; without a wish, what an earlier set-up chose stays."""
    if builds == "auto" and TORCH_FROM.exists():
        return TORCH_FROM.read_text()
    has_gpu = shutil.which("nvidia-smi") or os.path.exists("/proc/driver/nvidia/version")
    wanted = sys.platform == "linux" and (builds == "cpu" or builds == "auto" and not has_gpu)
    try:
        return "cpu" if wanted and urllib.request.urlopen(CPU_INDEX + "/torch/", timeout=5).status == 200 else "default"
    except (OSError, ValueError):
        return "default"


def install_torch(source):
    """torch and torchvision, which only work together when they come from the same place."""
    where = "PyTorch's index of CPU builds" if source == "cpu" else "the default index"
    has_cuda = source == "default" and sys.platform == "linux"
    size, disk, minutes = ("up to 3", 7, "2 to 10") if has_cuda else ("0.2", 2, "1 to 3")
    print("2/3  PyTorch from %s: fetches %s GB, takes %d GB (%s minutes)" % (where, size, disk, minutes), flush=True)
    if free_gigabytes() < disk and not list(SITE.glob("torch-*.dist-info")):
        raise OSError(errno.ENOSPC, "free disk")
    if TORCH_FROM.exists() and TORCH_FROM.read_text() != source:
        logged(PYTHON, "-m", "pip", "uninstall", "-y", "torch", "torchvision")
    write(TORCH_FROM, source.encode())
    lines = re.findall(r"(?m)^torch(?:vision)?\b[^#\n]*", "\n".join(path.read_text() for path in LISTS))
    install("PyTorch", *(["--index-url", CPU_INDEX] if source == "cpu" else []), *map(str.strip, lines))
    if logged(PYTHON, "-c", "import torch, torchvision") != 0:
        exit_with_log("PyTorch is installed and does not start: the lines above say why.")


def set_up(builds):
    """Bring .venv to what requirements.txt asks for. The stamp comes last: without it every step is looked at again."""
    builds = builds or read_json(STAMP).get("builds", "auto")
    files = {str(path): sha256(path.read_bytes()) for path in (*LISTS, ROOT / "pyproject.toml", ROOT / "start.py")}
    stamp = {"files": files, "builds": builds, "python": VERSION}  # whole paths, because .venv holds its own
    if read_json(STAMP) == stamp and PYTHON.exists():
        return
    LOG.write_bytes(b"")
    print("Setting up the kit in %s, once; what is there already is kept.\n"
          "1/3  a virtual environment (10 seconds)" % VENV, flush=True)
    make_venv()
    write(STAMP, {})
    source = torch_source(builds)
    try:
        install_torch(source)
    except SystemExit as stop:
        if source == "default":
            raise
        print("     That failed, so the default index comes next. (%s)" % stop, flush=True)
        install_torch("default")
    print("3/3  JupyterLab and the rest of requirements.txt (1 to 2 minutes)", flush=True)
    install("requirements.txt", "-r", "requirements.txt")
    (SITE / "distill_kit_here.pth").write_text("%s\n" % ROOT)  # `import distill_kit` works in every folder
    write(VENV / SETTINGS, OVERRIDES)
    write(STAMP, stamp)
    print("Ready after %.0f seconds." % (time.monotonic() - BEGAN), flush=True)


def without_results(notebook):
    """The notebook's bytes without stored outputs: whoever is asked for a guess should not see the answer below."""
    try:
        content = json.loads(notebook.read_text(encoding="utf-8"))
        for cell in content["cells"]:
            if cell["cell_type"] == "code":
                cell.update(outputs=[], execution_count=None)
        return json.dumps(content, indent=1).encode()
    except (ValueError, KeyError, TypeError):  # no notebook: JupyterLab will say so
        return notebook.read_bytes()


def copy(notebook):
    content = without_results(notebook)
    write(WORK / notebook.name, content)
    write(COPIES, dict(read_json(COPIES), **{notebook.name: sha256(content)}))


def is_changed(notebook):
    """Did the learner change the copy of this notebook? A copy of an older version of the course is no changed one."""
    mine, known = WORK / notebook.name, (sha256(without_results(notebook)), read_json(COPIES).get(notebook.name))
    return mine.exists() and sha256(mine.read_bytes()) not in known


def update_copies():
    """Copy to work/ what is new in the course, and leave what the learner changed."""
    for notebook in NOTEBOOKS:
        is_new = read_json(COPIES).get(notebook.name) != sha256(without_results(notebook))
        if is_new and is_changed(notebook):
            print("The course has a newer %s; your changed copy stays. For the new one: python3 start.py reset %s"
                  % (notebook.name, notebook.stem), flush=True)
        elif is_new or not (WORK / notebook.name).exists():
            copy(notebook)


def reset(name):
    """A fresh copy of the notebook that this name, or its beginning, means; a changed one is moved aside."""
    meant = [notebook for notebook in NOTEBOOKS if name and notebook.name.startswith(Path(name).name)]
    if len(meant) != 1:
        sys.exit("Which notebook? reset takes one of: %s" % ", ".join(notebook.stem for notebook in NOTEBOOKS))
    mine = aside = WORK / meant[0].name
    if is_changed(meant[0]):
        while aside.exists():
            aside = WORK / ("%s.%s.ipynb" % (mine.stem, time.strftime("%Y-%m-%d-%H%M%S")))
        mine.rename(aside)
        print("Your changed notebook is now work/%s" % aside.name)
    copy(meant[0])
    print("work/%s is a fresh copy." % mine.name)


def open_lab(more):
    """Become JupyterLab (on Windows: wait for it), on loopback and with its token."""
    command = [str(PYTHON), "-m", "jupyterlab", "--ServerApp.ip=127.0.0.1", "--ServerApp.root_dir=%s" % ROOT,
               "--LabApp.workspaces_dir=%s" % (VENV / "workspaces"),  # not the tabs of other projects
               "--LabApp.default_url=/lab" + "".join("/tree/work/" + notebook.name for notebook in NOTEBOOKS[:1]),
               *(["--allow-root"] if getattr(os, "geteuid", lambda: 1)() == 0 else []), *more]  # else root is refused
    os.chdir(ROOT)
    if os.name == "nt":
        return subprocess.call(command, env=child_env())
    os.execve(command[0], command, child_env())


def command(arguments):
    if "-h" in arguments or "--help" in arguments:
        return print(__doc__.strip())
    builds = [a[2:] for a in arguments if a in ("--cpu", "--gpu")]
    rest = [a for a in arguments if a not in ("--cpu", "--gpu")]
    name = rest.pop(0) if rest and rest[0] in ("setup", "test", "reset") else "open"
    with hold_lock():
        if name == "reset":
            return reset(" ".join(rest))
        set_up(builds[-1] if builds else None)
        if name == "open":
            update_copies()
    if name == "test":
        return subprocess.call([str(PYTHON), str(ROOT / "tests" / "run.py"), *rest], env=child_env())
    return open_lab(rest) if name == "open" else print("Next: python3 start.py")


def main(arguments):
    """The exit status, or the sentence that sys.exit prints before it exits with status 1."""
    try:
        return command(arguments)
    except KeyboardInterrupt:
        print("\nStopped. The same command goes on from here.", file=sys.stderr)
        return 130
    except OSError as error:
        if error.errno == errno.ENOSPC:
            return ("Not enough disk: the set-up needs 2 GB, or 7 GB with CUDA, and for a while half of that again; "
                    "%s has %.1f GB. Make room, then try again." % (ROOT, free_gigabytes()))
        if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            return "No write access to %s: move the kit's folder to where you may write." % (error.filename or ROOT)
        return "start.py stops here: %s" % error


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
