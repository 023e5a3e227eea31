"""The lab without a browser: what a learner does, and what the lab then knows and says."""
import dataclasses
import time

import pytest
import torch
from small import ColourTeacher
from small_lab import DATASET, LITTLE, session_of

from distill_course.diagnosis import fault_of
from distill_course.lab.experiments import EXPERIMENTS, Control, Experiment
from distill_course.lab.lab_run import LabRun
from distill_course.lab.picture import draw
from distill_course.lab.session import Session
from distill_course.lab.words import settings_words, state_sentence, verdict
from distill_course.lab.worker import FINISHED, STOPPED, WAITING
from distill_kit.history import best_row, load_history
from distill_kit.settings import Settings


def test_a_move_trains_and_then_what_it_is_held_against(tmp_path):
    session = session_of(tmp_path)
    session.move(alpha=0.5)
    session.join(60)
    assert session.live.state == FINISHED and session.live.settings.alpha == 0.5 and len(session.live.shares) == 2
    assert session.baseline.settings.alpha == 1.0 and len(session.baseline.shares) == 2
    assert session.runs == [session.live] and session.second is None
    assert session.live.number == 1 and session.baseline.number == 0
    assert f"{100 * session.live.best:.1f} % of the validation images right, against" in verdict(session)


def test_the_baseline_is_trained_once_for_all_values_that_share_it(tmp_path):
    session = session_of(tmp_path)
    for alpha in (0.1, 0.5):
        session.move(alpha=alpha)
        session.join(60)
    assert len(session.baselines) == 1 and len(session.runs) == 2
    session.move(label_noise=0.0)
    session.join(60)
    assert len(session.baselines) == 2


def test_what_is_itself_the_baseline_is_not_trained_twice(tmp_path):
    session = session_of(tmp_path)
    session.move(alpha=1.0)
    session.join(60)
    assert session.baseline is session.live and session.runs == [session.live]
    assert len(list(tmp_path.iterdir())) == 1
    assert "itself what the others are held against" in verdict(session)


def test_each_run_is_on_the_disk(tmp_path):
    session = session_of(tmp_path)
    session.move(alpha=0.5)
    session.join(60)
    settings, rows = load_history(session.live.folder / "history.jsonl")
    assert settings["alpha"] == 0.5 and [row["epoch"] for row in rows] == [1, 2]


def test_same_values_same_run_and_a_new_seed_another(tmp_path):
    session = session_of(tmp_path)
    shares = []
    for act in (session.train, session.train, session.new_seed):
        act()
        session.join(60)
        shares.append((session.live.shares, [logits.tolist() for logits in session.live.logits]))
    assert shares[0] == shares[1] != shares[2]


def test_the_figure_of_a_run_is_that_of_the_weights_that_are_kept(tmp_path):
    """Not the best of what is measured: that may be an accident of the first epoch."""
    session = session_of(tmp_path, "temperature", epochs=4)
    session.train()
    session.join(60)
    rows = load_history(session.live.folder / "history.jsonl")[1]
    assert session.live.best == session.live.shares[best_row(rows)["epoch"] - 1]


def test_a_value_that_a_control_does_not_have_is_refused_and_nothing_changes(tmp_path):
    session = session_of(tmp_path)
    with pytest.raises(ValueError, match="alpha must be one of 0.0, 0.1, .*; got 1.23"):
        session.move(alpha=1.23)
    assert session.values["alpha"] == 0.1 and session.live is None


def test_stop_keeps_what_was_learnt(tmp_path):
    session = session_of(tmp_path, epochs=2_000)
    session.train()
    while not session.live.shares:
        time.sleep(0.01)
    session.stop()
    session.join(5)
    assert session.live.state == STOPPED and session.runs == [session.live]
    assert len(load_history(session.live.folder / "history.jsonl")[1]) == len(session.live.shares)
    assert "Stopped" in state_sentence(session)


def test_a_new_value_takes_the_place_of_the_run_before(tmp_path):
    session = session_of(tmp_path, epochs=2_000)
    session.train()
    while not session.live.shares:
        time.sleep(0.01)
    before = session.live
    session.fixed["epochs"] = 1
    session.move(alpha=0.9)
    session.join(60)
    assert before.state == STOPPED and session.live.state == FINISHED and session.live.settings.alpha == 0.9
    assert [run.number for run in session.runs] == [1, 2]


def test_stop_before_it_began(tmp_path):
    session = session_of(tmp_path)
    session.worker.quiet = 60.0
    session.train()
    assert session.live.state == WAITING
    session.stop()
    session.join(5)
    assert session.live.state == STOPPED and not session.runs


def test_a_class_never_seen_is_the_data_sets_own_where_the_favourite_is_not_there(tmp_path):
    session = session_of(tmp_path, "temperature")
    session.train()
    session.join(60)
    assert session.live.settings.leave_out == "red" and "ranked first or second" in verdict(session)


