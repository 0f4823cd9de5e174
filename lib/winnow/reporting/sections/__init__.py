"""The sections of the page, each made of what one or two tables told."""
