"""The worker: one thread at a time that trains, always at work on what was asked for last.

Whoever moves a slider only leaves an order and goes on.
"""
import logging
import threading
import time
from collections.abc import Callable, Generator
from contextlib import closing

from distill_kit.openmp import rest_threads

LOG = logging.getLogger(__name__)
QUIET_SECONDS = 0.25  # without a further order: then the slider has come to rest

WAITING, RUNNING, FINISHED, STOPPED, FAILED = "waiting", "running", "finished", "stopped", "failed"


class Worker:
    """A worker on the last order, in a thread of its own that ends when nothing is left to do.

    The last order counts: it replaces an order that waits, and makes one at work out of date.
    An order makes a generator of events, run in the thread and closed as soon as the order is out of date.
    quiet: seconds that an order waits for a further one, which takes its place.
    tell: called in the thread: tell(number, state, event); of an order that is out of date, only that it is STOPPED.
    foreground: no thread; `ask` returns when the order has been followed, and an interrupt stops it. For Colab, which
        shows nothing that another thread does to a widget.
    Only one worker of a process works at a time: two trainings at once would slow each other down many times. An order
    to another worker stops this one.
    """
    _turn, _last = threading.Lock(), None

    def __init__(self, tell: Callable[[int, str, object], None], quiet: float = QUIET_SECONDS,
                 foreground: bool = False):
        self._tell, self.quiet, self._foreground = tell, quiet, foreground
        self._newest = 0                                                    # number of the last order or stop
        self._waiting: tuple[Callable[[], Generator], float] | None = None  # an order, and when it is due
        self._changed, self._thread = threading.Condition(), None

    def ask(self, order: Callable[[], Generator]) -> None:
        """Leave an order."""
        rest_threads()  # release the caller's OpenMP helpers: they would slow the worker's thread
        other, Worker._last = Worker._last, self
        if other not in (None, self):
            other.stop()
        with self._changed:
            self._newest += 1
            self._waiting = order, time.monotonic() + self.quiet
            if self._thread is None and not self._foreground:
                self._thread = threading.Thread(target=self._work, name="distill_kit lab", daemon=True)
                self._thread.start()
            self._changed.notify_all()
        if self._foreground:
            self._work()

    def stop(self) -> None:
        """Stop what is at work, and drop what waits."""
        with self._changed:
            self._newest, self._waiting = self._newest + 1, None
            self._changed.notify_all()

    def join(self, timeout: float | None = None) -> bool:
        """Wait until nothing is left to do; returns whether that came before the timeout, in seconds."""
        with self._changed:
            return self._changed.wait_for(lambda: self._thread is None, timeout)

    def _work(self) -> None:
        try:
            while (order := self._next()) is not None:
                self._follow(*order)
        except BaseException:  # not one that ends an order: whoever waits in `join` must not wait for ever
            with self._changed:
                self._thread = None
                self._changed.notify_all()
            raise

    def _next(self) -> tuple[int, Callable[[], Generator]] | None:
        """Take the next order, once it is due. None, and the end of the thread, where there is none."""
        with self._changed:
            while self._waiting is not None:
                order, due = self._waiting
                if (seconds := due - time.monotonic()) <= 0:
                    self._waiting = None
                    return self._newest, order
                self._changed.wait(seconds)  # a further order begins the quiet time anew
            self._thread = None
            self._changed.notify_all()
            return None

    def _follow(self, number: int, order: Callable[[], Generator]) -> None:
        try:
            with Worker._turn, closing(order()) as events:
                for event in events:
                    if number != self._newest:
                        break
                    self._say(number, RUNNING, event)
            self._say(number, FINISHED if number == self._newest else STOPPED, None)
        except KeyboardInterrupt:  # comes to the foreground alone
            self.stop()
            self._say(number, STOPPED, None)
        except Exception as error:  # whatever it is, the learner is told, and the next order is followed
            self._say(number, FAILED, error)

    def _say(self, number: int, state: str, event: object) -> None:
        """Tell what happens. A listener that fails, a drawing say, ends neither the order nor the worker."""
        try:
            self._tell(number, state, event)
        except Exception:
            LOG.exception("what the lab's worker tells could not be heard")
