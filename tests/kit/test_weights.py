import json
import random

import pytest
import torch
from small import same_state, state_of

from distill_kit.models import Architecture, make_model
from distill_kit.weights import load_model, save_model

ARCHITECTURE = Architecture(widths=(4, 6), num_classes=3, image_size=16, stem_stride=1, head="max")
CARD = {"data": "nothing", "test": {"accuracy": 0.9125}, "classes": ["a", "b", "c"]}


@pytest.fixture
def model():
    pixels = torch.randint(256, (20, 3, 16, 16), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    made = make_model(ARCHITECTURE, pixels, seed=4)
    with torch.no_grad():
        made(pixels.float() / 255)  # so that BatchNorm has seen something
    return made


@pytest.fixture
def path(model, tmp_path):
    return save_model(model, tmp_path / "model.safetensors", CARD, half=False)


@pytest.mark.usefixtures("global_random_state_untouched")
def test_weights_come_back_bit_for_bit(model, path):
    loaded, card = load_model(path)
    assert same_state(state_of(model), state_of(loaded)) and card == CARD
    assert loaded.architecture == ARCHITECTURE and not loaded.training


def test_half_precision_rounds_every_number_to_float16(model, tmp_path):
    path = save_model(model, tmp_path / "model.safetensors", CARD)
    loaded, _ = load_model(path)
    assert not same_state(state_of(model), state_of(loaded))
    halves = {name: value.half().float() if value.is_floating_point() else value
              for name, value in state_of(model).items()}
    assert same_state(halves, state_of(loaded))
    assert all(value.dtype != torch.float16 for value in loaded.state_dict().values())


@pytest.mark.parametrize("share", [0, 0.001, 0.3, 0.9, 0.999])
def test_a_cut_file_is_refused(path, share):
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(ValueError, match="model.safetensors is cut or not a safetensors file"):
        load_model(path)


def test_an_altered_byte_is_noticed_wherever_it_is(path):
    content, chance = path.read_bytes(), random.Random(0)
    header = 8 + int.from_bytes(content[:8], "little")
    text_ends = 8 + len(content[8:header].rstrip())
    places = [*range(0, text_ends, 17), *(chance.randrange(header, len(content)) for _ in range(15))]
    for place in places:
        altered = bytearray(content)
        altered[place] ^= 1 << chance.randrange(8)
        path.write_bytes(altered)
        with pytest.raises(ValueError, match="model.safetensors"):
            load_model(path)


@pytest.mark.parametrize("old, new", [(b"stem_stride\\\": 1", b"stem_stride\\\": 2"), (b"0.9125", b"0.9725"),
                                      (b'"card"', b'"cart"'), (b'"sha256"', b'"sha257"')])
def test_an_altered_header_is_noticed(path, old, new):
    content = path.read_bytes()
    assert content.count(old) == 1
    path.write_bytes(content.replace(old, new))
    with pytest.raises(ValueError, match="altered since it was written"):
        load_model(path)


def test_weights_of_another_kit_are_refused(tmp_path):
    from safetensors.torch import save_file
    save_file({"weight": torch.zeros(3)}, tmp_path / "other.safetensors")
    with pytest.raises(ValueError, match="other.safetensors holds weights of another kind"):
        load_model(tmp_path / "other.safetensors")


def test_a_pickle_is_refused_and_not_read(tmp_path, model, monkeypatch):
    torch.save(model.state_dict(), tmp_path / "model.pt")
    monkeypatch.setattr("pickle.Unpickler", None)
    with pytest.raises(ValueError, match="model.pt is cut or not a safetensors file"):
        load_model(tmp_path / "model.pt")


def test_missing_weights_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="no weights at .*nowhere.safetensors"):
        load_model(tmp_path / "nowhere.safetensors")


def test_the_file_is_safetensors_with_a_header_in_json(path):
    content = path.read_bytes()
    header = json.loads(content[8:8 + int.from_bytes(content[:8], "little")])
    assert json.loads(header["__metadata__"]["card"]) == CARD
    assert json.loads(header["__metadata__"]["architecture"])["widths"] == [4, 6]


def test_weights_that_do_not_fit_the_header_are_refused(tmp_path, model):
    model.architecture = Architecture(widths=(4, 7), num_classes=3, image_size=16, stem_stride=1, head="max")
    path = save_model(model, tmp_path / "odd.safetensors", CARD)
    with pytest.raises(ValueError, match="odd.safetensors: the weights do not fit the architecture in the header"):
        load_model(path)
