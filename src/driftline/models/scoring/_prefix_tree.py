"""Rows and batches of tokens for the model, so that a shared prefix runs once.

The inputs of all sequences form a tree. A small subtree becomes one row: its tokens in depth-first
order, each attending to its ancestors alone (tree attention). Where a long beginning is shared by
more than a row can hold, it becomes a trunk: it runs by itself, and its keys and values are given
to every batch behind it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy
from jaxtyping import Bool, Int
from numpy import ndarray

_CONTEXT_BATCHES = 8
"""The tokens that a batch attends to may be this many times those that it holds."""


@dataclass(frozen=True)
class Layout:
    """Limits of rows and batches, and the least prefix that is worth caching."""

    batch_tokens: int = 1024
    """Upper bound for the tokens of one batch, padding included; a longer row is one by itself."""
    row_tokens: int = 128
    """Subtrees up to this size are one row; a longer row pays for attention that is masked out."""
    row_stretch: int = 2
    """So are those up to this many times their longest path, which pay no more than that."""
    min_trunk_tokens: int = 32
    """A shorter beginning is cheaper to repeat than to keep."""
    long_tokens: int = 512
    """Inputs that are longer pay dearly for masks, which take the fast kernels from them ..."""
    min_share: float = 0.125
    """... so among those, less than this part of the longest is not worth sharing."""


@dataclass(frozen=True)
class TokenSequence:
    """Tokens of which those from `start` on are scored, each given all before it."""

    tokens: tuple[int, ...]
    start: int


class Query(NamedTuple):
    """Query at one node: the probability of a token after it, for a sequence."""

    node: int
    target: int
    sequence: int


@dataclass
class Row:
    """Tokens that stand side by side in one row of a batch."""

    num_before: int
    """Tokens of the trunk before it, which all of the row's tokens attend to."""
    tokens: list[int] = field(default_factory=list)
    parents: list[int] = field(default_factory=list)
    """For each token the one before it in the row; -1 where it follows the trunk."""
    queries: list[Query] = field(default_factory=list)

    @property
    def is_branched(self) -> bool:
        """True if some token does not follow the one to its left."""
        return any(parent != node - 1 for node, parent in enumerate(self.parents))

    def depths(self) -> list[int]:
        """Return the position of each token in its own sequence."""
        depths: list[int] = []
        for parent in self.parents:
            depths.append(self.num_before if parent < 0 else depths[parent] + 1)
        return depths

    def ancestors(self) -> Bool[ndarray, "tokens tokens"]:
        """Return for each token (first axis) whether it attends to another of the row."""
        num = len(self.tokens)
        if not self.is_branched:
            return numpy.tri(num, dtype=bool)
        seen = numpy.eye(num, dtype=bool)
        for node, parent in enumerate(self.parents):
            if parent >= 0:
                seen[node] |= seen[parent]
        return seen


@dataclass
class Branch:
    """A trunk with its branches; the root has no trunk."""

    trunk: Row | None = None
    batches: list[list[Row]] = field(default_factory=list)
    branches: list["Branch"] = field(default_factory=list)

    def rows(self) -> Iterator[Row]:
        """Yield all rows, trunks included."""
        if self.trunk is not None:
            yield self.trunk
        for batch in self.batches:
            yield from batch
        for branch in self.branches:
            yield from branch.rows()

    def num_tokens(self) -> int:
        """Count the tokens that go through the model, without padding."""
        return sum(len(row.tokens) for row in self.rows())

    def max_rows(self) -> int:
        """Return the number of rows of the largest batch."""
        own = max((len(batch) for batch in self.batches), default=0)
        return max([own, *(branch.max_rows() for branch in self.branches)])


class _TokenPlace(NamedTuple):
    """One token of a sequence: a row and the token's number there."""

    row: Row
    node: int


def plan_batches(
    sequences: Sequence[TokenSequence], layout: Layout, *, share: bool = True
) -> Branch:
    """Arrange sequences in rows and batches.

    Equal inputs run once in any case. The layout depends on the set of sequences, not on their
    order, except for the numbers that name them in the queries.

    Args:
        sequences: Sequences to score; `start` must be at least 1.
        layout: Sizes.
        share: Let different inputs share their beginnings; else each is a row of its own.

    Returns:
        The root of the tree.
    """
    members: dict[tuple[int, ...], list[int]] = {}
    for number, sequence in enumerate(sequences):
        # The last token is only ever predicted, so it need not go in.
        members.setdefault(sequence.tokens[:-1], []).append(number)
    builder = _Builder(sequences, sorted(members), members, layout)
    return builder.build() if share else builder.build_apart()


