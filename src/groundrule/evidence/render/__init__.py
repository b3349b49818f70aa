"""A dossier for people: words in their language, pages for screen and paper, a map, tables."""
