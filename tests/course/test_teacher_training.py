"""Training of teachers: the recipes, what is written on the way and at the end, and the cards of those that ship."""
import math
from dataclasses import asdict, replace

import pytest
import torch
from small import coloured_dataset, same_state, state_of

from distill_course import teacher_training
from distill_course.teacher_training import (
    ALL_VIEWS,
    RECIPES,
    TeacherRecipe,
    card_of,
    card_text,
    forward_flops,
    keep_teacher,
    recipe_for,
    train_teacher,
    views_for,
    with_cutout,
)
from distill_kit.batches import Batch
from distill_kit.metrics import measure
from distill_kit.models import STUDENTS, Architecture, ConvNet, make_model, parameter_count
from distill_kit.settings import Settings
from distill_kit.teachers import shipped_path
from distill_kit.weights import load_model

DATASET = coloured_dataset()
RECIPE = TeacherRecipe(Architecture((8,), 1, 1, "max", num_classes=4, image_size=16), epochs=2, batch_size=20)


def test_cutout_hides_one_square_of_each_image_and_nothing_else():
    images = torch.rand(30, 3, 16, 12)
    batch = Batch(images, torch.arange(30), None)
    seen = [next(iter(with_cutout([batch], side=5, seed=seed))) for seed in (0, 0, 1)]
    changed = (seen[0].images != images).any(1)                                      # (30, 16, 12)
    rows, columns = changed.any(2), changed.any(1)
    assert (changed == rows[:, :, None] & columns[:, None, :]).all()
    assert set(rows.sum(1).tolist()) == set(columns.sum(1).tolist()) == {5}
    assert (rows.int().diff(dim=1).abs().sum(1) <= 2).all() and len(torch.unique(rows, dim=0)) > 5
    hidden = seen[0].images[0][:, changed[0]]                                        # (3, 25)
    assert torch.allclose(hidden, images.mean((0, 2, 3))[:, None].expand_as(hidden))
    assert torch.equal(seen[0].images, seen[1].images) and not torch.equal(seen[0].images, seen[2].images)
    assert torch.equal(seen[0].labels, batch.labels)


def test_a_teacher_is_trained_written_and_described(tmp_path):
    rows = []
    path = tmp_path / "teacher.safetensors"
    model, card = train_teacher(DATASET, RECIPE, device="cpu", precision="float32", out=path, on_row=rows.append)
    loaded, kept = load_model(path)
    assert same_state(state_of(model), state_of(loaded)) and kept["test"] == card["test"]
    assert [row["epoch"] for row in rows if row["kind"] == "epoch"] == [1, 2]
    assert card["data"] == "coloured noise" and card["classes"] == list(DATASET.pool.classes)
    assert card["training_images"] == 180 and card["parameters"] == parameter_count(model)
    assert card["recipe"]["epochs"] == 2 and card["recipe"]["label_smoothing"] == 0.0
    assert card["test"] == measure(loaded, DATASET.test) and card["validation"] == measure(loaded, DATASET.validation)
    assert card["test"]["images"] == 60 and card["seconds"] >= 0


def test_the_rows_of_a_teacher_show_that_it_learns():
    rows = []
    train_teacher(DATASET, RECIPE, device="cpu", precision="float32", epochs=4, on_row=rows.append)
    assert rows[-1]["epoch"] == 4 and rows[-1]["val_accuracy"] > 0.5
    assert rows[-1]["train_soft"] is None and rows[-1]["alpha"] == 1


def test_case_1_a_teacher_of_few_steps_has_statistics_of_its_own_weights():
    recipe = replace(RECIPE, batch_size=90, epochs=3)
    model, _ = train_teacher(DATASET, recipe, device="cpu", precision="float32")
    seen, norm = [], model.blocks[0].norms[0]
    norm.register_forward_hook(lambda module, inputs, output: seen.append(inputs[0]))
    model.eval()(DATASET.pool.images.float() / 255)
    torch.testing.assert_close(norm.running_mean, seen[0].mean((0, 2, 3)), rtol=0, atol=2e-2)  # float16


