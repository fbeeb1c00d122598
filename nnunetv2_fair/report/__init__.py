"""From results to pages written for people: `html` is shared, one room per kind of page."""
