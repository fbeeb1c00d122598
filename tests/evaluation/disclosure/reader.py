"""Somebody who reads a shareable result and tries to work out how few the small groups are.

Independent of the code that hides: it knows only the published files, and solves integer
programs over every combination of attributes that a person could have.
"""

import itertools
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, milp

FEWEST = 5
UNKNOWN = None


class Reader:
    """What a summary.json tells, as constraints on the numbers of people of every kind.

    Args:
        summary: Content of a ``summary.json``.
    """

    def __init__(self, summary: Mapping[str, Any]) -> None:
        self.summary = summary
        self.published: dict[tuple[str, str], Mapping[str, Any]] = {}
        self.left_out: dict[tuple[str, str], str] = {}
        self.overall: dict[str, Mapping[str, Any]] = {}
        for comparison in summary["comparisons"]:
            attribute = comparison["attribute"]
            for group, told in comparison["groups"].items():
                # whatever one metric tells is known, though another may hide it
                known = self.published.get((attribute, group))
                if known is None or known["n_patients"] is None:
                    self.published[attribute, group] = told
            for group, reason in comparison["left_out"].items():
                if comparison["label"] == summary["labels"][-1]:
                    self.left_out[attribute, group] = reason
            known = self.overall.get(attribute)
            if known is None or known["n_patients"] is None:
                self.overall[attribute] = comparison["overall"]
        attributes = dict.fromkeys(a for e, _ in self.published for a in e.split("+"))
        levels: dict[str, dict[Any, None]] = {a: {UNKNOWN: None} for a in attributes}
        for expression, group in self.published:
            parts = self._parts(expression, group)
            for attribute, level in zip(expression.split("+"), parts, strict=True):
                levels[attribute][level] = None
        self.profiles = [
            dict(zip(levels, combination, strict=True))
            for combination in itertools.product(*levels.values())
        ]

    def members(self, expression: str, group: str) -> np.ndarray:
        """Which profiles are in a group."""
        return np.array([self._group(p, expression) == group for p in self.profiles], float)

    def _parts(self, expression: str, group: str) -> tuple[str, ...]:
        return tuple(self.summary["group_parts"][expression][group])

    def _group(self, profile: Mapping[str, Any], expression: str) -> str | None:
        parts = tuple(profile[attribute] for attribute in expression.split("+"))
        if UNKNOWN in parts:
            return UNKNOWN
        found = [g for e, g in self.published if e == expression and self._parts(e, g) == parts]
        return found[0] if found else "nobody"

    def constraints(self) -> Iterator[LinearConstraint]:
        """Yield all that is known of (patients of every profile, cases of every profile)."""
        n = len(self.profiles)
        none, every = np.zeros(n), np.ones(n)
        totals = self.summary["settings"]
        yield LinearConstraint(np.r_[every, none], totals["patients"], totals["patients"])
        yield LinearConstraint(np.r_[none, every], totals["cases"], totals["cases"])
        for expression, told in self.overall.items():
            listed = {group for e, group in self.published if e == expression}
            inside = np.zeros(n)
            for group in listed:
                inside += self.members(expression, group)
            unlisted = np.array(
                [self._group(p, expression) not in {*listed, UNKNOWN} for p in self.profiles], float
            )
            yield LinearConstraint(np.r_[unlisted, unlisted], 0, 0)
            if told["n_patients"] is not None:
                yield LinearConstraint(np.r_[inside, none], told["n_patients"], told["n_patients"])
                yield LinearConstraint(np.r_[none, inside], told["n_cases"], told["n_cases"])
        for (expression, group), told in self.published.items():
            inside = self.members(expression, group)
            reason = self.left_out.get((expression, group), "")
            if told["n_patients"] is not None:
                yield LinearConstraint(np.r_[inside, none], told["n_patients"], told["n_patients"])
                yield LinearConstraint(np.r_[none, inside], told["n_cases"], told["n_cases"])
            elif reason.startswith("fewer than 5 patients"):
                yield LinearConstraint(np.r_[inside, none], 0, FEWEST - 1)
            elif not reason.startswith("hidden"):
                yield LinearConstraint(np.r_[inside, none], FEWEST, np.inf)
        # everybody has a case, and every case is somebody's
        yield LinearConstraint(np.hstack([-np.eye(n), np.eye(n)]), 0, np.inf)
        yield LinearConstraint(np.hstack([totals["cases"] * np.eye(n), -np.eye(n)]), 0, np.inf)

    def possible(self, expression: str, group: str) -> tuple[float, float, float, float]:
        """Return the fewest and most patients, fewest and most cases, of a group.

        HiGHS's presolve takes some of these programs to a wrong optimum and calls it optimal, so
        each is solved without it too, and the range spans only what whole numbers show that agree
        with all that is known.
        """
        inside, none = self.members(expression, group), np.zeros(len(self.profiles))
        constraints = list(self.constraints())
        found = []
        for target in (np.r_[inside, none], np.r_[none, inside]):
            for sign in (1, -1):
                shown = [
                    sign * round(target @ numbers)
                    for presolve in (False, True)
                    if (numbers := self._solved(sign * target, constraints, presolve)) is not None
                ]
                assert shown  # the truth is possible
                found.append(sign * min(shown))
        return found[0], found[1], found[2], found[3]

    @staticmethod
    def _solved(
        target: np.ndarray, constraints: list[LinearConstraint], presolve: bool
    ) -> np.ndarray | None:
        """Return whole numbers that keep all constraints with a small target, if any are found."""
        solved = milp(
            target, constraints=constraints, integrality=np.ones(len(target)),
            bounds=Bounds(0, np.inf), options={"presolve": presolve},
        )  # fmt: skip
        if solved.x is None:
            return None
        numbers = np.round(solved.x)
        kept = [(c.lb <= c.A @ numbers) & (c.A @ numbers <= c.ub) for c in constraints]
        return numbers if (numbers >= 0).all() and all(np.all(k) for k in kept) else None

    def sum_can_be_told(self, metric: str, label: str, expression: str, group: str) -> bool:
        """Return whether the sum of a metric over a group follows from means and counts."""
        rows = [np.ones(len(self.profiles))]
        for comparison in self.summary["comparisons"]:
            if (comparison["metric"], comparison["label"]) != (metric, label):
                continue
            for name, told in comparison["groups"].items():
                if told["mean"] != "nan":
                    rows.append(self.members(comparison["attribute"], name))
            if comparison["overall"]["mean"] != "nan":
                rows.append(sum(self.members(comparison["attribute"], g)
                                for g in comparison["groups"]))  # fmt: skip
        never = np.ones(len(self.profiles), bool)
        for expression_, told in self.overall.items():
            if told["n_patients"] == self.summary["settings"]["patients"]:
                unknown = [self._group(p, expression_) is UNKNOWN for p in self.profiles]
                never &= ~np.array(unknown)
        wanted = self.members(expression, group)
        known = np.array(rows)[:, never]
        solved, *_ = np.linalg.lstsq(known.T, wanted[never], rcond=None)
        return bool(np.allclose(known.T @ solved, wanted[never], atol=1e-8))