def test_same_seed_same_teacher():
    one, other, third = (train_teacher(DATASET, RECIPE, seed=seed, device="cpu", precision="float32", epochs=1)[0]
                         for seed in (1, 1, 2))
    assert same_state(state_of(one), state_of(other)) and not same_state(state_of(one), state_of(third))


def test_an_unfinished_teacher_is_there_after_each_epoch_and_replaces_no_finished_one(tmp_path):
    path = tmp_path / "teacher.safetensors"
    train_teacher(DATASET, RECIPE, device="cpu", epochs=1, out=path)
    assert sorted(tmp_path.iterdir()) == [path.with_suffix(".md"), path]

    class Enough(Exception):
        pass

    def stop(row):
        if row["kind"] == "epoch" and row["epoch"] == 2:
            raise Enough
    with pytest.raises(Enough):
        train_teacher(DATASET, RECIPE, device="cpu", out=path, on_row=stop)
    assert load_model(tmp_path / "teacher.unfinished.safetensors")[1]["unfinished"]["epoch"] == 1
    assert "unfinished" not in load_model(path)[1]


def test_the_card_of_a_distilled_teacher_tells_of_its_own_teacher(tmp_path):
    large, card = train_teacher(DATASET, RECIPE, device="cpu", epochs=1)
    student = make_model(replace(RECIPE.architecture, widths=(4,)), DATASET.pool.images)
    recipe = {**asdict(Settings(epochs=9, learning_rate=0.02)),
              "architecture": asdict(student.architecture), "views": 5}
    own = {**card_of(student, DATASET, recipe, 12.4, "float32"), "distilled_from": card}
    keep_teacher(student, tmp_path / "small.safetensors", own)
    loaded, kept = load_model(tmp_path / "small.safetensors")
    assert kept["test"] == measure(loaded, DATASET.test) and kept["seconds"] == 12
    text = (tmp_path / "small.md").read_text()
    assert f"larger network ({parameter_count(large):,} parameters; {card['test']['accuracy']:.2%} of the test" in text
    assert "temperature 4, alpha 0.1, 5 views of each image; Muon; 9 epochs, batch 256, learning rate 0.02" in text
    assert f"blocks of 4 channels, 1 convolutions each; {parameter_count(student):,} parameters" in text
    assert "no label smoothing" not in text and "no label smoothing" in card_text(card)


def test_a_place_without_write_access_is_found_before_the_training(tmp_path):
    (tmp_path / "file").write_text("in the way")
    rows = []
    with pytest.raises(OSError, match="cannot write to"):
        train_teacher(DATASET, RECIPE, device="cpu", out=tmp_path / "file" / "teacher.safetensors", on_row=rows.append)
    assert not rows


def test_a_teacher_that_diverges_says_so():
    with pytest.raises(RuntimeError, match="no longer a finite number"):
        train_teacher(DATASET, replace(RECIPE, learning_rate=1e30), device="cpu", precision="float32")


@pytest.mark.parametrize("epochs", [0, -1])
def test_a_teacher_without_epochs_is_refused(epochs):
    with pytest.raises(ValueError, match=f"epochs must be 1 or more; got {epochs}"):
        train_teacher(DATASET, RECIPE, epochs=epochs)


@pytest.mark.parametrize("rate", [0, -1e-3, math.inf, math.nan])
def test_a_teachers_learning_rate_is_checked_before_it_trains(rate):
    with pytest.raises(ValueError, match=f"learning_rate must be a finite number above 0; got {rate}"):
        train_teacher(DATASET, RECIPE, learning_rate=rate)


def test_case_4_a_recipe_fits_the_classes_and_the_size():
    architecture = recipe_for(DATASET).architecture
    assert (architecture.num_classes, architecture.image_size) == (4, 16)
    assert architecture.widths == RECIPES["cifar10"].architecture.widths


@pytest.mark.parametrize("name", RECIPES)
def test_a_shipped_teacher_is_small_and_has_a_whole_card(name):
    path = shipped_path(name)
    if not path.is_file():
        pytest.skip(f"{path.name} is not in the package")
    model, card = load_model(path)
    assert path.stat().st_size <= 5e6
    made = RECIPES[name].architecture if "distilled_from" not in card else (
        Architecture(**card["recipe"]["architecture"]))
    assert model.architecture == made
    assert {"data", "recipe", "seconds", "test", "classes", "training_images"} <= set(card)
    assert {"accuracy", "ece", "cross_entropy", "images"} <= set(card["test"])


