import json

from nnunetv2.utilities.plans_handling.plans_handler import PlansManager

from nnunetv2_fair.cli.trial import main


def test_nnunet_reads_the_small_configuration(tiny_nnunet):
    plans = PlansManager(str(tiny_nnunet["preprocessed"] / "nnUNetPlans.json"))
    full, trial = plans.get_configuration("2d"), plans.get_configuration("2d_trial")
    assert trial.data_identifier == full.data_identifier
    assert trial.batch_size == 6
    assert max(trial.patch_size) <= 32
    arguments = trial.configuration["architecture"]["arch_kwargs"]
    assert arguments["features_per_stage"][0] == 4
    assert set(arguments["n_conv_per_stage"] + arguments["n_conv_per_stage_decoder"]) == {1}
    assert len(arguments["n_conv_per_stage"]) == arguments["n_stages"]
    strides = trial.configuration["architecture"]["arch_kwargs"]["strides"]
    for axis, side in enumerate(trial.patch_size):
        total = 1
        for stage in strides:
            total *= stage[axis]
        assert side % total == 0


def test_bad_arguments(tiny_nnunet, capsys):
    plans = tiny_nnunet["preprocessed"] / "nnUNetPlans.json"
    before = plans.read_bytes()
    assert main(["-d", "901", "-c", "3d_fullres"]) == 2
    assert "has no configuration '3d_fullres'. It has 2d" in capsys.readouterr().err
    assert main(["-d", "901", "-p", "otherPlans"]) == 1
    assert "Plan first: nnUNetv2_plan_and_preprocess -d 901" in capsys.readouterr().err
    assert main(["-d", "901", "--features", "0"]) == 2
    assert plans.read_bytes() == before
    assert main(["-d", "901"]) == 0
    assert json.loads(plans.read_text())["configurations"]["2d_trial"]["batch_size"] == 8
