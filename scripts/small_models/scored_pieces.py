"""Build a fast tokenizer from llama2.c's `tokenizer.bin`, a list of scored pieces.

The file is an export of a SentencePiece BPE model. Encoding starts from single
characters with a space in front and again and again joins the neighbouring pair
whose joint piece has the best score. A character that is no piece is spelt in
bytes. The tokenizers library joins pairs by the rank of a rule instead, so every
way to split a piece into two pieces becomes a rule, ranked by the score of the
joint piece.
"""

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tokenizers import AddedToken, Tokenizer, decoders, normalizers, processors
from tokenizers.models import BPE

from scripts.small_models.errors import SmallModelError

SPECIAL_TOKENS = ("<unk>", "<s>", "</s>")
NUM_BYTES = 256
WORD_BOUNDARY = "\u2581"


@dataclass(frozen=True)
class Piece:
    """One entry of `tokenizer.bin`: the higher the score, the earlier it is joined."""

    score: float
    content: bytes


def read_pieces(data: bytes, num_pieces: int) -> list[Piece]:
    """Read `tokenizer.bin`: the longest length, then score, length and bytes of each piece.

    Args:
        data: The whole file.
        num_pieces: How many pieces the model's vocabulary has.

    Returns:
        The pieces, in the order of their ids.

    Raises:
        SmallModelError: The file ends early or holds more than the pieces.
    """
    header, entry = struct.Struct("<I"), struct.Struct("<fi")
    position = header.size
    pieces: list[Piece] = []
    for _ in range(num_pieces):
        if position + entry.size > len(data):
            msg = f"tokenizer.bin ends after {len(pieces)} of {num_pieces} pieces"
            raise SmallModelError(msg)
        score, length = entry.unpack_from(data, position)
        position += entry.size
        pieces.append(Piece(score, data[position : position + length]))
        position += length
    if position != len(data):
        msg = f"tokenizer.bin has {len(data)} bytes, but its {num_pieces} pieces end at {position}"
        raise SmallModelError(msg)
    return pieces


def vocabulary(pieces: Sequence[Piece]) -> dict[str, int]:
    """Name every piece as the tokenizers library expects it.

    Ids 0 to 2 are the special tokens and the next 256 are the bytes, which the
    file writes as the characters U+0000 to U+00FF; they get the names `<0x00>` to
    `<0xFF>`, so they do not hide the real pieces of the same characters.

    Args:
        pieces: The pieces in the order of their ids.

    Returns:
        The id of each name, in the order of the ids.

    Raises:
        SmallModelError: Two pieces have the same name.
    """
    names = [*SPECIAL_TOKENS, *(f"<0x{byte:02X}>" for byte in range(NUM_BYTES))]
    names += [piece.content.decode().replace(" ", WORD_BOUNDARY) for piece in pieces[len(names) :]]
    ids = {name: index for index, name in enumerate(names)}
    if len(ids) != len(pieces):
        msg = f"tokenizer.bin has {len(pieces)} pieces, but {len(ids)} different ones"
        raise SmallModelError(msg)
    return ids


def merge_rules(scores: Mapping[str, float]) -> list[tuple[str, str]]:
    """List every way to join two pieces into a third, best score first.

    Pieces of equal score keep their order; the splits of one piece follow the
    length of their left part.

    Args:
        scores: The score of each ordinary piece; no special token and no byte.

    Returns:
        The pairs, in the order of their ranks.
    """
    best_first = sorted(scores, key=lambda piece: -scores[piece])
    return [
        (piece[:cut], piece[cut:])
        for piece in best_first
        for cut in range(1, len(piece))
        if piece[:cut] in scores and piece[cut:] in scores
    ]


def build_tokenizer(pieces: Sequence[Piece]) -> Tokenizer:
    """Make the fast tokenizer, which begins every text with `<s>`.

    Args:
        pieces: The pieces in the order of their ids.

    Returns:
        The tokenizer; encoding then decoding returns the text.
    """
    ids = vocabulary(pieces)
    num_reserved = len(SPECIAL_TOKENS) + NUM_BYTES
    scores = {name: pieces[index].score for name, index in ids.items() if index >= num_reserved}
    unknown, begin, _ = SPECIAL_TOKENS
    tokenizer = Tokenizer(
        BPE(
            vocab=ids,
            merges=merge_rules(scores),
            unk_token=unknown,
            fuse_unk=True,
            byte_fallback=True,
        )
    )
    # Not the Metaspace pre-tokenizer: it adds no space before a text that begins with one.
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.Prepend(WORD_BOUNDARY), normalizers.Replace(" ", WORD_BOUNDARY)]
    )
    tokenizer.decoder = decoders.Sequence(
        [
            decoders.Replace(WORD_BOUNDARY, " "),
            decoders.ByteFallback(),
            decoders.Fuse(),
            decoders.Strip(" ", 1, 0),
        ]
    )
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{begin}:0 $A:0",
        pair=f"{begin}:0 $A:0 {begin}:1 $B:1",
        special_tokens=[(begin, ids[begin])],
    )
    tokenizer.add_special_tokens(
        [AddedToken(token, normalized=False, special=True) for token in SPECIAL_TOKENS]
    )
    return tokenizer
