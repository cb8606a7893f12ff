"""What a study found, for people: pictures, one page that opens offline, and tables for other tools. All simulated."""
