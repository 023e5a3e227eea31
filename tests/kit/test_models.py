from dataclasses import asdict, replace

import pytest
import torch
import torch.nn.functional as F
from small import LittleNet, Talkative, coloured_images, same_state, state_of

from distill_kit.data import CIFAR10_CLASSES
from distill_kit.devices import choose_device, choose_precision
from distill_kit.models import STUDENTS, Architecture, Block, ConvNet, logits_of, make_model, parameter_count

SMALL = Architecture(widths=(8, 12), num_classes=5, image_size=16)


def pixels(count=50, size=16, seed=0):
    return torch.randint(256, (count, 3, size, size), dtype=torch.uint8, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("classes, kernels, final_size, parameters", [
    (CIFAR10_CLASSES, (2, 3, 2), 3, 65_226), (tuple("abcdefghij"), (), 4, 117_706)])
def test_small_filters_are_for_the_images_where_they_were_seen_to_do(classes, kernels, final_size, parameters):
    images = replace(coloured_images(40, 32), classes=classes)
    architecture = STUDENTS["default"].fitted(images)
    assert architecture.kernels == kernels and architecture.final_size == final_size
    assert parameter_count(ConvNet(architecture)) == parameters
    assert replace(STUDENTS["default"], kernels=(3, 3, 3)).fitted(images).filters == (3, 3, 3)
    assert Architecture((8, 12)).fitted(images).filters == (3, 3)
    assert STUDENTS["default"].fitted(replace(coloured_images(40, 8), classes=classes)).final_size == 1


def test_filters_begin_by_passing_each_channel_on():
    block = Block(4, 6, 1, False, "batch", 3)
    x = torch.rand(2, 4, 5, 5)
    assert torch.equal(block.convolutions[0](x)[:, :4], x) and block.convolutions[0].weight[4:].abs().min() > 0


def test_students_grow():
    counts = [parameter_count(ConvNet(STUDENTS[name])) for name in ("small", "default", "wide", "wider")]
    assert counts == sorted(counts) and len(set(counts)) == 4


def test_stem_whitens():
    images = coloured_images(200).images
    model = make_model(SMALL, images)
    out = F.conv2d(images.float() / 255, model.stem_weight, model.stem_bias, stride=2)  # (N, 24, h, w)
    out = out.transpose(0, 1).flatten(1)
    torch.testing.assert_close(torch.cov(out[:12]), torch.eye(12), atol=0.06, rtol=0)  # epsilon shrinks it a little
    torch.testing.assert_close(out.mean(1), torch.zeros(24), atol=1e-3, rtol=0)
    torch.testing.assert_close(out[12:], -out[:12], atol=1e-4, rtol=0)


@pytest.mark.usefixtures("global_random_state_untouched")
def test_stem_depends_on_the_images_alone():
    stems = []
    for seed in (1, 2):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            stems.append(make_model(SMALL, pixels(), seed=seed).stem_weight)
    assert torch.equal(*stems)
    assert not torch.equal(stems[0], make_model(SMALL, coloured_images(50).images).stem_weight)


def test_stem_is_not_trained():
    assert not any("stem" in name for name, _ in ConvNet(SMALL).named_parameters())


@pytest.mark.usefixtures("global_random_state_untouched")
def test_weights_come_from_the_seed_alone():
    states = []
    for seed in (1, 2):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            states.append(state_of(make_model(SMALL, pixels(), seed=5)))
    assert same_state(*states)
    assert not torch.equal(states[0]["head.weight"], state_of(make_model(SMALL, pixels(), seed=6))["head.weight"])


def test_the_generators_of_other_devices_are_left_alone(monkeypatch):
    seeded = []
    monkeypatch.setattr(torch, "manual_seed", seeded.append)
    monkeypatch.setattr(torch.cuda, "manual_seed_all", seeded.append)
    make_model(SMALL, pixels())
    assert seeded == []


@pytest.mark.parametrize("head", ["flat", "max"])
@pytest.mark.parametrize("size, stride, depth, classes", [(16, 2, 1, 2), (17, 2, 2, 3), (19, 1, 1, 7), (32, 1, 2, 100)])
def test_any_size_and_number_of_classes(head, size, stride, depth, classes):
    architecture = Architecture((8, 8), depth, stride, head, classes, size)
    model = make_model(architecture, pixels(3, size))
    assert model(pixels(3, size).float() / 255).shape == (3, classes)
    inputs = 8 * (architecture.final_size**2 if head == "flat" else 1)
    assert model.head.in_features == inputs


SHAPES = [(size, stride, last) for size in (16, 17, 19, 31, 32) for stride in (1, 2) for last in (True, False)]


@pytest.mark.parametrize("kernels", [(2, 2), (2, 3), (3, 2), (3, 3)])
@pytest.mark.parametrize("size, stride, last_halves", SHAPES)
def test_final_size_is_that_of_the_last_block(size, stride, last_halves, kernels):
    architecture = Architecture((4, 6), stem_stride=stride, image_size=size, last_halves=last_halves, kernels=kernels)
    model, seen = make_model(architecture, pixels(3, size)).eval(), []
    model.blocks.register_forward_hook(lambda module, given, out: seen.append(out.shape))
    model(pixels(3, size).float() / 255)
    assert seen == [(3, 6, architecture.final_size, architecture.final_size)]


def test_small_filters_are_not_padded_and_their_pool_leaves_no_line_out():
    model = make_model(Architecture((6,), kernels=(2,), num_classes=3, image_size=16), pixels()).eval()
    x = F.relu(F.conv2d(pixels(4).float() / 255, model.stem_weight, model.stem_bias, stride=2))           # 8 x 8
    x = F.conv2d(x, model.blocks[0].convolutions[0].weight)                                               # 7 x 7
    x = F.pad(x, (0, 1, 0, 1), value=-torch.inf).unfold(2, 2, 2).unfold(3, 2, 2).amax((4, 5))             # 4 x 4
    x = F.relu(model.blocks[0].norms[0](x))
    torch.testing.assert_close(model(pixels(4).float() / 255), model.head(x.permute(0, 2, 3, 1).flatten(1)))


def test_a_narrow_stem_keeps_the_directions_in_which_patches_differ_most():
    images = coloured_images(200).images
    full, narrow = (make_model(replace(SMALL, stem_channels=channels), images) for channels in (24, 6))
    patches = F.unfold(images.double() / 255, 2, stride=2).transpose(1, 2).flatten(0, 1)                  # (P, 12)
    by_size = torch.linalg.svd(patches - patches.mean(0), full_matrices=False).Vh[:3]                     # (3, 12)
    rows = F.normalize(narrow.stem_weight.flatten(1).double(), dim=1)
    same = (rows[:3] @ by_size.T).abs().flip(1)                                                           # (3, 3)
    torch.testing.assert_close(same, torch.eye(3, dtype=torch.double), atol=1e-3, rtol=0)
    assert torch.equal(rows[3:], -rows[:3]) and torch.equal(narrow.stem_weight[:3], full.stem_weight[9:12])
    assert torch.equal(narrow.stem_bias, full.stem_bias[[9, 10, 11, 21, 22, 23]])


def test_blocks_pool_then_normalise_then_relu():
    model = make_model(Architecture((6,), 2, image_size=16, num_classes=3), pixels())
    for norm in model.blocks[0].norms:  # one that does something
        norm.running_mean.copy_(torch.linspace(-0.3, 0.3, 6)), norm.running_var.copy_(torch.linspace(0.1, 2, 6))
        norm.bias.data.copy_(torch.linspace(0.2, -0.2, 6))
    model.eval()
    images = pixels(4).float() / 255
    block = model.blocks[0]
    x = F.relu(F.conv2d(images, model.stem_weight, model.stem_bias, stride=2))
    x = F.relu(block.norms[0](F.max_pool2d(block.convolutions[0](x), 2)))
    x = F.relu(block.norms[1](block.convolutions[1](x)))
    torch.testing.assert_close(model(images), model.head(x.permute(0, 2, 3, 1).flatten(1)))


@pytest.mark.parametrize("wrong, message", [
    ({"head": "mean"}, "head must be 'flat' or 'max'; got 'mean'"),
    ({"image_size": 8}, "image_size 8 is too small for 3 blocks"),
    ({"kernels": (2, 3)}, r"kernels must be 2 or 3, for each of the 3 blocks; got \(2, 3\)"),
    ({"kernels": (2, 3, 5)}, r"kernels must be 2 or 3, for each of the 3 blocks; got \(2, 3, 5\)"),
    ({"stem_channels": 26}, "stem_channels must be even, from 2 to 24; got 26"),
    ({"stem_channels": 7}, "stem_channels must be even, from 2 to 24; got 7")])
def test_an_architecture_that_cannot_be_is_refused(wrong, message):
    with pytest.raises(ValueError, match=message):
        Architecture(**wrong)


@pytest.mark.parametrize("height, width", [(16, 16), (32, 24)])
def test_images_of_another_size_are_refused(height, width):
    with pytest.raises(ValueError, match=f"images must be 32 x 32 pixels; got {height} x {width}"):
        make_model(Architecture(), torch.zeros(3, 3, height, width, dtype=torch.uint8))


def test_an_architecture_is_plain_data_and_back():
    assert Architecture(**asdict(SMALL)) == SMALL
    assert Architecture(**{**asdict(SMALL), "widths": [8, 12]}) == SMALL  # JSON knows lists alone


def test_logits_of_takes_tensors_and_objects():
    images = pixels(2).float() / 255
    model = LittleNet()
    assert torch.equal(logits_of(model(images)), logits_of(Talkative(model)(images)))
    with pytest.raises(ValueError, match="got NoneType"):
        logits_of(None)


# Devices and precision

@pytest.mark.parametrize("name", ["tpu", "cuda:99", "meta", ""])
def test_a_device_that_is_not_there_is_refused(name):
    with pytest.raises(ValueError, match="device"):
        choose_device(name)


def test_a_device_is_chosen_where_none_is_asked_for():
    assert choose_device().type == ("cuda" if torch.cuda.is_available() else "cpu")
    assert choose_device("cpu") == torch.device("cpu")


def test_precision_is_read_from_the_processors_flags(monkeypatch):
    for flags, precision in ((True, "bfloat16"), (False, "float32")):
        monkeypatch.setattr("distill_kit.devices.cpu_has_bfloat16", lambda flags=flags: flags)
        assert choose_precision("auto") == precision
    assert choose_precision("float32") == "float32"
    with pytest.raises(ValueError, match="precision must be auto, float32, bfloat16, float16; got 'int4'"):
        choose_precision("int4")


@pytest.mark.parametrize("capability, precision", [((6, 1), "float32"), ((7, 5), "float16"), ((8, 0), "bfloat16"),
                                                   ((9, 0), "bfloat16")])
def test_a_gpu_computes_in_the_half_precision_that_it_multiplies(monkeypatch, capability, precision):
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    assert choose_precision("auto", torch.device("cuda")) == precision
