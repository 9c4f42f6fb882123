"""Tiny tokenizers of both sorts that know some words as single tokens."""

from __future__ import annotations

from collections.abc import Sequence

from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast


def byte_level(words: Sequence[str]) -> PreTrainedTokenizerFast:
    """One as of GPT-2: bytes, and words with and without the space before them."""
    pieces = sorted(pre_tokenizers.ByteLevel.alphabet())
    merges = []
    for word in words:
        merges += [(word[:i], word[i]) for i in range(1, len(word))] + [("Ġ", word)]
    pieces += dict.fromkeys("".join(pair) for pair in merges)
    vocabulary = {piece: number for number, piece in enumerate(dict.fromkeys(pieces))}
    backend = Tokenizer(models.BPE(vocab=vocabulary, merges=list(dict.fromkeys(merges))))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    return PreTrainedTokenizerFast(tokenizer_object=backend)


def sentencepiece(
    pieces: Sequence[str], prepend: str = "always", *, byte_fallback: bool = True
) -> PreTrainedTokenizerFast:
    """One as of Llama or T5: pieces, of which "▁" is a space, and bytes or nothing for the rest."""
    common = [("<unk>", 0.0), *((letter, -9.0) for letter in "▁:\nabcdefghijklmnopqrstuvwxyz")]
    of_bytes = [(f"<0x{byte:02X}>", -20.0) for byte in range(256)] if byte_fallback else []
    scores = [(piece, -1.0) for piece in pieces]
    backend = Tokenizer(
        models.Unigram(common + of_bytes + scores, unk_id=0, byte_fallback=byte_fallback)
    )
    backend.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme=prepend)
    backend.decoder = decoders.Sequence(
        [
            decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(),
            decoders.Strip(" ", 1, 0),
        ]
    )  # fmt: skip
    return PreTrainedTokenizerFast(tokenizer_object=backend, unk_token="<unk>")
