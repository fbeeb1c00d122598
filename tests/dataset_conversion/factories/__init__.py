"""Small copies of original downloads, to try the converters on."""
