"""OpenMP's helper threads of a thread that only asks: they end, so that those of the one that trains need not sleep."""
import os
import subprocess
import sys
from pathlib import Path

import pytest

COUNT = """if True:
    import os, time, torch
    def threads():
        time.sleep(0.3)  # until those that end are gone
        return len(os.listdir("/proc/self/task"))
    torch.set_num_threads(3)
"""
ALONE = COUNT + """
    from distill_kit.openmp import rest_threads
    few = threads()
    torch.ones(4_000_000).exp()
    many, answered = threads(), rest_threads()
    left = threads()
    torch.ones(4_000_000).exp()  # they come back
    print(few, many, answered, left, threads())"""
LAB = COUNT + """
    import sys
    sys.path.insert(0, {here!r})
    from small import ColourTeacher, coloured_dataset
    from distill_course.lab import Lab
    lab = Lab("alpha", coloured_dataset(), ColourTeacher(), images=100, batch_size=20, folder={folder!r})
    torch.ones(4_000_000).exp()                          # what a cell of the learner's computes
    woken = threads()
    lab.session.worker._begin = lambda order: iter(())  # trains nothing: what asking leaves awake is counted
    lab.session.train()
    lab.session.worker.join()
    print(woken, threads())"""


def answer(program):
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True,
                          env={**os.environ, "OMP_NUM_THREADS": "3"}).stdout.split()


@pytest.mark.skipif(sys.platform != "linux", reason="counts threads in /proc")
def test_helpers_end_when_they_are_told_to_and_come_back():
    few, many, answered, left, again = answer(ALONE)
    if answered != "True":
        pytest.skip("torch has another OpenMP")
    assert int(few) == int(left) < int(many) == int(again)


@pytest.mark.skipif(sys.platform != "linux", reason="counts threads in /proc")
def test_a_lab_that_has_been_asked_leaves_no_helper_awake(tmp_path):
    if answer(ALONE)[2] != "True":
        pytest.skip("torch has another OpenMP")
    here = str(Path(__file__).parents[1])
    woken, left = map(int, answer(LAB.replace("{here!r}", repr(here)).replace("{folder!r}", repr(str(tmp_path)))))
    assert left <= woken - 2
