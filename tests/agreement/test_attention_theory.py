"""Bounds, toy model and head scaling against sampling, finite differences and autograd."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from w2sg.theory.attention import (
    attention_gradients,
    bound_for,
    bound_ratio,
    gauge_dimension,
    generalization_bound,
    head_scaling,
    key_bias_gradient,
    rotations,
    samples_needed,
    stable_ratio,
    toy_dynamics,
    toy_exponents,
)
from w2sg.theory.attention.toy import fitted_exponent
from w2sg.theory.simulate.attention import (
    erm_gap,
    head_changes,
    numeric_key_bias_gradient,
    score_directions,
    toy_deltas,
)


@pytest.mark.parametrize("bits", [2, 6, 10])
@pytest.mark.parametrize("n", [20, 100])
def test_bound_holds_for_the_worst_case_and_is_nearly_tight(bits, n):
    """Catches a wrong constant: half the bound fails, the paper's form is visibly looser."""
    gap = erm_gap(bits, n, draws=1500, seed=1)
    assert gap.standard_error < 0.02 * gap.value
    bound = generalization_bound(bits, 1.0, n, 0.5)
    assert gap.value + 4 * gap.standard_error < bound.value
    assert gap.value > 0.55 * bound.value
    paper = generalization_bound(bits, 1.0, n, 0.5, ln2=False)
    assert paper.value / bound.value == pytest.approx(1.2011, abs=1e-4)


def test_the_papers_form_of_theorem_one():
    """√(4R²qr Σ(d_in + d_out)/N) for Q and V, √(6R²…) for Q, K and V, with q read in nats."""
    r, q, n, total = 8, 16, 10_000, 12 * 2 * 768
    for count, constant in ((2, 4), (3, 6)):
        found = generalization_bound(count * r * total, q, n, 0.5, ln2=False)
        assert found.value == pytest.approx((constant * 0.25 / n * q * r * total) ** 0.5, rel=1e-14)
    assert bound_ratio(2, 3) == pytest.approx((2 / 3) ** 0.5)


def test_bound_says_what_it_is():
    vacuous = generalization_bound(294_912, 16, 392_702, 0.5)
    assert "vacuous here" in str(vacuous)
    assert "from N = 1,635,340 on" in str(vacuous)
    useful = generalization_bound(10, 16, 392_702, 0.5)
    assert "vacuous" not in str(useful)
    for bound in (vacuous, useful):
        assert "ranks choices by their number of parameters alone" in str(bound)


@given(st.integers(1, 10**9), st.floats(1, 32), st.floats(0.1, 5), st.floats(0.01, 1))
@settings(max_examples=60)
def test_samples_needed_is_the_first_that_suffices(parameters, bits, subgaussian, target):
    """Catches an off-by-one and a forgotten square."""
    n = samples_needed(parameters, bits, subgaussian, target)
    assert generalization_bound(parameters, bits, n, subgaussian).value <= target * (1 + 1e-12)
    if n > 1:
        before = generalization_bound(parameters, bits, n - 1, subgaussian)
        assert before.value > target * (1 - 1e-12)


def test_bound_for_counts_the_head():
    """Catches a bound that leaves the head out: it moves Q,V / Q,K,V towards 1."""
    from transformers import BertConfig, BertForSequenceClassification

    from w2sg.train.attention import summary

    config = BertConfig(
        hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=8, vocab_size=9
    )
    model = BertForSequenceClassification(config)
    qv, qkv = summary(model, "qv"), summary(model, "qkv")
    assert bound_for(qv, 100).parameters == 2 * 72 + 18
    assert (2 / 3) ** 0.5 < bound_ratio(qv, qkv) == pytest.approx((162 / 234) ** 0.5)


