"""Reports of rehearsals: a table for people, JSON for programs, JUnit XML for continuous integration."""
