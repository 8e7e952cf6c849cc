"""What a run needs and no reader of an algorithm wants to see."""
