"""One module per command: arguments in, messages out; the work is done by functions below.

Each has ``main(argv) -> int`` that tests call in-process. Nothing imports a command.
"""
