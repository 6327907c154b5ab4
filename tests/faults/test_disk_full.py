"""Row 21: the broker's disk is full. A small disk of its own is mounted for it, as root."""
