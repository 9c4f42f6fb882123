"""Whether a model's weights are, bit by bit, what they were."""

from __future__ import annotations

from hashlib import sha256

from superneurons.vlm.model import VLM


def hashed(vlm: VLM) -> str:
    """A hash of all weights and buffers of a model, with their names."""
    found = sha256()
    for name, value in sorted(vlm.model.state_dict().items()):
        found.update(name.encode() + value.detach().contiguous().numpy().tobytes())
    return found.hexdigest()
