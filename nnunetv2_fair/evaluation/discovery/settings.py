"""How to search for subgroups."""

from dataclasses import dataclass

from nnunetv2_fair.errors import UsageError

#: Subgroups that are tested in the held-out half.
N_CONFIRMED = 5


@dataclass(frozen=True)
class DiscoverySettings:
    """How to search.

    Attributes:
        min_support: Smallest share of the units that a subgroup may hold. Subgroups of fewer
            patients than the statistics' smallest group are never searched.
        permutations: How often patients are permuted.
        confirm: Search one half of the patients, and test what was found in the other.
    """

    min_support: float = 0.01
    permutations: int = 999
    confirm: bool = False

    def check(self, confidence: float) -> None:
        """Raise a UsageError unless so many permutations can show something.

        Args:
            confidence: Confidence level of the result.
        """
        if not 0 < self.min_support <= 1:
            raise UsageError(
                f"--min-support {self.min_support}: expected a share above 0 and at most 1."
            )
        tests = N_CONFIRMED if self.confirm else 1
        # the smallest p-value is 1 / (permutations + 1), times the tests
        fewest = int(tests / (1 - confidence) + 1e-9)
        if self.permutations < fewest:
            raise UsageError(
                f"--permutations {self.permutations}: at --confidence {confidence:g} "
                f"{'and with --confirm ' if self.confirm else ''}no subgroup could be shown with "
                f"fewer than {fewest}; expected {max(999, 10 * fewest - 1)} or so."
            )
