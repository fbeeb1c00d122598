"""Looking inside trained models: what their bottleneck knows about the groups."""
