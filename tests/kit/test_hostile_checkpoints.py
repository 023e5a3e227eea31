"""Checkpoints that were altered by accident, or made by somebody who knows how they are checked."""
import json
import math

import pytest
import torch
from hostile import altered, inputs, plain_values, read_or_refused, sealed
from hypothesis import given
from hypothesis import strategies as st
from small import ColourTeacher, same_state, state_of
from small_runs import DATASET, settings_of

from distill_kit.checkpoints import CHECKPOINT, resumable
from distill_kit.history import Row, load_history
from distill_kit.run import Materials, Run
from distill_kit.weights import read_sealed

SETTINGS = settings_of(images=32, epochs=3, student="tiniest", optimizer="adamw")
MATERIALS = Materials.of(SETTINGS, DATASET, ColourTeacher())


@pytest.fixture(scope="module")
def cut(tmp_path_factory):
    """The bytes of the checkpoint after two of three epochs, and the run that was not cut."""
    folder = tmp_path_factory.mktemp("right")
    for row in resumable(Run(SETTINGS, MATERIALS), folder):
        if row["epoch"] == 2:
            content = (folder / CHECKPOINT).read_bytes()
    whole = Run(SETTINGS, MATERIALS)
    list(whole.rows())
    return content, whole


def gone_on(reader, folder, content):
    """The run that went on from these bytes and its figures, in a tuple; () where they were refused in a sentence."""
    (folder / CHECKPOINT).write_bytes(content)

    def go_on():
        run = Run(SETTINGS, MATERIALS)
        assert [row["epoch"] for row in resumable(run, folder)] == [3] or run.history[-1]["epoch"] == 3
        return run, run.report()
    return read_or_refused(reader, go_on, CHECKPOINT)


@inputs(10)
@given(st.data())
def test_a_checkpoint_whose_bytes_were_altered_is_refused(cut, tmp_path_factory, data):
    content, whole = cut
    for run, _ in gone_on("checkpoints, altered bytes", tmp_path_factory.mktemp("run"), data.draw(altered(content))):
        assert same_state(state_of(run.student), state_of(whole.student))  # only blanks of the header


wild_tensors = st.sampled_from([
    torch.zeros(()), torch.zeros(0), torch.zeros(4), torch.full((4,), torch.nan), torch.full((4,), torch.inf),
    torch.zeros(4, dtype=torch.int64), torch.zeros(4, dtype=torch.complex64), torch.zeros(1, 4, dtype=torch.bfloat16)])
USED = ["epoch", "steps", "seconds", "val_accuracy", "val_hard", "best", "threads"]  # by what goes on
names = st.one_of(st.sampled_from(USED), st.sampled_from([*Row.__annotations__, "more"]))


@inputs(10)
@given(st.data())
def test_a_sealed_checkpoint_fits_or_is_refused(cut, tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("run")
    (folder / CHECKPOINT).write_bytes(cut[0])
    header, tensors = read_sealed(folder / CHECKPOINT)
    about, rows = json.loads(header["identity"]), json.loads(header["rows"])
    what = data.draw(st.sampled_from(["row", "row", "rows", "identity", "tensor", "shape", "missing", "not finite",
                                      "text"]))
    name = data.draw(st.sampled_from(sorted(tensors)))
    if what == "row":
        data.draw(st.sampled_from(rows[::-1]))[data.draw(names)] = data.draw(plain_values)
    elif what == "rows":
        rows = data.draw(st.one_of(plain_values, st.lists(st.sampled_from(rows), max_size=4)))
    elif what == "identity":
        changed = {**about, data.draw(st.sampled_from(sorted(about))): data.draw(plain_values)}
        about = data.draw(st.one_of(plain_values, st.just(changed)))
    elif what == "tensor":
        tensors[name] = data.draw(wild_tensors)
    elif what == "shape":
        tensors[name] = tensors[name].unsqueeze(0)
    elif what == "missing":
        del tensors[name]
    elif what == "not finite" and tensors[name].is_floating_point():
        tensors[name] = torch.full_like(tensors[name], math.nan)
    header = {"identity": json.dumps(about), "rows": json.dumps(rows)}
    if what == "text":
        header[data.draw(st.sampled_from(sorted(header)))] = data.draw(st.text(max_size=9))
    for run, report in gone_on("checkpoints, sealed", folder, sealed(header, tensors)):
        assert what in ("row", "rows", "identity", "tensor", "not finite") and len(run.history) == 3
        assert all(math.isfinite(report[figure]) for figure in ("val_accuracy", "test_accuracy"))
        assert len(load_history(folder)[1]) == 3