class _Builder:
    """Builder on the inputs in lexicographic order, in which shared prefixes are adjacent."""

    def __init__(
        self,
        sequences: Sequence[TokenSequence],
        inputs: list[tuple[int, ...]],
        members: dict[tuple[int, ...], list[int]],
        layout: Layout,
    ) -> None:
        self._sequences = sequences
        self._inputs = inputs
        self._members = members
        self._layout = layout
        self._shared = [0, *map(num_shared, inputs[:-1], inputs[1:])]
        """Number of tokens that each input shares with the one before it."""

    def build(self) -> Branch:
        root = Branch()
        if self._inputs:
            self._fill(root, 0, len(self._inputs), [])
        return root

    def build_apart(self) -> Branch:
        rows = [self._row(index, index + 1, []) for index in range(len(self._inputs))]
        return Branch(batches=list(self._batches(rows)))

    def _fill(self, branch: Branch, first: int, last: int, spine: list[_TokenPlace]) -> None:
        """Arrange the inputs from first up to last, which all begin with the spine."""
        rows: list[Row] = []
        pending = [(first, last)]
        while pending:
            a, b = pending.pop()
            if self._fits_row(a, b, len(spine)):
                rows.append(self._row(a, b, spine))
                continue
            common = num_shared(self._inputs[a], self._inputs[b - 1])
            if common - len(spine) >= self._least_trunk(a, b, len(spine)):
                branch.branches.append(self._branch(a, b, spine, common))
            else:
                pending.extend(reversed(self._parts(a, b, common, len(spine))))
        branch.batches = list(self._batches([row for row in rows if row.tokens]))

    def _least_trunk(self, first: int, last: int, before: int) -> float:
        """Return the least number of tokens of a shared prefix that is worth caching."""
        longest = self._longest(first, last, before)
        least = self._layout.min_trunk_tokens
        if longest <= self._layout.long_tokens:
            return least
        return max(least, self._layout.min_share * longest)

    def _branch(self, first: int, last: int, spine: list[_TokenPlace], common: int) -> Branch:
        trunk = Row(len(spine))
        whole = self._inputs[first]
        longer = [*spine, *self._extend(trunk, whole[len(spine) : common], -1)]
        branch = Branch(trunk)
        self._fill(branch, first, last, longer)
        return branch

    def _parts(self, first: int, last: int, common: int, before: int) -> list[tuple[int, int]]:
        """Cut where the inputs part; neighbours that fit into one row stay together."""
        cuts = [i for i in range(first + 1, last) if self._shared[i] <= common]
        parts: list[tuple[int, int]] = []
        for a, b in zip([first, *cuts], [*cuts, last], strict=True):
            # Only where they share something: attention between strangers is wasted.
            if parts and common > before and self._fits_row(parts[-1][0], b, before):
                parts[-1] = (parts[-1][0], b)
            else:
                parts.append((a, b))
        return parts

    def _fits_row(self, first: int, last: int, before: int) -> bool:
        if last - first == 1:
            return True
        size, longest = self._size(first, last, before), self._longest(first, last, before)
        if size > max(self._layout.row_tokens, self._layout.row_stretch * longest):
            return False
        apart = sum(len(self._inputs[index]) - before for index in range(first, last))
        is_worth_it = apart - size >= self._layout.min_share * longest
        return is_worth_it or longest <= self._layout.long_tokens

    def _longest(self, first: int, last: int, before: int) -> int:
        return max(len(self._inputs[index]) for index in range(first, last)) - before

    def _size(self, first: int, last: int, before: int) -> int:
        """Count the tokens of the subtree of some inputs, without their first `before`."""
        size = len(self._inputs[first]) - before
        for index in range(first + 1, last):
            size += len(self._inputs[index]) - max(self._shared[index], before)
        return size

    def _row(self, first: int, last: int, spine: list[_TokenPlace]) -> Row:
        row, path = Row(len(spine)), list(spine)
        for index in range(first, last):
            tokens = self._inputs[index]
            if index > first:
                del path[max(self._shared[index], len(spine)) :]
            parent = path[-1].node if len(path) > len(spine) else -1
            path.extend(self._extend(row, tokens[len(path) :], parent))
            self._ask(tokens, path)
        return row

    @staticmethod
    def _extend(row: Row, tokens: tuple[int, ...], parent: int) -> list[_TokenPlace]:
        places = []
        for token in tokens:
            row.tokens.append(token)
            row.parents.append(parent)
            parent = len(row.tokens) - 1
            places.append(_TokenPlace(row, parent))
        return places

    def _ask(self, tokens: tuple[int, ...], path: list[_TokenPlace]) -> None:
        for number in self._members[tokens]:
            sequence = self._sequences[number]
            for position in range(sequence.start, len(sequence.tokens)):
                row, node = path[position - 1]
                row.queries.append(Query(node, sequence.tokens[position], number))

    def _batches(self, rows: list[Row]) -> Iterator[list[Row]]:
        """Yield rows of similar length together; unbranched rows apart, since they need no mask."""
        batch: list[Row] = []
        for row in sorted(rows, key=lambda r: (r.is_branched, len(r.tokens), r.tokens)):
            # Sorted by length: the newest is the longest, so it sets the padded width.
            num, width = len(batch) + 1, len(row.tokens)
            is_full = num * width > self._layout.batch_tokens or (
                num * (row.num_before + width) > _CONTEXT_BATCHES * self._layout.batch_tokens
            )
            if batch and (is_full or batch[-1].is_branched != row.is_branched):
                yield batch
                batch = []
            batch.append(row)
        if batch:
            yield batch


def num_shared(left: Sequence[int], right: Sequence[int]) -> int:
    """Return the length of the common prefix.

    >>> num_shared((1, 2, 3), (1, 2, 4, 5))
    2

    Args:
        left: Some tokens.
        right: Others.

    Returns:
        Number of shared tokens.
    """
    for position, (a, b) in enumerate(zip(left, right, strict=False)):
        if a != b:
            return position
    return min(len(left), len(right))


def num_tree_tokens(inputs: Sequence[tuple[int, ...]]) -> int:
    """Count the tokens of the whole tree of some inputs: the least that any scoring must run.

    >>> num_tree_tokens([(1, 2, 3), (1, 2, 4)])
    4

    Args:
        inputs: Tokens that go in.

    Returns:
        The number of distinct beginnings.
    """
    ordered = sorted(set(inputs))
    shared = sum(map(num_shared, ordered[:-1], ordered[1:]))
    return sum(map(len, ordered)) - shared


def padded(values: Sequence[Sequence[int]], width: int) -> Int[ndarray, "rows width"]:
    """Return rows of numbers as one array, padded with 0 on the right."""
    array = numpy.zeros((len(values), width), dtype=numpy.int64)
    for row, numbers in enumerate(values):
        array[row, : len(numbers)] = numbers
    return array
