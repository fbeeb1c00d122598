"""A phantom as an nnU-Net dataset, without a command."""

import numpy as np
import pandas as pd

from nnunetv2_fair.phantoms.nnunet_dataset import phantom_plan
from nnunetv2_fair.phantoms.spec import PhantomSpec


def test_the_plan_holds_every_image_with_its_patient_and_part():
    spec = PhantomSpec(n_patients=8, shape=(32, 48), test_share=0.25, unknown_age_share=0.25)
    plan = phantom_plan(spec, 900, "Phantom")
    table = plan.demographics
    assert isinstance(table, pd.DataFrame)
    assert list(table.columns) == ["case", "patient", "sex", "age"]
    assert [job.case for job in plan.jobs] == table["case"].tolist()
    parts = {
        part: {row.patient for row, job in zip(table.itertuples(), plan.jobs, strict=True)
               if job.part == part}
        for part in ("train", "test")
    }  # fmt: skip
    assert len(parts["test"]) == 2
    assert not parts["train"] & parts["test"]
    assert table.groupby("patient")["age"].first().tolist().count("") == 2
    data = plan.jobs[0].load()
    assert data.channels[0].shape == data.mask.shape == (32, 48)
    assert set(np.unique(data.mask)) == {0, 1}
    assert plan.description.folder_name == "Dataset900_Phantom"
