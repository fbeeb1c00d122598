"""Studies: methods x attributes x folds from one file, run by Snakemake on one machine or Slurm.

Data flows study_file -> plan -> run -> index; steps and records, which all need, are here.
"""
