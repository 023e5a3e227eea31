"""Which order is followed, by a thread that waits until no further one comes."""
import random
import threading
import time

import pytest

from distill_course.lab.worker import FAILED, FINISHED, RUNNING, STOPPED, Worker


@pytest.fixture
def worker(monkeypatch):
    """A worker whose thread is this one, with a made-up clock that goes on while it waits."""
    worker = Worker(lambda *_: None, quiet=0.3)
    worker.now, worker.waits = 1.0, []
    monkeypatch.setattr("distill_course.lab.worker.time.monotonic", lambda: worker.now)
    monkeypatch.setattr(worker, "_thread", threading.current_thread())

    def wait(seconds):
        worker.waits.append(seconds)
        worker.now += seconds
    monkeypatch.setattr(worker._changed, "wait", wait)
    return worker


def test_an_order_is_due_when_the_slider_has_been_quiet(worker, monkeypatch):
    wait = worker._changed.wait

    def moved_again(_):
        monkeypatch.setattr(worker._changed, "wait", wait)
        worker.now += 0.2
        worker.ask("b")
    monkeypatch.setattr(worker._changed, "wait", moved_again)
    worker.ask("a")
    assert worker._next() == (2, "b") and worker.now == pytest.approx(1.5)  # the quiet time began anew at 1.2
    assert worker.waits == pytest.approx([0.3]) and worker._next() is None and worker.join(0)


def test_only_the_last_order_is_wanted_and_none_after_a_stop(worker):
    for order in "ab":
        worker.ask(order)
    assert worker._next() == (2, "b")
    worker.ask("c")
    worker.stop()
    assert worker._next() is None and worker.now == pytest.approx(1.3)  # it did not wait for what was dropped


class Trainings:
    """Begins as many slow trainings as it is asked for, and notes what became of each."""

    def __init__(self, steps=50, quiet=0.0):
        self.alive = self.most_alive = 0
        self.told, self.steps = [], steps
        self.worker = Worker(lambda *heard: self.told.append(heard), quiet)

    def ask(self, order):
        self.worker.ask(lambda: self.begin(order))

    def begin(self, order):
        self.alive += 1
        self.most_alive = max(self.alive, self.most_alive)
        try:
            for step in range(self.steps):
                if order == "bad" and step == 2:
                    raise ValueError("this order is bad")
                time.sleep(0.002)
                yield order, step
        finally:
            self.alive -= 1

    def states(self, *wanted):
        return [(number, state) for number, state, _ in self.told if state in wanted]


def test_an_order_is_followed_to_its_end_and_the_thread_ends():
    trainings = Trainings(steps=3)
    trainings.ask("a")
    assert trainings.worker.join(5)
    assert [state for _, state, _ in trainings.told] == [RUNNING] * 3 + [FINISHED]
    assert not any(thread.name == "distill_kit lab" for thread in threading.enumerate())


def test_a_burst_of_orders_ends_in_one_run_that_finishes():
    trainings, chance = Trainings(), random.Random(0)
    for order in range(20):
        trainings.ask(order)
        time.sleep(chance.random() * 0.03)
    assert trainings.worker.join(10)
    assert trainings.states(FINISHED) == [(20, FINISHED)] and trainings.most_alive == 1
    assert trainings.told[-2][2] == (19, 49)


def test_stop_ends_it_at_the_next_event():
    trainings = Trainings(steps=10_000)
    trainings.ask("a")
    while not trainings.told:
        time.sleep(0.001)
    trainings.worker.stop()
    assert trainings.worker.join(1) and trainings.told[-1][1] == STOPPED and trainings.alive == 0


def test_a_failure_is_told_and_the_next_order_is_followed():
    trainings = Trainings(steps=5)
    trainings.ask("bad")
    assert trainings.worker.join(5)
    number, state, error = trainings.told[-1]
    assert state == FAILED and str(error) == "this order is bad"
    trainings.ask("good")
    assert trainings.worker.join(5) and trainings.told[-1][1] == FINISHED


def test_an_order_to_another_worker_stops_this_one():
    one, other = Trainings(steps=10_000), Trainings(steps=3)
    one.ask("a")
    while not one.told:
        time.sleep(0.001)
    other.ask("b")
    assert one.worker.join(2) and other.worker.join(2)
    assert one.told[-1][1] == STOPPED and other.told[-1][1] == FINISHED


def test_in_the_foreground_an_order_is_followed_before_ask_comes_back_and_an_interrupt_stops_it():
    told = []

    def begin(order):
        yield order
        if order == "interrupted":
            raise KeyboardInterrupt
    worker = Worker(lambda number, state, event: told.append((number, state)), quiet=0.0, foreground=True)
    threads = threading.active_count()
    worker.ask(lambda: begin("whole"))
    assert told == [(1, RUNNING), (1, FINISHED)] and threading.active_count() == threads
    worker.ask(lambda: begin("interrupted"))
    worker.ask(lambda: begin("whole"))
    assert told[2:] == [(2, RUNNING), (2, STOPPED), (4, RUNNING), (4, FINISHED)]  # 3 was the stop


def test_h1_who_cannot_hear_what_is_told_ends_neither_the_order_nor_the_worker(caplog):
    def tell(number, state, event):
        raise ValueError("deaf")
    worker = Worker(tell, quiet=0.0)
    for _ in range(2):
        worker.ask(lambda: (number for number in range(3)))
        assert worker.join(5)
    assert caplog.text.count("ValueError: deaf") == 8  # three events and the end, twice


def test_h1_what_ends_the_thread_ends_the_waiting_too(monkeypatch):
    def begin():
        raise SystemExit
        yield
    monkeypatch.setattr(threading, "excepthook", lambda _: None)
    worker = Worker(lambda *_: None, quiet=0.0)
    worker.ask(begin)
    assert worker.join(5)
    for thread in threading.enumerate():
        if thread.name == "distill_kit lab":
            thread.join(5)
