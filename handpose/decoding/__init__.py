"""Decoding photos in processes of their own, which end a file that takes too much time or memory."""