def test_flops_agree_with_a_count_by_hand():
    stem = 16 * 16 * 16 * 12
    blocks = 15 * 15 * 32 * 16 * 4 + 8 * 8 * 64 * 32 * 9 + 3 * 3 * 128 * 64 * 4
    head = 3 * 3 * 128 * 10
    model = ConvNet(replace(STUDENTS["default"], kernels=(2, 3, 2)))  # as on CIFAR-10
    assert forward_flops(model) == 2 * (stem + blocks + head)


def test_counting_flops_leaves_the_model_as_it_was():
    model = make_model(RECIPE.architecture, DATASET.pool.images).train()
    before = state_of(model)
    forward_flops(model, 16)
    assert model.training and same_state(before, state_of(model))


def test_flops_of_a_deeper_network_are_those_counted_by_hand():
    model = ConvNet(Architecture((8, 16), 2, 1, "max", num_classes=4, image_size=17))  # 16 x 16 behind the stem
    stem = 24 * 12 * 16 * 16
    first = (8 * 24 * 9) * 16 * 16 + (8 * 8 * 9) * 8 * 8       # the pool follows a block's first convolution
    second = (16 * 8 * 9) * 8 * 8 + (16 * 16 * 9) * 4 * 4
    assert forward_flops(model, 17) == 2 * (stem + first + second + 16 * 4)


def dataset_of(size, count=60, name="own"):
    return replace(coloured_dataset(count, 12, size), name=name)


@pytest.mark.parametrize("size", [8, 11, 12, 33, 64, 96])
def test_case_4_the_recipe_and_the_students_fit_the_size(size, monkeypatch):
    dataset, areas = dataset_of(size), []
    recipe, of_square = recipe_for(dataset), teacher_training.hide_squares
    assert 0 < recipe.cutout < size / 2 and recipe.batch_size <= len(dataset.pool)
    small = replace(recipe, architecture=replace(recipe.architecture, widths=(4, 4, 4)))  # as deep, and quick

    def hide(images, side, generator):
        hidden = of_square(images, side, generator)
        areas.append((hidden != images).any(1).float().mean().item())
        return hidden
    monkeypatch.setattr(teacher_training, "hide_squares", hide)
    rows = []
    model, card = train_teacher(dataset, small, epochs=1, device="cpu", precision="float32", on_row=rows.append)
    assert rows[-1]["steps"] >= 1 and card["test"]["images"] == 12 and max(areas) < 0.25
    for name, architecture in STUDENTS.items():
        student = make_model(architecture.fitted(dataset.pool), dataset.pool.images)
        assert student(dataset.pool.images[:2].float() / 255).shape == (2, 4), name


@pytest.mark.parametrize("size, most", [(8, 1), (12, 1), (16, 2), (32, 4), (96, 4)])
def test_case_4_no_view_moves_an_image_by_more_than_an_eighth(size, most):
    views = views_for(torch.zeros(1, 3, size, size))
    assert max(max(abs(dy), abs(dx)) for _, dy, dx in views) == most
    assert len(views) == len(set(views)) == 2 * (2 * most + 1) ** 2


@pytest.mark.parametrize("name", RECIPES)
def test_the_recipes_of_shipped_teachers_stay_as_they_are(name):
    for count in (60, 400):
        recipe = recipe_for(dataset_of(32, count, name))
        assert replace(recipe, architecture=RECIPES[name].architecture) == RECIPES[name]
        assert replace(recipe.architecture, num_classes=10) == RECIPES[name].architecture
    assert views_for(torch.zeros(1, 3, 32, 32)) == ALL_VIEWS


@pytest.mark.parametrize("count, batch", [(60, 32), (900, 81), (20, 16)])
def test_case_4_small_sets_have_smaller_batches(count, batch):
    assert recipe_for(dataset_of(8, count)).batch_size == batch
