"""Which labels measures are taken from, by the names that datasets give them."""

import pytest

from nnunetv2_fair.errors import UsageError
from nnunetv2_fair.evaluation.downstream.measures import (
    SETS,
    measure_info,
    measured,
    parts_of,
)

CMR = {"LV_cavity": (1,), "LV_myocardium": (2,), "RV_cavity": (3,)}


def test_hearts_of_the_converter_and_of_others():
    assert dict(parts_of(["cardiac"], CMR).heart) == {name: name for name in CMR}
    acdc = {"RV": (1,), "MLV": (2,), "LVC": (3,)}
    assert dict(parts_of(["cardiac"], acdc).heart) == {
        "LV_cavity": "LVC", "LV_myocardium": "MLV", "RV_cavity": "RV",
    }  # fmt: skip


def test_what_a_heart_lacks_is_not_measured():
    parts = parts_of(["cardiac"], {"LV": (1,), "fat": (2,)})
    assert measured(parts) == tuple(("LV", name) for name in ("lvedv", "lvesv", "lvsv", "ef"))


@pytest.mark.parametrize(
    ("regions", "disc"),
    [
        ({"rim": (1,), "cup": (2,)}, {1, 2}),  # FairSeg's layers
        ({"disc": (1, 2), "cup": (2,)}, {1, 2}),  # and its regions
        ({"Optic disc": (1,), "optic_cup": (2,)}, {1, 2}),  # the cup cut out of the disc
    ],
)
def test_the_disc_is_rim_and_cup(regions, disc):
    parts = parts_of(["cup_disc"], regions)
    assert set(parts.disc_values) == disc
    assert parts.regions[parts.cup] == (2,)


def test_the_tumour_is_the_only_label_or_called_so():
    assert dict(parts_of(["tumour"], {"abnormal": (1,)}).shapes) == {
        "abnormal": ("volume", "diameter")
    }
    assert list(parts_of(["tumour"], {"breast": (1,), "Tumor": (2,)}).shapes) == ["Tumor"]


def test_no_measure_is_taken_twice():
    parts = parts_of(["radiomics", "tumour"], {"breast": (1,), "tumour": (2,)})
    assert parts.shapes["tumour"] == SETS["radiomics"]


@pytest.mark.parametrize(
    ("sets", "message"),
    [
        (
            ["cardiac"],
            r"cardiac needs the label LV_cavity or RV_cavity \(found: a, b\)",
        ),
        (["cup_disc"], r"cup_disc needs the label cup \(found: a, b\).*--labels rim=1 cup=2"),
        (["tumour"], r"tumour needs the label tumour \(found: a, b\).*--labels tumour=1"),
    ],
)
def test_missing_labels(sets, message):
    with pytest.raises(UsageError, match=message):
        parts_of(sets, {"a": (1,), "b": (2,)})


def test_a_cup_alone_is_refused():
    with pytest.raises(UsageError, match="needs the label rim or disc"):
        parts_of(["cup_disc"], {"cup": (1,), "fovea": (2,)})


def test_every_measure_has_a_unit_and_a_definition():
    units = {
        name: (measure_info(name, "mm").unit, measure_info(name, "px").unit)
        for names in SETS.values()
        for name in names
    }
    assert units["surface_area"] == ("mm²", "px²")
    assert units["volume"] == ("ml", "px³")
    assert units["ef"] == ("%", "%")
    assert units["lvm"] == ("g", "g")
    assert units["vertical_cdr"] == ("", "")
    assert all(measure_info(name, "mm").definition.endswith(".") for name in units)
