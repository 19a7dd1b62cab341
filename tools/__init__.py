"""What a developer runs beside the shipped code; nothing in here is deployed."""