@pytest.mark.parametrize(
    ("alpha", "beta"), [(-1.0, 0.0), (-1.0, -1.0), (-0.5, -0.5), (-1.0, -0.5), (-1.5, 0.0)]
)
@pytest.mark.parametrize("step", [2, 3])
def test_exponents_of_the_toy_model(alpha, beta, step):
    """Catches exponents swapped between the factors, and |x|² taken for Θ(1)."""
    widths = [256, 1024, 4096]
    medians = np.array(
        [
            np.median(toy_deltas(n, 0.1 * n**alpha, 0.1 * n**beta, step, 300, seed=n), axis=0)
            for n in widths
        ]
    )
    fitted = [fitted_exponent(widths, medians[:, i]) for i in range(3)]
    assert fitted == pytest.approx(toy_exponents(alpha, beta), abs=0.12)


def test_parts_of_the_change_are_those_of_full_training():
    """Catches a wrong sign or a factor missing in one of the three parts."""
    rng = np.random.default_rng(5)
    x, a = rng.normal(size=64), rng.normal(size=64) / 8
    path = toy_dynamics(x, a, 0.3, 1.0, lr_a=0.01, lr_b=0.2, steps=6)
    change = -path.deltas[:, 0] - path.deltas[:, 1] + path.deltas[:, 2]
    assert np.allclose(np.diff(path.output), change, rtol=0, atol=1e-13)
    t_a, t_b = torch.tensor(a, requires_grad=True), torch.tensor(0.3, dtype=torch.float64)
    t_b.requires_grad_(True)
    optimizer = torch.optim.SGD([{"params": [t_a], "lr": 0.01}, {"params": [t_b], "lr": 0.2}])
    seen = []
    for _ in range(7):
        f = t_b * (t_a @ torch.tensor(x))
        seen.append(float(f.detach()))
        optimizer.zero_grad()
        ((f - 1.0) ** 2 / 2).backward()
        optimizer.step()
    assert np.allclose(path.output, seen, rtol=1e-12)


def test_gradients_of_a_head_are_those_of_autograd():
    """Catches a transposed score gradient and a lost 1/√d_h."""
    q, k, v, g = np.random.default_rng(2).normal(size=(4, 7, 5))
    found = attention_gradients(q, k, v, g)
    tensors = [torch.tensor(x, requires_grad=True) for x in (q, k, v)]
    weights = torch.softmax(tensors[0] @ tensors[1].T / 5**0.5, -1)
    (torch.tensor(g) * (weights @ tensors[2])).sum().backward()
    for ours, theirs in zip((found.q, found.k, found.v), tensors, strict=True):
        assert np.allclose(ours, theirs.grad.numpy(), rtol=0, atol=1e-13)
    assert np.abs(found.scores.sum(1)).max() < 1e-14


def test_q_learns_only_from_variation_of_the_values():
    """|∂L/∂Q| is linear in how far values differ between tokens, and zero where they do not."""
    rng = np.random.default_rng(3)
    q, k, g, spread = rng.normal(size=(4, 6, 4))
    norms = [
        np.linalg.norm(attention_gradients(q, k, 1.0 + s * spread, g).q) for s in (0, 1e-2, 1, 2)
    ]
    assert norms[0] < 1e-14
    assert norms[1:] == pytest.approx([norms[2] / 100, norms[2], 2 * norms[2]], rel=1e-12)


@pytest.mark.parametrize("rotary", [False, True])
def test_key_bias_gradient_is_the_numeric_one(rotary):
    """Catches rotations applied to the bias the wrong way round."""
    q, k, v, g = np.random.default_rng(4).normal(size=(4, 6, 4))
    turn = rotations(6, 4) if rotary else None
    exact = key_bias_gradient(q, k, v, g, rotary=turn)
    assert np.allclose(exact, numeric_key_bias_gradient(q, k, v, g, turn), rtol=0, atol=1e-8)
    assert (np.abs(exact).max() < 1e-14) == (not rotary)


