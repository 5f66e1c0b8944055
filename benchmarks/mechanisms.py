"""The four hot paths of the mechanisms, each beside what a user would run instead.

python benchmarks/mechanisms.py
"""

import time

import numpy as np
from sklearn.linear_model import Ridge

from w2sg.theory import ridge, weighted_ridge
from w2sg.theory.simulate import ridge as simulate


def seconds(call, repeats: int = 3) -> float:
    """Return the shortest wall time of a few calls."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return min(times)


def isotropic_points(count: int = 1_000_000) -> None:
    """``two_stage`` at 10⁶ parameter points, against one call for each."""
    rng = np.random.default_rng(0)
    gammas, lams = rng.uniform(0.1, 3, (2, count)), rng.uniform(0.01, 2, (2, count))
    many = seconds(lambda: ridge.two_stage(*gammas, *lams, 1.0))
    few = 300
    one = seconds(lambda: [ridge.two_stage(*gammas[:, i], *lams[:, i], 1.0) for i in range(few)], 1)
    report("two_stage, 10⁶ points", many, one * count / few, "one call per point", "< 1 s")


def long_spectrum(size: int = 1_000_000) -> None:
    """κ and traces of a spectrum of 10⁶, against the matrix of a 500th of it."""
    e = 1 / np.arange(1, size + 1)
    fast = seconds(lambda: weighted_ridge.deterministic_equivalent(e, np.ones(size), 1e-3, 1e5))
    small = size // 500
    sigma = np.diag(e[:small])
    dense = seconds(
        lambda: weighted_ridge.deterministic_equivalent(sigma, np.eye(small), 1e-3, 1e3), 1
    )
    report("spectrum of 10⁶", fast, dense, "matrix of 2,000", "< 1 s")


def penalty_grid(d: int = 1000, size: int = 50) -> None:
    """A 50 × 50 grid with matrices that do not commute, against point by point."""
    rng = np.random.default_rng(1)

    def form() -> np.ndarray:
        basis, _ = np.linalg.qr(rng.standard_normal((d, d)))
        return (basis * rng.uniform(0.3, 2, d)) @ basis.T

    sigma, gamma_t, gamma_s = form(), form(), form()
    sigma, gamma_t, gamma_s = ((m + m.T) / 2 for m in (sigma, gamma_t, gamma_s))
    beta = rng.standard_normal(d) / d**0.5
    lams = np.geomspace(0.01, 2, size)
    grid = seconds(
        lambda: weighted_ridge.risk_grid(
            sigma, beta, gamma_t, lams, 2 * d, gamma_s, lams, 2 * d, 1.0
        ),
        1,
    )
    point = seconds(
        lambda: weighted_ridge.two_stage(
            sigma, beta, gamma_t, 0.1, 2 * d, gamma_s, 0.1, 2 * d, 1.0
        ),
        1,
    )
    report("50 × 50 grid, d = 1,000", grid, point * size**2, "point by point (1 timed)", "≥ 20×")


def simulation(d: int = 200, repetitions: int = 40) -> None:
    """Seconds to one standard error, against drawing labels and fitting scikit-learn's Ridge."""
    n, lam_t, lam_s, rng = 2 * d, 0.05, 0.4, np.random.default_rng(2)

    start, draws = time.perf_counter(), []
    for _ in range(repetitions):
        x, z = rng.standard_normal((2, n, d))
        beta = rng.standard_normal(d) / d**0.5
        teacher = Ridge(alpha=n * lam_t, fit_intercept=False)
        teacher.fit(x, x @ beta + rng.standard_normal(n))
        student = Ridge(alpha=n * lam_s, fit_intercept=False).fit(z, teacher.predict(z))
        draws.append(((student.coef_ - beta) ** 2).sum())
    loop = time.perf_counter() - start
    loop_error = np.std(draws, ddof=1) / repetitions**0.5

    start = time.perf_counter()
    ours = simulate.two_stage(0.5, 0.5, lam_t, lam_s, 1.0, d=d, repetitions=repetitions)
    fast = time.perf_counter() - start
    # a standard error falls with the root of the work
    fast *= float(ours.student_risk.standard_error / loop_error) ** 2
    report("simulation, equal standard error", fast, loop, "loop of scikit-learn Ridge", "≥ 10×")


def report(name: str, ours: float, other: float, what: str, wanted: str) -> None:
    """Print one row."""
    ratio = other / ours
    print(f"{name:34} {ours:9.4f} s  {other:12.3f} s  {ratio:10,.0f}×  {wanted:7} {what}")


if __name__ == "__main__":
    print(f"{'':34} {'ours':>11}  {'instead':>14}  {'ratio':>11}  wanted")
    isotropic_points()
    long_spectrum()
    penalty_grid()
    simulation()
