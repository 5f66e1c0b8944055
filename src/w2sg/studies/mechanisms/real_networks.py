"""E8: real two-layer networks; the student's own features help only with its own knowledge."""

import numpy as np
import torch
from torch import Tensor

from w2sg._seeds import child_seed
from w2sg.figures import new_figure
from w2sg.studies.study import Claim, Study
from w2sg.studies.two_layer import TwoLayerNet
from w2sg.theory import multi_index
from w2sg.theory.hermite import hermite_polynomials

A, B, SIGMA2 = [0, 0.8, 0.4, 0.2], [0, 0, 0.6, 0.3], 0.25
D, P, N_T, N_S = 300, 600, 1800, 3600
STEP, SPIKE, LAM = 8.0, 4.0, 0.01  # step and spike in units of √p
NAMES = (
    "teacher", "pre-trained net alone", "student, teacher labels", "pre-trained + student",
    "clean probe of teacher", "clean probe of student",
)  # fmt: skip


def study(*, repetitions: int = 6, seed: int = 0) -> Study:
    """Train teacher and student networks and draw the risks of six predictors."""
    runs = [_one(child_seed(seed, "network", index)) for index in range(repetitions)]
    risks = np.array([run[0] for run in runs])
    cosines = np.array([run[1] for run in runs])
    mean, error = risks.mean(axis=0), risks.std(axis=0, ddof=1) / repetitions**0.5
    rho = float(multi_index.one_step_alignment(A, B, SIGMA2, D / N_T))
    figure, (bars, directions) = new_figure(1, 2, width=10.0, height=3.8)
    place = np.arange(len(NAMES))
    bars.barh(place, mean, color="#9db8d2")
    for run in risks:
        bars.plot(run, place, "o", ms=3, color="0.25")
    bars.set_yticks(place, NAMES)
    bars.invert_yaxis()
    bars.set(xlabel="excess risk on new inputs", title="real two-layer networks")
    labels = ("teacher, easy", "student, easy", "teacher, hard", "student, hard")
    for row in cosines:
        directions.plot(np.arange(4), row, "o", ms=4, color="#1b6ca8")
    directions.hlines(rho, -0.3, 0.3, color="#d1495b", label=f"theory {rho:.3f}")
    directions.set_xticks(np.arange(4), labels, rotation=15)
    directions.set(ylabel="|cosine| of the gradient", ylim=(0, 1), title="one gradient step")
    directions.legend()

    order = [mean[NAMES.index(name)] for name in (
        "clean probe of student", "pre-trained + student", "student, teacher labels", "teacher",
    )]  # fmt: skip
    spread = cosines[:, 0].std(ddof=1) / repetitions**0.5
    claims = (
        Claim(
            "clean probe of student < pre-trained + student < student, teacher labels < teacher",
            ", ".join(f"{value:.3f}" for value in order),
            bool((np.diff(order) > 0).all()),
        ),
        Claim(
            "the student's features help beyond the teacher's: clean probes",
            f"{mean[5]:.3f} ± {error[5]:.3f} against {mean[4]:.3f} ± {error[4]:.3f}",
            bool(mean[5] + 3 * error[5] < mean[4]),
        ),
        Claim(
            "the teacher's step finds the easy direction as predicted (d = 300: within 2 %)",
            f"{cosines[:, 0].mean():.4f} ± {spread:.4f} against {rho:.4f}",
            bool(abs(cosines[:, 0].mean() - rho) < 3 * spread + 0.02 * rho),
        ),
        Claim(
            "no step finds the hard direction",
            f"largest |cosine| {cosines[:, 2:].max():.3f}; 1/√d is {D**-0.5:.3f}",
            bool(cosines[:, 2:].max() < 5 * D**-0.5),
        ),
    )
    return Study({"risks": risks, "cosines": cosines}, figure, claims)


def _one(seed: int) -> tuple[list[float], list[float]]:
    generator = torch.Generator().manual_seed(seed)
    easy, hard = torch.eye(D, dtype=torch.float64)[:2]

    def inputs(n: int) -> Tensor:
        return torch.randn(n, D, generator=generator, dtype=torch.float64)

    def noisy(y: Tensor) -> Tensor:
        return y + SIGMA2**0.5 * torch.randn(len(y), generator=generator, dtype=torch.float64)

    teacher_net = TwoLayerNet(D, P, generator)
    x = inputs(N_T)
    direction_t = teacher_net.one_step(x, noisy(_target(x)), step=STEP * P**0.5)
    x = inputs(N_T)
    teacher = teacher_net.fit_head(x, noisy(_target(x)), lam=LAM)

    net = TwoLayerNet(D, P, generator)
    net.spike(hard, SPIKE * P**0.5, generator)
    x = inputs(N_S)
    pretrained = net.fit_head(x, _part(x[:, 1], B), lam=LAM)
    x = inputs(N_S)
    direction_s = net.one_step(x, teacher(x), step=STEP * P**0.5)
    x = inputs(N_S)
    student = net.fit_head(x, teacher(x), lam=LAM)
    clean = noisy(_target(x))
    probes = teacher_net.fit_head(x, clean, lam=LAM), net.fit_head(x, clean, lam=LAM)

    test = inputs(10_000)
    truth = _target(test)
    own, taught = pretrained(test), student(test)
    predictions = (teacher(test), own, taught, own + taught, probes[0](test), probes[1](test))
    risks = [float(((prediction - truth) ** 2).mean()) for prediction in predictions]
    cosines = [
        float(abs(direction @ axis))
        for axis in (easy, hard)
        for direction in (direction_t, direction_s)
    ]
    return risks, cosines


def _target(x: Tensor) -> Tensor:
    return _part(x[:, 0], A) + _part(x[:, 1], B)


def _part(z: Tensor, coefficients: list[float]) -> Tensor:
    polynomials = hermite_polynomials(z.numpy(), len(coefficients) - 1)
    return torch.from_numpy(np.asarray(coefficients, dtype=float) @ polynomials)
