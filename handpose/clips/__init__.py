"""Video files: reading, following the hands through them, writing."""
