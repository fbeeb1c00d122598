"""The values of each training of a method, as a section of the page."""

import re

from nnunetv2_fair.report.of_evaluation.page import render_report
from tests.evaluation.trainings.factories import evaluated, scores_of_trainings
from tests.report.html_check import check_page


def test_page_of_a_method_has_a_table_of_its_trainings(tmp_path):
    table = scores_of_trainings()
    method = evaluated(table, tmp_path, name="a <i>method & more")
    text = render_report(method, ())
    check_page(text)
    assert 'href="#trainings"' in text
    section = text[text.index('<section id="trainings">') :]
    section = section[: section.index("</section>")]
    heads = re.findall(r"<th scope=\"col\">(.*?)</th>", section)
    assert heads[4:] == ["run_0", "run_1", "run_2", "Mean", "SD"]
    assert "mean of all groups" in section
    assert "Does the method (3 trainings) segment" in text
    assert "<i>" not in text


def test_page_of_one_training_has_none(tmp_path):
    table = scores_of_trainings()
    one = table[table["training"] == "run_1"].drop(columns="training")
    text = render_report(evaluated(one, tmp_path, None), ())
    check_page(text)
    assert 'id="trainings"' not in text
    assert "Does this trained model segment" in text
    assert "All of this is about this trained model" in text
