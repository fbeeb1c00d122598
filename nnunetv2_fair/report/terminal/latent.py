"""What the models' bottlenecks encode about the groups, as the command prints it."""

from nnunetv2_fair.evaluation.findings import numbers
from nnunetv2_fair.evaluation.findings.sentences import shortened
from nnunetv2_fair.inspection.result import LatentResult
from nnunetv2_fair.report.of_comparison.latent import change_of_probe
from nnunetv2_fair.report.terminal.columns import aligned


def console_latent(result: LatentResult) -> str:
    """Return the result as aligned plain text."""
    blocks = []
    for attribute in result.attributes:
        header = ["", "linear probe", "change", "Davies-Bouldin", "silhouette"]
        rows = [header]
        for model, found in attribute.per_model.items():
            change, limits = change_of_probe(found)
            rows.append(
                [
                    shortened(model, 48),
                    f"{numbers.number(found.probe)} [{numbers.interval(found.probe_interval)}]",
                    f"{change} [{limits}]" if limits else change,
                    numbers.number(found.davies_bouldin),
                    numbers.number(found.silhouette),
                ]
            )
        lines = [
            f"Latent space by {shortened(attribute.attribute)}: {attribute.n_patients} patients, "
            f"{attribute.n_cases} cases; guessing gives {numbers.number(attribute.chance)}"
        ]
        lines += aligned(rows)
        lines += [
            f"  * {shortened(group)} is left out: {numbers.count(size, 'patient')}"
            for group, size in attribute.left_out.items()
        ]
        if attribute.n_unknown:
            lines.append(f"  * {numbers.count(attribute.n_unknown, 'case')} of unknown group")
        blocks.append("\n".join(lines))
    return numbers.ascii_only("\n\n".join(blocks))
