"""Drawing on frames: boxes, labels, bars. No Qt."""
