"""of_comparison."""
