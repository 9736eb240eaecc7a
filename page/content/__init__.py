"""What the page shows and gives of a result: HTML, words, files, colours."""
