"""What writes documents from the code. Not part of the package."""
