"""The atlas: its plan, what it is asked for, and whether the lab's sliders find it."""
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from small import ColourTeacher, coloured_dataset

from distill_course import atlas
from distill_course.comparisons import ATLAS
from distill_course.lab.experiments import EXPERIMENTS
from distill_course.sweep.plan import Planned, planned, read_plan
from distill_kit import Settings
from distill_kit.models import make_model
from distill_kit.teachers import shipped_path
from distill_kit.weights import load_model

CIFAR10 = SimpleNamespace(name="cifar10", pool=range(45_000), validation=range(5_000), test=range(10_000))
PLAN = [run for comparison in ATLAS.values() for run in comparison.plan(CIFAR10)]
CELLS = {atlas._key(run) for run in PLAN}


def test_its_plan_is_one_that_sweep_takes_and_has_no_run_twice():
    from importlib.resources import files
    runs = [planned(arm, values) for arm, values in read_plan(files("distill_course") / "assets" / "atlas-table.toml")]
    assert {(run.settings, run.taught_by) for run in runs} == {(run.settings, run.taught_by) for run in PLAN}
    assert len({(atlas._key(run), run.settings.seed) for run in PLAN}) == len(PLAN) == len(runs)


@pytest.mark.parametrize("name", [name for name in EXPERIMENTS if name != "faults"])
def test_every_stop_of_a_slider_and_every_preset_has_its_cell_and_so_has_what_it_is_held_against(name):
    experiment = EXPERIMENTS[name]
    first = experiment.first_values
    values = [first, *({**first, **preset.values} for preset in experiment.presets),
              *({**first, control.name: stop} for control in experiment.controls for stop in control.stops)]
    for settings in (experiment.settings(each, CIFAR10, seed=9) for each in values):
        assert atlas._key(Planned(settings, taught_by=experiment.taught_by(settings))) in CELLS
        assert atlas._key(Planned(experiment.baseline_of(settings))) in CELLS


def test_a_cell_has_five_seeds_or_more_and_runs_of_all_parts():
    seeds = {}
    for run in PLAN:
        seeds.setdefault(atlas._key(run), set()).add(run.settings.seed)
    assert min(map(len, seeds.values())) >= 5 and all(set(range(5)) <= each for each in seeds.values())
    assert len(seeds[atlas._key(Planned(Settings(data="cifar10", epochs=8)))]) == 10


def test_what_changes_no_figure_finds_the_same_cell_and_what_does_another():
    own = Settings(data="cifar10", epochs=8)
    same = [replace(own, seed=7, device="cpu", precision="float32", schedule="cosine")]
    alone = replace(own, alpha=1.0)
    assert {atlas._key(Planned(each)) for each in same} == {atlas._key(Planned(own))}
    assert {atlas._key(Planned(own, taught_by=each)) for each in same} == {atlas._key(Planned(own, taught_by=own))}
    assert atlas._key(Planned(replace(alone, temperature=8.0))) == atlas._key(Planned(alone))
    others = [replace(own, **{name: value}) for name, value in {
        "temperature": 8.0, "alpha": 0.3, "final_alpha": 0.5, "images": 500, "epochs": 9, "data": "shapes10",
        "label_noise": 0.4}.items()]
    keys = {atlas._key(Planned(each)) for each in (own, *others)} | {atlas._key(Planned(own, taught_by=own))}
    assert len(keys) == len(others) + 2


def test_it_knows_only_its_own_images_and_teacher():
    dataset = coloured_dataset()
    shipped, _ = load_model(shipped_path("cifar10"))
    assert not atlas.knows(dataset, shipped)
    assert atlas.knows(CIFAR10, shipped) and not atlas.knows(CIFAR10, ColourTeacher())
    assert not atlas.knows(CIFAR10, torch.nn.LazyLinear(10))  # which nobody has asked yet: it has no weights
    part = SimpleNamespace(**{**vars(CIFAR10), "validation": range(60)})  # of a copy in which most is missing
    assert not atlas.knows(part, shipped)
    other = make_model(shipped.architecture, torch.zeros(10, 3, 32, 32, dtype=torch.uint8), seed=1)
    assert not atlas.knows(CIFAR10, other)


def test_a_cell_is_shown_by_the_column_that_is_asked_for_and_is_empty_where_it_has_none():
    left_out = Settings(data="cifar10", epochs=8, leave_out="cat", alpha=0.0)
    assert not atlas.measured(left_out).runs and len(atlas.measured(left_out, column="rank2").best) == 5
    assert not atlas.measured(Settings(data="cifar10", epochs=8), column="rank2").runs
    for settings in (Settings(data="cifar10", epochs=8, optimizer="adamw", batch_size=64),
                     Settings(data="cifar10", epochs=8, student="layer_norm")):  # runs that are older than `best`
        cell = atlas.measured(settings)
        assert len(cell.best) == len(cell.runs) >= 5 and all(0.3 < share < 0.8 for share in cell.best)


def test_controls_say_what_they_cannot_do_and_know_nothing_of_an_image_without_a_label():
    import distill_course.controls as controls
    from distill_kit.batches import Batch
    from distill_kit.metrics import answers
    from distill_kit.run import Materials, Run
    images = coloured_dataset()
    unknown = controls.of_the_label(Batch(torch.zeros(2, 3, 8, 8), torch.tensor([1, -100]), torch.zeros(2, 4)))
    assert unknown.softmax(1)[0].tolist() == pytest.approx([0.1 / 3, 0.9, 0.1 / 3, 0.1 / 3])
    assert unknown.softmax(1)[1].tolist() == pytest.approx([0.25] * 4)
    settings = Settings(data=images.name, images=40, epochs=1, alpha=1.0, changes=("teacher_surer",), batch_size=8)
    with pytest.raises(ValueError, match="alpha is 1 throughout"):
        Run(settings, Materials.of(settings, images, ColourTeacher()))
    noise = torch.randint(256, (20, 3, 32, 32), dtype=torch.uint8)
    assert answers(controls.untrained(), SimpleNamespace(images=noise)).unique(dim=0).shape[0] == 20
