"""What audits found: plain objects and their JSON. Imports the results of evaluations."""
