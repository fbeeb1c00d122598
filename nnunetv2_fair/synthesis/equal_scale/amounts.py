"""How many real and synthetic cases every group gets, and which ones."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from nnunetv2_fair.errors import ConversionError, UsageError, counted, shorten_lines
from nnunetv2_fair.files.fingerprints import text_hash

#: Share of real cases in the authors' code: 2,000 of 8,000.
PUBLISHED_SHARE = 0.25


@dataclass(frozen=True)
class Target:
    """How many cases all groups are to have.

    Attributes:
        kind: ``largest`` (as many as the largest group), ``each`` (a number), or ``total``.
        number: Of each group, or of all together; 0 with ``largest``.
    """

    kind: str
    number: int = 0

    def __str__(self) -> str:
        """Return the text of the option."""
        return {"largest": "largest", "each": str(self.number), "total": f"total={self.number}"}[
            self.kind
        ]


def target_of(text: str) -> Target:
    """Return what ``--target`` means.

    Raises:
        UsageError: If it is not ``largest``, a number from 1 on, or ``total=`` and one.
    """
    if text == "largest":
        return Target("largest")
    number = text.removeprefix("total=")
    if not (number.isascii() and number.isdecimal()) or int(number) < 1:
        raise UsageError(
            f"--target {text}: expected 'largest', a number of cases for each group such as 500, "
            "or one for all groups together such as total=8000."
        )
    return Target("total" if number != text else "each", int(number))


@dataclass(frozen=True)
class Amount:
    """What one group gets.

    Attributes:
        group: Its name.
        target: Cases that it is to have.
        present: Real training cases that it has.
        real: How often each real case is drawn; not drawn ones are absent.
        synthetic: Synthetic cases, each once, in the order in which they were drawn.
    """

    group: str
    target: int
    present: int
    real: Mapping[str, int]
    synthetic: Sequence[str]

    @property
    def drawn(self) -> int:
        """Real cases, as often as they are drawn."""
        return sum(self.real.values())


def targets(target: Target, present: Mapping[str, int]) -> dict[str, int]:
    """Return how many cases every group is to have.

    A total that groups cannot share equally gives the smallest groups one more.

    Args:
        target: What was asked for.
        present: Real training cases of each group.

    Raises:
        UsageError: If a total is smaller than the number of groups.
    """
    if target.kind == "largest":
        return dict.fromkeys(present, max(present.values()))
    if target.kind == "each":
        return dict.fromkeys(present, target.number)
    each, rest = divmod(target.number, len(present))
    if not each:
        raise UsageError(f"--target {target}: {len(present)} groups need at least as many cases.")
    smallest = sorted(present, key=lambda group: present[group])[:rest]
    return {group: each + (group in smallest) for group in present}


def amounts(
    target: Target,
    real: Mapping[str, Sequence[str]],
    synthetic: Mapping[str, Sequence[str]],
    *,
    subsample: bool,
    as_published: bool,
    seed: int,
) -> list[Amount]:
    """Decide which cases every group gets.

    Args:
        target: How many.
        real: Real training cases of each group.
        synthetic: Synthetic cases of each group; groups may be absent.
        subsample: Whether groups above the target are sampled down.
        as_published: Whether a quarter of the cases are real, shared among groups as they are in
            the data and drawn with replacement, and the rest synthetic.
        seed: Of all draws. Another group more or less changes nothing for the others.

    Raises:
        UsageError: If ``as_published`` comes without a total.
        ConversionError: If groups have more cases than the target and may not be sampled down,
            or too few synthetic cases; all problems at once.

    Source: Li et al., FairDiff, MICCAI 2024, section 2.4; ``as_published``: the numbers and the
    way of drawing in the comment and code of their ``data_combination.py``, not in the paper.
    """
    shares = real_and_all(
        target,
        {group: len(cases) for group, cases in real.items()},
        {group: len(synthetic.get(group, ())) for group in real},
        subsample=subsample,
        as_published=as_published,
    )
    found = []
    for group, cases in real.items():
        rng = np.random.default_rng(int(text_hash(f"{seed}|{group}")[:16], 16))
        drawn, wanted = shares[group]
        chosen = rng.choice(len(cases), drawn, replace=as_published) if cases else ()
        made = sorted(synthetic.get(group, ()))
        filled = rng.permutation(len(made))[: wanted - drawn]
        times = Counter(sorted(cases)[i] for i in chosen)
        found.append(Amount(group, wanted, len(cases), times, [made[i] for i in filled]))
    return found


def real_and_all(
    target: Target,
    present: Mapping[str, int],
    there: Mapping[str, int] | None,
    *,
    subsample: bool,
    as_published: bool,
) -> dict[str, tuple[int, int]]:
    """Return how many real cases of every group are drawn, and how many cases it gets in all.

    Args:
        target: How many.
        present: Real training cases of each group.
        there: Synthetic cases of each group; None: as many as it needs.
        subsample: As for :func:`amounts`.
        as_published: As for :func:`amounts`.

    Raises:
        UsageError: As :func:`amounts`.
        ConversionError: As :func:`amounts`.
    """
    wanted = targets(target, present)
    if as_published:
        if target.kind != "total":
            raise UsageError("--as-published needs --target total=N; the authors took total=8000.")
        drawn = _shared(round(PUBLISHED_SHARE * target.number), present)
    else:
        drawn = {group: min(present[group], wanted[group]) for group in present}
    problems = []
    for group in present:
        if not (subsample or as_published) and present[group] > wanted[group]:
            problems.append(
                f"group '{group}' has {present[group]} cases, more than its target of "
                f"{wanted[group]}. Choose a larger --target, or add --subsample to draw "
                f"{wanted[group]} of them"
            )
        if drawn[group] > wanted[group]:
            problems.append(
                f"group '{group}' would get {drawn[group]} real cases, more than its target of "
                f"{wanted[group]}, since a quarter of all are real, shared as in the data. Leave "
                "out --as-published"
            )
        needed = max(wanted[group] - drawn[group], 0)
        found = needed if there is None else there[group]
        if needed > found:
            problems.append(
                f"group '{group}' needs {counted(needed, 'synthetic case')}, and there "
                f"{'is' if found == 1 else 'are'} {found}. Make more, or choose a smaller --target"
            )
    if problems:
        raise ConversionError(f"The groups cannot have equal sizes:\n{shorten_lines(problems, 30)}")
    return {group: (drawn[group], wanted[group]) for group in present}


def _shared(total: int, present: Mapping[str, int]) -> dict[str, int]:
    """Return a total shared among groups in proportion, by the largest remainders."""
    everyone = sum(present.values())
    exact = {group: total * n / everyone for group, n in present.items()}
    shares = {group: int(share) for group, share in exact.items()}
    by_remainder = sorted(exact, key=lambda group: shares[group] - exact[group])
    for group in by_remainder[: total - sum(shares.values())]:
        shares[group] += 1
    return shares
