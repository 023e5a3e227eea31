"""Teachers: how they are made and measured; and those that ship, against their cards."""
import math

import pytest
import torch
from small import ColourTeacher, LittleNet, coloured_dataset, coloured_images, same_state, state_of

from distill_kit.batches import Batch
from distill_kit.data import find_cifar10, load_dataset
from distill_kit.models import Architecture, make_model, parameter_count
from distill_kit.teachers import (RECIPES, Cutout, TeacherRecipe, accuracy, answers, card_text, classification_figures,
                                  load_teacher, measure, recipe_for, shipped_path, to_mean_of_weights, train_teacher)
from distill_kit.weights import load_model

DATASET = coloured_dataset()
RECIPE = TeacherRecipe(Architecture((8,), 1, 1, "max", num_classes=4, image_size=16), epochs=2, batch_size=20)


def calibration_error(probabilities, labels, bins=15):
    """Guo et al. 2017, in plain Python."""
    groups = {}
    for row, label in zip(probabilities.tolist(), labels.tolist()):
        confidence = max(row)
        right = row.index(confidence) == label
        groups.setdefault(min(math.ceil(confidence * bins), bins), []).append((confidence, right))
    return sum(abs(sum(confidence - right for confidence, right in group)) for group in groups.values()) / len(labels)


def test_figures_agree_with_plain_python():
    generator = torch.Generator().manual_seed(0)
    logits = 2 * torch.randn(300, 5, generator=generator)
    labels = logits.softmax(1).multinomial(1, generator=generator).squeeze(1)  # calibrated, but for chance
    figures = classification_figures(logits, labels)
    probabilities = logits.softmax(1)
    right = [row.index(max(row)) == label for row, label in zip(logits.tolist(), labels.tolist())]
    assert figures["accuracy"] == accuracy(logits, labels) == pytest.approx(sum(right) / 300)
    assert figures["cross_entropy"] == pytest.approx(-probabilities[range(300), labels].log().mean().item(), rel=1e-5)
    assert figures["ece"] == pytest.approx(calibration_error(probabilities, labels), abs=1e-5)


def test_measuring_is_over_every_image_in_eval_mode():
    model = LittleNet().train()
    images = coloured_images(70)
    expected = LittleNet().eval()(images.images.float() / 255)
    assert torch.allclose(answers(model, images).float(), expected, atol=2e-3)
    assert measure(model, images)["accuracy"] == accuracy(expected, images.labels)
    assert measure(ColourTeacher(), images)["accuracy"] > 0.9 and measure(model, images)["images"] == 70


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_network_on_a_gpu_answers_there_and_its_logits_come_back():
    model, images = LittleNet().cuda(), coloured_images(70)
    given = answers(model, images)
    assert given.device.type == "cpu" and next(model.parameters()).is_cuda
    torch.testing.assert_close(given.float(), answers(model.cpu(), images).float(), rtol=2e-3, atol=4e-3)


def test_cutout_hides_one_square_of_each_image_and_nothing_else():
    images = torch.rand(30, 3, 16, 12)
    batch = Batch(images, torch.arange(30), None)
    seen = [next(iter(Cutout([batch], side=5, seed=seed))) for seed in (0, 0, 1)]
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


def test_a_teacher_can_be_trained_further_and_its_card_tells(tmp_path):
    first, _ = train_teacher(DATASET, RECIPE, device="cpu", epochs=1, out=tmp_path / "first.safetensors")
    before = state_of(first)
    further, card = train_teacher(DATASET, RECIPE, device="cpu", epochs=1, learning_rate=1e-4, seed=5,
                                  start=load_model(tmp_path / "first.safetensors"),
                                  out=tmp_path / "further.safetensors")
    change = max((one - other).abs().max() for one, other in zip(state_of(further).values(), before.values())
                 if one.is_floating_point())
    assert 0 < change < 1 and card["recipe"]["learning_rate"] == 1e-4
    assert card["started_from"]["recipe"]["epochs"] == 1 and card["started_from"]["recipe"]["learning_rate"] == 2e-3
    assert "started from, the end of 1 epochs at learning rate 0.002" in (tmp_path / "further.md").read_text()
    interrupted = card_text({**card, "started_from": {"recipe": None}})
    assert "a training that was interrupted" in interrupted


def test_the_mean_of_two_networks_has_its_own_batchnorm_statistics():
    one, other = (make_model(RECIPE.architecture, DATASET.pool.images, seed) for seed in (0, 1))
    expected = (one.head.weight + other.head.weight) / 2
    batches = [Batch(DATASET.pool.images[:60].float() / 255, DATASET.pool.labels[:60], None)]
    to_mean_of_weights(one, other, batches, "float32")
    assert torch.allclose(one.head.weight, expected) and not one.training
    norm, seen = one.blocks[0].norms[0], []
    hook = norm.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    one(batches[0].images)
    hook.remove()
    assert torch.allclose(norm.running_mean, seen[0].mean((0, 2, 3)), atol=1e-5)
    assert torch.allclose(norm.running_var, seen[0].var((0, 2, 3)), rtol=1e-3)


