"""An audit of labels, as the command prints it."""

from collections.abc import Collection, Sequence

from nnunetv2_fair.evaluation.findings import numbers
from nnunetv2_fair.evaluation.findings.sentences import clean
from nnunetv2_fair.evaluation.results.findings import Finding
from nnunetv2_fair.report.terminal.findings import wrapped


def audit_lines(findings: Sequence[Finding], kinds: Collection[str], attribute: str) -> str:
    """Return what an audit claims about one attribute, in lines of at most 98 columns.

    Args:
        findings: Of the audit.
        kinds: Its own kinds, in the order to tell.
        attribute: One of its attribute expressions.

    Returns:
        Everything that is shown or of which there are signs, and how many findings are neither.
    """
    ours = [f for f in findings if f.attribute == attribute and f.kind in kinds]
    ours.sort(key=lambda f: list(kinds).index(f.kind))
    claimed = [f for f in ours if f.claims]
    lines = [f"Labels by {clean(attribute)}"]
    for found in claimed:
        lines += wrapped(found.sentence)
    others = len(ours) - len(claimed)
    if others:
        lines += wrapped(f"{numbers.count(others, 'further finding')}: nothing shown.")
    return numbers.ascii_only("\n".join(lines))
