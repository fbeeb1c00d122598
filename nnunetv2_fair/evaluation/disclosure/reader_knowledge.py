"""What readers of published counts know, and what could still be true given that knowledge.

A solver's claims are not trusted: something could be true if there are whole numbers of patients
and cases, found by a solver and checked here one equation after the other, that show it.

Source: Fischetti and Salazar (2001), Solving the cell suppression problem on tabular data with
linear constraints, Management Science 47(7).
"""

from dataclasses import dataclass

import numpy as np
from scipy import sparse
from scipy.optimize import Bounds, LinearConstraint, linprog, milp

_TOLERANCE = 1e-6

# enough branchings to find whole numbers in practice; a time limit would make results differ
_MOST_NODES = 200


@dataclass(frozen=True)
class Knowledge:
    """Equations and inequalities on the numbers of patients, then of cases, of every profile.

    In addition, all numbers are whole and not negative, nobody is a patient without a case, and no
    case is without a patient.

    Attributes:
        equal: Coefficients of the equations, (n equations, 2 * n profiles).
        equal_to: Their right-hand sides.
        at_most: Coefficients of the inequalities, (n inequalities, 2 * n profiles).
        limits: The left-hand sides are at most these.
        never: Profiles that nobody has, (n profiles,).
    """

    equal: np.ndarray
    equal_to: np.ndarray
    at_most: np.ndarray
    limits: np.ndarray
    never: np.ndarray

    def allows(self, target: np.ndarray, limit: float) -> bool:
        """Return whether ``target @ numbers <= limit`` could be true given all that is known.

        If no numbers that show it are found, the answer is no: that hides more, never less.

        Args:
            target: Coefficients, (2 * n profiles,).
            limit: A whole number.
        """
        most = np.where(np.tile(self.never, 2), 0, np.inf)
        n = len(self.never)
        patients_have_cases = sparse.hstack([sparse.identity(n), -sparse.identity(n)])
        rows = sparse.vstack([patients_have_cases, sparse.csr_matrix(self.at_most)])
        limits = np.r_[np.zeros(n), self.limits]
        equal = sparse.csr_matrix(self.equal)
        bounds = np.stack([np.zeros(2 * n), most], axis=1)
        found = linprog(target, rows, limits, equal, self.equal_to, bounds)
        if found.x is None or found.fun > limit + _TOLERANCE:
            return False
        if self._shows(found.x, target, limit):
            return True
        n_cases = self.equal_to.max()
        cases_have_patients = sparse.hstack([-n_cases * sparse.identity(n), sparse.identity(n)])
        found = milp(
            np.zeros(2 * n),
            integrality=np.ones(2 * n),
            bounds=Bounds(np.zeros(2 * n), most),
            constraints=[
                LinearConstraint(equal, self.equal_to, self.equal_to),
                LinearConstraint(rows, -np.inf, limits),
                LinearConstraint(cases_have_patients, -np.inf, 0),
                LinearConstraint(target, -np.inf, limit),
            ],
            # HiGHS 1.12 (SciPy 1.17) presolves some of these to a wrong optimum
            options={"presolve": False, "node_limit": _MOST_NODES},
        )
        return found.x is not None and self._shows(found.x, target, limit)

    def _shows(self, found: np.ndarray, target: np.ndarray, limit: float) -> bool:
        """Return whether a solver's numbers are whole, agree with all, and reach the limit."""
        numbers = np.round(found)
        patients, cases = np.split(numbers, 2)
        return bool(
            np.abs(found - numbers).max() <= _TOLERANCE
            and (numbers >= 0).all()
            and not numbers[np.tile(self.never, 2)].any()
            and (self.equal @ numbers == self.equal_to).all()
            and (self.at_most @ numbers <= self.limits).all()
            and (patients <= cases).all()
            and not cases[patients == 0].any()
            and target @ numbers <= limit
        )
