"""LLaVA-1.5."""

from tiny_models import save_llava

SAVERS = {"llava": save_llava}
