"""``python -m workflow`` is ``community-archives``."""

from workflow.cli import main

if __name__ == "__main__":
    main()
