"""Identities of Bregman divergences to 1e-10, each by a road that does not use the identity."""

import numpy as np
import pytest
from scipy.special import softmax

from w2sg.theory import bregman

RNG = np.random.default_rng(7)
MATRIX = np.array([[2.0, 0.3, 0.0], [0.3, 1.0, -0.2], [0.0, -0.2, 0.5]])
GENERATORS = {
    gen.name: gen
    for gen in (
        bregman.squared,
        bregman.mahalanobis(MATRIX),
        bregman.negentropy,
        bregman.binary_negentropy,
        bregman.generalised_kl,
        bregman.itakura_saito,
    )
}
every = pytest.mark.parametrize("gen", GENERATORS.values(), ids=GENERATORS)


def draw(gen, *shape, seed=0):
    rng = np.random.default_rng(seed)
    if gen.domain == "unit":
        return rng.uniform(0.02, 0.98, size=shape)
    if gen.domain == "simplex":
        return rng.dirichlet(np.ones(3), size=shape) * 0.99 + 0.01 / 3
    if gen.domain == "positive":
        return rng.gamma(2.0, size=(*shape, 3)) + 0.05
    return rng.normal(size=(*shape, 3))


def by_definition(gen, p, q):
    slope = gen.grad(q) * (p - q)
    return gen.phi(p) - gen.phi(q) - (slope.sum(-1) if gen.over_axis else slope)


@every
def test_divergence_is_its_definition_and_grad_inv_inverts(gen):
    # Catches a wrong closed form of D, a wrong inverse gradient, swapped arguments.
    p, q = draw(gen, 50, seed=1), draw(gen, 50, seed=2)
    np.testing.assert_allclose(bregman.divergence(gen, p, q), by_definition(gen, p, q), atol=1e-11)
    np.testing.assert_allclose(gen.grad_inv(gen.grad(p)), p, atol=1e-12)
    u, v = gen.grad(p), gen.grad(q)
    np.testing.assert_allclose(
        bregman.dual_divergence(gen, u, v), by_definition(gen, q, p), atol=1e-11
    )


@every
def test_gradient_agrees_with_finite_differences(gen):
    # Catches a wrong gradient that would still satisfy identities built on itself.
    p = draw(gen, 20, seed=3)
    if not gen.over_axis:
        step = 1e-6
        numeric = (gen.phi(p + step) - gen.phi(p - step)) / (2 * step)
        np.testing.assert_allclose(gen.grad(p), numeric, rtol=1e-6)
        return
    for axis in range(3):
        step = np.zeros(3)
        step[axis] = 1e-6
        numeric = (gen.phi(p + step) - gen.phi(p - step)) / 2e-6
        np.testing.assert_allclose(gen.grad(p)[:, axis], numeric, rtol=1e-5, atol=1e-7)


@every
def test_three_point_identity(gen):
    # Catches the residual with b and c exchanged.
    a, b, c = (draw(gen, 50, seed=s) for s in (4, 5, 6))
    residual = bregman.three_point_residual(gen, a, b, c)
    direct = by_definition(gen, a, c) - by_definition(gen, a, b) - by_definition(gen, b, c)
    np.testing.assert_allclose(residual, direct, atol=1e-10)


@every
def test_means_minimise_the_expected_divergence(gen):
    # Catches primal and dual exchanged: the first argument averages in the primal.
    draws, weights = draw(gen, 6, seed=8), np.arange(1.0, 7.0)
    dual, primal = bregman.dual_mean(gen, draws, weights), bregman.primal_mean(draws, weights)
    for other in draw(gen, 30, seed=9):
        nearby = 0.97 * dual + 0.03 * other if gen.domain != "real" else dual + 0.03 * other
        second = np.average(gen.gap(nearby[None], draws), weights=weights)
        assert np.average(gen.gap(dual[None], draws), weights=weights) < second
        nearby = 0.97 * primal + 0.03 * other if gen.domain != "real" else primal + 0.03 * other
        first = np.average(gen.gap(draws, nearby[None]), weights=weights)
        assert np.average(gen.gap(draws, primal[None]), weights=weights) < first


