"""`risk_summary` on a grid of a million points, beside a loop over plain floats.

The loop is what a user would write from the formulas: one function of numbers, called for each
(n, N), under-parametrised stages only. It runs on a tenth of the points and is scaled up.

    python benchmarks/discrepancy_risks.py
"""

import time

import numpy as np

from w2sg.theory.discrepancy import risk_summary, synthetic_task

SIDE = 1000


def by_hand(model, misfit, bias, n, N, sigma2):
    """Student risk, PGR and OPR of one point, as the formulas read."""
    kappa = 100 / (N - 101)
    tau2 = (sigma2 + model.rho_w) / (n - 201)
    teacher = model.rho_w + tau2 * 200
    student = bias + tau2 * (model.d_sw + (200 - model.d_sw) * kappa) + kappa * misfit
    baseline = model.rho_s + (sigma2 + model.rho_s) * 100 / (n - 101)
    ceiling = model.rho_s + (sigma2 + model.rho_s) * 100 / (n + N - 101)
    return student, (teacher - student) / (teacher - ceiling), baseline / student


def seconds(function, repeats=3):
    """Shortest of a few runs."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return min(times)


def main():
    """Time both and print a table."""
    model = synthetic_task()
    n, N = np.arange(300, 300 + SIDE), np.arange(300, 300 + SIDE)
    misfit, bias = model.misfit, model.rho_s + model.inherited_bias
    grid = [(a, b) for a in n.tolist() for b in N[::10].tolist()]

    ours = seconds(lambda: risk_summary(model, n[:, None], N, 0.01))
    bare = seconds(lambda: risk_summary((200, 100, 10), n[:, None], N, 0.01))
    loop = 10 * seconds(lambda: [by_hand(model, misfit, bias, a, b, 0.01) for a, b in grid], 1)
    got = risk_summary(model, n[:, None], N[::10], 0.01)
    same = np.array([by_hand(model, misfit, bias, a, b, 0.01) for a, b in grid]).T
    error = max(
        abs(np.ravel(value) / other - 1).max()
        for value, other in zip((got.student_risk, got.pgr, got.opr), same, strict=True)
    )

    print(f"{SIDE**2:,} points (n, N); largest relative difference {error:.1e}")
    print(f"{'':34}{'seconds':>9}{'loop / ours':>13}")
    for name, value in (
        ("risk_summary(model, n, N)", ours),
        ("risk_summary((d_w, d_s, d_sw), n, N)", bare),
        ("loop over floats, 3 of 9 outputs", loop),
    ):
        print(f"{name:36}{value:7.3f}{loop / value:13.1f}")


if __name__ == "__main__":
    main()
