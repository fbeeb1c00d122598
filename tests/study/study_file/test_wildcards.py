import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nnunetv2_fair.errors import StudyError
from nnunetv2_fair.study.study_file.wildcards import expand


def test_the_last_brace_changes_fastest():
    assert expand("nnUNetTrainerAPPLE_{attribute}_beta{0.1, 1}", ["sex", "sex+age"]) == [
        "nnUNetTrainerAPPLE_sex_beta0.1",
        "nnUNetTrainerAPPLE_sex_beta1",
        "nnUNetTrainerAPPLE_sex+age_beta0.1",
        "nnUNetTrainerAPPLE_sex+age_beta1",
    ]
    assert expand("nnUNetTrainer", []) == ["nnUNetTrainer"]


WORDS = st.lists(st.from_regex(r"[A-Za-z0-9.+]{1,6}", fullmatch=True), min_size=2, max_size=4)


@given(st.lists(WORDS, max_size=3))
def test_against_a_recursion_from_the_left(lists):
    def by_hand(text):
        found = re.search(r"\{(.*?)\}", text)
        if found is None:
            return [text]
        return [
            name
            for word in found[1].split(",")
            for name in by_hand(text[: found.start()] + word + text[found.end() :])
        ]

    text = "tr" + "".join(f"_{{{','.join(words)}}}" for words in lists)
    assert expand(text, ["sex"]) == by_hand(text)


@pytest.mark.parametrize(
    ("text", "attributes", "message"),
    [
        ("a_{attribut}", ["sex"], r"'a_\{attribut\}': \{attribut\} is not a wildcard\. Known: "),
        ("a_{0.1}", ["sex"], r"\{0\.1\} is not a wildcard.*such as \{0\.1,1,10\}"),
        ("a_{0.1,}", ["sex"], "has an empty part; leave the comma out"),
        ("a_{}", ["sex"], "has an empty part"),
        ("a_{0.1,1", ["sex"], "braces must close"),
        ("a_0.1}", ["sex"], "braces must close"),
        ("a_{b,{c,d}}", ["sex"], "cannot be inside one another"),
        ("a_{attribute}", [], r"there are none\. Add a key attributes"),
    ],
)
def test_refuses(text, attributes, message):
    with pytest.raises(StudyError, match=message):
        expand(text, attributes)
