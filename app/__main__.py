"""``python -m app`` is ``mien``."""

from app.cli import main

if __name__ == "__main__":
    main()
