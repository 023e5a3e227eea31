"""What a check allows an answer, some seconds and some printed lines, and the settings that it puts back."""
import _thread
import ctypes
import io
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout

import torch

SECONDS, AGAIN = 5.0, 0.2      # for all calls of a check together; and until an answer that goes on is stopped again
LINES, CHARACTERS = 20, 2_000  # the first that are printed during a check are shown
SETTINGS = ((torch.is_grad_enabled, torch.set_grad_enabled), (torch.get_default_dtype, torch.set_default_dtype),
            (torch.get_num_threads, torch.set_num_threads),
            (torch.get_deterministic_debug_mode, torch.set_deterministic_debug_mode))


class TookTooLong(BaseException):
    """The time is over. No Exception, so that `except Exception` in an answer lets it pass."""


def within(seconds: float, work: Callable[[], object]) -> object:
    """Return what `work` returns. Raises TookTooLong in it when the time is over: in any thread, on every system.

    What stays inside one call into C cannot be stopped: `time.sleep(1000)`, `sum(itertools.count())`.
    """
    working, watching, thread = _thread.allocate_lock(), _thread.allocate_lock(), ctypes.c_ulong(_thread.get_ident())
    interrupt = ctypes.pythonapi.PyThreadState_SetAsyncExc  # it takes effect when the thread next runs Python

    def watch(wait: float = seconds) -> None:
        while not working.acquire(timeout=wait):
            interrupt(thread, ctypes.py_object(TookTooLong))
            wait = AGAIN  # an `except:` of the answer may have swallowed it
        watching.release()

    working.acquire(), watching.acquire()
    try:
        _thread.start_new_thread(watch, ())  # bare locks and threads: TookTooLong cannot come in between
        return work()
    finally:
        working.release()
        watching.acquire()
        interrupt(thread, None)  # takes back what is on its way


class Cut(io.StringIO):
    """What is printed, as far as it is shown. lines: how many there are in all."""
    lines = 0

    def write(self, text: str) -> int:
        """Keep the first of it, and count the rest."""
        self.lines += text.count("\n")
        return super().write(text[:CHARACTERS - self.tell()])

    def show(self, stream: io.TextIOBase) -> None:
        """Write the first lines, and how many more there are."""
        shown = "".join(self.getvalue().splitlines(keepends=True)[:LINES])
        left = self.lines - shown.count("\n")
        stream.write(shown + f"\n... and {left:,} more lines.\n" * (left > 0))


def settings() -> list:
    """Read those settings of torch that hold for all code."""
    return [get() for get, _ in SETTINGS]


@contextmanager
def contained() -> Iterator[None]:
    """Cut what is printed, show a warning once at most, put back torch's settings and its global random state."""
    before, stdin, out, err = settings(), sys.stdin, Cut(), Cut()
    try:
        with torch.random.fork_rng(devices=[]), warnings.catch_warnings(), redirect_stdout(out), redirect_stderr(err):
            warnings.simplefilter("once")
            sys.stdin = io.StringIO()  # `input()` would wait for ever, and `exit()` closes it
            yield
    finally:
        sys.stdin = stdin
        for (get, put), value in zip(SETTINGS, before):
            if get() != value:
                put(value)
        out.show(sys.stdout), err.show(sys.stderr)
