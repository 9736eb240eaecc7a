"""What keeps the machine that serves the page safe, tidy and answering."""
