"""The authors' numbers, from the comment in their code: race, 8,000 in all."""

import numpy as np

from nnunetv2_fair.synthesis.equal_scale.amounts import amounts, target_of


def test_numbers_of_the_authors():
    # shares of White, Black and Asian that give their 1,521, 295 and 184 of 2,000
    present = {"White": 6084, "Black": 1180, "Asian": 736}
    real = {group: [f"{group}{i}" for i in range(n)] for group, n in present.items()}
    made = {group: [f"s{group}{i}" for i in range(2500)] for group in real}
    found = amounts(target_of("total=8000"), real, made, subsample=False, as_published=True, seed=0)
    assert [a.drawn for a in found] == [1521, 295, 184]
    assert [len(a.synthetic) for a in found] == [1145, 2372, 2483]
    assert [len(set(a.synthetic)) for a in found] == [1145, 2372, 2483]
    assert max(np.fromiter(found[0].real.values(), int)) > 1
