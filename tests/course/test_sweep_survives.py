"""Sweeps whose processes, machines and databases may die at any moment: nothing is lost, nothing is trained twice."""
import os
import random
import signal
import time
from functools import partial

import pytest
from sweeping import TINY, Sweep, count_of, figures, results_in, trials_of, until

SWEEP = ["--study", "mine", *TINY, "--temperature", "1,2,4", "--alpha", "0,0.1,0.5,0.9", "--seeds", "2",
         "--workers", "3"]
RUNS, KILLS = 24, 10
AT_A_CLAIM, PARENTS = (2, 5, 7), (0, 5)  # of the kills: within 200 ms of a claim, and at the process that was started


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    """The teacher's answers, which all sweeps share."""
    return {"DISTILL_KIT_CACHE": str(tmp_path_factory.mktemp("cache"))}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory, cache):
    """The results of a sweep that nobody disturbed, by key."""
    folder = tmp_path_factory.mktemp("undisturbed")
    own = Sweep(folder, *SWEEP, environment=cache)
    try:
        status, report, _ = own.end()
    finally:
        own.stop()
    assert status == 0 and report["finished"] == RUNS
    results = dict(results_in(f"sqlite:///{folder}/sweeps/mine/study.db"))
    assert len(results) == RUNS
    return results


def kill_ten(own, url, moments, between=lambda number: None):
    """Kill processes of a sweep at random moments; the command is started again where it was killed itself."""
    def wait(is_so, what, every=0.02):
        until(lambda: is_so() or own.process.poll() is not None, what, every=every)

    for number in range(KILLS):
        between(number)
        wait(partial(lambda least: own.finished >= least, 2 * number), f"{2 * number} results")
        wait(lambda: own.workers, "a worker")
        if number in AT_A_CLAIM:
            wait(partial(lambda before: count_of(url) > before, count_of(url)), "a claim", every=0.01)
        else:
            time.sleep(moments.uniform(0, 0.6))
        assert own.process.poll() is None, f"it ended before kill {number}: {own.end()}"
        if number in PARENTS:
            own.kill()
            own.start()
        elif workers := own.workers:
            os.kill(moments.choice(workers), signal.SIGKILL)


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_ten_kills_at_random_moments_lose_nothing_and_train_nothing_twice(kind, sweep, undisturbed, cache, tmp_path,
                                                                          request):
    server, url = None, f"sqlite:///{tmp_path}/study.db"
    if kind == "postgresql":
        server, url = request.getfixturevalue("server"), request.getfixturevalue("database")

    def between(number):
        if server is not None and number == 4:
            server.stop()
            time.sleep(1)
            server.start()
    own = sweep(*SWEEP, "--storage", url, environment=cache)
    kill_ten(own, url, random.Random(kind), between)
    status, report, errors = own.end()
    assert status == 0, errors
    assert {name: report[name] for name in ("requested", "finished", "failed", "repeated")} == {
        "requested": RUNS, "finished": RUNS, "failed": 0, "repeated": 0}
    until(lambda: not own.left, "the end of all processes", seconds=20)
    results = results_in(url)
    assert sorted(key for key, _ in results) == sorted(undisturbed)  # each once
    assert {trial["state"] for trial in trials_of(url)} <= {"COMPLETE", "FAIL"}
    for key, result in results:
        assert figures(result) == figures(undisturbed[key])


def test_an_interrupt_from_the_keyboard_ends_them_all_and_the_same_command_goes_on(sweep, cache):
    own = sweep("--study", "mine", *TINY, "--seeds", "12", "--workers", "2", environment=cache)
    until(lambda: own.finished, "a result")
    os.killpg(own.process.pid, signal.SIGINT)  # as a terminal does: to workers as well
    status, report, errors = own.end()
    assert status == 130 and report is None and errors.endswith("Interrupted. What was finished is kept.\n"), errors
    until(lambda: not own.left, "the end of all processes", seconds=20)
    kept = own.finished
    own.start()
    status, report, _ = own.end()
    assert status == 0 and (report["finished"], report["repeated"]) == (12, 0) and 1 <= kept <= 12
