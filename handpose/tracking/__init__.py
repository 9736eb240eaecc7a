"""One hand over time: its track and its smoothing, for `handpose.tracker`."""
