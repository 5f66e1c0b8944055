"""The answer in sentences, and what cannot be known; every sentence follows from stored numbers."""

from dataclasses import dataclass

from w2sg import arms
from w2sg.data.parts import label_warnings
from w2sg.gain import Estimate
from w2sg.gain.verdict import Verdict, verdict, worded
from w2sg.report.collect import PageData
from w2sg.report.numbers import in_percent, in_points, listed, minus, percent, ratio
from w2sg.report.texts import label

HEADLINES = {"above": "Yes", "below": "No", "open": "Not settled"}
SIGNIFICANCE = 0.05


@dataclass(frozen=True)
class Answer:
    """What a reader should take away.

    Attributes:
        verdict: Whether the student beat its teacher.
        headline: The verdict as a sentence.
        gain: By how much.
        certainty: What the interval counts.
        warnings: Why the numbers may mean less than they seem to.
        pgr: The performance gap recovered, or why it is withheld.
        best: Which way of using the data was best.
        worth: When weak labels are worth having, here.
        break_even: How many true labels they were worth.
        unknown: What this run cannot tell.
    """

    verdict: Verdict
    headline: str
    gain: str
    certainty: str
    warnings: tuple[str, ...]
    pgr: str
    best: str
    worth: str
    break_even: str
    unknown: tuple[str, ...]


def answer(page: PageData) -> Answer:
    """Return the answer of a run in sentences."""
    settled = verdict(page.gain.low, page.gain.high)
    headline = f"{HEADLINES[settled]}: {worded(settled)}."
    return Answer(
        verdict=settled,
        headline=headline,
        gain=_gain(page),
        certainty=_certainty(page),
        warnings=tuple(_warnings(page)),
        pgr=_pgr(page.pgr),
        best=_best(page),
        worth=_worth(page),
        break_even=_break_even(page),
        unknown=tuple(_unknown(page)),
    )


def _gain(page: PageData) -> str:
    student, teacher = in_percent(page.student.accuracy), in_percent(page.teacher.accuracy)
    return f"Student {student}, teacher {teacher}, difference {in_points(page.gain)}."


def _certainty(page: PageData) -> str:
    n_seeds, items = len(page.seeds), f"{page.gain.n_items:,} test items"
    if page.gain.n_items != page.n_test:
        items = f"{page.gain.n_items:,} groups of test items"
    level = f"{100 * page.level:g}\u202f%"
    if n_seeds == 1:
        return (
            f"Brackets are {level} intervals from {items} and one training per model: "
            "how much another training would differ is not in them."
        )
    return (
        f"Brackets are {level} intervals that resample {n_seeds} seeds and {items} "
        "together; teacher and student are compared on the same items."
    )


def _warnings(page: PageData) -> list[str]:
    said = []
    name, share = page.majority
    name = label(name)
    low = page.student.accuracy.low
    if low is not None and low <= share:
        said.append(
            f"Always answering “{name}” would be right on {percent(share)} of the test part. The "
            "student's interval does not lie above that: there is no evidence here that it learned "
            "more than which class is frequent."
        )
    answered = [sum(column) for column in zip(*page.mistakes.confusion["student"], strict=True)]
    if sum(n > 0 for n in answered) == 1:
        only = label(page.label_names[answered.index(max(answered))])
        said.append(
            f"The student of seed {page.mistakes.seed} answers “{only}” to every test row. Train "
            "it longer or at a higher rate before reading anything into its accuracy."
        )
    said += [
        f"{arm.title}: several classes are equally probable on {arm.undecided:,.4g} of "
        f"{page.n_test:,} test rows. Such a row counts as a guess among them, 1/2 for two."
        for arm in page.arms
        if arm.undecided
    ]
    if page.student.metrics["auroc"] is None:
        said.append(
            "The test part does not hold rows of every class, so AUROC is not measured and "
            "accuracy says little: use a test part with all classes."
        )
    said += _trained_head(page)
    said += _behind_frozen(page)
    shifts = [(one.report["shift"] or {}).get("p_value", 1.0) for one in page.data]
    if min(shifts) * len(shifts) < SIGNIFICANCE:  # one test per seed
        said.append(
            "The labelled and the unlabelled texts differ by more than chance (see the data card): "
            "the teacher was asked about other texts than it learned from."
        )
    copies = page.parts["near"]["labelled/test"] + page.parts["near"]["unlabelled/test"]
    if copies:
        said.append(
            f"{copies:,} training rows have a copy or near copy in the test part (seed "
            f'{page.seeds[0]}); data.duplicates = "drop" leaves such rows out.'
        )
    said += label_warnings(page.parts, page.seeds[0])
    return said


def _trained_head(page: PageData) -> list[str]:
    said = []
    for who, facts in (
        ("strong model", [one.facts for one in page.trainings]),
        ("teacher", [f for one in page.labellers for f in one.fitted.get("each", [one.fitted])]),
    ):
        head = next((one for one in facts if one.get("head") == "trained"), None)
        if head is not None:
            classes = listed([f"“{label(name)}”" for name in head["head_classes"]])
            moved = ", moved into the order of the data's classes" if head["head_moved"] else ""
            said.append(
                f"The {who}'s head came trained with its checkpoint, for the classes {classes}"
                f"{moved}: it knew a task before it saw any label of this run, so what it does is "
                "not learned from these labels alone."
            )
    return said


