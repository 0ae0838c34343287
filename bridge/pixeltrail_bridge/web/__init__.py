"""The page with the live pictures, and the API behind it."""
