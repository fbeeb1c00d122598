"""``python -m nnunetv2_fair.study.diagnosis FOLDER``: what is said of the causes of a gap."""

import sys

from nnunetv2_fair.study.diagnosis.write import main

if __name__ == "__main__":
    sys.exit(main())
