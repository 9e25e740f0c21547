"""The cascade of stages that decides one neighborhood, and what it remembers."""