def _behind_frozen(page: PageData) -> list[str]:
    if page.first_answer is None:
        return []
    frozen = page.first_answer.accuracy
    behind = [
        f"{arm.title.lower()} {percent(frozen[arm.name])} against {in_percent(arm.accuracy)}"
        for arm in page.arms
        if arm.name != "teacher"
        and arm.name in frozen
        and arm.accuracy.high is not None
        and arm.accuracy.high < frozen[arm.name]
    ]
    if not behind:
        return []
    return [
        "Linear heads on frozen features do better than fine-tuning does here "
        f"({'; '.join(behind)}): the fine-tuning is too short, or its rate is wrong."
    ]


def _pgr(pgr: Estimate) -> str:
    if pgr.estimate is None:
        return f"PGR is withheld: {minus(pgr.reason or 'no reason is stored')}."
    return (
        f"PGR {ratio(pgr)}: the share of the way from teacher to ceiling that the student went "
        "(1 = all of it, below 0 = backwards)."
    )


def _best(page: PageData) -> str:
    best = page.best
    phrase = {name: arm.phrase for name, arm in arms.TABLE.items()}
    phrase["student"] = arms.student_of(page.spec.student.labelled).phrase
    first = phrase[best.order[0]]
    if best.clear:
        return f"Best: {first}, {in_points(best.lead)} above the next, {phrase[best.order[1]]}."
    rest = [phrase[name] for name in best.not_distinguishable[1:]]
    if not rest:
        return f"Highest accuracy: {first}; whether it is really best cannot be told."
    return (
        f"Not distinguishable. Highest accuracy: {first}. As good within the intervals of the "
        f"differences: {'; '.join(rest)}."
    )


def _worth(page: PageData) -> str:
    n = f"{page.parts['rows']['labelled']:,}"
    always = (
        "Weak labels are worth having where true labels are few or missing, or where the weak "
        "labels come from elsewhere (rules, a crowd, another model)."
    )
    if not page.parts["rows"]["labelled"]:
        return f"{always} Here there are no true labels to train on."
    if page.opr is None:
        return (
            f"{always} Whether the {n} true labels alone would have done better was not measured: "
            'add "strong_on_labelled" to run.references.'
        )
    if page.opr.estimate is None:
        return f"{always} The comparison with the true labels alone is withheld: {page.opr.reason}."
    told = f"ratio of error rates {ratio(page.opr)}"
    paid = verdict(page.opr.low, page.opr.high, zero=1.0)
    if paid == "above":
        return (
            f"Here they paid: the student on weak labels makes fewer errors than the strong model "
            f"trained on the {n} true labels alone ({told}, above 1 favours weak labels)."
        )
    if paid == "below":
        return (
            f"Here they did not pay: with the {n} true labels at hand, training the strong model "
            f"on them directly makes fewer errors than the student on weak labels ({told}, below 1 "
            f"favours the true labels). {always}"
        )
    return (
        f"Here it cannot be told whether weak labels beat training the strong model on the {n} "
        f"true labels directly ({told}, 1 is no difference). {always}"
    )


def _break_even(page: PageData) -> str:
    if page.break_even is None:
        why = "run.preview is off" if page.spec.run.preview is False else "too few true labels"
        return f"How many true labels they were worth was not measured ({why})."
    worth = page.break_even
    if worth.labels is not None and worth.low is None and worth.high is None:
        return (
            f"{worth.sentence} The interval covers every size that was measured, so this run does "
            "not tell."
        )
    return worth.sentence


def _unknown(page: PageData) -> list[str]:
    said, asked = [], page.spec.run.references
    if page.arm("ceiling") is None:
        if "ceiling" in asked:
            n, total = page.data[0].n_hidden, page.parts["rows"]["unlabelled"]
            said.append(
                f"How far the student is from its ceiling: {n:,} of {total:,} unlabelled rows have "
                "a true label, and a ceiling needs all of them. Without it there is no PGR."
            )
        else:
            said.append(
                "How far the student is from its ceiling, and so PGR: the ceiling was switched "
                "off in run.references."
            )
    if not page.parts["rows"]["labelled"]:
        said.append(
            "What the strong model does with true labels, alone or together with these: "
            "data.n_labelled = 0, so there are none to train on."
        )
    known = {arm.name for arm in page.arms} | {arms.student_of(page.spec.student.labelled).name}
    names = [name for name in arms.references() if arms.TABLE[name].competes]
    off = [arms.TABLE[name].phrase for name in names if name not in known and name not in asked]
    if off:
        said.append(f"How these would have done, which were switched off: {listed(off)}.")
    if len(page.seeds) == 1:
        said.append(
            f"How much trainings vary: with one seed (seed {page.seeds[0]}), variation between "
            "trainings, and between draws of the labelled part, is not in any interval."
        )
    elif len(page.seeds) < 5:
        said.append(
            f"How much trainings vary, exactly: {len(page.seeds)} seeds say little about a spread, "
            "so the intervals are rough on that side."
        )
    if not any("accuracy" in one.labels for one in page.labellers):
        said.append(
            "How often the teacher's labels are right on the unlabelled rows: no true labels of "
            "them are known."
        )
    said.append(
        "How it goes on other data: the test part comes from the file that was given for it."
        if page.parts["test_from"] == "file"
        else "How it goes on other data: the test part is drawn from the same source as the rest."
    )
    return said
