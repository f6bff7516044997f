"""What the relay keeps: the schema, the database, and one module of SQL per aggregate."""