@every
@pytest.mark.parametrize("order", ["left", "right"])
def test_bias_variance_sums_to_the_risk_for_every_k(gen, order):
    # Catches the primal mean in the dual's place: its error is non-zero off quadratic generators.
    labels, weights = draw(gen, 4, 10, seed=11), np.array([0.2, 0.5, 0.3])
    predictions = draw(gen, 3, 10, seed=12)
    found = bregman.bias_variance(gen, labels, predictions, order, weights)
    total = 0.0
    for y in labels:
        for f, w in zip(predictions, weights, strict=True):
            pair = (y, f) if order == "left" else (f, y)
            total += w * by_definition(gen, *pair).mean() / len(labels)
    assert found.total == pytest.approx(total, abs=1e-10)
    assert found.noise + found.bias + found.variance == pytest.approx(total, abs=1e-10)
    assert min(found.noise, found.bias, found.variance) > 0
    single = bregman.bias_variance(gen, labels, predictions[:1], order)
    assert single.variance == pytest.approx(0, abs=1e-12)


def test_primal_mean_in_the_dual_place_would_fail():
    # The test above can fail: the error is the stated inner product, here far from zero.
    gen = bregman.negentropy
    y, f = np.array([[0.98, 0.01, 0.01]]), draw(gen, 4, 1, seed=14)
    mean = f.mean(0)
    wrong = by_definition(gen, y, mean).mean() + by_definition(gen, mean[None], f).mean()
    slope = gen.grad(mean) - gen.grad(f).mean(0)
    assert by_definition(gen, y[None], f).mean() - wrong == pytest.approx(
        ((y - mean) * slope).sum(-1).mean(), abs=1e-10
    )
    assert abs(((y - mean) * slope).sum()) > 0.01


def test_cross_entropy_variance_is_minus_log_z():
    # Catches +log Z, a missing normalisation, and overflow at logits of 1e4.
    logits = RNG.normal(size=(5, 7, 4)) * 3
    mean = bregman.dual_mean_from_logits(logits)
    p = softmax(logits, axis=-1)
    expected = bregman.bias_variance(bregman.negentropy, np.eye(4)[[0] * 7], p)
    assert mean.variance.mean() == pytest.approx(expected.variance, abs=1e-10)
    assert -mean.log_mean[:, 0].mean() == pytest.approx(expected.bias, abs=1e-10)
    np.testing.assert_allclose(
        np.exp(mean.log_mean), bregman.dual_mean(bregman.negentropy, p), atol=1e-12
    )
    np.testing.assert_allclose(-np.log(p[:, :, 0]).mean(), expected.total, atol=1e-10)
    large = bregman.dual_mean_from_logits([[1e4, 0.0], [1e4, 0.0]])
    assert large.variance == pytest.approx(0.0, abs=1e-9)


def test_finite_k_correction_is_unbiased_for_squared_loss():
    # Catches K+1 for K-1 and a correction of the wrong sign: the mean over all subsets is exact.
    from itertools import combinations

    values = RNG.normal(size=(6, 1, 1))
    label = np.array([[0.3]])
    # Population of six values drawn without replacement: E s² of subsets is s² of the whole.
    pieces = [
        bregman.bias_variance(
            bregman.squared, label, values[list(rows)], correct_finite_k=True
        ).variance
        for rows in combinations(range(6), 3)
    ]
    assert np.mean(pieces) == pytest.approx(values.var(ddof=1), abs=1e-10)
    corrected = bregman.bias_variance(bregman.squared, label, values, correct_finite_k=True)
    plain = bregman.bias_variance(bregman.squared, label, values)
    assert corrected.bias + corrected.variance == pytest.approx(plain.bias + plain.variance)


@every
def test_ensemble_ambiguity_is_exact(gen):
    # Catches the arithmetic ensemble where the dual one is meant.
    target, predictions = draw(gen, 9, seed=15), draw(gen, 4, 9, seed=16)
    found = bregman.ensemble_ambiguity(gen, target, predictions)
    mean_risk = np.mean([by_definition(gen, target, f).mean() for f in predictions])
    assert found.mean_risk == pytest.approx(mean_risk, abs=1e-10)
    assert found.mean_risk - found.ensemble_risk == pytest.approx(found.ambiguity, abs=1e-10)


@every
@pytest.mark.parametrize("order", ["left", "right"])
def test_gap_is_misfit_plus_residual(gen, order):
    # Catches the misfit in the wrong order and the wrong side of the label in the residual.
    target, teacher, student = draw(gen, 8, seed=17), draw(gen, 5, 8, seed=18), draw(gen, 5, 8)
    weights = np.array([1.0, 2.0, 1.0, 0.5, 0.5])
    found = bregman.risk_gap(gen, target, teacher, student, order, weights=weights)

    def risk(f):
        pairs = [(target, x) if order == "left" else (x, target) for x in f]
        return np.average([by_definition(gen, *pair).mean() for pair in pairs], weights=weights)

    assert found.teacher_risk == pytest.approx(risk(teacher), abs=1e-10)
    assert found.gap == pytest.approx(risk(teacher) - risk(student), abs=1e-10)
    assert found.gap == pytest.approx(found.misfit + found.residual, abs=1e-10)
    check = bregman.misfit_projection_check(gen, target, teacher, student, order, weights)
    assert check.holds == (found.residual >= 0)


