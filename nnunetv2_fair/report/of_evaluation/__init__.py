"""of_evaluation."""
