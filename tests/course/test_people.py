"""Teacher beside people: the distance against scipy's, the published file and no other."""
import hashlib
import io
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.special import rel_entr
from scipy.stats import entropy as scipy_entropy
from small import ColourTeacher, coloured_dataset

from distill_course import people
from distill_kit.metrics import answers, divergence_bits, entropy_bits


def test_distance_and_entropy_are_scipys():
    true, predicted = (torch.rand(6, 4, dtype=torch.float64) + 0.01 for _ in range(2))
    true[0, 0] = 0
    true, predicted = (votes / votes.sum(1, keepdim=True) for votes in (true, predicted))
    expected = rel_entr(true.numpy(), predicted.numpy()).sum(1).mean() / np.log(2)
    assert divergence_bits(true, predicted) == pytest.approx(expected)
    assert entropy_bits(true) == pytest.approx(scipy_entropy(true.numpy(), base=2, axis=1).mean())


def test_with_the_votes_at_hand_they_are_measured(monkeypatch):
    dataset = replace(coloured_dataset(), name="cifar10")
    test = dataset.test[torch.arange(10_000) % len(dataset.test)]
    votes = torch.full((10_000, 4), 0.25)
    monkeypatch.setattr(people, "human_votes", lambda: votes)
    teacher = ColourTeacher()
    report = people.beside_people(replace(dataset, test=test), teacher, temperatures=(1.0, 4.0))
    assert report["origin"].startswith("Measured just now: 10,000 test images") and report["temperatures"] == [1.0, 4.0]
    assert report["people"] == pytest.approx(2)
    logits = answers(teacher, test)
    for place, temperature in enumerate((1.0, 4.0)):
        says = (logits / temperature).softmax(1).double().numpy()
        distance = rel_entr(votes.numpy(), says).sum(1).mean() / np.log(2)
        assert report["distance"][place] == pytest.approx(distance, rel=1e-4)
        assert report["teacher"][place] == pytest.approx(scipy_entropy(says, base=2, axis=1).mean(), rel=1e-4)


def test_without_votes_what_was_measured_is_shown_and_said(monkeypatch, tmp_path):
    monkeypatch.setenv("DISTILL_KIT_DATA", str(tmp_path))
    report = people.beside_people(coloured_dataset(), ColourTeacher())
    assert report["origin"].startswith("Stored: ") and len(report["distance"]) == len(report["temperatures"])
    assert min(report["distance"]) > 0 and report["teacher"] == sorted(report["teacher"])
    assert people.human_votes() is None


def test_votes_are_read_fetched_and_refused_if_they_are_others(monkeypatch, tmp_path):
    content = io.BytesIO()
    np.save(content, np.full((10, 10), 0.1))
    monkeypatch.setenv("DISTILL_KIT_DATA", str(tmp_path))
    monkeypatch.setattr(people, "SHA256", hashlib.sha256(content.getvalue()).hexdigest())
    source = tmp_path / "published.npy"
    source.write_bytes(content.getvalue())
    monkeypatch.setattr(people, "URL", source.as_uri())
    votes = people.human_votes(fetch=True)
    assert votes.shape == (10, 10) and votes.dtype == torch.float32
    assert torch.equal(people.human_votes(), votes)
    (tmp_path / people.NAME).write_bytes(b"something else")
    with pytest.raises(ValueError, match="is not the published file"):
        people.human_votes()
    (tmp_path / people.NAME).unlink()
    monkeypatch.setattr(people, "URL", (tmp_path / "nothing").as_uri())
    with pytest.raises(ConnectionError, match="could not be fetched"):
        people.human_votes(fetch=True)
