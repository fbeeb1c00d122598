"""The statistical works that methods cite, as they stand in a list of references.

Those of metrics are in their registry.
"""

from collections.abc import Mapping

from nnunetv2_fair.report.paper.words import Cite

_WORKS: Mapping[str, str] = {
    "mann_whitney": "Mann HB, Whitney DR. On a test of whether one of two random variables is "
    "stochastically larger than the other. Annals of Mathematical Statistics 1947;18:50-60.",
    "kruskal": "Kruskal WH, Wallis WA. Use of ranks in one-criterion variance analysis. Journal "
    "of the American Statistical Association 1952;47:583-621.",
    "wilcoxon": "Wilcoxon F. Individual comparisons by ranking methods. Biometrics Bulletin "
    "1945;1:80-83.",
    "aligned": "Hodges JL, Lehmann EL. Rank methods for combination of independent experiments in "
    "analysis of variance. Annals of Mathematical Statistics 1962;33:482-497.",
    "clustered": "Datta S, Satten GA. Rank-sum tests for clustered data. Journal of the American "
    "Statistical Association 2005;100:908-915.",
    "holm": "Holm S. A simple sequentially rejective multiple test procedure. Scandinavian "
    "Journal of Statistics 1979;6:65-70.",
    "permutation": "Phipson B, Smyth GK. Permutation p-values should never be zero: calculating "
    "exact p-values when permutations are randomly drawn. Statistical Applications in Genetics "
    "and Molecular Biology 2010;9:39.",
    "bootstrap": "Hesterberg TC. What teachers should know about the bootstrap: resampling in the "
    "undergraduate statistics curriculum. The American Statistician 2015;69:371-386.",
    "dominance": "Cliff N. Dominance statistics: ordinal analyses to answer ordinal questions. "
    "Psychological Bulletin 1993;114:494-509.",
    "dominance_interval": "Newcombe RG. Confidence intervals for an effect size measure based on "
    "the Mann-Whitney statistic. Part 2: asymptotic methods and evaluation. Statistics in "
    "Medicine 2006;25:559-573.",
    "wilson": "Wilson EB. Probable inference, the law of succession, and statistical inference. "
    "Journal of the American Statistical Association 1927;22:209-212.",
    "newcombe": "Newcombe RG. Interval estimation for the difference between independent "
    "proportions: comparison of eleven methods. Statistics in Medicine 1998;17:873-890.",
    "boschloo": "Boschloo RD. Raised conditional level of significance for the 2 x 2-table when "
    "testing the equality of two probabilities. Statistica Neerlandica 1970;24:1-9.",
    "freeman_halton": "Freeman GH, Halton JH. Note on an exact treatment of contingency, goodness "
    "of fit and other problems of significance. Biometrika 1951;38:141-149.",
    "tost": "Schuirmann DJ. A comparison of the two one-sided tests procedure and the power "
    "approach for assessing the equivalence of average bioavailability. Journal of "
    "Pharmacokinetics and Biopharmaceutics 1987;15:657-680.",
    "overlap_weights": "Li F, Morgan KL, Zaslavsky AM. Balancing covariates via propensity score "
    "weighting. Journal of the American Statistical Association 2018;113:390-400.",
    "van_elteren": "van Elteren PH. On the combination of independent two sample tests of "
    "Wilcoxon. Bulletin of the International Statistical Institute 1960;37:351-361.",
    "max_t": "Westfall PH, Young SS. Resampling-based multiple testing. New York: Wiley, 1993.",
    "divergence": "Pastor E, de Alfaro L, Baralis E. Looking for trouble: analyzing classifier "
    "behavior via pattern divergence. Proceedings of SIGMOD 2021.",
    "folds": "Nadeau C, Bengio Y. Inference for the generalization error. Machine Learning "
    "2003;52:239-281.",
}

_OF_TESTS: Mapping[str, str] = {
    "Mann-Whitney U": "mann_whitney",
    "Kruskal-Wallis": "kruskal",
    "Wilcoxon signed-rank": "wilcoxon",
    "Stratified rank permutation": "aligned",
    "Clustered rank-sum": "clustered",
    "Clustered Kruskal-Wallis": "clustered",
    "Boschloo": "boschloo",
    "Fisher-Freeman-Halton": "freeman_halton",
}


def cite(key: str) -> Cite:
    """Return a work where it is cited."""
    return Cite(_WORKS[key])


def of_test(name: str) -> list[Cite]:
    """Return the work that describes a test; empty for Fisher's, which needs none."""
    return [cite(key) for start, key in _OF_TESTS.items() if name.startswith(start)][:1]
