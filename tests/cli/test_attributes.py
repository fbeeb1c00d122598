"""``-a`` is the same everywhere: several at once, or repeated."""

import argparse

import pytest

from nnunetv2_fair.cli import convert_image_folder, evaluate, inspect_latent
from nnunetv2_fair.cli.shared.table_arguments import add_attributes


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser()
    add_attributes(made, "attributes")
    return made


@pytest.mark.parametrize(
    "given", [["-a", "sex", "age"], ["-a", "sex", "-a", "age"]], ids=["at-once", "repeated"]
)
@pytest.mark.parametrize(
    ("made", "rest"),
    [
        (parser, []),
        (evaluate._parser, ["-o", "x"]),
        (convert_image_folder._parser, ["-i", "x", "-d", "1", "-n", "X", "--labels", "a=1"]),
        (inspect_latent._parser, ["-d", "1", "-c", "2d", "-f", "0", "-tr", "x", "-o", "x"]),
    ],
    ids=["shared", "evaluate", "convert_image_folder", "inspect_latent"],
)
def test_both_spellings_mean_the_same(made, rest, given):
    assert made().parse_args([*rest, *given]).a == ["sex", "age"]
