"""liebench measures what the layers below an application promise against what they deliver."""

__version__ = "0.1.0"
