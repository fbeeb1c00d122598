"""transformers 5, and so all that is built on it, needs Python 3.11."""

import sys

collect_ignore_glob = ["test_*.py"] if sys.version_info < (3, 11) else []
