"""What every reader is tested with that somebody else's bytes, texts and numbers reach.

Each test draws inputs and has an oracle of its own, which says whether what was accepted is right. All of them together
draw 3,000 inputs, the same each time; DISTILL_KIT_HOSTILE=20000 draws ten times as many, other ones each time.
"""
import contextlib
import hashlib
import io
import json
import os
from collections import Counter

import torch
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from safetensors.torch import save

from distill_kit.__main__ import main
from distill_kit.data.official import NotOfficial

MANY = "DISTILL_KIT_HOSTILE"
SENTENCES = (ValueError, FileNotFoundError, OSError, RuntimeError, ConnectionError, NotOfficial)  # of the kit
COUNTS = {}  # by reader: how many inputs were accepted and refused; conftest.py prints them


def inputs(share):
    """So many inputs for every hundred of DISTILL_KIT_HOSTILE."""
    return settings(max_examples=round(share / 100 * int(os.environ.get(MANY, 2_000))), deadline=None, database=None,
                    derandomize=MANY not in os.environ, suppress_health_check=list(HealthCheck))


def count(reader, verdict):
    COUNTS.setdefault(reader, Counter())[verdict] += 1


def read_or_refused(reader, read, *names):
    """What `read` returns, in a tuple; () where it refused in a sentence with one of these names in it."""
    try:
        result = read()
    except Exception as error:
        count(reader, "anything else")
        assert type(error) in SENTENCES, f"{type(error).__name__}: {error}"
        assert not names or any(name in str(error) for name in names), error
        assert str(error).isprintable(), error
        COUNTS[reader]["anything else"] -= 1
        count(reader, "refused")
        return ()
    count(reader, "accepted")
    return (result,)


def command(*arguments):
    """Exit status, standard output and standard error of a command, in this process."""
    out, errors = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(errors):
        try:
            status = main(list(arguments))
        except SystemExit as end:  # --help
            status = end.code
    return status, out.getvalue(), errors.getvalue()


def answered_or_refused(reader, *arguments):
    """The JSON of a command, in a tuple; () where it ended with status 1 or 2 and a line that says why."""
    try:
        status, out, errors = command(*arguments)
        assert status in (0, 1, 2) and "Traceback" not in errors
        if status == 0:
            answer = json.loads(out, parse_constant=lambda name: 1 / 0)
        else:
            assert errors.endswith("\n") and errors.splitlines()[-1].startswith("distill_kit: "), errors
            assert sum(line.startswith("distill_kit: ") for line in errors.splitlines()) == 1
    except BaseException:
        count(reader, "anything else")
        raise
    count(reader, "refused" if status else "accepted")
    return () if status else (answer,)


ODD_NUMBERS = ("nan", "inf", "-inf", "1e309", "1e-320", "-0", "0", "-1", "0x10", "1_000", "", " ", " 1 ", "١", "½",
               "1e3", "1e-300", "1e300", "1.5", "1,5", "9223372036854775807", "9223372036854775808", "1" + 400 * "0",
               "1" + 5_000 * "0", "None", "True")
odd_numbers = st.sampled_from([0, 1, -1, 0.0, -0.0, 0.5, 1e-320, 1e-300, 1e-6, 1e39, 1e300, -1e300, float("nan"),
                               float("inf"), -float("inf"), 2**53, 2**63 - 1, 2**63, -2**63, 10**400, 10])
odd_texts = st.one_of(st.sampled_from(["", " ", "nan", "4", "\x00", "<img src=x onerror=alert(1)>", "a|b`c\nd",
                                       "$\\frac$", "\ud800", "\u2028", "é"]), st.text(max_size=5))
plain_values = st.recursive(
    st.one_of(st.none(), st.booleans(), odd_numbers, st.integers(0, 20), st.floats(), odd_texts),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(odd_texts, inner, max_size=3)), max_leaves=5)


def altered(content):
    """A strategy of bytes that differ from these a little: some flipped, cut off, put in or added."""
    places = st.integers(0, len(content))
    flips = st.lists(st.tuples(st.integers(0, len(content) - 1), st.integers(1, 255)), min_size=1, max_size=4)

    def flipped(changes):
        mutable = bytearray(content)
        for place, bits in changes:
            mutable[place] ^= bits
        return bytes(mutable)
    return st.one_of(flips.map(flipped), places.map(lambda end: content[:end]), st.tuples(places, st.binary(
        min_size=1, max_size=9)).map(lambda pair: content[:pair[0]] + pair[1] + content[pair[0]:]))


def sealed(header, tensors):
    """The bytes of a file that holds these and has the right checksum."""
    digest = hashlib.sha256(json.dumps(header, sort_keys=True).encode())
    for name in sorted(tensors):
        kind = f"{name} {tensors[name].dtype} {list(tensors[name].shape)}"
        digest.update(kind.encode())
        digest.update(tensors[name].contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    apart = {name: tensor.contiguous().clone() for name, tensor in tensors.items()}
    return save(apart, {**header, "sha256": digest.hexdigest()})
