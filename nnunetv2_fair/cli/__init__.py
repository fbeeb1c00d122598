"""One module per command; each has ``main(argv) -> int`` that tests call in-process."""
