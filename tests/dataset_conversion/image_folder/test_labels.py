from pathlib import Path

import pytest

from nnunetv2_fair.dataset_conversion.image_folder.labels import decide_labels
from nnunetv2_fair.dataset_conversion.shared.pictures import MaskRules

A, B = Path("masks/a.png"), Path("masks/b.png")


def test_labels_are_named_after_what_is_found() -> None:
    assert decide_labels({A: (0, 1), B: (0,)}, MaskRules(), {}) == (
        {"background": 0, "foreground": 1},
        [],
        "",
    )
    labels, problems, _ = decide_labels({A: (0, 1, 3), B: (0, 2)}, MaskRules(), {})
    assert labels == {"background": 0, "label_1": 1, "label_2": 2, "label_3": 3}
    assert problems == []


def test_names_that_were_given_are_kept() -> None:
    labels, problems, _ = decide_labels({A: (0, 1)}, MaskRules(), {"lungs": 1, "heart": 2})
    assert labels == {"background": 0, "lungs": 1, "heart": 2}
    assert problems == []


@pytest.mark.parametrize("given", [{}, {"lungs": 1}])
def test_0_and_255_are_refused_with_the_flag_that_maps_them(given: dict[str, int]) -> None:
    _, (problem,), option = decide_labels({A: (0, 255), B: (0, 255)}, MaskRules(), given)
    assert option == "--label-map 255=1"
    assert "masks/a.png holds the values 0, 255 (and 1 other masks are alike)" in problem
    assert "expected 0, 1" in problem
    assert problem.endswith("Map the values: --label-map 255=1")


def test_the_offered_flag_covers_all_masks_and_works() -> None:
    values = {A: (0, 85, 170), B: (0, 255)}
    _, (problem,), _ = decide_labels(values, MaskRules(), {})
    assert "--label-map 85=1 170=2 255=3" in problem
    rules = MaskRules(((85, 1), (170, 2), (255, 3)))
    labels, problems, _ = decide_labels(values, rules, {})
    assert problems == []
    assert labels == {"background": 0, "label_1": 1, "label_2": 2, "label_3": 3}


def test_blurred_masks_are_told_from_labels() -> None:
    _, (problem,), _ = decide_labels({A: tuple(range(0, 250, 4))}, MaskRules(), {})
    assert "--threshold 127" in problem
    assert "--label-map" not in problem


def test_values_that_the_map_does_not_mention() -> None:
    rules = MaskRules(((255, 1),))
    _, (problem,), _ = decide_labels({A: (0, 255), B: (0, 128, 255)}, rules, {})
    assert "masks/b.png holds 128, which --label-map does not mention; add 128=<label>" in problem


def test_labels_that_nobody_named() -> None:
    rules = MaskRules(((1, 1), (2, 2)))
    _, (problem,), _ = decide_labels({A: (0, 1, 2)}, rules, {"lungs": 1})
    assert "--label-map gives 2, which --labels does not name" in problem


def test_a_value_beyond_the_given_labels() -> None:
    _, (problem,), _ = decide_labels({A: (0, 1, 3)}, MaskRules(), {"lungs": 1, "heart": 2})
    assert "holds the values 0, 1, 3; expected 0, 1, 2 as in --labels lungs=1 heart=2" in problem


def test_thresholds_need_no_labels() -> None:
    labels, problems, _ = decide_labels({A: (0, 3, 200)}, MaskRules(threshold=127), {})
    assert (labels, problems) == ({"background": 0, "foreground": 1}, [])


def test_masks_without_anything() -> None:
    _, (problem,), _ = decide_labels({A: (0,), B: (0,)}, MaskRules(), {"lungs": 1})
    assert "all 2 masks hold nothing but 0" in problem
    assert "Is 'masks' the folder of the masks?" in problem
