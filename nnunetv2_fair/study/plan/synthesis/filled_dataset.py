"""A dataset that the study fills up with synthetic cases: checked before anything is made."""

import importlib.util
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace

from nnunetv2_fair.errors import ConversionError, DatasetError, StudyError, UsageError, shorten
from nnunetv2_fair.study.plan.check_results import Findings
from nnunetv2_fair.study.plan.datasets import Dataset
from nnunetv2_fair.study.plan.fingerprints import digest, file_fingerprint, listing_fingerprint
from nnunetv2_fair.study.plan.made.made_dataset import made_dataset, refuse_keys, source_of
from nnunetv2_fair.study.plan.synthesis.filling import Filling
from nnunetv2_fair.study.study_file.settings import DatasetEntry
from nnunetv2_fair.study.study_file.synthesis import ImageOptions, SynthesisOptions

_NO_TESTS = (
    "its models are tested with those of the dataset that is filled up, on the test sets there"
)
#: Masks drawn per synthetic case that is needed: images too near to a patient are dropped.
_RESERVE = 1.25
#: Options that messages of the command name -> what the study's file has for them.
_KEYS = {
    "--as-published": "as_published: true",
    "--subsample": "subsample: true",
    "--target ": "target: ",
    "--target": "target",
    "-a ": "attribute: ",
}


def find_filled(
    found: Findings, entry: DatasetEntry, originals: Sequence[tuple[DatasetEntry, Dataset]]
) -> Dataset | None:
    """Return the filled-up dataset of an entry, whether or not it exists; report what is wrong.

    Args:
        found: Mistakes are added there.
        entry: With the key ``synthesis``.
        originals: Datasets of the study that it does not make.

    Returns:
        None if there is too little to continue with.
    """
    options = entry.synthesis
    assert options is not None
    refuse_keys(found, entry, "a dataset with synthesis", _NO_TESTS)
    known = source_of(
        found, entry, originals, key="synthesis", wanted=options.dataset, done="filled up",
        why="its models are compared with those of the other",
    )  # fmt: skip
    if known is None:
        return None
    of_source, source = known
    _check_drawing(found, entry, options)
    filling, made = None, None
    with found.blamed(entry.line("synthesis")), _in_keys():
        filling = _filling(source, options)
    with found.blamed(entry.line("id")):
        made = made_dataset(
            entry.id, of_source, source, found.environment,
            end="EqualScale", what="groups of equal size",
            mark={"equal_scale": {"source": source.name}},
        )  # fmt: skip
    if filling is None or made is None:
        return None
    return replace(made, filled_from=source, filling=filling)


def _check_drawing(found: Findings, entry: DatasetEntry, options: SynthesisOptions) -> None:
    """Refuse keys that exclude each other, weights that nnU-Net ignores, and a missing package."""
    line = entry.line("synthesis")
    if options.subsample and options.as_published:
        found.add(
            entry.line("synthesis", "subsample"),
            "synthesis: subsample and as_published are two ways to draw. Leave one of them out",
        )
    if "all" in entry.folds and (options.subsample or options.as_published):
        found.add(
            entry.line("folds"),
            "folds: nnU-Net's fold all trains on every case, drawn or not. List numbered folds",
        )
    given = options.model_fields_set & {"masks", "images"}
    if options.pack is not None and given:
        found.add(
            entry.line("synthesis", *sorted(given)[:1]),
            f"synthesis: with a pack that is there, {shorten(sorted(given))} would have no effect. "
            "Leave out one of both",
        )
    if options.masks.model == "pca" and options.masks.steps is not None:
        found.add(
            entry.line("synthesis", "masks", "steps"),
            "synthesis, masks: model pca is not trained, so that steps would have no effect. Leave "
            "out steps",
        )
    _check_weights(found, entry, options.images)
    elsewhere = found.settings.python or found.settings.container
    missing = importlib.util.find_spec("diffusers") is None
    if options.pack is None and not elsewhere and missing:
        found.add(
            line,
            "synthesis: making images needs diffusers and Python 3.11 or newer. Run pip install "
            '"nnunetv2_fair[synthesis]", or name synthetic cases that are there: pack: FOLDER',
        )


def _check_weights(found: Findings, entry: DatasetEntry, images: ImageOptions) -> None:
    """Refuse weights that are not there, and keys that need or exclude them."""
    if images.weights is not None and not images.weights.is_dir():
        found.add(
            entry.line("synthesis", "images", "from"),
            f"synthesis, images, from: {images.weights} is not a folder. Name one with Stable "
            "Diffusion's unet, vae and scheduler",
        )
    if images.prompt is not None and not images.prompt.is_file():
        found.add(
            entry.line("synthesis", "images", "prompt"),
            f"synthesis, images, prompt: {images.prompt} is not a file",
        )
    if images.prompt is not None and images.weights is None:
        found.add(
            entry.line("synthesis", "images", "prompt"),
            "synthesis, images: prompt is for from, which is not there",
        )
    if images.weights is not None and images.guidance not in (None, 1):
        found.add(
            entry.line("synthesis", "images", "guidance"),
            "synthesis, images: with from, groups are not told to the network, so that guidance "
            "has nothing to follow. Leave it out",
        )