def test_a_run_restored_has_its_values_and_seed(tmp_path):
    session = session_of(tmp_path)
    session.move(alpha=0.5)
    session.join(60)
    session.new_seed()
    session.move(alpha=0.9)
    session.join(60)
    session.restore(session.runs[0])
    session.join(60)
    assert session.values["alpha"] == 0.5 and session.seed == 0
    assert session.live.shares == session.runs[0].shares
    assert settings_words(session.live) == "alpha 0.5, random labels 0.4, seed 0"


def test_the_picture_has_a_line_for_the_run_the_baseline_and_the_last_ones(tmp_path):
    session = session_of(tmp_path)
    assert draw(session).count("<polyline") == 0
    for alpha in (0.1, 0.5, 0.9):
        session.move(alpha=alpha)
        session.join(60)
    picture = draw(session)
    assert picture.count("<polyline") == 4
    assert f"this run {100 * session.live.best:.1f} %" in picture
    assert "alpha = 1" in picture and "1: alpha 0.1" in picture
    assert picture.startswith("<svg") and "&lt;" not in picture


@pytest.mark.parametrize("experiment", EXPERIMENTS.values(), ids=EXPERIMENTS)
def test_every_preset_of_every_experiment_is_a_run(experiment):
    defaults = {control.name: experiment.start.get(control.name) for control in experiment.controls}
    start = {name: value for name, value in defaults.items() if value is not None}
    for preset in experiment.presets:
        settings = experiment.settings({**start, **preset.values}, DATASET, seed=0)
        assert (fault_of(settings) or settings.epochs == 8) and preset.why.endswith(".")
        assert experiment.baseline_of(settings) != settings or settings.alpha == 1.0
    for name, value in start.items():
        assert value in next(control.stops for control in experiment.controls if control.name == name)


def test_a_sixth_experiment_is_one_record(tmp_path):
    batch = Control("batch_size", "Batch", (10, 20, 50), "Images a step.")
    sixth = Experiment("batch", "Batches", "Do small batches help?", "", (batch,), {"batch_size": 20}, ())
    session = Session(sixth, DATASET, ColourTeacher(), device="cpu", folder=tmp_path, quiet=0.0,
                      **{name: value for name, value in LITTLE.items() if name != "batch_size"})
    session.move(batch_size=50)
    session.join(60)
    assert dataclasses.asdict(session.live.settings)["batch_size"] == 50 and session.live.state == FINISHED


def test_h1_train_pin_and_train_again_with_nothing_moved(tmp_path):
    """Runs of equal values are two runs: they hold tensors, which `==` cannot compare."""
    session = session_of(tmp_path)
    drawn = []
    session.on_change = lambda: drawn.append(draw(session))
    session.train()
    session.join(60)
    first = session.pin()
    assert session.pinned == [first]
    session.train()
    session.join(60)
    assert session.live.state == FINISHED and session.live is not first and session.pinned == [first]
    session.pin()
    assert session.pinned == [first, session.live]
    session.restore(first)
    session.join(60)
    assert session.live.state == FINISHED and drawn[-1].count("<polyline") == 4  # this run, its baseline, both pinned


def test_h1_of_all_that_holds_tensors_equal_means_the_same():
    images, twin = DATASET.pool, DATASET.pool[torch.arange(len(DATASET.pool))]
    runs = [LabRun(Settings(), {}, logits=[torch.zeros(2)]) for _ in range(2)]
    for here, there in ((images, twin), (DATASET, dataclasses.replace(DATASET)), runs):
        assert here == here and here != there and here in [there, here] and here not in [there]


def test_a_name_that_no_control_has_is_refused_and_nothing_changes(tmp_path):
    session = session_of(tmp_path)
    before = dict(session.values)
    for name in ("temperature", "nonsense"):  # a field of Settings, and none
        with pytest.raises(ValueError, match=rf"{name}: no control of this lab \(alpha, label_noise\)"):
            session.move(**{name: 3.0})
    assert session.values == before and session.live is None


def test_a_seed_that_is_given_is_where_the_lab_begins(tmp_path):
    session = session_of(tmp_path, seed=3)
    session.train()
    session.join(60)
    assert session.seed == session.live.settings.seed == 3 and session.code().endswith("/seed=3")
    session.new_seed()
    session.join(60)
    assert session.seed == session.live.settings.seed == 4


def test_what_does_not_fit_the_images_is_refused_in_words(tmp_path):
    with pytest.raises(ValueError, match="data is what the data set says"):
        session_of(tmp_path, data="cifar10")
    with pytest.raises(ValueError, match="no class named 'cat'"):
        session_of(tmp_path, leave_out="cat")
