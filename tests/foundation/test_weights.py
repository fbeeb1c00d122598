import json
import sys

import pytest
import torch
from safetensors.torch import save_file

from nnunetv2_fair.errors import InstallationError, ModelError, UsageError
from nnunetv2_fair.foundation.model import PromptedModel
from nnunetv2_fair.foundation.weights import read_weights
from tests.foundation.tiny_models import CHANNELS, IMAGE, original_sam, tiny_model, write_tiny


def reference_logits(sam, embedding, box):
    sparse, dense = sam.prompt_encoder(points=None, boxes=box[None], masks=None)
    masks, _ = sam.mask_decoder(
        image_embeddings=embedding[None],
        image_pe=sam.prompt_encoder.get_dense_pe(),
        sparse_prompt_embeddings=sparse,
        dense_prompt_embeddings=dense,
        multimask_output=False,
    )
    return masks[0, 0]


def hugging_face_folder(model, folder):
    folder.mkdir()
    model._net.save_pretrained(folder)
    return folder


def test_an_original_file_gives_the_original_logits(tmp_path):
    sam, model = original_sam(), tiny_model(tmp_path)
    pixels = torch.randn(2, 3, IMAGE, IMAGE)
    boxes = torch.tensor([[[5.0, 8, 40, 50], [0, 0, 20, 63]], [[10, 30, 60, 55], [3, 3, 9, 9]]])
    expected = sam.image_encoder(pixels)
    embedding = model.embed(pixels)
    torch.testing.assert_close(embedding, expected, rtol=1e-5, atol=1e-4)
    masks = model.logits(embedding, boxes)
    assert masks.shape == (2, 2, model.sizes.mask, model.sizes.mask)
    for i in range(2):
        for j in range(2):
            reference = reference_logits(sam, expected[i], boxes[i, j])
            torch.testing.assert_close(masks[i, j], reference, rtol=1e-5, atol=1e-4)


def test_sizes_follow_from_the_shapes(tmp_path):
    sizes = read_weights(write_tiny(tmp_path)).sizes
    assert (sizes.image, sizes.patch, sizes.channels, sizes.grid) == (IMAGE, 8, CHANNELS, 8)
    assert (sizes.depth, sizes.heads, sizes.window, sizes.global_layers) == (2, 2, 3, (1,))


def test_a_folder_and_the_file_it_came_from_agree(tmp_path):
    model = tiny_model(tmp_path)
    folder = hugging_face_folder(model, tmp_path / "sam-vit-tiny")
    other = PromptedModel(read_weights(folder))
    pixels = torch.randn(1, 3, IMAGE, IMAGE)
    boxes = torch.tensor([[[5.0, 8, 40, 50]]])
    one, two = (m.logits(m.embed(pixels), boxes) for m in (model, other))
    torch.testing.assert_close(one, two, rtol=0, atol=1e-5)
    assert one.std() > 1


def test_a_training_s_file_and_half_precision_are_read(tmp_path):
    path = tmp_path / "sam_vit_own.pth"
    state = {f"module.{k}": v.half() for k, v in original_sam().state_dict().items()}
    torch.save({"model": state, "epoch": 3}, path)
    assert all(p.dtype == torch.float32 for p in PromptedModel(read_weights(path)).parameters())


def test_parameters_are_frozen_and_an_embedding_has_gradients(tmp_path):
    model = tiny_model(tmp_path).train()
    assert not model.training
    assert not any(parameter.requires_grad for parameter in model.parameters())
    embedding = torch.randn(1, CHANNELS, 8, 8, requires_grad=True)
    model.logits(embedding, torch.tensor([[[5.0, 8, 40, 50]]])).sum().backward()
    assert embedding.grad is not None
    assert embedding.grad.abs().max() > 0


@pytest.mark.parametrize(
    ("name", "said", "family", "reason"),
    [
        ("sam_vit_b.pth", None, "sam", "by its name"),
        ("medsam_vit_b.pth", None, "medsam", "by its name"),
        ("mine.pth", "medsam", "medsam", "as --family says"),
    ],
)
def test_the_family_of_a_vit_b(tmp_path, name, said, family, reason):
    found = read_weights(write_tiny(tmp_path, name), said)
    assert found.family.name == family
    assert reason in found.reason


def test_a_family_that_nothing_tells_has_to_be_said(tmp_path):
    with pytest.raises(UsageError, match="Pass --family sam or --family medsam"):
        read_weights(write_tiny(tmp_path, "mine.pth"))


def test_a_family_that_does_not_fit_is_refused(tmp_path):
    with pytest.raises(UsageError, match=r"--family litemedsam: the weights of .*sam, medsam"):
        read_weights(write_tiny(tmp_path), "litemedsam")


def test_a_truncated_file_is_refused(tmp_path):
    path = write_tiny(tmp_path)
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(ModelError, match=r"is cut off or otherwise damaged.*download it again"):
        read_weights(path)


def test_a_truncated_safetensors_file_is_refused(tmp_path):
    folder = hugging_face_folder(tiny_model(tmp_path), tmp_path / "sam-vit-tiny")
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(ModelError, match=r"model\.safetensors is damaged"):
        read_weights(folder)


def test_code_in_a_file_is_not_run(tmp_path):
    class Bomb:
        def __reduce__(self):
            return (sys.exit, ("it ran",))

    path = tmp_path / "sam_vit_b.pth"
    torch.save({"weight": Bomb()}, path)
    with pytest.raises(ModelError, match="other Python objects are not read: they can run code"):
        read_weights(path)


def test_weights_of_another_model_are_refused(tmp_path):
    path = tmp_path / "resnet.pth"
    torch.save({"conv1.weight": torch.zeros(2, 2), "fc.bias": torch.zeros(2)}, path)
    with pytest.raises(ModelError, match=r"another model: 2 tensors such as conv1\.weight"):
        read_weights(path)


def test_a_missing_weight_is_named(tmp_path):
    path = tmp_path / "sam_vit_b.pth"
    state = original_sam().state_dict()
    del state["mask_decoder.iou_token.weight"]
    state["extra"] = torch.zeros(1)
    torch.save(state, path)
    with pytest.raises(ModelError, match=r"2 weights of SAM do not fit: mask_decoder\.iou_token"):
        PromptedModel(read_weights(path))


def test_folders_without_what_is_needed_are_refused(tmp_path):
    with pytest.raises(ModelError, match=r"does not exist.*nothing is downloaded"):
        read_weights(tmp_path / "nowhere")
    with pytest.raises(ModelError, match=r"config\.json does not exist"):
        read_weights(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "sam2"}))
    with pytest.raises(ModelError, match="a model of the kind 'sam2', not 'sam'"):
        read_weights(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "sam"}))
    with pytest.raises(ModelError, match=r"holds no \.safetensors file.*pytorch_model\.bin"):
        read_weights(tmp_path)
    save_file({"a": torch.zeros(1)}, tmp_path / "model.safetensors")
    with pytest.raises(ModelError, match="another model: 1 tensor such as a"):
        read_weights(tmp_path)


def test_without_transformers_the_extra_is_named(tmp_path, monkeypatch):
    weights = read_weights(write_tiny(tmp_path))
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(InstallationError, match=r"transformers 5: pip install 'nnunetv2_fair\[sam"):
        PromptedModel(weights)
    monkeypatch.setattr(sys, "version_info", (3, 10, 13))
    told = r"\(this is Python 3\.10\)\. .* make an environment with Python 3\.11 or newer"
    with pytest.raises(InstallationError, match=told):
        PromptedModel(weights)
