"""What edits of the background change, what they leave, and when they cannot be done."""

import numpy as np
import pytest

from nnunetv2_fair.audit.causes.backgrounds import (
    CANDIDATES,
    Case,
    control,
    exchanged,
    neutralised,
    partners,
    usual_margin,
    why_not,
)
from nnunetv2_fair.errors import EvaluationError

SHAPES = {2: (40, 48), 3: (16, 30, 32)}
SPACINGS = {2: (1.0, 1.0), 3: (2.0, 1.0, 1.0)}
MARGIN = 4.0


def case(seed, dimension=2, dtype=np.float32, channels=2, shift=0, shape=None):
    rng = np.random.default_rng(seed)
    shape = shape or SHAPES[dimension]
    image = rng.normal(100, 20, (channels, *shape)).astype(dtype)
    axes = list(np.meshgrid(*[np.arange(n) - n // 2 for n in shape], indexing="ij"))
    radii = [n / 5 for n in shape]
    axes[-1] = axes[-1] - shift
    organ = sum((a / r) ** 2 for a, r in zip(axes, radii, strict=True)) < 1
    return Case(image, organ)


def distance(one, dimension):
    """Return each voxel's distance to the organ, by brute force."""
    spacing = np.array(SPACINGS[dimension])
    inside = np.argwhere(one.organ) * spacing
    everywhere = np.indices(one.organ.shape).reshape(dimension, -1).T * spacing
    squares = [((inside - where) ** 2).sum(axis=1).min() for where in everywhere]
    return np.sqrt(squares).reshape(one.organ.shape)


@pytest.mark.parametrize("dimension", [2, 3])
@pytest.mark.parametrize("edit", ["neutralised", "exchanged"])
def test_organ_and_inner_margin_stay_and_nothing_else(dimension, edit):
    one, spacing = case(0, dimension), SPACINGS[dimension]
    if edit == "neutralised":
        made = neutralised(one, MARGIN, spacing)
    else:
        made = exchanged(one, case(1, dimension), MARGIN, spacing)
    far = distance(one, dimension)
    assert made.image.dtype == one.image.dtype
    assert (made.image == one.image)[:, far <= MARGIN / 2].all()
    # any two normal numbers of one channel differ
    assert (made.image != one.image)[:, far > MARGIN / 2].all()
    assert made.changed == (far > MARGIN / 2).sum()


@pytest.mark.parametrize("dimension", [2, 3])
def test_nothing_of_the_background_is_left(dimension):
    one, other = case(0, dimension), case(1, dimension)
    spacing, far = SPACINGS[dimension], distance(one, dimension)
    twin = Case(np.where(far < MARGIN, one.image, 7 * other.image), one.organ)
    donor = case(2, dimension)
    for first, second in (
        (neutralised(one, MARGIN, spacing), neutralised(twin, MARGIN, spacing)),
        (exchanged(one, donor, MARGIN, spacing), exchanged(twin, donor, MARGIN, spacing)),
    ):
        assert np.array_equal(first.image, second.image)
        assert first.strength != second.strength


def test_neutral_is_the_mean_of_the_margin_of_every_channel():
    one = case(0)
    far = distance(one, 2)
    found = neutralised(one, MARGIN, SPACINGS[2]).image
    for channel in range(2):
        mean = one.image[channel][(far > 0) & (far < MARGIN)].mean()
        assert found[channel][far >= MARGIN] == pytest.approx(mean, rel=1e-5)


def test_fades_in_the_outer_half_of_the_margin():
    one = case(0)
    flat = Case(np.where(one.organ, 10.0, 10.0) + np.zeros((1, 40, 48)), one.organ)
    flat.image[0, 0, 0] = 11.0
    donor = Case(np.full((1, 40, 48), 90.0), one.organ)
    donor.image[0, 0, 0] = 91.0
    made = exchanged(flat, donor, MARGIN, SPACINGS[2]).image[0]
    far = distance(one, 2)
    expected = 10 + 80 * np.clip(2 * far / MARGIN - 1, 0, 1)
    expected[0, 0] = 91
    assert made == pytest.approx(expected)


def test_whole_numbers_stay_whole_and_in_range():
    one = case(0, dtype=np.uint8)
    donor = Case(1000 * case(1).image, one.organ)
    made = exchanged(one, donor, MARGIN, SPACINGS[2]).image
    assert made.dtype == np.uint8
    assert (made[:, 0] == 255).all()  # and not the remainder by 256


@pytest.mark.parametrize("dimension", [2, 3])
def test_the_donor_is_moved_onto_the_organ_and_its_own_organ_is_not_shown(dimension):
    one, donor = case(0, dimension), case(1, dimension, shift=3)
    donor.image[:, donor.organ] = -1e6
    made = exchanged(one, donor, MARGIN, SPACINGS[dimension]).image
    assert made.min() > -1e5
    far = distance(one, dimension) >= MARGIN
    expected = np.roll(donor.image, -3, axis=-1)
    inner = far & (np.arange(one.organ.shape[-1]) < one.organ.shape[-1] - 3)
    assert np.array_equal(made[:, inner], expected[:, inner])


def test_a_larger_organ_of_the_donor_is_filled_with_the_nearest_background():
    one, donor = case(0, 3), case(1, 3)
    donor = donor._replace(organ=np.zeros_like(donor.organ))
    donor.organ[4:13, 6:25, 7:26] = True
    donor.image[:, donor.organ] = -1e6
    spacing = SPACINGS[3]
    made = exchanged(one, donor, MARGIN, spacing).image
    assert made.min() > -1e5
    # both centres are (8, 15, 16); from row 5 of slice 4, row 2 is nearer in mm, slice 2 in voxels
    assert np.array_equal(made[:, 4, 5, 16], donor.image[:, 4, 2, 16])


def test_donors_of_another_shape_are_mirrored_at_their_edges():
    one, small = case(0), case(1, shape=(24, 24))
    made = exchanged(one, small, 2.0, SPACINGS[2]).image
    first = (40 // 2) - (24 // 2)  # row of the donor's first row
    assert np.array_equal(made[:, first - 1], made[:, first])
    assert np.array_equal(made[:, first - 2], made[:, first + 1])
    assert np.isin(made[:, :first], small.image).all()


def test_strength_is_in_standard_deviations_of_each_channel():
    one = case(0)
    louder = Case(one.image * np.array([1, 1000]).reshape(2, 1, 1), one.organ)
    a, b = (neutralised(x, MARGIN, SPACINGS[2]) for x in (one, louder))
    assert a.strength == pytest.approx(b.strength, rel=1e-4)
    may = distance(one, 2) > MARGIN / 2
    change = (a.image.astype(float) - one.image)[:, may]
    change /= one.image.astype(float).std(axis=(1, 2))[:, None]
    assert a.strength == pytest.approx(np.sqrt((change**2).mean()))


def test_the_control_is_the_candidate_of_the_nearest_strength():
    one = case(0)
    donors = []
    for factor in (4.0, 1.0, 0.2):
        donor = case(1)
        donors.append(Case(factor * donor.image, donor.organ))
    spacing = SPACINGS[2]
    strengths = [exchanged(one, donor, MARGIN, spacing).strength for donor in donors]
    for place, strength in enumerate(strengths):
        found = control(one, donors, strength + 0.01, MARGIN, spacing)
        assert (found.donor, found.strength) == (place, strength)
        edit = exchanged(one, donors[place], MARGIN, spacing)
        assert np.array_equal(found.image, edit.image)
        assert found.changed == edit.changed


def test_partners_are_of_the_right_group_usable_and_the_same_again():
    groups = ["a"] * 10 + ["b"] * 30 + ["c"] * 3 + ["alone"]
    usable = np.ones(44, bool)
    usable[[0, 43]] = False
    drawn = [partners(groups, usable, seed) for seed in range(200)]
    again = partners(groups, usable, 0)
    assert np.array_equal(again.other, drawn[0].other)
    assert np.array_equal(again.same, drawn[0].same)
    assert not np.array_equal(drawn[1].same, drawn[0].same)
    names = np.array(groups)
    for one in drawn:
        assert (one.other[[0, 43]] == -1).all()
        assert (one.same[[0, 43]] == -1).all()
        for i in np.flatnonzero(usable):
            same = one.same[i][one.same[i] >= 0]
            others = np.count_nonzero(usable & (names == names[i])) - 1
            assert len(same) == len(set(same)) == min(CANDIDATES, others)
            assert i not in same
            assert (names[same] == names[i]).all()
            assert usable[same].all()
            assert names[one.other[i]] != names[i]
            assert usable[one.other[i]]
    # small groups lend as often as large ones
    lent = names[np.concatenate([one.other[10:40] for one in drawn])]
    assert np.mean(lent == "c") == pytest.approx(0.5, abs=0.03)


def test_nobody_to_exchange_with():
    alone = partners(["a", "a"], [True, False], 0)
    assert (alone.other == -1).all()
    assert (alone.same == -1).all()


def test_where_it_cannot_be_done():
    one, spacing = case(0), SPACINGS[2]
    full = one._replace(organ=np.ones_like(one.organ))
    none = one._replace(organ=np.zeros_like(one.organ))
    flat = one._replace(image=np.where(distance(one, 2) < MARGIN, one.image, 0))
    hole = one._replace(image=one.image.copy())
    hole.image[1, 0, 0] = np.nan
    reasons = {
        "organ and margin fill 100% of the image; at least 5% must lie outside": full,
        "there is no organ": none,
        "the background has one value only, so that nothing in it can be followed": flat,
        "the background has values that are not finite": hole,
    }
    assert why_not(one, MARGIN, spacing) == ""
    assert why_not(one, 0.5, spacing) == "the margin holds no voxel"
    for reason, bad in reasons.items():
        assert why_not(bad, MARGIN, spacing) == reason
        for edit in (
            lambda bad=bad: neutralised(bad, MARGIN, spacing),
            lambda bad=bad: exchanged(bad, one, MARGIN, spacing),
        ):
            with pytest.raises(EvaluationError, match="background of the case cannot be edited"):
                edit()
        with pytest.raises(EvaluationError, match=f"of the other case cannot be edited: {reason}"):
            exchanged(one, bad, MARGIN, spacing)


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (lambda c: neutralised(c._replace(image=c.image[0]), MARGIN, (1, 1)), r"shape \(40, 48\)"),
        (lambda c: neutralised(c._replace(organ=c.organ * 1), MARGIN, (1, 1)), "type int64"),
        (lambda c: neutralised(c, MARGIN, (1, 1, 1)), "expected 2 positive numbers"),
        (lambda c: neutralised(c, 0, (1, 1)), "the margin is 0; expected a number above 0"),
        (
            lambda c: exchanged(c, case(1, channels=1), MARGIN, (1, 1)),
            "2 channels and 2 axes, the one whose background it is given 1 and 2",
        ),
        (lambda c: control(c, [], 1.0, MARGIN, (1, 1)), "needs another case of the same group"),
    ],
)
def test_bad_input(bad, message):
    with pytest.raises(EvaluationError, match=message):
        bad(case(0))


def test_usual_margin():
    disc = np.hypot(*np.indices((201, 201)) - 100) < 80
    assert usual_margin(disc, (0.5, 0.5)) == pytest.approx(4.0, rel=0.01)
    assert usual_margin(disc[None], (3.0, 0.5, 0.5)) == pytest.approx(4.0, rel=0.01)
    assert usual_margin(np.ones((5, 5), bool), (1.0, 2.0)) == 4.0
