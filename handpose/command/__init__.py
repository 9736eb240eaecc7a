"""The command line: photos and clips in, files out, many at once."""
