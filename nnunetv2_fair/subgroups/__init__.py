"""Demographics: the only place that turns an attribute's value into a group."""
