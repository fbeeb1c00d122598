"""Studies that cannot be planned."""

import pytest

from nnunetv2_fair.errors import StudyError
from tests.study.conftest import STUDY


@pytest.fixture
def mistakes(plan):
    """Plan a study that cannot be; return the lines of the message."""

    def refused(text: str = STUDY, extra: str = "", **rest) -> list[str]:
        with pytest.raises(StudyError) as error:
            plan(text, extra, **rest)
        head, *lines = str(error.value).splitlines()
        assert "study.yaml: " in head
        assert head.endswith("nothing was done.")
        assert f"{len(lines)} mistakes" in head or "1 mistake," in head
        return [line.removeprefix("  - ") for line in lines]

    return refused
