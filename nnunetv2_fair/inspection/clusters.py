"""How far the groups are apart as clusters, and a picture's coordinates."""

import numpy as np
from sklearn.manifold import TSNE
from sklearn.metrics import davies_bouldin_score, silhouette_score
from sklearn.preprocessing import StandardScaler

_USUAL_PERPLEXITY = 30.0


def standardised(features: np.ndarray) -> np.ndarray:
    """Return features of mean 0 and variance 1; a constant feature becomes 0.

    Args:
        features: ``(n, C)``.
    """
    return np.asarray(StandardScaler().fit_transform(features))


def separation(features: np.ndarray, groups: np.ndarray) -> tuple[float, float]:
    """Return Davies-Bouldin index and mean silhouette of the groups as clusters.

    Args:
        features: ``(n, C)`` standardised features.
        groups: ``(n,)`` group indices; at least two groups and more cases than groups.

    Returns:
        Index from 0 (far apart) upwards; silhouette from -1 to 1 (far apart). Both NaN if all
        cases have the same features.

    Source: Davies and Bouldin, IEEE TPAMI 1979; Rousseeuw, J. Comput. Appl. Math. 1987.
    """
    if not np.ptp(features, axis=0).any():
        return float("nan"), float("nan")
    return (
        float(davies_bouldin_score(features, groups)),
        float(silhouette_score(features, groups)),
    )


def tsne(features: np.ndarray, seed: int) -> np.ndarray:
    """Return t-SNE coordinates.

    Args:
        features: ``(n, C)`` standardised features, n at least 3.
        seed: Seed of the optimisation.

    Returns:
        ``(n, 2)``; the same seed gives the same picture.

    Source: van der Maaten and Hinton, JMLR 2008.
    """
    n_cases, n_features = features.shape
    perplexity = min(_USUAL_PERPLEXITY, max(1.0, (n_cases - 1) / 3))
    start = "pca" if min(n_cases, n_features) >= 2 else "random"
    method = TSNE(perplexity=perplexity, init=start, random_state=seed)
    return np.asarray(method.fit_transform(features))