def test_weights_of_another_architecture_are_no_start():
    other = make_model(Architecture((4,), 1, 1, "max", num_classes=4, image_size=16), DATASET.pool.images)
    with pytest.raises(ValueError, match="weights to start from are of .*widths=.4,.*widths=.8,"):
        train_teacher(DATASET, RECIPE, device="cpu", start=(other, {}))


def test_a_place_without_write_access_is_found_before_the_training(tmp_path):
    (tmp_path / "file").write_text("in the way")
    rows = []
    with pytest.raises(OSError, match="cannot write to"):
        train_teacher(DATASET, RECIPE, device="cpu", out=tmp_path / "file" / "teacher.safetensors", on_row=rows.append)
    assert not rows


def test_a_teacher_that_diverges_says_so():
    from dataclasses import replace
    with pytest.raises(RuntimeError, match="no longer a finite number"):
        train_teacher(DATASET, replace(RECIPE, learning_rate=1e30), device="cpu", precision="float32")


@pytest.mark.parametrize("epochs", [0, -1])
def test_a_teacher_without_epochs_is_refused(epochs):
    with pytest.raises(ValueError, match=f"epochs must be 1 or more; got {epochs}"):
        train_teacher(DATASET, RECIPE, epochs=epochs)


def test_a_recipe_fits_the_classes_and_the_size():
    architecture = recipe_for(DATASET).architecture
    assert (architecture.num_classes, architecture.image_size) == (4, 16)
    assert architecture.widths == RECIPES["cifar10"].architecture.widths


def test_a_data_set_without_a_shipped_teacher_says_how_to_make_one():
    with pytest.raises(FileNotFoundError, match="no teacher for 'coloured'.*teacher --train"):
        load_teacher(DATASET)


def test_a_teacher_of_other_classes_is_refused(tmp_path):
    from dataclasses import replace
    train_teacher(DATASET, RECIPE, device="cpu", epochs=1, out=tmp_path / "teacher.safetensors")
    assert load_teacher(DATASET, tmp_path / "teacher.safetensors")[1]["classes"] == list(DATASET.pool.classes)
    other = replace(DATASET, pool=replace(DATASET.pool, classes=("ant", "bee", "cow", "dog")))
    with pytest.raises(ValueError, match="knows the classes red, green, .*; the data set has ant, bee, cow, dog"):
        load_teacher(other, tmp_path / "teacher.safetensors")


# The shipped teachers

def shipped(name):
    """The data set, the teacher and its card; skips where one of them is not there."""
    if not shipped_path(name).is_file():
        pytest.skip(f"{shipped_path(name).name} is not in the package")
    if name == "cifar10" and not find_cifar10():
        pytest.skip("no CIFAR-10 at hand")
    dataset = load_dataset(name, progress=False)
    return dataset, *load_teacher(dataset)


# `least` finds a file that is broken; the figure that counts is the card's.
@pytest.mark.parametrize("name, least", [("cifar10", 0.905), ("shapes10", 0.6)])
def test_a_shipped_teacher_has_the_accuracy_of_its_card(name, least):
    dataset, model, card = shipped(name)
    assert "unfinished" not in card
    figures = measure(model, dataset.test)
    if dataset.pool.source == card["data"] and len(dataset.test) == card["test"]["images"]:
        # A few images may fall to the other side where another machine sums in another order.
        assert figures["accuracy"] == pytest.approx(card["test"]["accuracy"], abs=0.001)
        assert figures["ece"] == pytest.approx(card["test"]["ece"], abs=0.001)
        assert figures["accuracy"] >= least
    else:  # another copy of the images, or a part of them
        noise = 4 * (least * (1 - least) / len(dataset.test)) ** 0.5
        assert figures["accuracy"] >= least - noise


@pytest.mark.parametrize("name", RECIPES)
def test_a_shipped_teacher_is_small_and_has_a_whole_card(name):
    path = shipped_path(name)
    if not path.is_file():
        pytest.skip(f"{path.name} is not in the package")
    model, card = load_model(path)
    assert path.stat().st_size <= 5e6
    assert model.architecture == RECIPES[name].architecture and card["recipe"]["label_smoothing"] == 0.0
    assert {"data", "recipe", "seconds", "test", "classes", "training_images"} <= set(card)
    assert {"accuracy", "ece", "cross_entropy", "images"} <= set(card["test"])
