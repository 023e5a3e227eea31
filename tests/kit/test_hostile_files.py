"""Weights and caches that were altered by accident, or made by somebody who knows how they are checked."""
import io
import json
from dataclasses import asdict

import numpy as np
import pytest
import torch
from hostile import altered, count, inputs, plain_values, read_or_refused, sealed
from hypothesis import given
from hypothesis import strategies as st
from small import coloured_images, same_state, state_of

from distill_kit.data.cache import read_arrays, write_arrays
from distill_kit.kept_logits import LogitStore
from distill_kit.models import Architecture, make_model
from distill_kit.weights import load_model, save_model

ARCHITECTURE = Architecture(widths=(2, 3), num_classes=4, image_size=16)
IMAGES = coloured_images(20).images
CARD = {"data": "nothing", "classes": ["a", "b", "c", "d"]}


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    """A network, and the bytes of its file."""
    model = make_model(ARCHITECTURE, IMAGES, seed=4)
    return model, save_model(model, tmp_path_factory.mktemp("right") / "it.safetensors", CARD, half=False).read_bytes()


@inputs(10)
@given(st.data())
def test_weights_whose_bytes_were_altered_are_refused(original, tmp_path_factory, data):
    model, content = original
    path = tmp_path_factory.mktemp("weights") / "it.safetensors"
    path.write_bytes(data.draw(altered(content)))
    for loaded, card in read_or_refused("weights, altered bytes", lambda: load_model(path), "it.safetensors"):
        assert same_state(state_of(loaded), state_of(model)) and card == CARD  # only blanks of the header


sizes = st.one_of(plain_values, st.lists(st.integers(-1, 10**6), max_size=3),
                  st.sampled_from([10**9, 3, 2, 16, "layer"]))
wild_architectures = st.dictionaries(st.sampled_from([*asdict(ARCHITECTURE), "unknown"]), sizes, max_size=2)
wild_cards = st.one_of(st.just(CARD), plain_values, st.dictionaries(st.just("classes"), plain_values))
wild_tensors = st.dictionaries(st.sampled_from(["head.weight", "head.bias", "stem_bias", "more"]), st.sampled_from([
    torch.zeros(4), torch.zeros(()), torch.zeros(4, 48, dtype=torch.bfloat16), torch.zeros(24, dtype=torch.int64),
    torch.zeros(0), torch.zeros(4, dtype=torch.bool), torch.zeros(4, dtype=torch.complex64), torch.zeros(24)]),
    max_size=2)


@inputs(10)
@given(wild_architectures, wild_cards, wild_tensors, st.sampled_from(["", "", "", "architecture", "card"]))
def test_sealed_weights_fit_or_are_refused(original, tmp_path_factory, architecture, card, tensors, broken):
    model, _ = original
    fields, tensors = {**asdict(ARCHITECTURE), **architecture}, {**model.state_dict(), **tensors}
    header = {"architecture": json.dumps(fields), "card": json.dumps(card)}
    header = {name: text[1:] if name == broken else text for name, text in header.items()}
    path = tmp_path_factory.mktemp("weights") / "it.safetensors"
    path.write_bytes(sealed(header, tensors))
    for loaded, read in read_or_refused("weights, sealed", lambda: load_model(path), "it.safetensors"):
        assert not broken and isinstance(card, dict) and repr(read) == repr(json.loads(json.dumps(card)))
        assert all(isinstance(name, str) for name in card.get("classes", []))
        assert asdict(loaded.architecture) == {**fields, "widths": tuple(fields["widths"]),
                                               "kernels": tuple(fields["kernels"])}
        assert same_state(state_of(loaded), tensors) and not loaded.training
        size = fields["image_size"]
        assert loaded(torch.zeros(1, 3, size, size)).shape == (1, fields["num_classes"])


@pytest.fixture(scope="module")
def small_pages():
    """Maps arrays however small they are."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("distill_kit.data.cache.PAGE", 140)  # numpy's header has 128 bytes
        yield


KEY = "key addresses logits views"
ARRAYS = {"addresses": np.arange(5, dtype=np.uint64), "views": np.array([0, 1, 0, 1, 2], np.uint8),
          "logits": np.arange(20, dtype=np.float16).reshape(5, 4)}


@inputs(5)
@given(st.data())
def test_a_cache_file_whose_bytes_were_altered_is_not_believed(tmp_path_factory, small_pages, data):
    path = tmp_path_factory.mktemp("cache") / "some.npz"
    write_arrays(path, "key", ARRAYS)
    path.write_bytes(data.draw(altered(path.read_bytes())))
    for is_mapped in (False, True):
        read = read_arrays(path, "key", mapped=is_mapped)
        count("cache files", "refused" if read is None else "accepted")
        if read is not None:
            assert read.keys() == ARRAYS.keys()
            assert all(np.array_equal(read[name], ARRAYS[name]) and read[name].dtype == ARRAYS[name].dtype
                       for name in read)


wild_arrays = st.dictionaries(st.sampled_from([*ARRAYS, "key", "more"]), st.sampled_from([
    np.zeros(5, np.int8), np.full(5, -1, np.int8), np.full(5, 200, np.uint8), np.zeros((5, 3), np.float16),
    np.zeros((5, 4), np.float32), np.zeros(4, np.uint64), np.array(KEY), np.array(3), np.zeros((0, 4), np.float16),
    np.array(["a"] * 5), np.zeros((5, 4), np.complex64), np.zeros((4, 5), np.float16).T]), max_size=2)


@inputs(5)
@given(wild_arrays, st.booleans())
def test_a_store_believes_only_files_that_it_could_have_written(tmp_path_factory, arrays, is_beside_a_right_one):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DISTILL_KIT_CACHE", str(tmp_path_factory.mktemp("cache")))
        store = LogitStore("key", views=3, classes=4)
        if is_beside_a_right_one:
            store.add(*ARRAYS.values())
        store.folder.mkdir(parents=True, exist_ok=True)
        wild = {"key": np.array(KEY), **ARRAYS, **arrays}
        content = io.BytesIO()
        np.savez(content, **wild)
        (store.folder / "wild.npz").write_bytes(content.getvalue())
        fits = set(wild) == {"key", *ARRAYS} and str(wild["key"]) == KEY and all(
            wild[name].dtype == ARRAYS[name].dtype and wild[name].shape == ARRAYS[name].shape for name in ARRAYS) \
            and bool(wild["views"].max() < 3)
        known, values = store.read(ARRAYS["addresses"])
        count("kept logits", "accepted" if fits else "refused")
        assert (store.folder / "wild.npz").exists() is fits and known.any().item() is (fits or is_beside_a_right_one)
        if is_beside_a_right_one and not fits:
            assert known.tolist() == [[view == own for view in range(3)] for own in ARRAYS["views"]]
            assert np.array_equal(values[torch.arange(5), ARRAYS["views"].astype(int)], ARRAYS["logits"])
