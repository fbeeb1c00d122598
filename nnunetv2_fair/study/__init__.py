"""Studies: methods x attributes x folds from one file, run by Snakemake on one machine or Slurm."""
