"""The page of a finished run: safe, self-contained, the same bytes, and honest where it must be."""

import base64
import dataclasses
import hashlib
import re
from html.parser import HTMLParser

import pytest

from w2sg.report.answer import answer
from w2sg.report.collect import collect
from w2sg.report.run_page import html, render, table_csv

SCRIPT = "<script>alert('x')</script><img src=x onerror=alert(1)>\"'&amp;{{ 7*7 }}"
VOID = {"meta", "link", "img", "br", "hr", "input"}


class Markup(HTMLParser):
    """Collects tags, attributes and visible text of a page, and checks that tags close."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.attributes, self.text, self.open = [], [], [], []
        self.feed(page)
        assert not self.open, f"not closed: {self.open}"

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]

    def handle_endtag(self, tag):
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag, f"</{tag}> closes another element"

    def handle_data(self, data):
        if not self.open or self.open[-1] not in ("script", "style"):
            self.text.append(data)

    @property
    def said(self):
        return " ".join(" ".join(self.text).split())


@pytest.fixture(scope="module")
def page(make_outcome):
    return render(make_outcome(preview=True))


def test_texts_labels_and_columns_of_the_data_are_text(make_outcome, page):
    # a template without autoescape, or a "safe" too many, would let one of the three through
    plain = Markup(page)
    hostile = make_outcome(
        preview=True,
        names=(SCRIPT, "good"),
        text=SCRIPT,
        columns={"text": SCRIPT, "label": "<b onclick=evil()>"},
        data={"text": SCRIPT, "label": "<b onclick=evil()>", "text_pair": "other"},
    )
    markup = Markup(render(hostile))
    assert set(markup.tags) == set(plain.tags)
    assert markup.tags.count("script") == 1
    assert not [name for _, name, _ in markup.attributes if name.startswith("on")]
    assert "alert('x')" in markup.said  # it is shown, as text
    assert "{{ 7*7 }}" in markup.said
    assert "{{ 7*7 }} other" in markup.said  # the second text of a pair


def test_invisible_characters_are_shown(make_outcome):
    # a direction override in a text would reorder the words around it
    page = render(make_outcome(text="left \u202e right"))
    assert "\u202e" not in page
    assert "\\u202e" in page


def test_page_needs_nothing_but_itself(page):
    addresses = set(re.findall(r"[a-z]+://[^\s\"'<>)]+", page))
    assert all(re.match(r"http://www\.w3\.org/", address) for address in addresses), addresses
    for tag, name, value in Markup(page).attributes:
        assert name != "src", (tag, name)
        if name in ("href", "xlink:href"):
            assert value.startswith(("#", "data:text/csv")), value
    assert "url(" not in re.sub(r"url\(#", "", page)
    assert "@import" not in page


def test_script_runs_only_by_its_hash(page):
    # the policy must name the very bytes between the tags, or the save buttons stay dead
    (script,) = re.findall(r"<script>(.*?)</script>", page, flags=re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in page
    assert "script-src 'unsafe-inline'" not in page


def test_two_renders_are_equal(make_outcome):
    # a date, a random id of a figure or the order of a set would show here
    outcome = make_outcome(seeds=(0,))
    assert render(outcome) == render(outcome)


def test_ids_occur_once(page):
    # figures side by side in one document share matplotlib's ids unless they are renamed
    ids = [value for _, name, value in Markup(page).attributes if name == "id"]
    assert len(ids) == len(set(ids))


def test_references_inside_figures_have_a_target(page):
    markup = Markup(page)
    ids = {value for _, name, value in markup.attributes if name == "id"}
    for _, name, value in markup.attributes:
        if name == "xlink:href" or (name == "href" and value.startswith("#")):
            assert value[1:] in ids
        for target in re.findall(r"url\(#([^)]+)\)", value):
            assert target in ids


def test_figures_take_the_colours_of_the_page(page):
    # black text on a dark page: matplotlib's defaults must all have been replaced
    drawn = re.findall(r"<svg.*?</svg>", page, flags=re.DOTALL)
    assert len(drawn) == 8  # four figures, wide and narrow
    for svg in drawn:
        styles = re.findall(r'style="([^"]*)"', svg)
        assert not [style for style in styles if re.search(r"(?:fill|stroke): #", style)]
        # black is SVG's default, which matplotlib leaves out: every text must name its colour
        texts = re.findall(r'<g id="[^"]*-text_\d+">\s*<g([^>]*)>', svg)
        assert texts
        assert all("currentColor" in text or "var(--" in text for text in texts), texts


def said(outcome):
    told = answer(collect(outcome))
    lines = [value for value in vars(told).values() if isinstance(value, str)]
    return " ".join([*lines, *told.warnings, *told.unknown])


def test_page_says_the_whole_answer(make_outcome):
    # a sentence that is written but never shown warns nobody
    outcome = make_outcome(seeds=(0,), skill={"student": 0.0})
    told, shown = answer(collect(outcome)), Markup(render(outcome)).said
    lines = [told.headline, told.gain, told.certainty, told.pgr, told.best, told.worth]
    for sentence in [*lines, told.break_even, *told.warnings, *told.unknown]:
        assert " ".join(sentence.split()) in shown


def test_withheld_pgr_says_why(make_outcome):
    # a ratio to a gap that may be nothing must not be printed as a number
    told = said(make_outcome(skill={"teacher": 1.0, "ceiling": 1.0}))
    assert "PGR is withheld: the gap ceiling − teacher is not clearly above zero" in told
    assert not re.search(r"PGR −?\d", told)


def test_given_pgr_has_its_interval(make_outcome):
    told = said(make_outcome(skill={"teacher": -0.5, "ceiling": 3.0}, n_test=200))
    assert re.search(r"PGR \d\.\d\d \[\d\.\d\d, \d\.\d\d\]", told)


@pytest.mark.parametrize(
    ("skill", "headline"),
    [
        (2.5, "Yes: the student beat its teacher."),
        (0.3, "Not settled: the student cannot be told apart from its teacher."),
        (-1.5, "No: the student fell behind its teacher."),
    ],
)
def test_headline_follows_the_interval_not_the_estimate(make_outcome, skill, headline):
    # with equal skill the estimate has some sign; a headline from it would be a coin flip
    told = answer(collect(make_outcome(skill={"student": skill}, n_test=120)))
    assert told.headline == headline


def test_one_seed_is_said(make_outcome):
    # the interval then comes from test items alone, and a reader must be told
    told = said(make_outcome(seeds=(4,)))
    assert "how much another training would differ is not in them" in told
    assert "with one seed (seed 4), variation between trainings" in told
    assert "with one seed" not in said(make_outcome(seeds=(0, 1)))


def test_missing_ceiling_is_explained(make_outcome):
    arms = ("teacher", "strong_on_labelled", "student")
    told = said(make_outcome(arms=arms, hidden=False))
    assert "0 of 60 unlabelled rows have a true label, and a ceiling needs all of them" in told
    assert "PGR is withheld: no ceiling was trained" in told
    off = said(make_outcome(arms=arms, run={"references": ["strong_on_labelled"]}))
    assert "the ceiling was switched off" in off


def test_page_without_truth_has_its_cards(make_outcome):
    # cards that ask for an accuracy of labels, or a balance, that nobody knows
    arms = ("teacher", "student")
    shown = Markup(render(make_outcome(arms=arms, hidden=False, seeds=(0,)))).said
    assert "unknown: no true labels" in shown
    assert "no true labels of them are known" in shown


def test_an_evaluation_of_another_version_is_refused_in_words(make_outcome):
    # a page read by today's names out of yesterday's facts ends in a KeyError
    outcome = make_outcome()
    key = outcome.plan.roles["evaluation"]
    old = outcome.manifests[key]
    outcome.manifests[key] = dataclasses.replace(old, body={**old.body, "version": 1})
    with pytest.raises(ValueError, match=r"another version of w2sg \(version 1 .* `w2sg run`"):
        collect(outcome)


def test_number_that_is_missing_is_asked_for(make_outcome):
    # without the strong model on the labels alone nobody can say that weak labels helped
    told = said(make_outcome(arms=("teacher", "student"), run={"references": []}))
    assert "labels alone would have done better was not measured" in told


@pytest.mark.parametrize(
    ("alone", "verdict"), [(0.0, "Here they paid"), (2.4, "Here they did not pay")]
)
def test_labels_alone_decide_whether_weak_labels_paid(make_outcome, alone, verdict):
    # the ratio of error rates upside down would praise weak labels where they lose
    assert verdict in said(make_outcome(skill={"strong_on_labelled": alone}, n_test=300))


def test_best_way_is_named_only_where_it_is_clear(make_outcome):
    clear = answer(collect(make_outcome(skill={"student": 4.0}, n_test=200)))
    assert clear.best.startswith("Best: the student, +")
    close = answer(collect(make_outcome(skill={"student": 1.0, "strong_on_labelled": 1.0})))
    assert close.best.startswith("Not distinguishable.")


def test_student_that_learned_nothing_is_called_that(make_outcome):
    doubt = "no evidence here that it learned more than which class is frequent"
    assert doubt in said(make_outcome(skill={"student": 0.0}))
    assert doubt not in said(make_outcome(skill={"student": 3.0}))


def test_frozen_heads_that_do_better_are_a_warning(make_outcome):
    # half of the items right with frozen heads: fine-tuning that is worse has gone wrong
    warning = "Linear heads on frozen features do better than fine-tuning"
    assert warning in said(make_outcome(preview=True, skill={"student": -3.0}, n_test=200))
    assert warning not in said(make_outcome(preview=True, skill={"student": 3.0}, n_test=200))


def test_examples_are_joined_by_id(make_outcome):
    # pairing by position would put another row's text beside an id
    page = collect(make_outcome(text="row"))
    shown = [example for rows in page.mistakes.examples.values() for example in rows]
    assert shown
    for example in shown:
        assert example.text == f"row {example.id.removeprefix('r')}"
        assert example.label == page.label_names[int(example.id.removeprefix("r")) % 2]


def test_run_without_preview_has_no_break_even(make_outcome, page):
    without = Markup(render(make_outcome(seeds=(0,)))).said
    assert "was not measured (run.preview is off)" in without
    for heading in ("What the weak labels were worth", "First answer and fine-tuned result"):
        assert heading not in without
        assert heading in Markup(page).said


def test_table_as_csv_has_every_arm_and_seed(make_outcome):
    page = collect(make_outcome(seeds=(0, 5)))
    header, *rows = table_csv(page).splitlines()
    assert [row.split(",")[0] for row in rows] == [arm.name for arm in page.arms]
    assert {len(row.split(",")) for row in rows} == {len(header.split(","))}
    assert header.endswith("calibration_error_seed_5")


def test_student_that_uses_the_labels_is_one_model(make_outcome):
    # with labelled = "after" the student is that arm: shown twice it would look like agreement
    arms = ("teacher", "strong_on_labelled", "student", "student_then_labels")
    outcome = make_outcome(arms=arms, student={"labelled": "after"})
    needs = outcome.plan.calls[outcome.plan.roles["evaluation"]].needs
    needs.update({f"student/{s}": needs[f"student_then_labels/{s}"] for s in (0, 1, 2)})
    page = collect(outcome)
    assert [arm.name for arm in page.arms] == ["teacher", "student", "strong_on_labelled"]
    assert "trained further on the few true labels" in Markup(html(page)).said
