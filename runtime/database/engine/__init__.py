"""The engine's own tables: their DDL, and every query over them, one file for each subject."""
