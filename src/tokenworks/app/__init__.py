"""The composition root: ``supervisor`` is the parent process, ``worker`` one data-plane process."""
