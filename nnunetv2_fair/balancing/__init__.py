"""Training cases balanced over groups within strata of difficulty: how often folds list them.

May import `dataset_conversion.shared`, `.twins` and `.writing`, `evaluation.difficulty`,
`evaluation.confounding.strata`, `report.drawing`, `sampling`, `subgroups`, `tables`.
"""
