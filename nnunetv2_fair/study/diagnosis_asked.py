"""What a study's file asks of a diagnosis, as its last step receives it: plain values."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field


@dataclass(frozen=True)
class Impossible:
    """What cannot be done.

    Attributes:
        cause: Cause that is not examined; empty for all.
        attribute: Attribute expression; empty for all.
        why: In words, with what would make it possible.
    """

    cause: str
    attribute: str
    why: str


@dataclass(frozen=True)
class DiagnosisAsked:
    """A diagnosis: folders of evaluations within the study's folder, and files of the test set.

    Attributes:
        name: What is diagnosed, for titles.
        attributes: Attribute expressions.
        metric: Metric of the gap.
        label: Label; empty for the one that represents the results.
        model: Evaluation of the model as it is.
        balanced: Attribute -> evaluation of the model trained with balanced groups.
        expert: Evaluation against expert masks; empty: none.
        neutralised: Evaluation on images without background; empty: none.
        exchanged: Attribute -> evaluation on images with the background of another group.
        control: Attribute -> evaluation on images with another background of the same group.
        further: Name -> evaluation of a model whose gap is shown beside.
        images: Folder of the test images; empty: difficulty is not examined.
        masks: Folder of masks for covariates of difficulty; empty: noise of the image alone.
        ending: Of the names of images and masks.
        whole_organ: Whether more stays in edited images than what is segmented.
        impossible: What cannot be done.
    """

    name: str
    attributes: tuple[str, ...]
    metric: str
    label: str
    model: str
    balanced: Mapping[str, str] = field(default_factory=dict)
    expert: str = ""
    neutralised: str = ""
    exchanged: Mapping[str, str] = field(default_factory=dict)
    control: Mapping[str, str] = field(default_factory=dict)
    further: Mapping[str, str] = field(default_factory=dict)
    images: str = ""
    masks: str = ""
    ending: str = ""
    whole_organ: bool = False
    impossible: tuple[Impossible, ...] = ()

    def folders(self) -> dict[str, tuple[str, ...]]:
        """Return the evaluations that each cause needs besides that of the model itself."""
        return {
            "labels": (self.expert,) if self.expert else (),
            "shortcut": tuple(
                filter(None, (self.neutralised, *self.exchanged.values(), *self.control.values()))
            ),
            "representation": tuple(dict.fromkeys(self.balanced.values())),
            "further": tuple(dict.fromkeys(self.further.values())),
        }

    def to_json(self) -> str:
        """Return it as the step's argument."""
        return json.dumps(asdict(self), sort_keys=True)


def from_json(text: str) -> DiagnosisAsked:
    """Return what :meth:`DiagnosisAsked.to_json` was given."""
    content = json.loads(text)
    content["attributes"] = tuple(content["attributes"])
    content["impossible"] = tuple(Impossible(**one) for one in content["impossible"])
    return DiagnosisAsked(**content)
