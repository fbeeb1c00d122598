"""What the index page says of synthetic cases that the study has made."""

import pytest

from nnunetv2_fair.study.index.index import write_index
from tests.study.finished_study import StudyFolder, attempt
from tests.study.index.test_index import check_index, links

NAME = "Dataset046_LungsEqualScale"
FACTS = {"dataset": NAME, "source": "Dataset042_Lungs", "attribute": "sex"}
QUALITY = """\
group,n,measure,synthetic,floor
<b>women</b>,12,frechet_distance,71.114,65.915
<b>women</b>,12,coverage,0.5,0.6
<b>women</b>,12,recall,0.402,0.845
"""


@pytest.fixture
def study(tmp_path):
    made = StudyFolder(tmp_path)
    folder = tmp_path / "synthesis" / NAME
    (folder / "training_0a1b").mkdir(parents=True)
    for number in (250, 400):
        (folder / "training_0a1b" / f"samples_{number:06d}.png").write_bytes(b"picture")
    images = made.add("images.d046", "synthesize", facts=FACTS,
                      outputs=(f"synthesis/{NAME}/pack/pack.json",))  # fmt: skip
    made.done(images, attempt(36))
    return made


def test_quality_stands_beside_its_floor(study):
    root = study.root
    step = study.add("quality.d046", "preprocess", facts=FACTS,
                     outputs=(f"synthesis/{NAME}/quality/quality.csv",))  # fmt: skip
    write_index(root)
    assert "Quality was not measured: not done yet." in check_index(root).text
    study.done(step, attempt(36))
    write_index(root)
    assert "the file of the measures is missing or damaged" in check_index(root).text
    path = root / "synthesis" / NAME / "quality" / "quality.csv"
    path.parent.mkdir()
    path.write_text(QUALITY)
    write_index(root)
    page = check_index(root)
    shown = " ".join(page.text.split())
    assert "Groups of sex with too few of them" in shown
    texts = [text.strip() for text in page.texts if text.strip()]
    row = texts.index("Fréchet distance")
    assert texts[row - 1 : row + 3] == ["<b>women</b>", "Fréchet distance", "71.114", "65.915"]
    row = texts.index("recall")
    assert texts[row - 1 : row + 3] == ["<b>women</b>", "recall", "0.402", "0.845"]
    assert "coverage" not in texts
    assert f"synthesis/{NAME}/training_0a1b/samples_000400.png" in links(page)
    (table,) = (root / "tables").glob("synthetic*.csv")
    assert "coverage,0.5,0.6" in table.read_text()
    path.write_text("group,n\n")
    write_index(root)
    assert "missing or damaged" in check_index(root).text


def test_groups_that_are_too_small_are_not_measured(study):
    write_index(study.root)
    text = " ".join(check_index(study.root).text.split())
    assert "no group that is filled up has enough training patients to measure it" in text