@every
@pytest.mark.parametrize("order", ["left", "right"])
def test_posterior_terms_add_up(gen, order):
    # Catches the dual mean under label-right and epsilons that do not sum to the residual.
    teacher = draw(gen, 6, 8, seed=19)
    students = draw(gen, 2, 8, seed=20)
    groups = np.array([3, 1, 3, 1, 3, 1])
    student = students[(groups == 3).astype(int)]
    found = bregman.risk_gap(gen, draw(gen, 8, seed=21), teacher, student, order, groups)
    assert found.misfit == pytest.approx(
        found.posterior_variance + found.distance_to_posterior, abs=1e-10
    )
    assert found.residual == pytest.approx(-(found.eps1 + found.eps2), abs=1e-10)
    assert found.certified == (found.gap > 0)
    assert found.posterior_mean.shape == (2, *teacher.shape[1:])


@every
def test_student_at_its_posterior_mean_gains_its_misfit(gen):
    # In the spirit of Corollary 3.1: residual 0 and gain = posterior variance > 0.
    teacher = draw(gen, 4, 8, seed=22)
    groups = np.array([0, 0, 1, 1])
    for order in ("left", "right"):
        student = bregman.posterior_mean_teacher(gen, teacher, groups, order)[groups]
        found = bregman.risk_gap(gen, draw(gen, 8, seed=23), teacher, student, order, groups)
        assert found.residual == pytest.approx(0, abs=1e-10)
        assert found.gap == pytest.approx(found.posterior_variance, abs=1e-10)
        assert found.gap > 1e-4
        assert found.certified


@every
def test_residual_bounds_bound_and_are_tight(gen):
    # Catches a missing square root or half: the bound must hold often and nearly bind once.
    worst, worst_simplex = 0.0, 0.0
    for seed in range(40):
        target, teacher = draw(gen, 1, seed=seed), draw(gen, 3, 1, seed=seed + 100)
        student = np.repeat(draw(gen, 1, 1, seed=seed + 200), 3, axis=0)
        groups = np.zeros(3)
        residual = abs(bregman.risk_gap(gen, target, teacher, student).residual)
        bounds = bregman.residual_bounds(gen, target, teacher, student, groups)
        worst = max(worst, residual / bounds.cauchy_schwarz)
        if bounds.simplex_osc is not None:
            worst_simplex = max(worst_simplex, residual / bounds.simplex_osc)
    assert 0.9 < worst <= 1 + 1e-12
    if gen.domain in ("simplex", "unit"):
        assert 0.9 < worst_simplex <= 1 + 1e-12


def test_the_bounds_ignore_a_constant_in_the_slopes():
    # Catches slopes that are not centred on the simplex: still a bound, but a looser one, which the
    # normalisation of log-probabilities would change.
    g, f_w, f_s = np.array([0.1, 0.2, 0.7]), np.array([0.6, 0.3, 0.1]), np.array([0.2, 0.2, 0.6])
    found = bregman.residual_bounds(bregman.negentropy, [g], [[f_w]], [[f_s]])
    slope = np.log(f_s / f_w)
    expected = np.linalg.norm(g - f_s) * slope.std() * 3**0.5
    assert found.cauchy_schwarz == pytest.approx(expected, rel=1e-12)
    assert found.simplex_osc == pytest.approx(np.abs(g - f_s).sum() * np.ptp(slope) / 2, rel=1e-12)


def test_sharpening_counter_example():
    # Published caveat: teachers 0.9 and 0.4, truth 0.8, student 0.95: misfit 0.357, rho -0.307.
    gen = bregman.binary_negentropy
    found = bregman.risk_gap(gen, [0.8], [[0.9], [0.4]], [[0.95], [0.95]], groups=[0, 0])
    assert found.misfit == pytest.approx(0.357, abs=5e-4)
    assert found.residual == pytest.approx(-0.307, abs=5e-4)
    assert found.gap == pytest.approx(0.050, abs=5e-4)
    assert found.misfit == pytest.approx(found.rce - found.student_entropy, abs=1e-10)
    gain = bregman.certified_gain_ce(found.rce, found.student_entropy, found.residual)
    assert gain == pytest.approx(found.gap, abs=1e-10)


