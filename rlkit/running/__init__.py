"""What a run needs, and a reader of the algorithms does not."""
