"""The section of the page that shows where along the outlines errors lie."""
