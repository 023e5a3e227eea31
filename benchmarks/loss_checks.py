"""What do the checks of arguments cost, beside a training step of the default student?

    python benchmarks/loss_checks.py [--rounds 300]

Writes benchmarks/loss_checks.json.

The loop checks shapes, temperature and alpha at each step ("in the loop"), and labels where they come from. The public
`distillation_loss` also looks at every label, at every call.

Checked loss, unchecked terms and whole training steps are timed in turn, and medians are compared, so that a machine
whose speed drifts misleads nobody.
"""
import argparse
import json
import platform
import statistics
import time

import torch
from shared import write_json

from distill_kit.losses import (
    check_alpha,
    check_logits,
    check_teacher,
    check_temperature,
    distillation_loss,
    distillation_terms,
)
from distill_kit.models import STUDENTS, make_model
from distill_kit.optimizers import adamw

WARM_UP, BATCH = 20, 64


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=300, help=f"more than {WARM_UP}")
    rounds = parser.parse_args().rounds
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(256, (BATCH, 3, 32, 32), dtype=torch.uint8, generator=generator)
    images = (pixels.float() / 255).contiguous(memory_format=torch.channels_last)
    teacher_logits = torch.randn(BATCH, 10, generator=generator).half()
    labels = torch.randint(10, (BATCH,), generator=generator)
    student = make_model(STUDENTS["default"], pixels)
    optimizer = adamw(student)
    logits = student(images).detach().requires_grad_()

    def step():
        loss = distillation_terms(student(images), teacher_logits, labels, 4.0, 0.1).total
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(student.parameters(), 1.0)
        optimizer.step()

    def in_the_loop():
        check_temperature(4.0), check_alpha(0.1)
        check_teacher(teacher_logits, 0.1), check_logits(logits, teacher_logits)

    candidates = {"in the loop": in_the_loop,
                  "checked": lambda: distillation_loss(logits, teacher_logits, labels, 4.0, 0.1),
                  "unchecked": lambda: distillation_terms(logits, teacher_logits, labels, 4.0, 0.1), "step": step}
    seconds = {name: [] for name in candidates}
    for _ in range(rounds):
        for name, call in candidates.items():
            started = time.perf_counter()
            call()
            seconds[name].append(time.perf_counter() - started)
    medians = {name: statistics.median(values[WARM_UP:]) for name, values in seconds.items()}
    result = {"microseconds": {name: round(1e6 * value, 1) for name, value in medians.items()},
              "loop_checks_as_share_of_a_step": round(medians["in the loop"] / medians["step"], 5),
              "all_checks_as_share_of_a_step": round((medians["checked"] - medians["unchecked"]) / medians["step"], 5),
              "rounds": rounds, "batch": BATCH, "machine": f"{platform.machine()}, {torch.get_num_threads()} threads",
              "torch": torch.__version__}
    write_json("loss_checks.json", result)
    print(json.dumps(result))


if __name__ == "__main__":
    main()
