"""The study of the APPLE paper with weights of SAM and MedSAM: its Fig. 2 and Table 2."""

from importlib import resources

from nnunetv2_fair.study.asked import from_json
from nnunetv2_fair.study.plan.steps.commands import shown
from tests.foundation.tiny_models import write_tiny
from tests.study.plan.test_papers import apple

#: Commented parts that a user with weights takes, up to the first line that is none.
PARTS = ("# sam:", "  # - name: table_2", "  # - name: figure_2_age")
WAITING = '  - {name: table_2, needs: "weights of SAM and MedSAM, see sam"}\n'


def with_weights() -> str:
    """The example without the ``#`` of what needs weights."""
    source = resources.files("nnunetv2_fair.study").joinpath("examples", "apple.yaml")
    text = source.read_text(encoding="utf-8")
    assert WAITING in text
    lines, taken = [], False
    for line in text.replace(WAITING, "").splitlines():
        taken = line.lstrip().startswith("#") and (taken or line in PARTS)
        lines.append(line.replace("# ", "", 1) if taken else line)
    return "\n".join(lines) + "\n"


def test_with_weights_the_papers_figure_and_table_are_made(sam_plan, study_root, tmp_path):
    apple(tmp_path)
    for name in ("sam_vit_b_01ec64.pth", "medsam_vit_b.pth"):
        write_tiny(study_root, name)
    plan = sam_plan("", with_weights())
    asked = {one.name: one for one in from_json(plan.steps["paper"].commands[0][-1])}
    assert asked["table_2"].kind == "fairness"
    assert list(asked["table_2"].methods)[:4] == ["MedSAM", "MedSAM+", "SAM", "SAM+"]
    assert asked["figure_2_sex"].kind == asked["figure_2_age"].kind == "boxes"
    for name in ("table_2", "figure_2_age", "figure_2_sex"):
        for method in asked[name].methods.values():
            assert f"evaluate.d044.2d.internal.{method}" in plan.steps["paper"].needs
    together = shown(plan.steps["evaluate.d044.2d.internal.SAM_APPLE_age"].commands[0])
    assert together.count("SAM_APPLE_age_run") == 3
    assert "SAM_APPLE_sex" not in together
    assert not any("SAM_APPLE_sex" in name for name in plan.steps)
