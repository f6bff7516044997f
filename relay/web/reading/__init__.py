"""What the pages show, read from the database: rows in, small facts out. Nothing here writes."""
