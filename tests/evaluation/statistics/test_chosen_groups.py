"""Which groups are compared, and every refusal with its message."""

import pytest

from nnunetv2_fair.errors import UsageError
from nnunetv2_fair.evaluation.statistics.chosen_groups import chosen_groups, group_named
from nnunetv2_fair.evaluation.statistics.groupings import make_vocabularies
from nnunetv2_fair.subgroups.groups import Group, Grouping

ETHNICITY = ("White", "Black", "Chinese", "Other")


def grouping(expression: str = "ethnicity", names: tuple[str, ...] = ETHNICITY) -> Grouping:
    """Ten cases in each group, two in the last."""
    cases = {f"{name}{i}": name for name in names for i in range(2 if name == names[-1] else 10)}
    return Grouping(expression, tuple(Group((name,)) for name in names), cases, names[0])


def chosen(asked: dict[str, tuple[str, ...]], *made: Grouping, min_patients: int = 5):
    made = made or (grouping(),)
    cases = [case for one in made for case in one.group_of]
    return chosen_groups(asked, made, cases, {case: case for case in cases}, min_patients)


def test_in_the_order_of_all_groups_whatever_their_spelling():
    assert chosen({"ethnicity": ("chinese", "WHITE")}) == {"ethnicity": ("White", "Chinese")}
    assert chosen({}) == {}


def test_names_with_commas_and_equals_signs():
    made = grouping("sex+age", ("female, <50", "female, >=50", "a=b", "x"))
    asked = {"sex+age": ("female, >=50", "a=b")}
    assert chosen(asked, made) == asked


def test_of_names_that_read_alike_only_the_exact_one():
    assert group_named("a-b", ("a-b", "a b")) == "a-b"
    assert group_named("A-B", ("a-b", "a b")) is None
    assert group_named("<50", ("<50", ">=50")) == "<50"


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (
            {"etnicity": ("White", "Black")},
            "--groups etnicity=White,Black: 'etnicity' is not evaluated (evaluated: ethnicity). "
            "Did you mean 'ethnicity'? Add -a etnicity or correct the name.",
        ),
        (
            {"ethnicity": ("White", "Blak")},
            "--groups ethnicity=White,Blak: there is no group 'Blak'. Did you mean 'Black'? Groups "
            "of 'ethnicity': White; Black; Chinese; Other.",
        ),
        (
            {"ethnicity": ("White",)},
            "--groups ethnicity=White: one group cannot be compared. Name two or more of the "
            "groups of 'ethnicity': White; Black; Chinese; Other.",
        ),
        (
            {"ethnicity": ("White", "Black", "white")},
            "--groups ethnicity=White,Black,white: 'White' is named twice; name each group once.",
        ),
        (
            {"ethnicity": ("White", "Other")},
            "--groups ethnicity=White,Other: 'Other' has fewer than 5 patients, too few to be "
            "compared (--min-patients). Name groups that have more, or leave out --groups "
            "ethnicity=...",
        ),
    ],
)
def test_refusals(asked, message):
    with pytest.raises(UsageError) as error:
        chosen(asked)
    assert str(error.value) == message


def test_a_comma_that_divides_a_name_is_explained():
    made = grouping("sex+age", ("female, <50", "male, <50", "x"))
    with pytest.raises(UsageError) as error:
        chosen({"sex+age": ("female", "<50", "x")}, made)
    assert str(error.value).endswith(
        r"A comma inside a name has a backslash before it: --groups 'sex+age=female\, <50,"
        r"male\, <50'."
    )


def test_small_groups_can_be_chosen_where_they_are_compared():
    asked = {"ethnicity": ("White", "Other")}
    assert chosen(asked, min_patients=2) == asked


def vocabulary(reference: dict[str, str], groups: tuple[str, ...]):
    made = grouping()
    cases = list(made.group_of)
    (found,) = make_vocabularies(
        [made], reference, cases, dict.fromkeys(cases, "") | {c: c for c in cases},
        {"ethnicity": groups}, 5,
    )  # fmt: skip
    return found


def test_the_reference_is_one_of_the_chosen_groups():
    assert vocabulary({}, ("White", "Black")).reference == "White"
    # the dictionary's is not compared
    assert vocabulary({}, ("Black", "Chinese")).reference == "Black"
    assert vocabulary({"ethnicity": "chinese"}, ("Black", "Chinese")).reference == "Chinese"
    with pytest.raises(UsageError) as error:
        vocabulary({"ethnicity": "White"}, ("Black", "Chinese"))
    assert str(error.value) == (
        "--reference ethnicity=White: 'White' is not among the groups that --groups compares: "
        "Black; Chinese. Choose one of these, or add 'White' to --groups."
    )
