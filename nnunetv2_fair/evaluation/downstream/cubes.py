"""The surface of a mask within eight neighbouring voxels: marching cubes as pyradiomics has them.

Every cube of 2 x 2 x 2 voxel centres is one of 256 cases. The surface crosses its edges half-way
between a voxel inside and one outside; the crossings of an edge's two faces are joined to loops,
and loops are divided into triangles from one of their points.

Source: Lorensen and Cline, Marching cubes, 1987. Where a face has two voxels inside at opposite
corners, and from which point a loop that is not flat is divided, is as in pyradiomics 3.0.1 (van
Griethuysen et al. 2017), found by comparing the areas of all 256 cases.
"""

import math
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import pairwise

import numpy as np

#: An edge of the cube: two corners; a corner is the number with the binary digits z, y, x.
_Edge = tuple[int, int]

_CORNERS = np.array([(c >> 2 & 1, c >> 1 & 1, c & 1) for c in range(8)], dtype=float)
#: Corners of each face, in a ring.
_FACES = (
    (0, 1, 3, 2), (4, 5, 7, 6), (0, 1, 5, 4), (2, 3, 7, 6), (0, 2, 6, 4), (1, 3, 7, 5),
)  # fmt: skip
#: Cases with a loop that is not flat, and the edge whose point divides it.
_DIVIDED = (
    "7:15 11:04 13:04 14:15 19:13 21:23 27:23 29:13 30:15 31:15 35:02 39:23 42:23 45:04 46:02 "
    "47:04 49:02 50:13 53:15 54:13 55:13 57:02 58:04 59:02 61:01 62:01 135:15 138:01 139:02 "
    "140:02 141:01 143:15 147:13 149:23 154:01 155:15 156:02 157:26 159:15 162:01 163:04 166:01 "
    "167:13 168:23 169:23 171:23 172:15 173:13 174:01 176:04 177:01 179:13 180:04 181:46 183:13 "
    "184:13 185:15 186:01 188:67 190:01"
)
_APEX = {
    int(case): (int(ends[0]), int(ends[1]))
    for case, ends in (entry.split(":") for entry in _DIVIDED.split())
}
#: Cases with this corner inside have the surface of the case in which inside and outside change.
_TURNED = 6


def cube_counts(mask: np.ndarray) -> np.ndarray:
    """Return how often each of the 256 cases occurs in and around a mask of three dimensions."""
    # pairs of voxels along x, pairs of these along y, and of those along z
    voxels = np.pad(mask, 1).astype(np.uint8)
    pairs = voxels[:, :, :-1] | voxels[:, :, 1:] << 1
    fours = pairs[:, :-1] | pairs[:, 1:] << 2
    cases = fours[:-1] | fours[1:] << 4
    return np.bincount(cases.ravel(), minlength=256)


def cube_areas(spacing: Sequence[float]) -> np.ndarray:
    """Return the area of the surface in each of the 256 cases.

    Args:
        spacing: Distance of voxel centres along z, y and x.
    """
    cases, corners = _triangles()
    sides = np.diff(corners * np.asarray(spacing, dtype=float), axis=1)
    areas = np.linalg.norm(np.cross(sides[:, 0], sides[:, 1]), axis=1) / 2
    return np.bincount(cases, areas, minlength=256)


@lru_cache(maxsize=1)
def _triangles() -> tuple[np.ndarray, np.ndarray]:
    """Return the case of every triangle, (n,), and its corners, (n, 3, 3)."""
    cases, corners = [], []
    for case in range(1, 255):
        as_case = 255 - case if case >> _TURNED & 1 else case
        for loop in _loops(as_case):
            start = loop.index(_APEX[as_case]) if _APEX.get(as_case) in loop else 0
            points = [_CORNERS[list(edge)].mean(axis=0) for edge in (*loop[start:], *loop[:start])]
            for second, third in pairwise(points[1:]):
                cases.append(case)
                corners.append((points[0], second, third))
    return np.array(cases), np.array(corners)


def _loops(case: int) -> Iterator[list[_Edge]]:
    """Yield the loops in which the surface of a case crosses the edges of the cube."""
    inside = [bool(case >> corner & 1) for corner in range(8)]
    neighbours: dict[_Edge, list[_Edge]] = {}
    for face in _FACES:
        for first, second in _crossed(face, inside):
            neighbours.setdefault(first, []).append(second)
            neighbours.setdefault(second, []).append(first)
    left = set(neighbours)
    while left:
        loop = [min(left)]
        while loop[-1] in left:
            left.remove(loop[-1])
            loop += [edge for edge in neighbours[loop[-1]] if edge in left][:1]
        yield loop


def _crossed(face: Sequence[int], inside: Sequence[bool]) -> Iterator[tuple[_Edge, _Edge]]:
    """Yield the edges that the surface joins across a face; two corners inside stay apart."""
    ring = [face[i - 1 : i + 1] if i else (face[-1], face[0]) for i in range(4)]
    edges: list[_Edge] = [(min(a, b), max(a, b)) for a, b in ring]
    crossed = [edge for edge in edges if inside[edge[0]] != inside[edge[1]]]
    if len(crossed) == 2:
        yield crossed[0], crossed[1]
    elif crossed:
        for i in range(4):
            if inside[face[i]]:
                yield edges[i], edges[(i + 1) % 4]


def surface_area(mask: np.ndarray, spacing: Sequence[float]) -> float:
    """Return the area of the triangle mesh around a mask, as pyradiomics' ``SurfaceArea``.

    Args:
        mask: Boolean mask of three dimensions.
        spacing: Distance of voxel centres along each axis.

    Returns:
        The area in the unit of the spacing, squared; 0 for an empty mask.
    """
    return math.fsum(cube_counts(mask) * cube_areas(spacing))
