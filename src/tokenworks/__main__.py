"""``python -m tokenworks`` is the ``tokenworks`` command."""

from tokenworks.cli import main

if __name__ == "__main__":
    main()
