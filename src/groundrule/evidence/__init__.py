"""What people get to see: maps of decisions, as a picture and as one offline page."""
