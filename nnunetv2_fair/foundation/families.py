"""The families of models: what images they expect.

Source: Kirillov et al., "Segment anything", ICCV 2023; Ma et al., "Segment anything in medical
images", Nature Communications 2024, and LiteMedSAM, its authors' small model.
"""

from dataclasses import dataclass

#: Mean and standard deviation of the colours (red, green, blue; 0 to 255) that SAM was trained on.
IMAGENET = ((123.675, 116.28, 103.53), (58.395, 57.12, 57.375))


@dataclass(frozen=True)
class Family:
    """What images a family of models expects.

    Attributes:
        name: As ``--family`` takes it.
        title: As people write it.
        imagenet: Whether colours are standardised as SAM's; otherwise the darkest value of an
            image becomes 0 and its brightest 1.
        stretched: Whether an image is stretched to a square; otherwise its longer side fills the
            square and the rest is 0.
        interpolation: Torch's name of how images are resized.
    """

    name: str
    title: str
    imagenet: bool
    stretched: bool
    interpolation: str


SAM = Family("sam", "SAM", imagenet=True, stretched=False, interpolation="bilinear")
MEDSAM = Family("medsam", "MedSAM", imagenet=False, stretched=True, interpolation="bicubic")
LITEMEDSAM = Family(
    "litemedsam", "LiteMedSAM", imagenet=False, stretched=False, interpolation="bilinear"
)

#: All families, by name.
FAMILIES = {family.name: family for family in (SAM, MEDSAM, LITEMEDSAM)}


@dataclass(frozen=True)
class Sizes:
    """Sizes of a model, as its weights have them.

    Attributes:
        image: Pixels of a side of the square that the model sees.
        patch: Pixels of that square along a side of one position of the embedding.
        channels: Channels of the embedding.
        width: Channels of the image encoder, in its first stage.
        depth: Layers of the image encoder.
        heads: Attention heads of the image encoder; 0 where every stage has its own.
        window: Positions along a side of an attention window; 0 likewise.
        global_layers: Layers without windows.
        mlp: Channels inside the layers of the image encoder.
        mask_channels: Channels that a mask as a prompt would have.
        decoder_mlp: Channels inside the layers of the decoder.
        decoder_hidden: Channels of the head that guesses how good a mask is.
    """

    image: int
    patch: int
    channels: int
    width: int
    depth: int
    heads: int
    window: int
    global_layers: tuple[int, ...]
    mlp: int
    mask_channels: int
    decoder_mlp: int
    decoder_hidden: int

    @property
    def grid(self) -> int:
        """Positions along a side of the embedding."""
        return self.image // self.patch

    @property
    def mask(self) -> int:
        """Pixels along a side of the masks that the decoder makes."""
        return 4 * self.grid
