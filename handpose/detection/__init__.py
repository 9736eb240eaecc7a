"""Where the hands are: MediaPipe's palm detector and landmark model."""
