"""One FastAPI router per noun. Each is a factory that takes what its routes need."""
