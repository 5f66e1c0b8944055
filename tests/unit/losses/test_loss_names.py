"""Names of losses in specs, and what is refused with which words."""

import re

import pytest
import torch
from subprocesses import run_python

from w2sg import losses


def test_every_known_name_gives_one_value_per_example():
    for name in losses.names():
        written = "bregman:squared" if name == "bregman" else name
        assert losses.get(written)(torch.randn(3), torch.tensor([0.2, 0.5, 0.9])).shape == (3,)


@pytest.mark.parametrize(
    ("written", "canonical"),
    [
        ("reverse_ce", "reverse_ce"),
        ("symmetric", "symmetric:1:0.1"),
        ("symmetric:b=0.5", "symmetric:1:0.5"),
        ("cace", "cace:0.1"),
        ("cace:quantile=.5", "cace:quantile=0.5"),
        ("confidence:0.5:0.1:openai", "confidence:0.5:warmup=0.1:schedule=openai"),
        ("reverse_ce:-4", "reverse_ce:log_floor=-4"),
        ("gce:7e-1", "gce:0.7"),
        ("ce + 0.10*entropy", "ce+0.1*entropy"),
        ("2*ce", "2*ce"),
        ("bregman:itakura_saito:right", "bregman:itakura_saito:right"),
    ],
)
def test_canonical_name_reads_back(written, canonical):
    # Catches two spellings with two identities, and a name that does not give the same loss again.
    loss = losses.get(written)
    assert loss.name == canonical
    again = losses.get(loss.name)
    assert again.name == canonical
    logits, targets = torch.randn(6, 2), torch.softmax(torch.randn(6, 2), -1)
    assert torch.equal(loss(logits, targets), again(logits, targets))


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("cross_entropy", "known are ce, reverse_ce"),
        ("reverse_cee", "did you mean 'reverse_ce'"),
        ("ce:1", "ce takes no parameters"),
        ("symmetric:1:2:3", "symmetric takes a, b"),
        ("symmetric:c=1", "symmetric takes a, b"),
        ("symmetric:one", "a of symmetric must be a number, got 'one'"),
        ("symmetric:-1:0", "a, b >= 0"),
        ("confidence:0.5:0.2:cosine", "['linear', 'openai'], got 'cosine'"),
        ("cace:0.1:0.5", "threshold or quantile"),
        ("cace:2", "[0, 1], got 2"),
        ("gce:0", "(0, 1], got 0"),
        ("bregman:tsallis", "must be one of"),
        ("x*ce", "weight before '*' must be a number"),
        ("ce+nan*entropy", "must be a number other than 0, got 'nan'"),
        ("inf*ce", "must be a number other than 0, got 'inf'"),
        ("ce+0*entropy", "must be a number other than 0, got '0'"),
        ("confidence+cace:quantile=0.5", "at most one part"),
        ("ce+squared_error", "plain numbers"),
        ("", "named by a text"),
    ],
)
def test_bad_names_say_what_is_known(name, words):
    with pytest.raises(ValueError, match=re.escape(words)):
        losses.get(name)


def test_bad_tensors_are_named():
    half = torch.full((2,), 0.5)
    for logits, targets, words in [
        (torch.zeros(2, 3), half, "(2, 3) and (2,)"),
        (torch.zeros(2, 1), torch.zeros(2, 1), "K of at least 2"),
        (torch.zeros(2), torch.tensor([0, 1]), "one_hot"),
        (torch.zeros(2), half.clone().requires_grad_(), "detach"),
    ]:
        with pytest.raises(ValueError, match=re.escape(words)):
            losses.ce(logits, targets)
    confidence = losses.get("confidence")
    with pytest.raises(ValueError, match="merge it into the batch before"):
        confidence.batch_statistics(torch.zeros(1), torch.full((1,), 0.5))
    with pytest.raises(ValueError, match=r"first pass under torch\.no_grad"):
        confidence.batch_statistics(None, half)
    with pytest.raises(ValueError, match="step must lie in"):
        confidence.batch_statistics(half, half, step=3, n_steps=2)
    with pytest.raises(ValueError, match=r"sum to 1, got 0\.9 at row 1"):
        losses.check_targets(torch.tensor([[0.5, 0.5], [0.4, 0.5]]))
    with pytest.raises(ValueError, match="row 0"):
        losses.check_targets(torch.tensor([float("nan")]))


def test_package_does_not_import_losses():
    # Catches torch loaded by `import w2sg`.
    code = "import sys, w2sg; sys.exit(bool({'torch', 'w2sg.losses'} & set(sys.modules)))"
    assert run_python(code).returncode == 0
