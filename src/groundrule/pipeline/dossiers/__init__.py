"""From a home to a dossier: gather what bears on a subject, say it statement by statement, and what each rests on."""
