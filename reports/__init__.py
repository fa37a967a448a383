"""Templates of the report, installed as ``liebench.reports``."""
