"""Hands as pictures: drawn over their photo, and as a figure that can be turned."""