@contextmanager
def _in_keys() -> Iterator[None]:
    """Turn what a command would say about its options into what the study's file has for them."""
    try:
        yield
    except (ConversionError, UsageError) as error:
        text = str(error)
        for option, key in _KEYS.items():
            text = text.replace(option, key)
        raise StudyError(f"synthesis: {text}") from error


def _filling(source: Dataset, options: SynthesisOptions) -> Filling:
    """Return how a dataset is filled up; only names of files and the table are read.

    Raises:
        FairError: If it cannot be.
    """
    from nnunetv2_fair.dataset_conversion.shared.source import people_of, read_source
    from nnunetv2_fair.subgroups.tokens import attribute_token
    from nnunetv2_fair.synthesis.equal_scale.pack_cases import synthetic_cases
    from nnunetv2_fair.synthesis.equal_scale.plan import groups_to_fill
    from nnunetv2_fair.synthesis.pack.pack import GROUPS_CSV, IMAGES, LABELS, read_pack

    files = read_source(source.raw, "filled up")
    grouping, real = groups_to_fill(files, people_of(files), options.attribute or None)
    attribute = grouping.expression
    end = f"_{options.name or f'equal_scale_{attribute_token(attribute)}'}"
    if options.pack is None:
        short = _short(options, {group: len(cases) for group, cases in real.items() if cases})
        number, measured = _number(source, options, attribute, short)
        return Filling(attribute, end, tuple(short), number, measured)
    pack = read_pack(options.pack, attribute, images=True)
    _, members = synthetic_cases(pack, files, grouping.names)
    used = {group: len(cases) for group, cases in real.items() if cases or group in members}
    short = _short(options, used, {group: len(members.get(group, ())) for group in used})
    fingerprint = digest(
        [
            file_fingerprint(options.pack / GROUPS_CSV),
            *(listing_fingerprint(options.pack / part) for part in (LABELS, IMAGES)),
        ]
    )
    return Filling(attribute, end, tuple(short), 0, measured=False, pack=fingerprint)


def _short(
    options: SynthesisOptions, present: Mapping[str, int], there: Mapping[str, int] | None = None
) -> dict[str, int]:
    """Return the groups that need synthetic cases, with their number.

    Args:
        options: With the target.
        present: Real training cases of each group.
        there: Synthetic cases of each group; None: as many as it needs.

    Raises:
        FairError: If groups cannot get that size.
    """
    from nnunetv2_fair.synthesis.equal_scale.amounts import real_and_all, target_of

    found = real_and_all(
        target_of(options.target), present, there,
        subsample=options.subsample, as_published=options.as_published,
    )  # fmt: skip
    return {group: wanted - real for group, (real, wanted) in found.items() if wanted > real}


def _number(
    source: Dataset, options: SynthesisOptions, attribute: str, short: Mapping[str, int]
) -> tuple[int, bool]:
    """Return how many masks are drawn of each group, and whether quality can be measured.

    Raises:
        FairError: If masks and images cannot be learnt from the dataset.
    """
    from nnunetv2_fair.synthesis.quality.beside_floor import LEAST
    from nnunetv2_fair.synthesis.training_cases.by_group import FEWEST, cases_by_group

    if not short:
        raise DatasetError(
            f"synthesis: all groups of '{attribute}' in {source.name} have as many training cases "
            "as the target asks for, so that there is nothing to fill up. Leave synthesis out, or "
            "choose a larger target"
        )
    known = cases_by_group(
        source.raw, attribute, (),
        "synthetic volumes are not offered yet. Name some that are there: pack: FOLDER",
    )  # fmt: skip
    people = {group: known.people(known.members[group]) for group in short}
    few = {group: n for group, n in people.items() if n < FEWEST}
    if few:
        raise DatasetError(
            f"synthesis: '{attribute}' of {source.name}: fewer than {FEWEST} training patients in "
            f"{shorten(few)}; what is drawn would show these patients. Join the group with another "
            "one in demographics.json, leave its cells empty, or name synthetic cases that are "
            "there: pack: FOLDER"
        )
    number = options.masks.number or math.ceil(_RESERVE * max(short.values()))
    if number < max(short.values()):
        raise StudyError(
            f"synthesis, masks: number is {number}, and {max(short.values())} synthetic cases are "
            "needed of a group. Ask for more, as images too near to a patient are dropped"
        )
    return number, max(people.values()) >= 2 * LEAST
