"""Memory that a training step frees stays with the process, for the next step."""
import os
import subprocess
import sys

import pytest

CODE = """if True:
    import resource
    import psutil
    import torch
    from distill_kit.devices import give_back_memory, keep_freed_memory
    from distill_kit.models import STUDENTS, make_model
    kept = keep_freed_memory()
    pixels = torch.randint(256, (256, 3, 32, 32), dtype=torch.uint8)
    student, faults = make_model(STUDENTS["default"], pixels), []
    for _ in range(8):
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        student(pixels.float() / 255).logsumexp(1).mean().backward()
        faults.append(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
    before = psutil.Process().memory_info().rss
    give_back_memory()
    print(kept, sum(faults[-4:]), before - psutil.Process().memory_info().rss)"""


def answer(**more):
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MALLOC_")}
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True,
                          env={**environment, **more})
    kept, faults, given_back = done.stdout.split()
    return kept == "True", int(faults), int(given_back)


@pytest.mark.skipif(sys.platform != "linux", reason="glibc alone")
def test_a_step_fetches_no_pages_that_the_last_one_had_and_the_environment_has_the_last_word():
    kept, faults, given_back = answer()
    if not kept:
        pytest.skip("not glibc")
    assert given_back > 1e6  # bytes
    told, more_faults, _ = answer(MALLOC_ARENA_MAX="8")  # no wish about thresholds, but a wish
    assert not told and faults < more_faults / 4
