"""A fine-tuned teacher trains as long as held-out labels ask for."""

from dataclasses import replace

import numpy as np
import pytest

from w2sg.data.examples import Labelled
from w2sg.data.synthetic import word_table
from w2sg.runs.resolve import settings_of
from w2sg.spec import load
from w2sg.stages import fine_tuned_teacher, strong_student
from w2sg.train.ranks import Ranks

SHORT, LONG = 0.5, 15.0
TABLE = word_table(64, n_words=12, words_per_text=8, seed=2).frame


@pytest.fixture
def trainings(monkeypatch):
    """What was trained: rows, epochs, and the rows asked about."""
    seen = []
    train = strong_student.train

    def told(parts, asked, *, settings, **given):
        seen.append((parts[0].ids, settings.epochs, asked.ids))
        return train(parts, asked, settings=settings, **given)

    monkeypatch.setattr(strong_student, "train", told)
    return seen


@pytest.fixture
def fit(tiny_model, tmp_path):
    spec = load({"data": {"bundled": "qnli"}, "student": {"model": str(tiny_model)}})
    settings = replace(
        settings_of(spec, "float32"), policy="full", lr=3e-3, lr_head=1e-2, batch_size=16
    )

    def fitted(labels, epochs=(SHORT, LONG), **more):
        rows = Labelled(
            tuple(f"row {i}" for i in range(len(labels))),
            tuple(TABLE["text"][: len(labels)]),
            labels,
            ("no", "yes"),
        )
        told = {"settings": settings, "folds": 2, "seed": 3, "folder": tmp_path}
        return fine_tuned_teacher.fit(rows, epochs=epochs, **told, **more)

    return fitted


@pytest.mark.parametrize(
    ("labels", "chosen"),
    [
        (TABLE["label"].to_numpy(), LONG),
        (np.random.default_rng(0).permutation(np.arange(64) % 2), SHORT),
    ],
    ids=["words that tell", "labels that nothing tells"],
)
def test_epochs_follow_the_held_out_loss(fit, trainings, labels, chosen):
    """The training loss, or the largest loss, would choose the other one in one of the cases."""
    teacher = fit(labels)
    assert teacher.facts["epochs"] == chosen
    assert teacher.facts["cv_nll"] == min(teacher.facts["cv_nll_by_epochs"])
    for n in (SHORT, LONG):
        folds = [(set(seen), set(rest)) for seen, n_epochs, rest in trainings[:-1] if n_epochs == n]
        assert len(folds) == 2
        assert all(not seen & rest for seen, rest in folds)  # no row judges what learnt from it
        assert set.union(*(rest for _, rest in folds)) == set(trainings[-1][0])
    assert trainings[-1][1] == chosen
    trainings.clear()
    again = fit(labels, like=teacher)
    assert again.facts["epochs"] == chosen
    assert len(trainings) == 1


def test_one_choice_is_not_cross_validated_and_a_lonely_row_is_refused(fit, trainings):
    labels = np.array([0] * 15 + [1])
    assert fit(labels, epochs=(SHORT,)).facts["epochs"] == SHORT
    assert len(trainings) == 1
    with pytest.raises(ValueError, match=r"teacher\.epochs = 'auto' .* one class has 1"):
        fit(labels)


def test_of_several_processes_the_first_chooses(fit, monkeypatch):
    """Catches a process that follows its own held-out losses: the others would wait for ever."""

    class Second(Ranks):
        def agree(self, value):
            assert value == 1  # what this process would have taken: LONG
            return 0

    monkeypatch.setattr("w2sg.train.ranks.here", Second)
    assert fit(TABLE["label"].to_numpy()).facts["epochs"] == SHORT
