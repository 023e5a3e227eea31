"""Threads for the machine as it is, and room for other programs."""
import os
import subprocess
import sys
import threading
import time
from types import SimpleNamespace

import pytest
import torch
from small import ColourTeacher, LittleNet, coloured_dataset

from distill_kit import neighbours
from distill_kit.history import load_history
from distill_kit.neighbours import Load, choose_threads, fastest, using_threads
from distill_kit.openmp import may_change_waiting
from distill_kit.run import Materials, Run
from distill_kit.settings import Settings
from distill_kit.views import ViewBank

DATASET = coloured_dataset()
BANK = ViewBank(DATASET.pool.images)
LINUX = pytest.mark.skipif(sys.platform != "linux", reason="nothing was measured with the OpenMPs of other systems")


@pytest.fixture(autouse=True)
def own_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("DISTILL_KIT_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def four_threads(monkeypatch):
    """Four cores, four threads, and no wish of the user's."""
    monkeypatch.setattr(neighbours, "prepare", lambda: False)
    monkeypatch.setattr(neighbours, "cores", lambda: 4)
    with using_threads(4):
        yield


def taken(cores_taken):
    return SimpleNamespace(taken=lambda: cores_taken)


def choose(cores_taken, wish=None, **changes):
    return choose_threads(wish, taken(cores_taken), LittleNet(), BANK, "float32")


def test_a_busy_loop_is_seen_and_this_process_is_not_counted():
    load = Load()
    end = time.monotonic() + 0.5
    while time.monotonic() < end:
        pass
    alone = load.taken()
    loop = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        time.sleep(0.3)  # it begins
        load = Load()
        time.sleep(0.5)
        beside = load.taken()
    finally:
        loop.kill()
        loop.wait()
    assert beside > alone + 0.3 or alone > 1.5  # where all is taken anyway, one more cannot be told


@LINUX
def test_where_enough_cores_are_free_nothing_is_tried(four_threads, monkeypatch):
    monkeypatch.setattr(neighbours, "fastest", lambda *_: pytest.fail("tried"))
    assert choose(0.2) == (4, 0.2, 0.0)


@LINUX
@pytest.mark.parametrize("cores_taken, numbers", [(1.0, {4, 3, 1}), (1.6, {4, 2, 1}), (4.0, {4, 1}), (9.0, {4, 1})])
def test_beside_others_all_the_free_ones_and_one_are_tried_and_the_fastest_wins(four_threads, monkeypatch, cores_taken,
                                                                                numbers):
    tried = []
    monkeypatch.setattr(neighbours, "fastest", lambda numbers, step: (tried.append(numbers), step(), 1)[2])
    choice = choose(cores_taken)
    assert tried == [numbers] and choice.threads == 1 and choice.taken == cores_taken and choice.seconds > 0


@LINUX
def test_who_has_a_wish_gets_it_and_nobody_looks(four_threads, monkeypatch):
    assert choose(3.0, wish=2) == (2, None, 0.0)
    monkeypatch.setattr(neighbours, "prepare", lambda: True)  # OMP_NUM_THREADS
    assert choose(3.0) == (4, None, 0.0)


def test_trying_leaves_the_student_and_torchs_number_as_they_were(four_threads):
    student = LittleNet()
    before = {name: value.clone() for name, value in student.state_dict().items()}
    choose_threads(None, taken(2.0), student, BANK, "float32")
    assert torch.get_num_threads() == 4 and all(parameter.grad is None for parameter in student.parameters())
    assert all(torch.equal(value, before[name]) for name, value in student.state_dict().items())


def test_the_fastest_number_is_the_one_whose_steps_are_the_shortest():
    step = {1: 0.004, 2: 0.001, 3: 0.008}
    with using_threads(3):
        assert fastest({1, 2, 3}, lambda: time.sleep(step[torch.get_num_threads()])) == 2
        assert torch.get_num_threads() == 3


ROOM = """if True:
    import os, sys, threading, time
    import torch
    from distill_kit import neighbours
    torch.set_num_threads(2)
    torch.ones(1_000_000).exp()
    def threads():
        return len(os.listdir("/proc/self/task"))
    before = threads()
    neighbours.LOOK_SECONDS = 0.05
    others, busy = [0.0], neighbours.cores() - 1.0  # one core is left for two threads
    neighbours.Load.taken = lambda self: others[0]
    def settled(wanted):
        for _ in range(40):
            if threads() == wanted:
                return True
            time.sleep(0.03)
        return threads()
    with neighbours.Room(torch.device("cpu")):
        print(settled(before + 1))      # the thread that watches
        others[0] = busy
        print(settled(before + 2))      # and its team
        others[0] = 0.0
        print(settled(before + 1))
    print(settled(before))
    with neighbours.Room(torch.device("cpu"), busy):
        print(threads() == before + 2)  # at once
    print(settled(before))"""


@LINUX
@pytest.mark.parametrize("own, room", [({}, True), ({"GOMP_SPINCOUNT": "50"}, False),
                                       ({"OMP_WAIT_POLICY": "passive"}, False)])
def test_room_is_made_while_others_want_the_cores_and_no_longer(own, room):
    """A second team: with it GNU's OpenMP knows of more threads than cores, and lets those that wait sleep."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("OMP_", "GOMP_"))}
    done = subprocess.run([sys.executable, "-c", ROOM], capture_output=True, text=True, check=True,
                          env={**clean, **own})
    if not room:
        assert done.stdout.split() != ["True"] * 6  # the user has said how threads wait: nothing is done
    elif may_change_waiting():
        assert done.stdout.split() == ["True"] * 6


def test_one_thread_waits_for_nobody():
    threads = threading.active_count()
    with using_threads(1), neighbours.Room(torch.device("cpu"), 1.0):
        assert threading.active_count() == threads
    with using_threads(2), neighbours.Room(torch.device("cuda"), 1.0):  # nor does a GPU
        assert threading.active_count() == threads


def run_of(**changes):
    settings = Settings(images=100, epochs=1, batch_size=20, precision="float32", device="cpu", **changes)
    return Run(settings, Materials.of(settings, DATASET, ColourTeacher()))


def test_the_number_of_threads_stands_in_the_rows_and_torchs_own_comes_back(tmp_path):
    before = torch.get_num_threads()
    (row,) = run_of(threads=1).rows(folder=tmp_path)
    _, (kept,) = load_history(tmp_path)
    assert row["threads"] == kept["threads"] == 1 and "cores_taken" not in row and torch.get_num_threads() == before


@LINUX
def test_fewer_threads_beside_others_are_told_in_the_row(four_threads, monkeypatch):
    monkeypatch.setattr(neighbours, "fastest", lambda numbers, step: min(numbers))
    run = run_of()
    run.load = taken(2.0)
    (row,) = run.rows()
    assert (row["threads"], row["cores_taken"]) == (1, 2.0)
    same = run_of(threads=1)
    list(same.rows())
    assert all(torch.equal(*pair) for pair in zip(run.student.parameters(), same.student.parameters(), strict=True))


@pytest.mark.parametrize("threads", [0, -1])
def test_no_threads_are_refused(threads):
    most = neighbours.cores()
    with pytest.raises(ValueError, match=f"threads must be 1 to {most}, the cores at hand, or None; got {threads}"):
        Settings(threads=threads)


def test_two_runs_in_turn_keep_their_own_threads_and_the_caller_keeps_torchs():
    before, seen = torch.get_num_threads(), {1: set(), 2: set()}
    if neighbours.cores() < 2:
        pytest.skip("one core")
    runs = {threads: run_of(threads=threads) for threads in seen}
    for threads, run in runs.items():
        run.student.register_forward_hook(lambda *given, threads=threads: seen[threads].add(torch.get_num_threads()))
    rows = {threads: run.rows(every=1) for threads, run in runs.items()}
    for _ in range(2):
        for some in rows.values():
            next(some)
            assert torch.get_num_threads() == before
    for some in rows.values():
        list(some)
    assert seen == {1: {1}, 2: {2}} and torch.get_num_threads() == before
