"""The finder: whole pictures with labelled hands, the network that finds them, and what it learns by."""