def test_rotations_depend_on_the_distance_alone():
    """Catches a turn in the wrong plane: q_iᵀ R_iᵀ R_j k_j must depend on j − i only."""
    turn = rotations(9, 6)
    assert np.allclose(turn[2].T @ turn[5], turn[4].T @ turn[7], atol=1e-14)
    assert not np.allclose(turn[2].T @ turn[5], turn[4].T @ turn[6])


@pytest.mark.parametrize("roles", ["q", "k", "qk"])
@pytest.mark.parametrize("shape", [(8, 3), (10, 4), (12, 2), (6, 6)])
def test_directions_are_the_rank_of_the_jacobian(shape, roles):
    """Catches the gauge counted twice or not at all."""
    assert score_directions(*shape, roles, seed=0) == gauge_dimension(*shape, roles)


@pytest.mark.parametrize("parameterisation", ["full", "lora"])
def test_one_adam_step_scales_with_width_and_head(parameterisation):
    """Catches Θ(1) for V in a full matrix, and √n in place of √d_h for Q and K."""
    widths, dims = [256, 1024, 4096], [64, 256, 1024]
    by_width = [
        head_changes(n, 64, parameterisation=parameterisation, seeds=10, seed=n) for n in widths
    ]
    by_dim = [
        head_changes(256, d, parameterisation=parameterisation, seeds=10, seed=d) for d in dims
    ]
    for role in "qkv":
        expected = head_scaling(role, parameterisation)
        for sizes, runs, axis in ((widths, by_width, 0), (dims, by_dim, 1)):
            heights = [run[role][:, 0].mean() for run in runs]
            assert fitted_exponent(sizes, heights) == pytest.approx(expected.output[axis], abs=0.1)
            if expected.scores is not None:
                slope = fitted_exponent(sizes, [run[role][:, 1].mean() for run in runs])
                assert slope == pytest.approx(expected.scores[axis], abs=0.1)
            else:
                assert max(run[role][:, 1].max() for run in runs) == 0.0


def test_measured_prefactor_of_the_stable_ratio():
    """At d_h = 64 equal changes need a ratio near 1.9, not √64 = 8."""
    changes = head_changes(1024, 64, parameterisation="full", seeds=10, seed=7)
    ratios = changes["q"][:, 0] / changes["v"][:, 0]
    error = ratios.std(ddof=1) / len(ratios) ** 0.5
    assert error < 0.05 * ratios.mean()
    assert abs(ratios.mean() - stable_ratio(64)) < 0.25


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: generalization_bound(0, 16, 10, 0.5),
            "parameters must be a whole number of at least 1",
        ),
        (lambda: generalization_bound(1, 16, 10, -0.5), "subgaussian must be above 0"),
        (lambda: samples_needed(1, 16, 0.5, 0.0), "target must be above 0"),
        (lambda: toy_exponents(0.0, 0.0), "alpha must be at most -1"),
        (lambda: toy_dynamics([1.0], [1.0, 2.0], 0, 1, lr_a=1, lr_b=1, steps=1), "shape of x"),
        (
            lambda: toy_dynamics([1e9], [1.0], 1, 1, lr_a=1e9, lr_b=1e9, steps=9),
            "the path overflows",
        ),
        (lambda: gauge_dimension(2, 3), "n must be a whole number of at least"),
        (lambda: head_scaling("o"), "role must be one of q, k, v"),
        (lambda: head_scaling("q", "dora"), "parameterisation must be"),
        (lambda: rotations(3, 3), "head_dim must be"),
        (lambda: attention_gradients(*np.ones((3, 2, 2)), np.ones((3, 2))), "one shape"),
        (lambda: key_bias_gradient(*np.ones((4, 2, 2)), rotary=np.ones((2, 2, 3))), "rotary must"),
        (lambda: stable_ratio(0), "head_dim must be a whole number of at least 1"),
    ],
)
def test_refusals(call, message):
    with pytest.raises(ValueError, match=message):
        call()
