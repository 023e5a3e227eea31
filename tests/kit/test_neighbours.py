"""What other programs take, room for them, and threads that stay as many as they were."""
import os
import subprocess
import sys
import time

import pytest
import torch
from small import ColourTeacher, coloured_dataset, distil

from distill_kit import neighbours
from distill_kit.history import load_history
from distill_kit.neighbours import Load
from distill_kit.openmp import may_change_waiting
from distill_kit.run import Materials, Run
from distill_kit.settings import Settings

DATASET = coloured_dataset()
LINUX = pytest.mark.skipif(sys.platform != "linux", reason="nothing was measured with the OpenMPs of other systems")


@pytest.fixture(autouse=True)
def own_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("DISTILL_KIT_CACHE", str(tmp_path / "cache"))


def test_h9_a_busy_loop_is_seen_and_this_process_is_not_counted():
    load = Load()
    end = time.monotonic() + 0.5
    while time.monotonic() < end:
        pass
    alone, mine = load.cores()
    loop = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        time.sleep(0.3)  # it begins
        load = Load()
        time.sleep(0.5)
        beside, idle = load.cores()
    finally:
        loop.kill()
        loop.wait()
    assert mine > idle + 0.2 or alone > 1.5  # it was busy itself before, and only waits now
    assert beside > alone + 0.3 or alone > 1.5  # where all is taken anyway, one more cannot be told


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
    neighbours.Load.cores = lambda self: (others[0], 1.0)
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
    print(settled(before))"""


@LINUX
@pytest.mark.parametrize("own, room", [({}, True), ({"GOMP_SPINCOUNT": "50"}, False),
                                       ({"OMP_WAIT_POLICY": "passive"}, False)])
def test_h9_room_is_made_while_others_want_the_cores_and_no_longer(own, room):
    """A second team: with it GNU's OpenMP knows of more threads than cores, and lets those that wait sleep."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("OMP_", "GOMP_"))}
    done = subprocess.run([sys.executable, "-c", ROOM], capture_output=True, text=True, check=True,
                          env={**clean, **own})
    if not room:
        assert done.stdout.split() != ["True"] * 4  # the user has said how threads wait: nothing is done
    elif may_change_waiting():
        assert done.stdout.split() == ["True"] * 4


@LINUX
@pytest.mark.parametrize("device, threads, looks", [("cpu", 1, True), ("cuda", 2, False)])
def test_h9_one_thread_waits_for_nobody_and_nor_does_a_gpu(monkeypatch, device, threads, looks):
    monkeypatch.setattr(neighbours, "LOOK_SECONDS", 0.001)
    monkeypatch.setattr(Load, "cores", lambda self: (9.0, 0.5))
    monkeypatch.setattr(torch, "ones", lambda *_: pytest.fail("a team is made"))
    with neighbours.Room(torch.device(device), threads) as room:
        time.sleep(0.1)
    assert room.cores == ((9.0, 0.5) if looks else ())


def run_of(**changes):
    settings = Settings(images=100, epochs=1, batch_size=20, precision="float32", device="cpu", **changes)
    return Run(settings, Materials.of(settings, DATASET, ColourTeacher()))


def test_the_number_of_threads_stands_in_the_rows_and_torchs_own_comes_back(tmp_path):
    before = torch.get_num_threads()
    (row,) = run_of(threads=1).rows(folder=tmp_path)
    _, (kept,) = load_history(tmp_path)
    assert row["threads"] == kept["threads"] == 1 and torch.get_num_threads() == before


@pytest.mark.parametrize("busy", [1.4, 0.2])
def test_what_others_take_is_known_and_changes_neither_rows_nor_student(monkeypatch, busy):
    monkeypatch.setattr(neighbours, "LOOK_SECONDS", 0.001)
    monkeypatch.setattr(Load, "cores", lambda self: (busy, 0.5))
    run, alone = run_of(threads=2), run_of(threads=2)
    alone.room = neighbours.Room(torch.device("cuda"))  # where nobody looks
    (row,), (quiet,) = run.rows(), alone.rows()
    assert {**row, "seconds": 0} == {**quiet, "seconds": 0} and row["threads"] == 2
    assert run.room.cores == pytest.approx((busy, 0.5)) and alone.room.cores == ()
    assert all(torch.equal(*pair) for pair in zip(run.student.parameters(), alone.student.parameters(), strict=True))


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


def test_h9_the_public_function_and_a_run_train_with_room_for_others(monkeypatch):
    entered = []

    class Noted(neighbours.Room):
        def __enter__(self):
            entered.append(self)
            return super().__enter__()

        def __exit__(self, *error):
            super().__exit__(*error)
            assert not self.is_alive()
    monkeypatch.setattr("distill_kit.training.Room", Noted)
    monkeypatch.setattr("distill_kit.run.Room", Noted)
    distil(num_epochs=1)
    list(run_of().rows())
    assert len(entered) == 2