def test_binary_is_the_two_class_problem():
    # Catches a factor between one number and two columns.
    g, f_w, f_s = RNG.uniform(size=5), RNG.uniform(size=(3, 5)), RNG.uniform(size=(3, 5))
    one = bregman.risk_gap(bregman.binary_negentropy, g, f_w, f_s)
    two = bregman.risk_gap(bregman.negentropy, *(np.stack([1 - x, x], -1) for x in (g, f_w, f_s)))
    for field in ("teacher_risk", "misfit", "residual", "student_entropy", "rce", "ce"):
        assert getattr(one, field) == pytest.approx(getattr(two, field), abs=1e-10)


def test_linear_softmax_heads_have_an_exact_pythagoras():
    # Moment matching: the CE-optimal linear head has KL(w|g) = KL(s|g) + KL(w|s) for linear g.
    from scipy.optimize import minimize

    x = np.c_[np.ones(40), RNG.normal(size=(40, 2))]
    teacher = RNG.dirichlet(np.ones(3), size=40)
    target = softmax(x @ RNG.normal(size=(3, 3)), axis=-1)

    def objective(flat):
        p = softmax(x @ flat.reshape(3, 3), axis=-1)
        return -(teacher * np.log(p)).sum(), (x.T @ (p - teacher)).ravel()

    head = minimize(objective, np.zeros(9), jac=True, options={"gtol": 1e-11}).x
    student = softmax(x @ head.reshape(3, 3), axis=-1)
    check = bregman.misfit_projection_check(
        bregman.negentropy, target, teacher[None], student[None], "right"
    )
    assert check.residual == pytest.approx(0, abs=1e-7)
    assert check.gap == pytest.approx(check.misfit, abs=1e-7)
    assert check.misfit > 0.1


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda b: b.divergence(b.negentropy, [0.5, 0.5], [1.0, 0.0]), "q must be positive"),
        (lambda b: b.divergence(b.negentropy, [0.5, 0.4], [0.5, 0.5]), "sum to 1"),
        (lambda b: b.divergence(b.squared, 1.0, 2.0), "last axis of classes"),
        (lambda b: b.divergence(b.itakura_saito, [0.0], [1.0]), "infinite"),
        (lambda b: b.dual_mean(b.negentropy, [[0.5, 0.5], [1.0, 0.0]]), "p must be above 0"),
        (lambda b: b.dual_mean(b.squared, [[0.5, 0.5]], axis=1), "axis must not be the last"),
        (lambda b: b.primal_mean([1.0, 2.0], [1.0]), "one per draw"),
        (lambda b: b.primal_mean([1.0, 2.0], axis=3), "axis must be an axis of p"),
        (lambda b: b.dual_mean(b.squared, np.zeros((0, 3))), "at least one draw"),
        (lambda b: b.dual_mean_from_logits([[0.0, 1.0]], axis=4), "axis must be an axis of logits"),
        (lambda b: b.divergence(b.squared, [1.0, 2.0], [1.0, 2.0, 3.0]), "p and q must fit"),
        (
            lambda b: b.three_point_residual(b.squared, [1.0, 2.0], [1.0, 2.0, 3.0], [0.0]),
            "a and b and c must fit in shape, got (2,), (3,), (1,)",
        ),
        (lambda b: b.divergence(b.mahalanobis(np.eye(3)), [1.0], [2.0]), "vectors of 3 numbers"),
        (lambda b: b.mahalanobis(np.diag([1.0, -1.0])), "positive definite"),
        (lambda b: b.bias_variance(b.squared, [[0.0]], [[[1.0]]], "up"), "order must be"),
        (
            lambda b: b.bias_variance(b.squared, [[0.0]], [[[1.0]]], correct_finite_k=True),
            "at least 2 draws",
        ),
        (lambda b: b.risk_gap(b.squared, [[0.0]], [[1.0]], [[1.0]]), "(draws, items, classes)"),
        (
            lambda b: b.risk_gap(
                b.squared, [[0.0]], [[[1.0]]] * 2, [[[1.0]], [[2.0]]], groups=[0, 0]
            ),
            "must share one student: draw 1 differs",
        ),
        (lambda b: b.risk_gap(b.binary_negentropy, [1], [[1.0]], [[0.5]]), "teacher must be below"),
        (lambda b: b.certified_gain_ce(-1, 0, 0), "rce must be at least 0"),
    ],
)
def test_what_has_no_meaning_is_refused(call, words):
    with pytest.raises(ValueError) as caught:  # noqa: PT011 the text is compared below
        call(bregman)
    assert words in str(caught.value)
